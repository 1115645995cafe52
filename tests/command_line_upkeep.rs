//! Quota, retention and undelete by the program, with and without a daemon.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;

use std::path::Path;

use daemon_program::{Daemon, Place, SETTINGS, Signal};

/// 28 octets as RETR sends them.
const LETTER: &str = "Subject: one\r\n\r\n0123456789\r\n";

fn listed(place: &Place, user: &str) -> Vec<String> {
    first_columns(&place.run(&["mail", "list", user], "").text())
}

fn deleted(place: &Place, user: &str) -> Vec<String> {
    first_columns(&place.run(&["mail", "deleted", user], "").text())
}

fn first_columns(table: &str) -> Vec<String> {
    let first = |line: &str| line.split('\t').next().unwrap().to_owned();
    table.lines().map(first).collect()
}

fn deliver(place: &Place) -> String {
    let id = place.run(&["mail", "deliver", "ann"], LETTER).text();
    id.trim_end().to_owned()
}

fn shown(place: &Place, what: &str) -> String {
    let shown = place.run(&["user", "show", "ann"], "").text();
    let line = shown.lines().find(|line| line.starts_with(what)).unwrap();
    line[what.len()..].trim().to_owned()
}

/// Calls `test` once without and once with a daemon.
fn with_and_without_a_daemon(settings: &str, test: impl Fn(&Place)) {
    test(&Place::with(&format!("{SETTINGS}{settings}")));
    let place = Place::with(&format!("{SETTINGS}{settings}"));
    let _daemon = place.daemon();
    test(&place);
}

#[test]
fn a_quota_is_exact_can_be_a_users_own_and_warns() {
    let settings = "[quota]\nmessages = 2\nwarn_percent = 50\nwarning_from = \"a@example.org\"\n";
    with_and_without_a_daemon(settings, |place| {
        place.add_user("ann");
        deliver(place);
        // The warning took the second place.
        let (status, line) = place.run(&["mail", "deliver", "ann"], LETTER).failure();
        assert_eq!(
            (status, line.as_str()),
            (
                73,
                "over quota: 2 of 2 messages are used, and 1 more do not fit"
            )
        );
        let warning = listed(place, "ann").pop().unwrap();
        let warning = place.run(&["mail", "show", "ann", &warning], "").text();
        assert!(warning.starts_with("From: a@example.org\r\nTo: ann@example.org\r\n"));
        assert!(
            warning.contains("\r\nSubject: Your mailbox is 50% full\r\n"),
            "{warning}"
        );
        assert!(
            warning.contains("\r\nYour mailbox holds 1 message; it may hold 2 messages (50%)."),
            "{warning}"
        );

        assert_eq!(shown(place, "quota_messages"), "default (in effect: 2)");
        let set = |limit: &str| {
            let set = ["user", "set", "ann", "--quota-messages", limit];
            place.run(&set, "").octets();
        };
        set("3");
        deliver(place);
        place.run(&["mail", "deliver", "ann"], LETTER).failure();
        assert_eq!(shown(place, "quota_messages"), "3");
        set("unlimited");
        deliver(place);
        assert_eq!(shown(place, "quota_messages"), "unlimited");
        set("default");
        assert_eq!(listed(place, "ann").len(), 4);

        // An import obeys it, unless it is told not to.
        let mbox = place.file(
            "one.mbox",
            "From a@b Mon Nov 23 08:00:00 2026\nSubject: x\n\ny\n\n",
        );
        let import = ["mail", "import", "ann", "--mbox", &mbox];
        let refused = place.run(&import, "");
        assert_eq!(refused.status, Some(73), "{refused:?}");
        assert!(
            refused.stderr.contains("over quota: 4 of 2 messages"),
            "{refused:?}"
        );
        let ignoring = [&import[..], &["--ignore-quota"]].concat();
        let imported = place.run(&ignoring, "").text();
        assert_eq!(imported, "1 imported, 0 refused\n");
        // Without a limit the user was below the line; now there is another warning.
        assert!(shown(place, "used").starts_with("6 messages, "));
    });
}

/// Reads and removes the first message in a session, and gives the session's number.
fn read_and_remove(daemon: &Daemon) -> String {
    let mut pop3 = daemon.connect();
    assert!(pop3.log_on("ann", "secret"));
    assert!(pop3.ask("RETR 1").starts_with("+OK"));
    while pop3.line() != "." {}
    assert!(pop3.ask("DELE 1").starts_with("+OK"));
    assert!(pop3.ask("QUIT").starts_with("+OK"));
    assert!(pop3.ends());
    daemon.log_of("session ended")["session"].to_string()
}

#[test]
fn what_sessions_removed_is_brought_back_by_session_by_time_and_by_unique_id() {
    let place = Place::new();
    place.add_user("ann");
    let daemon = place.daemon();
    let first = deliver(&place);
    let second = deliver(&place);
    let session = read_and_remove(&daemon);
    let other = read_and_remove(&daemon);
    assert_ne!(session, other);
    assert_eq!(deleted(&place, "ann"), [&*first, &*second]);
    let row = place.run(&["mail", "deleted", "ann"], "").text();
    let fields: Vec<&str> = row.lines().next().unwrap().split('\t').collect();
    assert_eq!((fields[1], fields[4]), ("28", session.as_str()));

    let undelete = |options: &[&str]| {
        let arguments = [&["mail", "undelete", "ann"], options].concat();
        place.run(&arguments, "")
    };
    let back = undelete(&["--session", &session]).text();
    let (old, new) = back.trim_end().split_once('\t').unwrap();
    assert_eq!(old, first);
    assert!(
        new.parse::<u64>().unwrap() > second.parse().unwrap(),
        "{back}"
    );
    assert_eq!(listed(&place, "ann"), [new]);
    let body = place.run(&["mail", "show", "ann", new], "").text();
    assert_eq!(body, LETTER);

    // Also without the daemon.
    daemon.signal(Signal::SIGTERM);
    daemon.wait();
    let back = undelete(&["--since", "1h"]).text();
    assert!(back.starts_with(&format!("{second}\t")), "{back}");
    assert_eq!(listed(&place, "ann").len(), 2);
    assert!(deleted(&place, "ann").is_empty());
}

#[test]
fn what_is_meant_has_to_be_there() {
    with_and_without_a_daemon("", |place| {
        place.add_user("ann");
        let id = deliver(place);
        place.run(&["mail", "remove", "ann", &id], "").octets();
        let fails = |options: &[&str]| {
            let arguments = [&["mail", "undelete", "ann"], options].concat();
            place.run(&arguments, "").failure()
        };
        let (status, line) = fails(&[]);
        assert_eq!(status, 64);
        assert!(line.starts_with("which messages?"), "{line}");
        let (status, line) = fails(&["--id", &id, "--id", "999"]);
        assert_eq!(
            (status, line.as_str()),
            (
                69,
                "no message \"999\" that was removed from the maildrop of \"ann\" can be brought \
                 back"
            )
        );
        let (status, line) = fails(&["--session", "77", "--since", "2026-01-01"]);
        assert_eq!(status, 69);
        assert!(line.starts_with("nothing that was removed"), "{line}");
        let (status, line) = fails(&["--since", "yesterday"]);
        assert_eq!(status, 64);
        assert!(line.contains("accepted: 2026-11-24T08:00:00Z"), "{line}");

        place
            .run(&["user", "set", "ann", "--quota-octets", "10"], "")
            .octets();
        let (status, line) = fails(&["--id", &id]);
        assert_eq!(
            (status, line.as_str()),
            (
                73,
                "over quota: 0 of 10 octets are used, and 28 more do not fit"
            )
        );
        let ignoring = ["mail", "undelete", "ann", "--id", &id, "--ignore-quota"];
        let back = place.run(&ignoring, "").text();
        assert!(back.starts_with(&format!("{id}\t")), "{back}");
    });
}

/// Files and their octets below a folder.
fn files(folder: &Path) -> (usize, u64) {
    let mut sum = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let facts = entry.metadata().unwrap();
        let (count, octets) = match facts.is_dir() {
            true => files(&entry.path()),
            false => (1, facts.len()),
        };
        sum = (sum.0 + count, sum.1 + octets);
    }
    sum
}

#[test]
fn a_purge_gives_the_space_back() {
    with_and_without_a_daemon("", |place| {
        place.add_user("ann");
        let bodies = place.path("store/bodies");
        let before = files(&bodies);
        let large = format!("Subject: large\r\n\r\n{}\r\n", "x".repeat(70).repeat(3000));
        place.run(&["mail", "deliver", "ann"], &large).octets();
        place.run(&["mail", "remove", "ann", "--all"], "").octets();
        assert!(files(&bodies).1 > before.1 + 200_000);
        let purge = |options: &[&str]| {
            let arguments = [&["mail", "purge"], options].concat();
            place.run(&arguments, "").text()
        };
        assert_eq!(
            purge(&["--all", "--older-than", "1"]),
            "0 given up, 0 octets\n"
        );
        let purged = purge(&["ann"]);
        assert!(purged.starts_with("1 given up, 2"), "{purged}");
        assert_eq!(files(&bodies), before);
        assert!(deleted(place, "ann").is_empty());
    });
}

#[test]
fn without_a_time_to_bring_things_back_they_are_gone_at_once() {
    with_and_without_a_daemon("[retention]\ndeleted_item_retention = 0\n", |place| {
        place.add_user("ann");
        let bodies = place.path("store/bodies");
        let before = files(&bodies);
        deliver(place);
        place.run(&["mail", "remove", "ann", "--all"], "").octets();
        assert_eq!(files(&bodies), before);
        assert!(deleted(place, "ann").is_empty());
    });
}

/// An mbox file whose messages are very old and quite young.
fn old_and_young(place: &Place) -> String {
    let old = "From a@b Mon Nov 23 08:00:00 2009\nSubject: old\n\nx\n\n";
    let young = "From a@b Mon Nov 23 08:00:00 2099\nSubject: young\n\nx\n\n";
    place.file("ages.mbox", format!("{old}{young}"))
}

#[test]
fn retention_prints_what_would_go_and_then_removes_it() {
    with_and_without_a_daemon("[retention]\nunread_age = 30\n", |place| {
        for user in ["ann", "bob"] {
            place.add_user(user);
            let mbox = old_and_young(place);
            place
                .run(&["mail", "import", user, "--mbox", &mbox], "")
                .octets();
        }
        place
            .run(&["user", "set", "bob", "--retain-unread", "unlimited"], "")
            .octets();
        let before = (listed(place, "ann"), listed(place, "bob"));
        let would = place.run(&["retention", "run", "--dry-run"], "").text();
        assert_eq!(
            would,
            "ann\t1\t19\t2009-11-23T08:00:00Z\t0\t0\n\
             1 users: 1 messages of 19 octets would be removed, 0 of 0 octets would be given up \
             for good\n"
        );
        assert_eq!(before, (listed(place, "ann"), listed(place, "bob")));
        let did = place.run(&["retention", "run"], "").text();
        assert!(
            did.starts_with("ann\t1\t19\t2009-11-23T08:00:00Z\t0\t0\n"),
            "{did}"
        );
        assert_eq!(listed(place, "ann"), before.0[1..]);
        assert_eq!(listed(place, "bob"), before.1);
        let row = place.run(&["mail", "deleted", "ann"], "").text();
        assert!(row.ends_with("\tretention\n"), "{row}");
        let nothing = place.run(&["retention", "run"], "").text();
        assert!(nothing.starts_with("0 users: 0 messages"), "{nothing}");
    });
}

#[test]
fn settings_of_a_reload_count_at_once() {
    let place = Place::new();
    place.add_user("ann");
    let daemon = place.daemon();
    deliver(&place);
    place.configure(&format!(
        "{SETTINGS}[quota]\nmessages = 1\n[retention]\nread_age = 7\n"
    ));
    daemon.signal(Signal::SIGHUP);
    assert_eq!(daemon.log_of("configuration reloaded")["needs_restart"], "");
    place.run(&["mail", "deliver", "ann"], LETTER).failure();
    assert_eq!(shown(&place, "quota_messages"), "default (in effect: 1)");
    assert_eq!(shown(&place, "retain_read"), "default (in effect: 7)");
    // A text that cannot be used leaves everything as it was.
    let text = place.file("text.txt", "{nobody}\n");
    place.configure(&format!("{SETTINGS}[quota]\nwarning_file = \"{text}\"\n"));
    daemon.signal(Signal::SIGHUP);
    let refused = daemon.log_of("configuration refused, the old one stays");
    let error = refused["error"].as_str().unwrap();
    assert!(error.contains("{nobody} is not known"), "{error}");
    assert_eq!(shown(&place, "quota_messages"), "default (in effect: 1)");
}

#[test]
fn an_alias_has_one_user() {
    with_and_without_a_daemon("", |place| {
        place.add_user("ann");
        place.add_user("bob");
        let alias = |what: &str, user: &str, alias: &str| {
            place.run(&["user", "alias", what, user, alias], "")
        };
        alias("add", "ann", "Ann.Smith@example.org").octets();
        alias("add", "ann", "as").octets();
        assert_eq!(shown(place, "aliases"), "ann.smith@example.org, as");
        for taken in ["ann.smith@example.org", "ann", "bob"] {
            let (status, line) = alias("add", "bob", taken).failure();
            assert_eq!(status, 73, "{line}");
            assert!(line.contains(taken), "{line}");
        }
        let (status, line) = alias("remove", "bob", "as").failure();
        assert_eq!((status, line.as_str()), (69, "\"bob\" has no alias \"as\""));
        alias("remove", "ann", "as").octets();
        assert_eq!(shown(place, "aliases"), "ann.smith@example.org");
    });
}
