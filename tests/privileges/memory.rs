//! Passwords in memory: looked for in all of the process, as root can, after those who sent them
//! have gone.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::daemon_program::Daemon;
use crate::{BECOME, place};

/// How often some octets are in the memory that a process can write.
fn found(daemon: &Daemon, wanted: &[u8]) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", daemon.pid())).unwrap();
    let memory = File::open(format!("/proc/{}/mem", daemon.pid())).unwrap();
    let mut count = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let range = line.split(' ').next().unwrap();
        let (begin, end) = range.split_once('-').unwrap();
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        let (begin, end) = (number(begin), number(end));
        let mut octets = vec![0; usize::try_from(end - begin).unwrap()];
        // Some pages cannot be read by anybody.
        if memory.read_exact_at(&mut octets, begin).is_ok() {
            let windows = octets.windows(wanted.len());
            count += windows.filter(|window| *window == wanted).count();
        }
    }
    count
}

#[test]
fn a_password_is_not_in_memory_once_it_was_checked() {
    let place = place(BECOME);
    let password = "0ctets-that-stand-nowhere-else";
    let add = ["user", "add", "ann", "--password-stdin"];
    place.run(&add, format!("{password}\n")).octets();
    let daemon = place.daemon();
    let mut session = daemon.connect();
    assert!(session.log_on("ann", password));
    assert!(session.ask("STAT").starts_with("+OK"));
    assert!(session.ask("QUIT").starts_with("+OK"));
    assert!(session.ends());
    let mut refused = daemon.connect();
    assert!(!refused.log_on("ann", &format!("{password}?")));
    let plain = openssl::base64::encode_block(format!("\0ann\0{password}").as_bytes());
    assert!(
        refused
            .ask(&format!("AUTH PLAIN {plain}"))
            .starts_with("+OK")
    );
    assert!(refused.ask("QUIT").starts_with("+OK"));
    assert!(refused.ends());
    assert!(found(&daemon, b"mailroost") > 0);
    // The beginning may have been written over by chance.
    for secret in [password, &plain] {
        assert_eq!(found(&daemon, &secret.as_bytes()[10..]), 0, "{secret}");
    }
}
