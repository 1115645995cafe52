//! What an operator or a disk can get wrong: one clear line, an exit status as in `sysexits`,
//! and nothing half-done. What is wrong with settings is in `config_program.rs` and in the tests
//! of the configuration; ports and locks are in `daemon_signals.rs`.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use daemon_program::{Place, SETTINGS, run_bare};

const FROM: &str = "From x@y Thu Jan  1 00:00:07 1970\n";

#[test]
fn a_broken_from_line_is_named_and_what_stands_before_it_can_be_trusted() {
    let place = Place::new();
    place.add_user("ann");
    let broken = "From x@y Thu Jan 99 00:00:07 1970\n";
    let text = format!("{FROM}A: 1\n\n{FROM}A: 2\n\n{broken}A: 3\n\n{FROM}A: 4\n\n");
    let file = place.file("broken.mbox", &text);
    let import = ["mail", "import", "ann", "--mbox", &file];
    let (status, line) = place.run(&import, "").failure();
    assert_eq!(status, 65, "{line}");
    let named = format!("{file}: line 7 (octet {}): ", text.find(broken).unwrap());
    assert!(
        line.starts_with(&named) && line.contains("Jan 99"),
        "{line}"
    );
    // The first message is whole; where the second one ends nobody knows.
    let listed = place.run(&["mail", "list", "ann"], "").text();
    assert_eq!(listed.lines().count(), 1, "{listed}");

    // Mended, it goes on where it stopped, and nothing is there twice.
    place.file("broken.mbox", text.replace(broken, FROM));
    let pass_over = [&import[..], &["--pass-over", "1"]].concat();
    assert_eq!(place.run(&pass_over, "").status, Some(0));
    let listed = place.run(&["mail", "list", "ann"], "").text();
    assert_eq!(listed.lines().count(), 4, "{listed}");
}

#[test]
fn a_maildir_with_odd_names_comes_in_as_far_as_it_is_mail() {
    let place = Place::new();
    place.add_user("ann");
    for name in [
        "cur/1700000000.a.host:2,S",
        "cur/no-number",
        "cur/a b\nc",
        "cur/x:2,:2,",
        "cur/.hidden",
        "new/-",
    ] {
        place.file(&format!("md/{name}"), "Subject: x\n\nx\n");
    }
    let not_utf8 = place.path("md/new").join(OsStr::from_bytes(b"\xff\xfe"));
    std::fs::write(not_utf8, "Subject: x\n\nx\n").unwrap();
    std::fs::create_dir(place.path("md/cur/folder")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", place.path("md/cur/link")).unwrap();
    let maildir = place.path("md").to_str().unwrap().to_owned();
    let ran = place.run(&["mail", "import", "ann", "--maildir", &maildir], "");
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let mut said: Vec<&str> = ran.stderr.lines().collect();
    said.sort_unstable();
    assert_eq!(
        said,
        [
            format!("mailroost: {maildir}/cur/.hidden: its name begins with a dot"),
            format!("mailroost: {maildir}/cur/folder: a folder"),
            format!("mailroost: {maildir}/cur/link: a link, which is not followed"),
        ]
    );
    let listed = place.run(&["mail", "list", "ann"], "").text();
    assert_eq!(listed.lines().count(), 6, "{listed}");
}

#[test]
fn a_source_that_cannot_be_read_is_named_and_nothing_comes_in() {
    let place = Place::new();
    place.add_user("ann");
    let file = place.file("file", "text");
    let (folder, nowhere) = (place.path("folder"), place.path("nowhere"));
    std::fs::create_dir(&folder).unwrap();
    let (folder, nowhere) = (folder.to_str().unwrap(), nowhere.to_str().unwrap());
    let table = [
        ("--mbox", folder, 74),
        ("--mbox", nowhere, 66),
        ("--maildir", nowhere, 66),
        ("--maildir", file.as_str(), 66),
    ];
    for (option, source, expected) in table {
        let import = ["mail", "import", "ann", option, source];
        let (status, line) = place.run(&import, "").failure();
        assert_eq!(status, expected, "{line}");
        assert!(line.starts_with(&format!("cannot read {source}")), "{line}");
    }
    assert_eq!(place.run(&["mail", "list", "ann"], "").text(), "");
}

#[test]
fn a_configuration_that_is_no_text_is_one_line_and_status_66() {
    let place = Place::new();
    let folder = place.path("").to_str().unwrap().to_owned();
    let binary = place.file("binary.toml", b"\xff\xfe");
    for file in [&folder, &binary] {
        for command in ["check-config", "print-config"] {
            let (status, line) = run_bare(&[command, file]).failure();
            assert_eq!(status, 66, "{line}");
            assert!(
                line.starts_with(&format!("{file}: cannot be read: ")),
                "{line}"
            );
        }
    }
}

#[test]
fn a_store_that_is_no_folder_is_named_and_stays_as_it_is() {
    let place = Place::with(&SETTINGS.replace("\"store\"", "\"file\""));
    place.file("file", "precious");
    let table = [
        (&["user", "list"][..], 69),
        (&["store", "verify"], 66),
        (&["store", "rebuild"], 66),
        (&["serve"], 74),
    ];
    for (command, status) in table {
        let ran = place.run(command, "");
        let last = ran.stderr.lines().last().unwrap();
        assert_eq!(ran.status, Some(status), "{ran:?}");
        assert!(last.starts_with("mailroost: "), "{last}");
        assert!(
            last.contains(place.path("file").to_str().unwrap()),
            "{last}"
        );
    }
    let kept = std::fs::read_to_string(place.path("file")).unwrap();
    assert_eq!(kept, "precious");
}
