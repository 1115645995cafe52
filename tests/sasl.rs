//! SCRAM, OAUTHBEARER, XOAUTH2, EXTERNAL and delegates against the program, with clients that
//! others wrote.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

#[path = "tls/authority.rs"]
mod authority;
mod daemon_program;
#[path = "sasl/issuer.rs"]
mod issuer;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::Ordering;

use authority::{Authority, Kind};
use daemon_program::{Daemon, Place, certificate};
use issuer::{Issuer, serve};
use serde_json::json;

const LOGGED_ON: &str = "+OK User successfully logged on.";
const LOG_ON_FAILURE: &str = "-ERR Logon failure: unknown user name or bad password.";

/// Implicit TLS for `localhost`; `auth` stands in `[auth]`, `sections` behind it.
fn place(tls: &str, auth: &str, sections: &str) -> Place {
    let place = Place::new();
    certificate(&place.path(""), "localhost");
    place.configure(&format!(
        "[server]\nstore = \"store\"\n[[listener]]\naddress = \"127.0.0.1\"\nport = 0\n\
         security = \"implicit_tls\"\n[tls]\ncertificate = \"localhost.pem\"\n\
         key = \"localhost-key.pem\"\n{tls}\n[auth]\nargon2_memory = 7168\nargon2_passes = 1\n\
         {auth}\n{sections}"
    ));
    place
}

fn text_of(mut command: Command) -> (bool, String) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

const SCRAM: &str = "mechanisms = [\"SCRAM-SHA-256-PLUS\", \"SCRAM-SHA-256\", \"PLAIN\"]";
const SCRAM_SECTION: &str = "[auth.scram]\nstore = true\niterations = 4096\n";

fn scram(place: &Place, daemon: &Daemon, mechanism: &str, user: &str, binding: &str) -> String {
    scram_with(place, daemon, mechanism, [user, "secret", binding])
}

fn scram_with(place: &Place, daemon: &Daemon, mechanism: &str, rest: [&str; 3]) -> String {
    let mut client = Command::new("python3");
    client.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/sasl/scram_client.py"
    ));
    client.args(["localhost", &daemon.addresses[0].port().to_string()]);
    client
        .arg(place.path("localhost.pem"))
        .arg(mechanism)
        .args(rest);
    let (success, said) = text_of(client);
    assert!(success, "{said}");
    said.trim_end().to_owned()
}

#[test]
fn scram_proves_the_password_and_binds_to_the_connection() {
    let place = place("", SCRAM, SCRAM_SECTION);
    place.add_user("ann");
    let daemon = place.daemon();
    for (mechanism, binding) in [
        ("SCRAM-SHA-256", "n"),
        ("SCRAM-SHA-256-PLUS", "tls-server-end-point"),
        ("SCRAM-SHA-256-PLUS", "tls-unique"),
    ] {
        assert_eq!(
            scram(&place, &daemon, mechanism, "ann", binding),
            LOGGED_ON,
            "{binding}"
        );
    }
    for (mechanism, user, binding) in [
        ("SCRAM-SHA-256", "nobody", "n"),
        // What a client says that was told of no -PLUS: somebody took it from the list.
        ("SCRAM-SHA-256", "ann", "y"),
        ("SCRAM-SHA-256", "ann", "tls-server-end-point"),
        ("SCRAM-SHA-256-PLUS", "ann", "n"),
        ("SCRAM-SHA-256-PLUS", "ann", "wrong"),
    ] {
        let said = scram(&place, &daemon, mechanism, user, binding);
        assert_eq!(said, LOG_ON_FAILURE, "{mechanism} {user} {binding}");
    }
    let wrong = scram_with(&place, &daemon, "SCRAM-SHA-256", ["ann", "wrong", "n"]);
    assert_eq!(wrong, LOG_ON_FAILURE);
}

#[test]
fn the_keys_of_scram_come_and_go_with_the_password() {
    let place = place("", SCRAM, SCRAM_SECTION);
    place.add_user("ann");
    let kept = |place: &Place| {
        let shown = place.run(&["user", "show", "ann"], "").text();
        shown
            .lines()
            .any(|line| line.starts_with("scram_keys") && line.ends_with("kept"))
    };
    assert!(kept(&place));
    place
        .run(&["user", "passwd", "ann", "--password-stdin"], "another\n")
        .octets();
    {
        let daemon = place.daemon();
        assert_eq!(
            scram(&place, &daemon, "SCRAM-SHA-256", "ann", "n"),
            LOG_ON_FAILURE
        );
        let said = scram_with(&place, &daemon, "SCRAM-SHA-256", ["ann", "another", "n"]);
        assert_eq!(said, LOGGED_ON);
    }
    place
        .run(&["user", "passwd", "ann", "--no-password"], "")
        .octets();
    assert!(!kept(&place));
}

#[test]
fn a_delegate_opens_the_maildrop_that_was_granted_and_no_longer_when_it_was_revoked() {
    let place = place("", SCRAM, SCRAM_SECTION);
    place.add_user("ann");
    place.add_user("bob@corp.example");
    let opened = |place: &Place| {
        let daemon = place.daemon();
        let mut curl = curl(place, &daemon, "");
        curl.args(["--user", "bob@corp.example/ann:secret"]);
        text_of(curl).0
    };
    assert!(!opened(&place));
    place
        .run(&["user", "grant", "bob@corp.example", "--open", "ann"], "")
        .octets();
    let shown = place.run(&["user", "show", "ann"], "").text();
    assert!(shown.contains("bob@corp.example"), "{shown}");
    assert!(opened(&place));
    place
        .run(&["user", "revoke", "bob@corp.example", "--open", "ann"], "")
        .octets();
    assert!(!opened(&place));
    let (_, line) = place
        .run(&["user", "grant", "eve", "--open", "ann"], "")
        .failure();
    assert!(line.contains("eve"), "{line}");
    let (_, line) = place
        .run(&["user", "revoke", "ann", "--open", "bob@corp.example"], "")
        .failure();
    assert!(line.contains("no right"), "{line}");
}

fn curl(place: &Place, daemon: &Daemon, mechanism: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "50", "--verbose"]);
    curl.arg("--cacert").arg(place.path("localhost.pem"));
    if !mechanism.is_empty() {
        curl.args(["--login-options", &format!("AUTH={mechanism}")]);
    }
    curl.arg(format!("pop3s://localhost:{}/", daemon.addresses[0].port()));
    curl
}

const OAUTH: &str = "mechanisms = [\"OAUTHBEARER\", \"XOAUTH2\"]";

fn bearing(place: &Place, daemon: &Daemon, mechanism: &str, token: &str) -> (bool, String) {
    let mut curl = curl(place, daemon, mechanism);
    curl.args(["--user", "ann@example.org", "--oauth2-bearer", token]);
    text_of(curl)
}

#[test]
fn curl_logs_on_with_a_token_that_is_checked_against_a_file_of_keys() {
    let issuer = Issuer::new("1");
    let place = place(
        "",
        OAUTH,
        "[auth.oauth]\nissuer = \"https://id.example\"\n\
        audience = [\"mailroost\"]\nalgorithms = [\"ES256\"]\njwks_file = \"keys.json\"\n",
    );
    place.file("keys.json", issuer.keys());
    place.add_user("ann@example.org");
    let daemon = place.daemon();
    for mechanism in ["OAUTHBEARER", "XOAUTH2"] {
        let (success, said) = bearing(
            &place,
            &daemon,
            mechanism,
            &issuer.token("ann@example.org", &[]),
        );
        assert!(success, "{said}");
        for refused in [
            issuer.token("ann@example.org", &[("exp", json!(1))]),
            issuer.token("ann@example.org", &[("aud", json!("elsewhere"))]),
            issuer.token("ann@example.org", &[("iss", json!("https://evil.example"))]),
            issuer.token("bob@example.org", &[]),
            Issuer::new("1").token("ann@example.org", &[]),
            Issuer::new("../keys").token("ann@example.org", &[]),
        ] {
            let (success, said) = bearing(&place, &daemon, mechanism, &refused);
            assert!(!success, "{said}");
        }
    }
}

/// `server` is what the address of the issuer is set as, with `{}` for its port.
fn with_issuer(body: String, oauth: &str) -> (Place, issuer::Answers) {
    let place = place("", OAUTH, "");
    let (certificate, key) = certificate(&place.path(""), "127.0.0.1");
    let (address, answers) = serve(&certificate, &key, body);
    let settings = std::fs::read_to_string(place.config()).unwrap();
    let oauth = oauth.replace("{}", &address.port().to_string());
    place.file("secret", "s:cret\n");
    place.configure(&format!(
        "{settings}[auth.oauth]\nca_file = \"127.0.0.1.pem\"\n{oauth}"
    ));
    place.add_user("ann@example.org");
    (place, answers)
}

#[test]
fn the_keys_are_fetched_over_https_and_kept() {
    let issuer = Issuer::new("1");
    let (place, answers) = with_issuer(
        issuer.keys(),
        "issuer = \"https://id.example\"\naudience = [\"mailroost\"]\nalgorithms = [\"ES256\"]\n\
         jwks_url = \"https://127.0.0.1:{}/keys\"\n",
    );
    let daemon = place.daemon();
    for _ in 0..2 {
        let token = issuer.token("ann@example.org", &[]);
        let (success, said) = bearing(&place, &daemon, "OAUTHBEARER", &token);
        assert!(success, "{said}");
    }
    assert_eq!(answers.asked.load(Ordering::SeqCst), 1);
    assert!(
        answers
            .last_request
            .lock()
            .unwrap()
            .starts_with("GET /keys HTTP/1.1\r\n")
    );
}

#[test]
fn the_issuer_is_asked_about_each_token() {
    let active = json!({ "active": true, "email": "ann@example.org" }).to_string();
    let (place, answers) = with_issuer(
        active,
        "introspection_url = \"https://127.0.0.1:{}/introspect\"\nclient_id = \"pop\"\n\
         client_secret_file = \"secret\"\n",
    );
    let daemon = place.daemon();
    let (success, said) = bearing(&place, &daemon, "XOAUTH2", "opaque");
    assert!(success, "{said}");
    let request = answers.last_request.lock().unwrap().clone();
    assert!(
        request.starts_with("POST /introspect HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("token=opaque&token_type_hint=access_token"),
        "{request}"
    );
    // `pop:s%3Acret`
    assert!(request.contains("Basic cG9wOnMlM0FjcmV0"), "{request}");
    *answers.body.lock().unwrap() = json!({ "active": false }).to_string();
    let (success, said) = bearing(&place, &daemon, "XOAUTH2", "opaque");
    assert!(!success, "{said}");
    assert_eq!(answers.asked.load(Ordering::SeqCst), 2);
}

#[test]
fn curl_logs_on_with_a_certificate() {
    let authority = Authority::new();
    let place = place(
        "client_ca = \"root.pem\"\nclient_certificates = \"request\"",
        "mechanisms = [\"EXTERNAL\", \"PLAIN\"]",
        "[auth.external]\nuser = \"mail\"\n",
    );
    authority.write_root(&place.path(""));
    let issue = |authority: &Authority, name: &str, mail: &str| {
        let issued = authority.issue_to_client(name, mail, Kind::P256);
        authority.write(&place.path(""), name, &issued)
    };
    place.add_user("ann@example.org");
    place.add_user("bob@example.org");
    let ann = issue(&authority, "ann", "ann@example.org");
    let nobody = issue(&authority, "nobody", "nobody@example.org");
    let strange = issue(&Authority::new(), "strange", "ann@example.org");
    let daemon = place.daemon();
    let external = |user: &str, files: Option<&(std::path::PathBuf, std::path::PathBuf)>| {
        let mut curl = curl(&place, &daemon, "EXTERNAL");
        curl.args(["--user", &format!("{user}:")]);
        if let Some((certificate, key)) = files {
            curl.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        text_of(curl)
    };
    let (success, said) = external("ann@example.org", Some(&ann));
    assert!(success && said.contains("AUTH EXTERNAL"), "{said}");
    // Another's maildrop, a user whom nobody knows, an authority whom nobody trusts.
    let (success, said) = external("bob@example.org", Some(&ann));
    assert!(!success && said.contains(LOG_ON_FAILURE), "{said}");
    let (success, said) = external("nobody@example.org", Some(&nobody));
    assert!(!success && said.contains(LOG_ON_FAILURE), "{said}");
    for files in [Some(&strange), None] {
        let (success, said) = external("ann@example.org", files);
        assert!(!success && said.contains("SASL PLAIN"), "{said}");
        assert!(!said.contains("EXTERNAL"), "{said}");
    }
    // Who has a certificate that is not trusted can log on by password all the same.
    let mut curl = curl(&place, &daemon, "PLAIN");
    curl.args(["--user", "ann@example.org:secret"]);
    curl.arg("--cert")
        .arg(&strange.0)
        .arg("--key")
        .arg(&strange.1);
    let (success, said) = text_of(curl);
    assert!(success, "{said}");
}

/// mpop, which has these mechanisms from GNU SASL or of its own; `account` is how it logs on.
fn mpop(place: &Place, daemon: &Daemon, account: &str) -> (bool, String) {
    let settings = place.path("mpoprc");
    let text = format!(
        "account default\nhost localhost\nport {}\ntls on\ntls_starttls off\n\
         tls_trust_file {}\ntimeout 30\nkeep on\nuidls_file {}\ndelivery mbox {}\n{account}\n",
        daemon.addresses[0].port(),
        place.path("localhost.pem").display(),
        place.path("uidls").display(),
        place.path("mbox").display(),
    );
    std::fs::write(&settings, text).unwrap();
    std::fs::set_permissions(&settings, PermissionsExt::from_mode(0o600)).unwrap();
    let mut mpop = Command::new("mpop");
    mpop.arg("--debug").arg("--file").arg(&settings);
    text_of(mpop)
}

#[test]
fn mpop_proves_its_password_by_scram() {
    let place = place("", SCRAM, SCRAM_SECTION);
    place.add_user("ann");
    let daemon = place.daemon();
    let account = |password| format!("auth scram-sha-256\nuser ann\npassword {password}");
    let (success, said) = mpop(&place, &daemon, &account("secret"));
    assert!(success && said.contains("AUTH SCRAM-SHA-256"), "{said}");
    let (success, said) = mpop(&place, &daemon, &account("wrong"));
    assert!(!success && said.contains(LOG_ON_FAILURE), "{said}");
}

#[test]
fn mpop_logs_on_with_a_token() {
    let issuer = Issuer::new("1");
    let section = "[auth.oauth]\nissuer = \"https://id.example\"\naudience = [\"mailroost\"]\n\
                   algorithms = [\"ES256\"]\njwks_file = \"keys.json\"\n";
    let place = place("", OAUTH, section);
    place.file("keys.json", issuer.keys());
    place.add_user("ann@example.org");
    let daemon = place.daemon();
    for mechanism in ["oauthbearer", "xoauth2"] {
        let account = |exp: &[_]| {
            let token = issuer.token("ann@example.org", exp);
            format!("auth {mechanism}\nuser ann@example.org\npassword {token}")
        };
        let (success, said) = mpop(&place, &daemon, &account(&[]));
        assert!(success, "{said}");
        // It takes the server's error answer to its end (RFC 7628 s3.2.3).
        let (success, said) = mpop(&place, &daemon, &account(&[("exp", json!(1))]));
        assert!(!success, "{said}");
    }
}

#[test]
fn what_cannot_work_is_found_by_check_config() {
    for (tls, auth, sections, expected) in [
        (
            "",
            "mechanisms = [\"EXTERNAL\"]",
            "",
            "tls.client_certificates",
        ),
        ("client_certificates = \"request\"", "", "", "client_ca"),
        (
            "provider = \"native-tls\"\nclient_ca = \"x\"\nclient_certificates = \"require\"",
            "",
            "",
            "native-tls as a server cannot ask",
        ),
        (
            "client_ca = \"missing.pem\"\nclient_certificates = \"require\"",
            "",
            "",
            "missing.pem",
        ),
        ("", OAUTH, "", "jwks_file, jwks_url and introspection_url"),
        ("", OAUTH, "[auth.oauth]\njwks_file = \"keys\"\n", "issuer"),
        (
            "",
            OAUTH,
            "[auth.oauth]\njwks_file = \"keys\"\nissuer = \"i\"\naudience = [\"a\"]\n",
            "keys",
        ),
        (
            "",
            OAUTH,
            "[auth.oauth]\njwks_url = \"http://id.example/\"\n",
            "an address such as \"https://",
        ),
        (
            "",
            OAUTH,
            "[auth.oauth]\nintrospection_url = \"https://id.example/\"\n",
            "client_id and client_secret_file",
        ),
        (
            "",
            "",
            "[auth.external]\nfingerprints = [\"ab=ann\"]\n",
            "a certificate and its user such as",
        ),
        (
            "",
            "",
            "[auth.scram]\niterations = 4095\n",
            "4096 to 1000000",
        ),
    ] {
        let place = place(tls, auth, sections);
        let (_, line) = place.run(&["check-config"], "").failure();
        assert!(line.contains(expected), "{line}");
    }
}
