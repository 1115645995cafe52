//! NTLM with real clients: curl, one of Windows' shape through gss-ntlmssp, fetchmail and mpop;
//! with the server's own NT hashes, and with Samba's ntlm_auth; and what nmap gets to see.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

#[path = "real_clients/child.rs"]
mod child;
mod daemon_program;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use child::{Ended, program, run};
use daemon_program::{Daemon, Place, certificate};

/// What curl ends with when it was refused: CURLE_LOGIN_DENIED.
const DENIED: Option<i32> = Some(67);

/// A server of ann, whose NT hash is kept, and bob, who has a password alone. The first socket
/// is plain, the second has TLS.
struct Bench {
    place: Place,
    daemon: Daemon,
}

impl Bench {
    fn new(auth: &str, ntlm: &str) -> Self {
        let place = Place::new();
        certificate(&place.path(""), "localhost");
        place.configure(&format!(
            "server.store = \"store\"\nprotocol.login_type = \"plain_text_login\"\n\
             [[listener]]\naddress = \"127.0.0.1\"\nport = 0\n\
             [[listener]]\naddress = \"127.0.0.1\"\nport = 0\nsecurity = \"implicit_tls\"\n\
             [tls]\ncertificate = \"localhost.pem\"\nkey = \"localhost-key.pem\"\n\
             [log]\nform = \"json\"\nlevel = \"debug\"\n\
             [auth]\nmechanisms = [\"NTLM\", \"PLAIN\"]\n{auth}\n\
             [auth.ntlm]\nkey_file = \"keys/ntlm\"\n{ntlm}\n"
        ));
        let add = ["user", "add", "ann", "--password-stdin", "--nt-hash"];
        place.run(&add, "secret\n").octets();
        place.add_user("bob");
        let daemon = place.daemon();
        place
            .run(&["mail", "deliver", "ann"], "Subject: here\n\nit is\n")
            .octets();
        Self { place, daemon }
    }

    fn curl(&self, user: &str, tls: bool) -> Ended {
        let mut curl = program("curl", "curl", &self.place.path(""));
        curl.args(["--silent", "--show-error", "--max-time", "50"]);
        curl.args(["--user", user, "--login-options", "AUTH=NTLM"]);
        curl.arg("--cacert").arg(self.place.path("localhost.pem"));
        let address = self.daemon.addresses[usize::from(tls)];
        let scheme = if tls { "pop3s" } else { "pop3" };
        curl.arg("--resolve");
        curl.arg(format!("localhost:{}:127.0.0.1", address.port()));
        curl.arg(format!("{scheme}://localhost:{}/1", address.port()));
        run(curl)
    }

    /// Logs on with gss-ntlmssp. `binding` is that of the channel, another one, or none; gives
    /// the flags and whether there was a MIC, and how it ended.
    fn windows(&self, password: &str, tls: bool, binding: &str) -> String {
        let folder = self.place.path("");
        let users = self.place.file("users", format!("CORP:ann:{password}\n"));
        let mut python = program("python3", "python3-gssapi gss-ntlmssp", &folder);
        // The module is Debian's, and so has to be the interpreter.
        if std::path::Path::new("/usr/bin/python3").exists() {
            python = with_environment_of(&python, "/usr/bin/python3");
        }
        python.env("NTLM_USER_FILE", users);
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/ntlm_clients/gss_ntlmssp.py"
        );
        let port = self.daemon.addresses[usize::from(tls)].port();
        let how = if tls { "tls" } else { "plain" };
        python.args([script, &port.to_string(), how, binding]);
        String::from_utf8(run(python).success()).unwrap()
    }

    fn fetchmail(&self) -> (Ended, Vec<u8>) {
        let port = self.daemon.addresses[0].port();
        let out = self.place.path("fetched");
        let rc = self.place.file(
            "fetchmailrc",
            format!(
                "poll 127.0.0.1 protocol pop3 port {port} auth ntlm no uidl\n  username \"ann\" \
                 password \"secret\" sslproto '' fetchall keep mda \"cat > {}\"\n",
                out.display()
            ),
        );
        std::fs::set_permissions(&rc, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut fetchmail = program("fetchmail", "fetchmail", &self.place.path(""));
        fetchmail.args(["--fetchmailrc", &rc, "--nosyslog", "-v"]);
        fetchmail.env("FETCHMAILHOME", self.place.path(""));
        let ended = run(fetchmail);
        (ended, std::fs::read(out).unwrap_or_default())
    }

    fn mpop(&self) -> (Ended, Vec<u8>) {
        let port = self.daemon.addresses[0].port();
        let out = self.place.path("popped");
        let rc = self.place.file(
            "mpoprc",
            format!(
                "account default\nhost 127.0.0.1\nport {port}\ntls off\nauth ntlm\nuser ann\n\
                 password secret\nkeep on\ndelivery mbox {}\nuidls_file {}\n",
                out.display(),
                self.place.path("uidls").display()
            ),
        );
        std::fs::set_permissions(&rc, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut mpop = program("mpop", "mpop", &self.place.path(""));
        mpop.args(["-d", "-C", &rc]);
        let ended = run(mpop);
        (ended, std::fs::read(out).unwrap_or_default())
    }

    /// What `pop3-ntlm-info` shows.
    fn nmap(&self) -> String {
        let mut nmap = program("nmap", "nmap", &self.place.path(""));
        let port = self.daemon.addresses[0].port().to_string();
        nmap.args(["-Pn", "-sT", "-p", &port, "--script", "+pop3-ntlm-info"]);
        nmap.arg("127.0.0.1");
        String::from_utf8(run(nmap).success()).unwrap()
    }
}

fn with_environment_of(command: &Command, program: &str) -> Command {
    let mut other = Command::new(program);
    other.env_clear();
    for (key, value) in command.get_envs() {
        other.env(key, value.unwrap_or_default());
    }
    other.current_dir(command.get_current_dir().unwrap());
    other
}

fn assert_is_the_message(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    assert!(text.contains("Subject: here"), "{text}");
}

#[test]
fn curl_logs_on_with_ntlm_and_prefers_it() {
    let bench = Bench::new("", "netbios_domain = \"CORP\"");
    for tls in [false, true] {
        for user in ["ann:secret", "CORP\\ann:secret", "ANN:secret"] {
            assert_is_the_message(&bench.curl(user, tls).success());
        }
        for user in [
            "ann:guess",
            "bob:secret",
            "nobody:secret",
            "OTHER\\ann:secret",
        ] {
            assert_eq!(bench.curl(user, tls).status.code(), DENIED, "{user}");
        }
    }
    // Without being told: NTLM comes before PLAIN, so that bob, of whom no NT hash is kept,
    // cannot log on with curl where NTLM is offered.
    let mut curl = program("curl", "curl", &bench.place.path(""));
    let address = bench.daemon.addresses[0];
    curl.args([
        "--silent",
        "--user",
        "bob:secret",
        &format!("pop3://{address}/"),
    ]);
    assert_eq!(run(curl).status.code(), DENIED);
    let refused = bench.daemon.log_of("log-on failed");
    assert_eq!(refused["how"], "NTLM");
}

#[test]
fn a_client_of_windows_shape_logs_on_with_mic_and_channel_binding() {
    let bench = Bench::new("", "netbios_domain = \"CORP\"");
    for (tls, binding, let_in) in [
        (false, "none", true),
        (true, "none", true),
        (true, "right", true),
        (true, "wrong", false),
        (false, "wrong", false),
    ] {
        let said = bench.windows("secret", tls, binding);
        assert!(said.contains("MIC sent"), "{said}");
        assert!(said.contains("128 bits, keys exchanged"), "{said}");
        assert_eq!(said.contains("+OK"), let_in, "{tls} {binding}: {said}");
    }
    let said = bench.windows("guess", true, "right");
    assert!(said.contains("-ERR"), "{said}");
}

#[test]
fn where_a_binding_is_required_ntlm_is_offered_inside_tls_to_who_is_bound() {
    let bench = Bench::new(
        "extended_protection = \"require\"",
        "netbios_domain = \"CORP\"",
    );
    for (binding, let_in) in [("none", false), ("right", true), ("wrong", false)] {
        let said = bench.windows("secret", true, binding);
        assert_eq!(said.contains("+OK"), let_in, "{binding}: {said}");
    }
    assert_eq!(bench.curl("ann:secret", true).status.code(), DENIED);
    let mut client = bench.daemon.connect();
    client.send("CAPA");
    let capabilities: Vec<String> = std::iter::repeat_with(|| client.line())
        .take_while(|line| line != ".")
        .collect();
    assert!(
        capabilities.contains(&"SASL PLAIN".to_owned()),
        "{capabilities:?}"
    );
}

#[test]
fn fetchmail_and_mpop_log_on_where_plain_ntlmv1_is_allowed_and_nowhere_else() {
    for (allowed, let_in) in [
        ("none", false),
        ("extended_session_security", false),
        ("plain", true),
    ] {
        let bench = Bench::new("", &format!("allow_v1_dangerous = \"{allowed}\""));
        for (ended, fetched) in [bench.fetchmail(), bench.mpop()] {
            let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &ended.stderr;
            assert!(said.contains("AUTH NTLM"), "{said}");
            if let_in {
                assert_is_the_message(&fetched);
            } else {
                assert!(!ended.status.success() && fetched.is_empty(), "{said}");
            }
        }
    }
}

#[test]
fn nmap_sees_the_names_that_were_set_and_no_version() {
    let bench = Bench::new("", "");
    let shown = bench.nmap();
    assert!(shown.contains("NetBIOS_Computer_Name: POP3"), "{shown}");
    for hidden in ["DNS_", "Product_Version"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    let names = "netbios_name = \"ROOST\"\nnetbios_domain = \"CORP\"\n\
                 dns_name = \"pop.example.org\"\ndns_domain = \"example.org\"";
    let shown = Bench::new("", names).nmap();
    for name in [
        "NetBIOS_Domain_Name: CORP",
        "NetBIOS_Computer_Name: ROOST",
        "DNS_Domain_Name: example.org",
        "DNS_Computer_Name: pop.example.org",
    ] {
        assert!(shown.contains(name), "{shown}");
    }
    assert!(!shown.contains("Product_Version"), "{shown}");
}

#[test]
fn sambas_ntlm_auth_knows_who_it_is() {
    // Without a domain it has one account of its own.
    let helper = "helper = \"/usr/bin/ntlm_auth --helper-protocol=squid-2.5-ntlmssp \
                  --username=ann --password=of-the-domain --domain=CORP\"\n\
                  netbios_domain = \"CORP\"\nhelper_processes = 2";
    // Named as missing, if it is.
    program("ntlm_auth", "winbind", std::path::Path::new("/"));
    let bench = Bench::new("", helper);
    for tls in [false, true] {
        for _ in 0..5 {
            assert_is_the_message(&bench.curl("CORP\\ann:of-the-domain", tls).success());
            assert_eq!(bench.curl("CORP\\ann:secret", tls).status.code(), DENIED);
        }
    }
    let said = bench.windows("of-the-domain", true, "right");
    assert!(said.contains("+OK"), "{said}");
    let said = bench.windows("of-the-domain", true, "wrong");
    assert!(said.contains("-ERR"), "{said}");
}

#[test]
fn a_helper_that_is_not_there_is_no_wrong_password() {
    let bench = Bench::new("", "helper = \"/nowhere/ntlm_auth\"");
    assert_eq!(bench.curl("ann:secret", false).status.code(), DENIED);
    let refused = bench.daemon.log_of("log-on refused");
    let why = refused["why"].as_str().unwrap();
    assert!(why.contains("the NTLM helper: No such file"), "{why}");
}

#[test]
fn an_nt_hash_goes_with_its_password() {
    let bench = Bench::new("", "");
    let kept = || {
        let shown = bench.place.run(&["user", "show", "ann"], "").text();
        shown
            .lines()
            .any(|line| line == "nt_hash                kept")
    };
    assert!(kept());
    let passwd = |more: &[&str]| {
        let arguments = [&["user", "passwd", "ann", "--password-stdin"], more].concat();
        bench.place.run(&arguments, "another\n").octets();
    };
    passwd(&[]);
    assert!(!kept());
    for password in ["secret", "another"] {
        let ended = bench.curl(&format!("ann:{password}"), false);
        assert_eq!(ended.status.code(), DENIED);
    }
    passwd(&["--nt-hash"]);
    assert!(kept());
    assert_is_the_message(&bench.curl("ann:another", false).success());
    assert_eq!(bench.curl("ann:secret", false).status.code(), DENIED);
}

#[test]
fn ntlm_without_a_key_or_with_one_that_others_can_read_does_not_start() {
    let place = Place::new();
    let check = |ntlm: &str| {
        let settings = "protocol.login_type = \"plain_text_login\"\nlistener = []\n\
                        [auth]\nmechanisms = [\"NTLM\"]\n";
        place.configure(&format!("{settings}[auth.ntlm]\n{ntlm}"));
        place.run(&["check-config"], "").failure()
    };
    let (status, line) = check("");
    assert_eq!(status, 78);
    assert!(line.contains("auth.ntlm.key_file is not set"), "{line}");
    let key = place.file("key", "");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (status, line) = check("key_file = \"key\"");
    assert_eq!(status, 78);
    assert!(
        line.contains("its mode is 0644, accepted is 0600 or 0640"),
        "{line}"
    );
}
