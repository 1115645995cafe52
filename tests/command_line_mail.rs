//! `mailroost mail`, with and without a daemon.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;

use daemon_program::Place;

const LETTER: &str = "Subject: one\n\nfirst line\n.second line\n";
const LETTER_AS_SENT: &str = "Subject: one\r\n\r\nfirst line\r\n.second line\r\n";

/// The unique-ids of a maildrop, as `mail list` shows them.
fn unique_ids(place: &Place, user: &str) -> Vec<String> {
    let listed = place.run(&["mail", "list", user], "").text();
    listed
        .lines()
        .map(|line| line.split('\t').next().unwrap().to_owned())
        .collect()
}

fn mail_comes_and_goes(place: &Place) {
    place.add_user("ann");
    let first = place.run(&["mail", "deliver", "ann"], LETTER).text();
    let first = first.trim_end();
    let second = place
        .run(&["mail", "deliver", "ann"], "Subject: two\n\n")
        .text();
    let second = second.trim_end();
    assert_eq!(unique_ids(place, "ann"), [first, second]);

    let listed = place.run(&["mail", "list", "ann"], "").text();
    let fields: Vec<&str> = listed.lines().next().unwrap().split('\t').collect();
    assert_eq!(fields[1], LETTER_AS_SENT.len().to_string());
    assert!(
        fields[2].ends_with('Z') && fields[2].len() == 20,
        "{listed}"
    );

    assert_eq!(
        place.run(&["mail", "show", "ann", first], "").text(),
        LETTER_AS_SENT
    );
    let mbox = place.run(&["mail", "export", "ann"], "").text();
    assert!(mbox.starts_with("From MAILER-DAEMON "), "{mbox}");
    assert!(mbox.contains(&format!("\n{LETTER}\n")), "{mbox}");

    let (status, line) = place
        .run(&["mail", "remove", "ann", first, "12345678"], "")
        .failure();
    assert_eq!(
        (status, line.as_str()),
        (69, "no message \"12345678\" in the maildrop of \"ann\"")
    );
    assert_eq!(
        unique_ids(place, "ann").len(),
        2,
        "nothing is removed when one is not there"
    );
    assert_eq!(
        place.run(&["mail", "remove", "ann", first], "").text(),
        "1 removed\n"
    );
    assert_eq!(unique_ids(place, "ann"), [second]);
    assert_eq!(
        place.run(&["mail", "remove", "ann", "--all"], "").text(),
        "1 removed\n"
    );
    assert!(unique_ids(place, "ann").is_empty());

    let (status, line) = place.run(&["mail", "deliver", "nobody"], LETTER).failure();
    assert_eq!((status, line.as_str()), (67, "no user \"nobody\""));
}

#[test]
fn mail_comes_and_goes_without_a_daemon() {
    mail_comes_and_goes(&Place::new());
}

#[test]
fn mail_comes_and_goes_while_the_daemon_runs() {
    let place = Place::new();
    let _daemon = place.daemon();
    mail_comes_and_goes(&place);
}

fn mail_is_carried_over(place: &Place) {
    place.add_user("ann");
    place.add_user("bob");
    let mbox = place.file(
        "old.mbox",
        "From a@b Mon Nov 23 08:00:00 2026\nX-UIDL: abc-1\nSubject: one\n\n>From here\n\n\
         From a@b Mon Nov 23 09:00:00 2026\nX-UIDL: abc-2\nSubject: two\n\nbody\n\n",
    );
    let import = [
        "mail",
        "import",
        "ann",
        "--mbox",
        &mbox,
        "--keep-unique-ids",
        "x-uidl",
    ];
    assert_eq!(place.run(&import, "").text(), "2 imported, 0 refused\n");
    assert_eq!(unique_ids(place, "ann"), ["abc-1", "abc-2"]);
    let shown = place.run(&["mail", "show", "ann", "abc-1"], "").text();
    assert!(shown.ends_with("\r\n\r\nFrom here\r\n"), "{shown:?}");
    assert!(
        place
            .run(&["mail", "list", "ann"], "")
            .text()
            .contains("\t2026-11-23T08:00:00Z\n")
    );

    // The same once more: each is refused, with its reason, and nothing is there twice.
    let again = place.run(&import, "");
    assert_eq!(again.status, Some(65));
    assert_eq!(
        String::from_utf8_lossy(&again.stdout),
        "0 imported, 2 refused\n"
    );
    assert!(again.stderr.contains("abc-1"), "{}", again.stderr);
    assert_eq!(unique_ids(place, "ann").len(), 2);

    // Out into a Maildir, and from there to somebody else.
    let maildir = place.path("maildir");
    let maildir = maildir.to_str().unwrap();
    place
        .run(
            &["mail", "export", "ann", "--maildir", maildir, "--x-uidl"],
            "",
        )
        .octets();
    let import = [
        "mail",
        "import",
        "bob",
        "--maildir",
        maildir,
        "--keep-unique-ids",
        "x-uidl",
    ];
    assert_eq!(place.run(&import, "").text(), "2 imported, 0 refused\n");
    assert_eq!(unique_ids(place, "bob"), ["abc-1", "abc-2"]);
    for id in ["abc-1", "abc-2"] {
        let show = |user| place.run(&["mail", "show", user, id], "").text();
        assert_eq!(show("ann"), show("bob"));
    }

    let missing = place.run(&["mail", "import", "bob", "--mbox", "/nowhere/x"], "");
    assert_eq!(missing.status, Some(66), "{missing:?}");
}

#[test]
fn mail_is_carried_over_without_a_daemon() {
    mail_is_carried_over(&Place::new());
}

#[test]
fn mail_is_carried_over_while_the_daemon_runs() {
    let place = Place::new();
    let _daemon = place.daemon();
    mail_is_carried_over(&place);
}

#[test]
fn an_export_never_overwrites_a_file() {
    let place = Place::new();
    place.add_user("ann");
    place.run(&["mail", "deliver", "ann"], LETTER).octets();
    let out = place.path("out.mbox");
    let out = out.to_str().unwrap();
    place
        .run(&["mail", "export", "ann", "--mbox", out], "")
        .octets();
    let (status, line) = place
        .run(&["mail", "export", "ann", "--mbox", out], "")
        .failure();
    assert_eq!(
        (status, line),
        (73, format!("{out}: File exists (os error 17)"))
    );
}

#[test]
fn a_message_over_the_limit_is_refused_and_leaves_nothing() {
    let place = Place::with(&format!(
        "{}[limits]\nmax_message_size = 100000\n",
        daemon_program::SETTINGS
    ));
    let _daemon = place.daemon();
    place.add_user("ann");
    let (status, line) = place
        .run(&["mail", "deliver", "ann"], vec![b'x'; 3_000_000])
        .failure();
    assert_eq!(status, 65, "{line}");
    assert!(line.contains("100000"), "{line}");
    assert!(unique_ids(&place, "ann").is_empty());
    // The daemon goes on.
    place.run(&["mail", "deliver", "ann"], LETTER).octets();
}

#[test]
fn a_large_message_goes_through_in_pieces() {
    let place = Place::new();
    let daemon = place.daemon();
    place.add_user("ann");
    let line = [&[b'x'; 76][..], b"\r\n"].concat();
    let letter = [b"Subject: large\r\n\r\n".to_vec(), line.repeat(1_000_000)].concat();
    let before = peak_kib(daemon.pid());
    let id = place.run(&["mail", "deliver", "ann"], &letter).text();
    let shown = place
        .run(&["mail", "show", "ann", id.trim_end()], "")
        .octets();
    assert!(
        shown == letter,
        "{} octets came back of {}",
        shown.len(),
        letter.len()
    );
    let grown = peak_kib(daemon.pid()) - before;
    assert!(
        grown < 16 * 1024,
        "76 MiB went through, and memory grew by {grown} KiB"
    );
}

/// The most memory that a process has had, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_store_is_verified_and_rebuilt_while_nobody_has_it() {
    let place = Place::new();
    place.add_user("ann");
    let id = place.run(&["mail", "deliver", "ann"], LETTER).text();
    let verified = place.run(&["store", "verify"], "").text();
    assert!(verified.contains("1 maildrops, 1 messages"), "{verified}");
    let rebuilt = place.run(&["store", "rebuild"], "");
    assert_eq!(rebuilt.status, Some(0), "{rebuilt:?}");
    assert!(
        String::from_utf8_lossy(&rebuilt.stdout).starts_with("1 users, 1 maildrops, 1 messages")
    );
    assert_eq!(unique_ids(&place, "ann"), [id.trim_end()]);
    let next = place.run(&["mail", "deliver", "ann"], LETTER).text();
    let number = |text: &str| text.trim_end().parse::<u64>().unwrap();
    assert!(number(&next) > number(&id), "{next} after {id}");

    let daemon = place.daemon();
    let (status, line) = place.run(&["store", "verify"], "").failure();
    assert_eq!(status, 75);
    assert!(
        line.contains(&format!("in use by process {} ", daemon.pid())),
        "{line}"
    );
}
