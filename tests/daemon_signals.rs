//! How the daemon starts, ends and takes up a new configuration.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;

use std::net::TcpListener;

use daemon_program::{Place, SETTINGS, Signal, certificate, served_name};

#[test]
fn sigterm_drains_and_exits_with_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let place = Place::new();
        place.add_user("ann");
        place
            .run(&["mail", "deliver", "ann"], "Subject: x\n\n")
            .octets();
        let daemon = place.daemon();
        let mut session = daemon.connect();
        assert!(session.log_on("ann", "secret"));
        assert!(session.ask("DELE 1").starts_with("+OK"));
        daemon.signal(signal);
        assert!(session.line().starts_with("-ERR"), "a notice comes first");
        assert!(session.ends());
        daemon.log_of("stopped");
        assert_eq!(daemon.wait().code(), Some(0));
        // Marked, but without QUIT nothing goes.
        assert_eq!(
            place
                .run(&["mail", "list", "ann"], "")
                .text()
                .lines()
                .count(),
            1
        );
        assert!(!place.path("store/control").exists());
    }
}

#[test]
fn a_second_signal_ends_at_once_with_75() {
    let place = Place::new();
    place.add_user("ann");
    let line = [&[b'x'; 76][..], b"\r\n"].concat();
    place
        .run(&["mail", "deliver", "ann"], line.repeat(500_000))
        .octets();
    let daemon = place.daemon();
    let mut session = daemon.connect();
    assert!(session.log_on("ann", "secret"));
    // The server is in the midst of 38 MiB that nobody takes, so draining has to wait.
    assert!(session.ask("RETR 1").starts_with("+OK"));
    daemon.signal(Signal::SIGTERM);
    daemon.log_of("draining");
    daemon.signal(Signal::SIGTERM);
    daemon.log_of("ended at once");
    assert_eq!(daemon.wait().code(), Some(75));
}

#[test]
fn a_quit_is_durable_before_it_is_answered() {
    let place = Place::new();
    place.add_user("ann");
    place
        .run(&["mail", "deliver", "ann"], "Subject: x\n\n")
        .octets();
    let daemon = place.daemon();
    let mut session = daemon.connect();
    assert!(session.log_on("ann", "secret"));
    assert!(session.ask("DELE 1").starts_with("+OK"));
    assert!(session.ask("QUIT").starts_with("+OK"));
    daemon.signal(Signal::SIGKILL);
    assert_eq!(daemon.wait().code(), None);
    assert_eq!(place.run(&["mail", "list", "ann"], "").text(), "");
}

#[test]
fn sighup_takes_up_settings_for_new_sessions_and_drops_none() {
    let place = Place::new();
    place.add_user("ann");
    let daemon = place.daemon();
    let mut old = daemon.connect();
    assert!(old.log_on("ann", "secret"));

    place.configure(&SETTINGS.replace("[protocol]", "[protocol]\nbanner = \"changed\""));
    daemon.signal(Signal::SIGHUP);
    let line = daemon.log_of("configuration reloaded");
    assert_eq!(line["needs_restart"], "");
    assert_eq!(greeting(&daemon), "+OK changed");
    assert!(old.ask("NOOP").starts_with("+OK"));

    place.configure(&SETTINGS.replace("[protocol]", "[protocol]\nbanner = 3"));
    daemon.signal(Signal::SIGHUP);
    let line = daemon.log_of("configuration refused, the old one stays");
    assert!(
        line["error"]
            .as_str()
            .unwrap()
            .contains("protocol.banner = 3"),
        "{line}"
    );
    assert_eq!(greeting(&daemon), "+OK changed");

    place.configure(&SETTINGS.replace("[auth]", "[limits]\nmax_connections = 7\n[auth]"));
    daemon.signal(Signal::SIGHUP);
    assert_eq!(
        daemon.log_of("configuration reloaded")["needs_restart"],
        "limits"
    );
    assert!(old.ask("QUIT").starts_with("+OK"));
}

fn greeting(daemon: &daemon_program::Daemon) -> String {
    use std::io::{BufRead, BufReader};
    let stream = std::net::TcpStream::connect(daemon.addresses[0]).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
fn sighup_takes_up_a_new_certificate() {
    let place = Place::new();
    let (certificate_file, key_file) = certificate(&place.path(""), "first");
    place.configure(&format!(
        "{SETTINGS}[tls]\ncertificate = {certificate_file:?}\nkey = {key_file:?}\n"
    ));
    let daemon = place.daemon();
    assert_eq!(served_name(daemon.addresses[0]), "first");
    let (second, second_key) = certificate(&place.path(""), "second");
    std::fs::rename(second, &certificate_file).unwrap();
    std::fs::rename(second_key, &key_file).unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.log_of("configuration reloaded");
    assert_eq!(served_name(daemon.addresses[0]), "second");
}

#[test]
fn a_listener_can_have_a_certificate_of_its_own() {
    let place = Place::new();
    let (shared, shared_key) = certificate(&place.path(""), "shared");
    let (own, own_key) = certificate(&place.path(""), "own");
    place.configure(&format!(
        "{SETTINGS}[tls]\ncertificate = {shared:?}\nkey = {shared_key:?}\n\
         [[listener]]\naddress = \"127.0.0.1\"\nport = 0\ncertificate = {own:?}\n\
         key = {own_key:?}\n"
    ));
    let daemon = place.daemon();
    let names: Vec<_> = daemon
        .addresses
        .iter()
        .map(|address| served_name(*address))
        .collect();
    assert_eq!(names, ["shared", "own"]);
}

#[test]
fn a_second_daemon_on_the_same_store_is_told_who_has_it() {
    let place = Place::new();
    let daemon = place.daemon();
    let ran = place.run(&["serve"], "");
    assert_eq!(ran.status, Some(75), "{ran:?}");
    let last = ran.stderr.lines().last().unwrap();
    assert!(
        last.contains(&format!("in use by process {} ", daemon.pid())),
        "{last}"
    );
}

#[test]
fn a_store_whose_owner_does_not_answer_is_named_with_the_process() {
    let place = Place::new();
    let daemon = place.daemon();
    std::fs::remove_file(place.path("store/control")).unwrap();
    let (status, line) = place.run(&["user", "list"], "").failure();
    assert_eq!(status, 75);
    assert!(
        line.contains(&format!("in use by process {} ", daemon.pid())),
        "{line}"
    );
    assert!(line.contains("nobody answers on"), "{line}");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let place = Place::with(&SETTINGS.replace("port = 0", &format!("port = {}", address.port())));
    let ran = place.run(&["serve"], "");
    assert_eq!(ran.status, Some(69), "{ran:?}");
    let expected =
        format!("mailroost: cannot listen on {address}: Address already in use (os error 98)");
    assert_eq!(ran.stderr.lines().last(), Some(expected.as_str()));
    assert!(
        !place.path("store").exists(),
        "sockets come before the store"
    );
}

#[test]
fn a_socket_that_a_killed_daemon_left_is_no_hindrance() {
    let place = Place::new();
    let daemon = place.daemon();
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    assert!(place.path("store/control").exists());
    place.add_user("ann");
    let _again = place.daemon();
    assert_eq!(place.run(&["user", "list"], "").text(), "ann\n");
}

#[test]
fn the_control_socket_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let _daemon = place.daemon();
    let mode = |name: &str| {
        std::fs::metadata(place.path(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("store/control"), 0o600);
    assert_eq!(mode("store"), 0o700);
}

#[test]
fn status_prints_the_tree() {
    let place = Place::new();
    let daemon = place.daemon();
    let tree = place.run(&["status"], "").text();
    assert!(tree.contains(&daemon.addresses[0].to_string()), "{tree}");
    daemon.signal(Signal::SIGTERM);
    daemon.wait();
    let (status, line) = place.run(&["status"], "").failure();
    assert_eq!(status, 69);
    assert!(line.starts_with("no daemon answers on "), "{line}");
}
