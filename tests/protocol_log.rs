//! The protocol log of a server: whole sessions in it, no secret, and nothing when it is off.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;

use std::fs;
use std::path::Path;

use daemon_program::{Place, Pop3, SETTINGS};

const SECRET: &str = "opensesame";

fn place(more: &str) -> Place {
    Place::with(&format!("{SETTINGS}{more}"))
}

/// All lines of all files, without the headers.
fn lines(folder: &Path) -> Vec<Vec<String>> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let texts = names.iter().map(|path| fs::read_to_string(path).unwrap());
    let all: String = texts.collect();
    assert!(!all.contains(SECRET), "{all}");
    let lines = all.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

fn said_by(session: &mut Pop3) {
    session.ask("USER ann");
    session.ask(&format!("PASS wrong {SECRET}"));
    session.ask(SECRET);
    session.ask("AUTH PLAIN");
    // NUL ann NUL opensesame
    session.ask("AGFubgBvcGVuc2VzYW1l");
    session.ask("STAT");
    session.ask("QUIT");
}

#[test]
fn a_session_is_there_from_open_to_close_without_its_secrets() {
    let place = place("[protocol_log]\nenabled = true\nfolder = \"log\"\n");
    place
        .run(
            &["user", "add", "ann", "--password-stdin"],
            format!("{SECRET}\n"),
        )
        .octets();
    let daemon = place.daemon();
    let mut session = daemon.connect();
    said_by(&mut session);
    assert!(session.ends());
    let address = daemon.addresses[0];
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(daemon.wait().success());

    let lines = lines(&place.path("log"));
    let shown: Vec<String> = lines
        .iter()
        .map(|line| format!("{} {} {} {}", line[2], line[5], line[9], line[10]))
        .collect();
    assert_eq!(
        shown,
        [
            "0  OpenSession ",
            "1  user ann",
            "2  pass *****",
            "3  unknown *****",
            "4 ann auth PLAIN",
            "5 ann stat ",
            "6 ann quit ",
            "7 ann CloseSession ",
        ]
    );
    for line in &lines {
        assert_eq!(line.len(), 12, "{line:?}");
        assert_eq!(line[1].len(), 16);
        assert!(line[1].bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert_eq!(line[1], lines[0][1]);
        assert_eq!(line[3], address.to_string());
        assert!(line[4].starts_with("127.0.0.1:"), "{line:?}");
        let (date, time) = line[0].split_once('T').unwrap();
        assert_eq!((date.len(), time.len()), (10, 13), "{line:?}");
    }
    assert_eq!(lines[1][11], "R=ok");
    assert!(lines[2][11].contains("-ERR Logon failure"), "{lines:?}");
    assert!(lines[7][11].contains("Quit"), "{lines:?}");
}

#[test]
fn there_is_no_file_unless_it_is_enabled() {
    let place = place("[protocol_log]\nfolder = \"log\"\n");
    place.add_user("ann");
    let daemon = place.daemon();
    said_by(&mut daemon.connect());
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(daemon.wait().success());
    assert!(!place.path("log").exists());
}

#[test]
fn a_folder_that_cannot_be_had_is_one_line_and_status_73() {
    let place = place("[protocol_log]\nenabled = true\nfolder = \"log\"\n");
    place.file("log", "a file");
    let (status, line) = place.run(&["serve"], "").failure();
    assert_eq!(status, 73, "{line}");
    let begin = format!(
        "cannot keep a protocol log in {}: ",
        place.path("log").display()
    );
    assert!(line.starts_with(&begin), "{line}");
}
