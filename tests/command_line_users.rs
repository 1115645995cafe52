//! `mailroost user`, with and without a daemon.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;

use daemon_program::{Place, Pop3, run_bare};

/// With a user ann.
fn overrides_act_when_the_defaults_are_not_used(place: &Place) {
    let set = |arguments: &[&str]| {
        place
            .run(&[&["user", "set", "ann"], arguments].concat(), "")
            .octets();
        place.run(&["user", "show", "ann"], "").text()
    };
    // Nothing but pop_enabled acts while the defaults are used.
    let shown = set(&["--pop-enabled", "no", "--exact-rfc822-size", "yes"]);
    assert!(
        shown.contains(
            "pop_enabled            no\n\
             use_protocol_defaults  yes\n\
             exact_rfc822_size      yes (in effect: no)\n"
        ),
        "{shown}"
    );
    let shown = set(&["--use-protocol-defaults", "no"]);
    assert!(
        shown.contains(
            "pop_enabled            no\n\
             use_protocol_defaults  no\n\
             exact_rfc822_size      yes (in effect: yes)\n"
        ),
        "{shown}"
    );
    let shown = set(&["--exact-rfc822-size", "default"]);
    assert!(shown.contains("default (in effect: no)\n"), "{shown}");
}

/// The same flow, whoever has the store.
fn users_come_change_and_go(place: &Place) {
    place.add_user("Ann");
    place
        .run(&["user", "add", "bob", "--no-password"], "")
        .octets();
    assert_eq!(place.run(&["user", "list"], "").text(), "ann\nbob\n");

    let (status, line) = place
        .run(&["user", "add", "ann", "--password-stdin"], "x\n")
        .failure();
    assert_eq!(status, 73);
    assert!(line.contains("ann"), "{line}");

    let shown = place.run(&["user", "show", "ann"], "").text();
    assert!(
        shown.contains(
            "password               set\n\
             nt_hash                none\n\
             scram_keys             none\n\
             pop_enabled            yes\n\
             use_protocol_defaults  yes\n\
             exact_rfc822_size      default (in effect: no)\n"
        ),
        "{shown}"
    );
    assert!(!shown.contains("argon2"), "{shown}");
    assert!(
        place
            .run(&["user", "show", "bob"], "")
            .text()
            .contains("password               none\n")
    );

    overrides_act_when_the_defaults_are_not_used(place);

    place
        .run(
            &["user", "passwd", "bob", "--password-stdin"],
            "another secret\n",
        )
        .octets();
    assert!(
        place
            .run(&["user", "show", "bob"], "")
            .text()
            .contains("password               set\n")
    );

    a_user_who_was_removed_is_unknown(place);
}

/// Of ann and bob.
fn a_user_who_was_removed_is_unknown(place: &Place) {
    place.run(&["user", "remove", "ann"], "").octets();
    assert_eq!(place.run(&["user", "list"], "").text(), "bob\n");
    for arguments in [
        &["user", "show", "ann"][..],
        &["user", "remove", "ann"],
        &["mail", "list", "ann"],
    ] {
        assert_eq!(
            place.run(arguments, "").failure(),
            (67, "no user \"ann\"".into())
        );
    }
}

#[test]
fn users_come_change_and_go_without_a_daemon() {
    users_come_change_and_go(&Place::new());
}

#[test]
fn users_come_change_and_go_while_the_daemon_runs() {
    let place = Place::new();
    let _daemon = place.daemon();
    users_come_change_and_go(&place);
}

#[test]
fn a_new_password_counts_at_once_and_the_old_one_no_more() {
    let place = Place::new();
    place.add_user("ann");
    let daemon = place.daemon();
    assert!(daemon.connect().log_on("ann", "secret"));
    place
        .run(&["user", "passwd", "ann", "--password-stdin"], "another\n")
        .octets();
    assert!(!daemon.connect().log_on("ann", "secret"));
    assert!(daemon.connect().log_on("ann", "another"));
}

#[test]
fn whoever_is_switched_off_cannot_log_on() {
    let place = Place::new();
    place.add_user("ann");
    let daemon = place.daemon();
    assert!(daemon.connect().log_on("ann", "secret"));
    place
        .run(&["user", "set", "ann", "--pop-enabled", "no"], "")
        .octets();
    assert!(!daemon.connect().log_on("ann", "secret"));
}

#[test]
fn removing_a_user_ends_the_sessions() {
    let place = Place::new();
    place.add_user("ann");
    let daemon = place.daemon();
    let mut session: Pop3 = daemon.connect();
    assert!(session.log_on("ann", "secret"));
    place.run(&["user", "remove", "ann"], "").octets();
    assert!(session.ends());
    assert!(!daemon.connect().log_on("ann", "secret"));
}

#[test]
fn what_only_sessions_need_does_not_hinder_administration() {
    let place = Place::new();
    let settings = std::fs::read_to_string(place.config()).unwrap();
    let file = place.file("not-a-folder", "");
    let socket = place.path("sockets/lmtp");
    let more = format!(
        "\n[protocol_log]\nenabled = true\nfolder = {file:?}\n\
         [[site]]\nname = \"north\"\naddress = \"127.0.0.1\"\nca_file = \"/nowhere\"\n\
         [[auth.source]]\nkind = \"passwd_file\"\nfile = \"/nowhere\"\n\
         [[lmtp.listener]]\npath = {socket:?}\n"
    );
    place.configure(&(settings + &more));
    place.add_user("ann");
    assert_eq!(place.run(&["user", "list"], "").text(), "ann\n");
    // Nor does administration make the folders that the daemon would need.
    assert!(!std::path::Path::new(&place.path("sockets")).exists());
}

#[test]
fn wrong_command_lines_are_one_line_and_status_64() {
    let place = Place::new();
    let table: [(&[&str], &str); 6] = [
        (
            &["user", "add"],
            "the following required arguments were not provided: <name>",
        ),
        (
            &["user", "add", "ann"],
            "no terminal to ask for the password; give it to --password-stdin",
        ),
        (&["user", "set", "ann"], "nothing to set"),
        (
            &["user", "set", "ann", "--pop-enabled", "maybe"],
            "accepted: yes, no",
        ),
        (&["frobnicate"], "found argument 'frobnicate'"),
        (&["user"], "a command is missing"),
    ];
    for (arguments, words) in table {
        let (status, line) = place.run(arguments, "").failure();
        assert_eq!(status, 64, "{line}");
        assert!(line.contains(words), "{line}");
    }
    assert_eq!(
        run_bare(&[]).failure(),
        (64, "a command is missing; try --help".into())
    );
}

#[test]
fn names_and_passwords_that_cannot_be_are_status_65() {
    let place = Place::new();
    let (status, line) = place
        .run(&["user", "add", "a b", "--no-password"], "")
        .failure();
    assert_eq!(status, 65, "{line}");
    assert!(line.contains("white space"), "{line}");
    let empty = place
        .run(&["user", "add", "ann", "--password-stdin"], "\n")
        .failure();
    assert_eq!(empty, (65, "a password has 1 to 1024 octets, not 0".into()));
    let long = place
        .run(
            &["user", "add", "ann", "--password-stdin"],
            "x".repeat(5000),
        )
        .failure();
    assert_eq!(long.0, 65, "{}", long.1);
}
