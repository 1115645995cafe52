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
    assert_eq!(text, format!("{}: in order\n", file.display()));
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
    assert!(printed.contains("\nmax_command_size = 512\n"), "{printed}");
    let again = place.file("printed.toml", &printed);
    assert_eq!(
        run_bare(&["check-config", &again]).text(),
        format!("{again}: in order\n")
    );
    assert_eq!(run_bare(&["print-config", &again]).text(), printed);
}

#[test]
fn defaults_are_printed_without_a_file() {
    let printed = run_bare(&["print-config"]).text();
    assert!(
        printed.contains("login_type = \"secure_login\"\n"),
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
