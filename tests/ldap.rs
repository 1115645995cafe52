//! LDAP as a source of passwords, with Debian's slapd on ports and in a folder of its own.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;
mod slapd;
mod tls;

use daemon_program::{Daemon, Place, Pop3, SETTINGS, Signal};
use slapd::Slapd;

const WELCOME: &str = "+OK User successfully logged on.";
const REFUSED: &str = "-ERR [AUTH] Logon failure: unknown user name or bad password.";

/// A server whose directory comes first and then this LDAP source.
fn serve(place: &Place, source: &str) -> Daemon {
    let (protocol, auth) = SETTINGS.split_once("[auth]").unwrap();
    let protocol = protocol.replace("[server]", "[server]\nsite = \"north\"");
    place.configure(&format!(
        "{protocol}capabilities = [\"RESP-CODES\"]\nmax_auth_failures = 100\n[auth]{auth}\
         [[auth.source]]\n[[auth.source]]\nkind = \"ldap\"\nprovision = true\ntime_limit = 2\n\
         rest = 1\ncache_age = 0\n{source}"
    ));
    place.daemon()
}

/// Searched for by the service.
fn searched(slapd: &Slapd, place: &Place, url: &str) -> String {
    let password = place.file("service-password", "service secret\n");
    format!(
        "servers = [\"{url}\"]\nca_file = \"{ca}\"\nbase = \"ou=people,dc=example,dc=org\"\n\
         bind_dn = \"cn=service,dc=example,dc=org\"\nbind_password_file = \"{password}\"\n",
        ca = slapd.ca_file().display(),
    )
}

fn log_on(client: &mut Pop3, user: &str, password: &str) -> String {
    assert!(client.ask(&format!("USER {user}")).starts_with("+OK"));
    client.ask(&format!("PASS {password}"))
}

#[track_caller]
fn assert_is_temporary(reply: &str) {
    assert!(reply.starts_with("-ERR [SYS/TEMP] "), "{reply}");
}

#[test]
fn users_of_ldap_log_on_over_tls_and_nobody_else_does() {
    let place = Place::new();
    let slapd = Slapd::start();
    for url in [slapd.ldaps(), slapd.ldap()] {
        let source = format!(
            "{}maildrop_attribute = \"mail\"\nquota_attribute = \"employeeNumber\"\n\
             site_attribute = \"l\"\nenabled_attribute = \"employeeType\"\n",
            searched(&slapd, &place, &url)
        );
        let daemon = serve(&place, &source);
        let mut client = daemon.connect();
        for (user, password) in [
            ("ann", "wrong"),
            ("nobody", "secret"),
            ("*", "secret"),
            ("ann)(uid=*", "secret"),
            ("a*", "secret"),
            ("ann,ou=people", "secret"),
            ("dora", "secret"),
        ] {
            assert_eq!(
                log_on(&mut client, user, password),
                REFUSED,
                "{user} {password}"
            );
        }
        // RFC 4513 s5.1.2: such a bind would succeed.
        client.ask("USER ann");
        assert!(client.ask("PASS ").starts_with("-ERR"));
        assert_eq!(log_on(&mut client, "Ann", "secret"), WELCOME);
        let shown = place.run(&["user", "show", "ann.smith"], "").text();
        assert!(
            shown.contains("1000000") && shown.contains("none"),
            "{shown}"
        );
    }
}

#[test]
fn users_bind_themselves_where_their_dn_follows_from_their_name() {
    let (place, slapd) = (Place::new(), Slapd::start());
    let source = format!(
        "servers = [\"{}\"]\nca_file = \"{}\"\nmaildrop_attribute = \"mail\"\n\
         user_dn = \"uid={{user}},ou=people,dc=example,dc=org\"\n",
        slapd.ldaps(),
        slapd.ca_file().display()
    );
    let daemon = serve(&place, &source);
    let mut client = daemon.connect();
    for (user, password) in [
        ("ann", "wrong"),
        ("nobody", "secret"),
        ("ann+x=y", "secret"),
    ] {
        assert_eq!(log_on(&mut client, user, password), REFUSED, "{user}");
    }
    assert_eq!(log_on(&mut client, "ann", "secret"), WELCOME);
    assert_eq!(place.run(&["user", "list"], "").text(), "ann.smith\n");
}

#[test]
fn a_server_that_cannot_prove_who_it_is_gets_no_password() {
    let (place, slapd, other) = (Place::new(), Slapd::start(), Slapd::start());
    for url in [slapd.ldaps(), slapd.ldap()] {
        let source = searched(&slapd, &place, &url).replace(
            slapd.ca_file().to_str().unwrap(),
            other.ca_file().to_str().unwrap(),
        );
        let daemon = serve(&place, &source);
        let mut client = daemon.connect();
        assert_is_temporary(&log_on(&mut client, "ann", "secret"));
    }
}

#[test]
fn a_server_that_is_down_or_hangs_is_no_wrong_password_and_comes_back() {
    let place = Place::new();
    place.add_user("cid");
    let slapd = Slapd::start();
    let daemon = serve(&place, &searched(&slapd, &place, &slapd.ldaps()));
    assert_eq!(log_on(&mut daemon.connect(), "ann", "secret"), WELCOME);
    slapd.signal(Signal::SIGSTOP);
    for _ in 0..5 {
        assert_is_temporary(&log_on(&mut daemon.connect(), "ann", "secret"));
        // The directory's own users do not notice.
        assert_eq!(log_on(&mut daemon.connect(), "cid", "secret"), WELCOME);
    }
    slapd.signal(Signal::SIGCONT);
    while log_on(&mut daemon.connect(), "ann", "secret") != WELCOME {}
    assert_eq!(log_on(&mut daemon.connect(), "ann", "wrong"), REFUSED);
}

#[test]
fn the_next_server_is_asked_when_one_fails() {
    let (place, slapd) = (Place::new(), Slapd::start());
    let (dead, live) = (Slapd::start(), slapd.ldaps());
    let urls = format!("{}\", \"{live}", dead.ldaps());
    drop(dead);
    let daemon = serve(&place, &searched(&slapd, &place, &urls));
    for _ in 0..3 {
        assert_eq!(log_on(&mut daemon.connect(), "ann", "secret"), WELCOME);
        assert_eq!(log_on(&mut daemon.connect(), "ann", "wrong"), REFUSED);
    }
}

#[test]
fn without_tls_only_where_the_setting_says_so() {
    let (place, slapd) = (Place::new(), Slapd::without_tls());
    let source = searched(&slapd, &place, &slapd.ldap());
    let daemon = serve(&place, &format!("{source}insecure = true\n"));
    assert_eq!(log_on(&mut daemon.connect(), "ann", "secret"), WELCOME);
    drop(daemon);
    let daemon = serve(&place, &source);
    assert_is_temporary(&log_on(&mut daemon.connect(), "ann", "secret"));
}
