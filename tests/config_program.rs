//! `check-config` and `print-config`, as an operator calls them.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;

use daemon_program::{Place, certificate, run_bare};

#[test]
fn a_wrong_file_is_one_line_and_status_78() {
    let place = Place::with("[limits]\nmax_connections_per_user = 0\n");
    let file = place.config();
    let (status, line) = run_bare(&["check-config", file.to_str().unwrap()]).failure();
    assert_eq!(status, 78);
    assert_eq!(
        line,
        format!(
            "{}:2: limits.max_connections_per_user = 0: out of range; accepted: 1 to 2147483647",
            file.display()
        )
    );
    // The daemon says the same.
    assert_eq!(place.run(&["serve"], "").failure(), (status, line));
}

#[test]
fn a_file_in_order_is_said_to_be() {
    let place = Place::new();
    let file = place.config();
    let text = run_bare(&["check-config", file.to_str().unwrap()]).text();
    let first = format!("{}: in order\nprivileges:\n", file.display());
    assert!(text.starts_with(&first), "{text}");
}

#[test]
fn a_file_that_is_not_there_is_status_66() {
    let (status, line) = run_bare(&["check-config", "/nowhere/m.toml"]).failure();
    assert_eq!(status, 66);
    assert_eq!(
        line,
        "/nowhere/m.toml: cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn what_is_printed_is_in_order_and_prints_the_same() {
    let place = Place::new();
    let printed = place.run(&["print-config"], "").text();
    assert!(
        printed.contains("\nmax_command_size = 512  # profile exchange2013\n"),
        "{printed}"
    );
    let again = place.file("printed.toml", &printed);
    let text = run_bare(&["check-config", &again]).text();
    assert_eq!(text.lines().next(), Some(&*format!("{again}: in order")));
    let reprinted = run_bare(&["print-config", &again]).text();
    assert_eq!(without_origins(&reprinted), without_origins(&printed));
}

/// What is printed without the last comment of each line.
fn without_origins(printed: &str) -> Vec<&str> {
    let lines = printed.lines();
    lines
        .map(|line| match line.rsplit_once("  # ") {
            Some((value, _)) if !line.starts_with('#') => value,
            _ => line,
        })
        .collect()
}

#[test]
fn each_value_is_printed_with_where_it_came_from() {
    let place = Place::new();
    let file = place.file(
        "origins.toml",
        "limits.max_connections_per_user = 5\nserver.domains = [\n  \"example.org\",\n]\n\n\
         [protocol]\nprofile = \"exchange2007\"\nclosing_notice = false\n\n[protocol.texts]\n\
         in_use = \"later\"\n\n[[listener]]\nport = 0\n[[listener]]\naddress = \"127.0.0.1\"\n",
    );
    let printed = run_bare(&["print-config", &file]).text();
    for line in [
        format!("max_connections_per_user = 5  # {file}:1"),
        format!("domains = [\"example.org\"]  # {file}:2"),
        format!("profile = \"exchange2007\"  # {file}:7"),
        format!("closing_notice = false  # {file}:8"),
        format!("in_use = \"later\"  # {file}:11"),
        format!("port = 0  # {file}:14"),
        format!("address = \"127.0.0.1\"  # {file}:16"),
        "port = 110  # default".into(),
        "max_connections = 2147483647  # default".into(),
        "max_command_size = 47  # profile exchange2007".into(),
        concat!(
            "implementation = \"mailroost-",
            env!("CARGO_PKG_VERSION"),
            "\"  # default"
        )
        .into(),
        "signing_off = \"Microsoft Exchange Server 2007 POP3 server signing off.\"  # profile \
         exchange2007"
            .into(),
    ] {
        assert_eq!(
            printed.lines().filter(|printed| **printed == line).count(),
            1,
            "{line} in {printed}"
        );
    }
}

#[test]
fn defaults_are_printed_without_a_file() {
    let printed = run_bare(&["print-config"]).text();
    assert!(
        printed.contains("login_type = \"secure_login\"  # profile exchange2013\n"),
        "{printed}"
    );
}

#[test]
fn a_key_that_is_another_certificates_is_named() {
    let place = Place::new();
    let (first, _) = certificate(&place.path(""), "first");
    let (_, second) = certificate(&place.path(""), "second");
    place.configure(&format!(
        "[tls]\ncertificate = {first:?}\nkey = {second:?}\n"
    ));
    let (status, line) = place.run(&["check-config"], "").failure();
    assert_eq!(status, 78);
    let begin = format!("{}:3: tls.key = {second:?}: ", place.config().display());
    assert!(line.starts_with(&begin), "{line}");
    assert!(line.contains("does not belong to"), "{line}");
}
