//! The server that is attacked, and what is to be seen of it from outside.

use std::fs;

use crate::daemon_program::{Daemon, Place, certificate};
use crate::wire::Wire;

/// What a log-on is answered with that succeeds, and one that fails.
pub const WELCOME: &str = "+OK User successfully logged on.";
pub const REFUSED: &str = "-ERR Logon failure: unknown user name or bad password.";

/// AUTH PLAIN of ann with the right password, which is `secret`.
pub const ANN: &str = "AGFubgBzZWNyZXQ=";

/// A daemon with a socket for STLS, one for implicit TLS, one for LMTP, and the user ann.
pub struct Target {
    pub place: Place,
    pub daemon: Daemon,
}

/// Lines for `[protocol]` and `[auth]`, and further sections.
#[derive(Default)]
pub struct More<'a> {
    pub protocol: &'a str,
    pub auth: &'a str,
    pub sections: &'a str,
    pub tls: &'a str,
}

impl Target {
    /// Passwords are taken outside TLS, too.
    pub fn new() -> Self {
        Self::with(More::default())
    }

    pub fn with(more: More<'_>) -> Self {
        let place = place(more);
        place.add_user("ann");
        Self::start(place)
    }

    pub fn start(place: Place) -> Self {
        let daemon = place.daemon();
        Self { place, daemon }
    }

    /// A plain connection, greeting taken.
    pub fn wire(&self) -> Wire {
        let mut wire = Wire::connect(self.daemon.addresses[0]);
        assert!(wire.line().starts_with("+OK"));
        wire
    }

    /// One inside TLS, greeting taken.
    pub fn tls_wire(&self) -> Wire {
        let wire = Wire::connect(self.daemon.addresses[1]);
        let mut wire = wire.into_tls("localhost").unwrap();
        assert!(wire.line().starts_with("+OK"));
        wire
    }

    /// A connection to LMTP, greeting taken.
    pub fn lmtp(&self) -> Wire {
        let mut wire = Wire::connect(self.daemon.lmtp[0].parse().unwrap());
        assert!(wire.line().starts_with("220"));
        wire
    }

    /// Logged on as ann.
    pub fn session(&self) -> Wire {
        let mut wire = self.wire();
        assert_eq!(wire.ask("USER ann"), "+OK");
        assert_eq!(wire.ask("PASS secret"), WELCOME);
        wire
    }

    pub fn deliver(&self, message: impl AsRef<[u8]>) {
        let run = self.place.run(&["mail", "deliver", "ann"], message);
        run.octets();
    }

    /// Somebody who does nothing wrong is served.
    #[track_caller]
    pub fn assert_serves(&self) {
        let mut session = self.session();
        assert!(session.ask("STAT").starts_with("+OK"));
        assert!(session.ask("QUIT").starts_with("+OK"));
    }

    /// KiB of memory, as `VmRSS` and `VmHWM` of the system have them.
    pub fn memory(&self, which: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.daemon.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(which)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// From now on `VmHWM` counts from what is there now.
    pub fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.daemon.pid()), "5").unwrap();
    }
}

pub fn place(more: More<'_>) -> Place {
    let place = Place::new();
    certificate(&place.path(""), "localhost");
    let login = match more.protocol.contains("login_type") {
        true => "",
        false => "login_type = \"plain_text_login\"\n",
    };
    place.configure(&format!(
        "[server]\nstore = \"store\"\n\
         [[listener]]\naddress = \"127.0.0.1\"\nport = 0\n\
         [[listener]]\naddress = \"127.0.0.1\"\nport = 0\nsecurity = \"implicit_tls\"\n\
         [tls]\ncertificate = \"localhost.pem\"\nkey = \"localhost-key.pem\"\n{}\
         [[lmtp.listener]]\naddress = \"127.0.0.1\"\nport = 0\n\
         [log]\nform = \"json\"\nlevel = \"debug\"\n\
         [protocol]\n{login}{}\n\
         [auth]\nargon2_memory = 7168\nargon2_passes = 1\n{}\n{}\n",
        more.tls, more.protocol, more.auth, more.sections
    ));
    place
}
