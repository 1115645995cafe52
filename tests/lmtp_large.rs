//! Much at once over LMTP: a thousand recipients, whose message is on the disk once, and a
//! message of 150 MiB, for which the server needs no more memory than for a small one.
//!
//! `cargo test --release --test lmtp_large -- --nocapture` prints the figures.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;
mod mta;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use mailroost::storage::{
    Directory, MaildropStore, NewUser, SledStore, SledStoreOptions, UserName,
};
use mta::{messages, place};

/// An MTA's side of the dialog.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: &str) -> Self {
        let mut client = Self(BufReader::new(TcpStream::connect(address).unwrap()));
        client.expect("220");
        client.send(b"LHLO mta.example\r\n");
        client.expect("250");
        client
    }

    fn send(&mut self, octets: &[u8]) {
        self.0.get_mut().write_all(octets).unwrap();
    }

    /// A reply, all its lines, with this code.
    #[track_caller]
    fn expect(&mut self, code: &str) {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            assert!(line.starts_with(code), "{line}");
            if line.as_bytes()[3] == b' ' {
                return;
            }
        }
    }
}

/// Octets that the files below a folder occupy, each file counted once however many names it
/// has.
fn occupied(folder: &Path, seen: &mut BTreeSet<u64>) -> u64 {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let octets = entries.map(|path| {
        let facts = fs::symlink_metadata(&path).unwrap();
        if facts.is_dir() {
            occupied(&path, seen)
        } else if seen.insert(facts.ino()) {
            facts.blocks() * 512
        } else {
            0
        }
    });
    octets.collect::<Vec<_>>().into_iter().sum()
}

/// The most memory that a process had, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_message_to_a_thousand_recipients_is_on_the_disk_once() {
    const RECIPIENTS: usize = 1000;
    const MESSAGE_OCTETS: usize = 4 * 1024 * 1024;
    let place = place(&["ann"], "");
    let store = SledStore::open(&place.path("store"), SledStoreOptions::default()).unwrap();
    for number in 1..RECIPIENTS {
        let name = UserName::new(&format!("u{number}")).unwrap();
        let password_hash = None;
        store
            .add(NewUser {
                name,
                password_hash,
            })
            .unwrap();
    }
    store.close().unwrap();
    drop(store);
    let daemon = place.daemon();
    let bodies = place.path("store");
    let before = occupied(&bodies, &mut BTreeSet::new());
    let mut client = Client::connect(&daemon.lmtp[0]);
    let mut envelope = "MAIL FROM:<>\r\nRCPT TO:<ann>\r\n".to_owned();
    for number in 1..RECIPIENTS {
        envelope.push_str(&format!("RCPT TO:<u{number}>\r\n"));
    }
    client.send(envelope.as_bytes());
    for _ in 0..=RECIPIENTS {
        client.expect("250");
    }
    let line = [[b'x'; 62].as_slice(), b"\r\n"].concat();
    let body = line.repeat(MESSAGE_OCTETS / line.len());
    client.send(b"DATA\r\n");
    client.expect("354");
    client.send(b"Subject: to all\r\n\r\n");
    client.send(&body);
    client.send(b".\r\n");
    for _ in 0..RECIPIENTS {
        client.expect("250");
    }
    let more = occupied(&bodies, &mut BTreeSet::new()) - before;
    println!("{RECIPIENTS} recipients of {MESSAGE_OCTETS} octets: {more} octets more on the disk");
    // The body once, and a few small files for each recipient.
    assert!(
        more < MESSAGE_OCTETS as u64 + RECIPIENTS as u64 * 16 * 1024,
        "{more}"
    );
    let received = messages(daemon.addresses[0], "ann");
    assert_eq!(received.len(), 1);
    assert!(received[0].as_bytes().ends_with(&body));
}

#[test]
fn a_message_of_150_mib_takes_no_memory() {
    const MIB: usize = 1024 * 1024;
    const CHUNKS: usize = 150;
    // By default 150 MiB are the most, header and end included.
    let place = place(&["ann"], "max_message_size = 200000000");
    let daemon = place.daemon();
    let mut client = Client::connect(&daemon.lmtp[0]);
    let envelope = b"MAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\n";
    // A small one first: what any message costs is in the first figure.
    client.send(&[envelope.as_slice(), b"Subject: small\r\n\r\n.\r\n"].concat());
    for code in ["250", "250", "354", "250"] {
        client.expect(code);
    }
    let small = peak_kib(daemon.pid());
    client.send(&[envelope.as_slice(), b"Subject: big\r\n\r\n"].concat());
    for code in ["250", "250", "354"] {
        client.expect(code);
    }
    let line = [[b'x'; 62].as_slice(), b"\r\n"].concat();
    let chunk = line.repeat(MIB / line.len());
    for _ in 0..CHUNKS {
        client.send(&chunk);
    }
    client.send(b"end\r\n.\r\n");
    client.expect("250");
    let big = peak_kib(daemon.pid());
    println!("peak memory: {small} KiB after a small message, {big} KiB after {CHUNKS} MiB");
    assert!(big < small + 16 * 1024, "{small} KiB, then {big} KiB");
    let listed = place.run(&["mail", "list", "ann"], "").text();
    assert!(listed.lines().count() >= 2, "{listed}");
}
