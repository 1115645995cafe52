//! A realm with a daemon in it, and how a test comes to see them: the library reads the
//! environment of its process, so the client's half of a test runs as a process of its own.

use std::net::SocketAddr;
use std::process::Command;

use super::daemon_program::{Daemon, Place, certificate};
use super::realm::Realm;

/// Tells the client's half where the server is.
const ADDRESS: &str = "MAILROOST_TEST_ADDRESS";

/// What is played with.
pub struct Stage {
    pub realm: Realm,
    pub place: Place,
    pub daemon: Daemon,
}

/// How the daemon is set up.
#[derive(Clone, Copy)]
pub struct Setup {
    /// Services on localhost whose keys are in the keytab.
    pub services: &'static [&'static str],
    /// Further lines of `[auth]`.
    pub auth: &'static str,
    /// How far the daemon's clock is off, as `faketime` has it.
    pub clock: Option<&'static str>,
    /// What is in ann's maildrop.
    pub message: &'static [u8],
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            services: &["pop"],
            auth: "",
            clock: None,
            message: b"Subject: one\r\n\r\nbody\r\n",
        }
    }
}

impl Stage {
    /// A realm whose user `ann` has a ticket and a maildrop; `bob` has a maildrop.
    pub fn new(setup: Setup) -> Self {
        let realm = Realm::start();
        realm.keytab("krb5.keytab", setup.services);
        realm.log_on("ann");
        let mut place = Place::new();
        let (certificate, key) = certificate(&place.path(""), "localhost");
        let keytab = realm.keytab("krb5.keytab", &[]);
        place.configure(&settings(&certificate, &key, &keytab, setup.auth));
        for user in ["ann", "bob"] {
            place.add_user(user);
        }
        place
            .run(&["mail", "deliver", "ann"], setup.message)
            .octets();
        let mut environment = realm.environment();
        if let Some(clock) = setup.clock {
            environment.extend(off_by(clock));
        }
        place.set_environment(environment);
        let daemon = place.daemon();
        Self {
            realm,
            place,
            daemon,
        }
    }
}

fn settings(
    certificate: &std::path::Path,
    key: &std::path::Path,
    keytab: &std::path::Path,
    auth: &str,
) -> String {
    format!(
        "[server]\nstore = \"store\"\n[[listener]]\naddress = \"127.0.0.1\"\nport = 0\n\
         [tls]\ncertificate = {certificate:?}\nkey = {key:?}\n\
         [protocol]\nlogin_type = \"plain_text_login\"\nmax_auth_failures = 100\n\
         exact_rfc822_size = true\n\
         [auth]\nmechanisms = [\"GSSAPI\", \"PLAIN\"]\nargon2_memory = 7168\n\
         argon2_passes = 1\n{auth}\n\
         [auth.gssapi]\nkeytab = {keytab:?}\n"
    )
}

/// The environment of a process whose clock is off; time that only counts on is right.
fn off_by(clock: &str) -> Vec<(String, String)> {
    let libraries = ["x86_64", "aarch64"]
        .map(|machine| format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1"));
    let library = libraries
        .into_iter()
        .find(|path| std::path::Path::new(path).exists());
    let library = library.expect("libfaketime is missing; install the Debian package faketime");
    [
        ("LD_PRELOAD", library),
        ("FAKETIME", clock.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// In the test itself: sets the stage, runs the test of this name once more as a process that
/// sees the realm, looks at its end with `after`, and gives `None`. In that process: where the
/// server is.
pub fn enter(test: &str, setup: Setup, after: impl FnOnce(&Stage)) -> Option<SocketAddr> {
    if let Ok(address) = std::env::var(ADDRESS) {
        return Some(address.parse().unwrap());
    }
    let stage = Stage::new(setup);
    let client = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .envs(stage.realm.environment())
        .env(ADDRESS, stage.daemon.addresses[0].to_string())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&client.stdout);
    let stderr = String::from_utf8_lossy(&client.stderr);
    let text = format!("{stdout}\n{stderr}");
    assert!(client.status.success(), "{text}");
    assert!(text.contains("1 passed"), "no such test: {text}");
    after(&stage);
    None
}
