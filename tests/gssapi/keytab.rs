//! The keytab: what is wrong with it is told before a client comes, and a new one needs no
//! restart.

use super::child::{program, run};
use super::daemon_program::{Place, Signal};
use super::stage::{Setup, Stage};

const SETTINGS: &str = "\
[server]
store = \"store\"
[[listener]]
address = \"127.0.0.1\"
port = 0
[protocol]
login_type = \"plain_text_authentication\"
[auth]
mechanisms = [\"GSSAPI\"]
";

#[test]
fn check_config_and_a_start_tell_what_is_wrong_with_it() {
    let place = Place::with(SETTINGS);
    let says = |command: &str| {
        let (status, line) = place.run(&[command], "").failure();
        assert_eq!(status, 78, "{line}");
        line
    };
    for command in ["check-config", "serve"] {
        let line = says(command);
        assert!(line.contains("auth.gssapi.keytab is not set"), "{line}");
    }
    place.configure(&format!(
        "{SETTINGS}[auth.gssapi]\nkeytab = \"krb5.keytab\"\n"
    ));
    let expected = [
        (None, "cannot be read: No such file or directory"),
        (Some(&b"\x05\x01"[..]), "is no keytab of version 0x0502"),
        (
            Some(&b"\x05\x02"[..]),
            "has no key of pop/HOST, POP/HOST or POP3/HOST",
        ),
    ];
    for (octets, why) in expected {
        if let Some(octets) = octets {
            place.file("krb5.keytab", octets);
        }
        for command in ["check-config", "serve"] {
            let line = says(command);
            assert!(
                line.contains("mailroost.toml:11: auth.gssapi.keytab"),
                "{line}"
            );
            assert!(line.contains(&format!("krb5.keytab {why}")), "{line}");
        }
    }
}

#[test]
fn without_gssapi_among_the_mechanisms_it_is_not_offered_and_no_keytab_is_needed() {
    let place = Place::new();
    let daemon = place.daemon();
    let mut client = daemon.connect();
    client.send("CAPA");
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != ".") {
        lines.push(client.line());
    }
    assert!(lines.contains(&"SASL PLAIN".to_owned()), "{lines:?}");
    assert!(client.ask("AUTH GSSAPI").starts_with("-ERR"));
}

#[test]
fn new_keys_count_at_once_and_a_reload_tells_of_a_keytab_that_is_gone() {
    let stage = Stage::new(Setup::default());
    let fetch = || {
        // A new ticket, for the key that the service has now.
        stage.realm.log_on("ann");
        let mut curl = program("curl", "curl", &stage.place.path(""));
        curl.envs(stage.realm.environment());
        curl.args(["--silent", "--max-time", "50", "--user", "ann@TEST.LAN:"]);
        curl.args(["--login-options", "AUTH=GSSAPI"]);
        let port = stage.daemon.addresses[0].port();
        curl.arg(format!("pop3://localhost:{port}/1"));
        run(curl).status.success()
    };
    assert!(fetch());
    let keytab = stage.realm.keytab("krb5.keytab", &["pop"]);
    assert!(fetch());
    stage.daemon.signal(Signal::SIGHUP);
    stage.daemon.log_of("configuration reloaded");

    std::fs::remove_file(&keytab).unwrap();
    stage.daemon.signal(Signal::SIGHUP);
    let line = stage
        .daemon
        .log_of("configuration refused, the old one stays");
    let why = line["error"].as_str().unwrap();
    assert!(why.contains("krb5.keytab cannot be read"), "{why}");
    // It is the server that has no keys, not the client that is at fault.
    assert!(!fetch());
    let line = stage.daemon.log_of("log-on refused");
    assert!(
        line["why"].as_str().unwrap().contains("no keys for GSSAPI"),
        "{line}"
    );

    stage.realm.keytab("krb5.keytab", &["pop"]);
    assert!(fetch());
}
