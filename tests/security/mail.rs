//! Classes 23, 24, 26 and 28: messages that are too much, numbers that are none, and mail that must
//! neither come in nor go away.

use std::collections::BTreeSet;
use std::thread;

use crate::target::{More, Target, WELCOME};
use crate::wire::Wire;

/// Octets of a header, as lines of 80.
const HEADER_OCTETS: usize = 50 << 20;

/// KiB that the server may need for it beside what it needs anyway: chunks, here and at the disk.
const GROWTH_KIB_MAX: u64 = 8 * 1024;

#[test]
fn class_23_what_a_message_says_of_its_parts_costs_nothing_when_it_is_read() {
    let target = Target::new();
    let line = format!("X-Long: {}\r\n", "h".repeat(70));
    let header = line.repeat(HEADER_OCTETS / line.len());
    target.deliver(format!("{header}\r\nbody\r\n"));
    let mut nested = String::new();
    for depth in 0..20_000 {
        nested += &format!("--{depth}\r\nContent-Type: multipart/mixed; boundary={depth}\r\n\r\n");
    }
    target.deliver(format!(
        "Content-Type: multipart/mixed; boundary=0\r\n\r\n{nested}"
    ));
    target.deliver(format!(
        "Content-Type: text/plain{}\r\n\r\nx\r\n",
        "; a=b".repeat(400_000)
    ));
    let mut session = target.session();
    target.forget_peak();
    let before = target.memory("VmHWM");
    for (number, top_lines, retr_lines) in [
        (
            1,
            HEADER_OCTETS / line.len() + 1,
            HEADER_OCTETS / line.len() + 2,
        ),
        (2, 2, 2 + 3 * 20_000),
        (3, 2, 3),
    ] {
        for (command, lines) in [
            (format!("TOP {number} 0"), top_lines),
            (format!("RETR {number}"), retr_lines),
        ] {
            assert!(session.ask(&command).starts_with("+OK"), "{command}");
            let mut count = 0;
            while session.line() != "." {
                count += 1;
            }
            assert_eq!(count, lines, "{command}");
        }
    }
    let after = target.memory("VmHWM");
    assert!(
        after < before + GROWTH_KIB_MAX,
        "{before} KiB, at most {after} KiB"
    );
}

#[test]
fn class_24_a_number_that_is_too_large_is_not_a_smaller_one() {
    let target = Target::new();
    for number in 1..=3 {
        target.deliver(format!("Subject: {number}\n\nx\n"));
    }
    for number in [
        "0",
        "00",
        "-1",
        "-0",
        "+1",
        "4",
        "1.0",
        "1e0",
        "0x1",
        "4294967295",
        "4294967296",
        "4294967297",
        "8589934593",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551617",
        "340282366920938463463374607431768211457",
        "\u{661}",
        "１",
        "1 1",
        "1,2",
        "*",
        "$",
    ] {
        let mut session = target.session();
        for verb in ["RETR", "DELE", "LIST", "UIDL"] {
            let reply = session.ask(&format!("{verb} {number}"));
            assert!(reply.starts_with("-ERR"), "{verb} {number}: {reply}");
        }
        let reply = session.ask(&format!("TOP {number} 0"));
        assert!(reply.starts_with("-ERR"), "TOP {number}: {reply}");
        assert!(session.ask("QUIT").starts_with("+OK"));
    }
    // More lines than there are is all of them, however many are asked for.
    let mut session = target.session();
    for count in ["4294967295", "4294967296", "18446744073709551616", "-1"] {
        let reply = session.ask(&format!("TOP 1 {count}"));
        if reply.starts_with("+OK") {
            assert_eq!(
                session.lines().last().map(String::as_str),
                Some("x"),
                "{count}"
            );
        }
    }
    assert!(session.ask("STAT").starts_with("+OK 3 "));
}

/// Those who deliver at once, and how often each.
const DELIVERING: usize = 8;
const DELIVERIES: usize = 10;

#[test]
fn class_26_deliveries_at_once_do_not_pass_the_quota() {
    let target = Target::with(More {
        protocol: "exact_rfc822_size = true",
        ..More::default()
    });
    let body = format!("Subject: x\r\n\r\n{}\r\n", "q".repeat(990));
    let quota = 20_000_u64;
    let set = ["user", "set", "ann", "--quota-octets", &quota.to_string()];
    target.place.run(&set, "").octets();
    let address = target.daemon.lmtp[0].parse().unwrap();
    let taken: usize = thread::scope(|scope| {
        let deliver = || {
            let mut taken = 0;
            for _ in 0..DELIVERIES {
                let mut lmtp = Wire::connect(address);
                assert!(lmtp.line().starts_with("220"));
                lmtp.send(b"LHLO x\r\n").unwrap();
                while lmtp.line().as_bytes()[3] == b'-' {}
                assert!(lmtp.ask("MAIL FROM:<>").starts_with("250"));
                let recipient = lmtp.ask("RCPT TO:<ann>");
                if !recipient.starts_with("250") {
                    assert!(recipient.starts_with("452"), "{recipient}");
                    continue;
                }
                assert!(lmtp.ask("DATA").starts_with("354"));
                lmtp.send(body.as_bytes()).unwrap();
                let reply = lmtp.ask(".");
                match reply.starts_with("250") {
                    true => taken += 1,
                    false => assert!(reply.starts_with("452"), "{reply}"),
                }
            }
            taken
        };
        let all: Vec<_> = (0..DELIVERING).map(|_| scope.spawn(deliver)).collect();
        all.into_iter().map(|one| one.join().unwrap()).sum()
    });
    let mut session = target.session();
    let stat = session.ask("STAT");
    let mut words = stat
        .split(' ')
        .skip(1)
        .map(|word| word.parse::<u64>().unwrap());
    let (count, octets) = (words.next().unwrap(), words.next().unwrap());
    assert!(octets <= quota, "{stat}");
    // One more would not have fitted. A message that warns of the quota may be among them.
    assert!(octets + 1_300 > quota, "{stat}");
    let count = usize::try_from(count).unwrap();
    assert!(
        count == taken || count == taken + 1,
        "{stat}, {taken} taken"
    );
}

fn unique_ids(target: &Target) -> BTreeSet<String> {
    let mut session = target.session();
    assert!(session.ask("UIDL").starts_with("+OK"));
    let lines = session.lines();
    let ids = lines
        .iter()
        .map(|line| line.split_once(' ').unwrap().1.to_owned());
    ids.collect()
}

/// Rounds of two sessions with a delivery between them. Longer dialogs of chance:
/// `tests/snapshot_semantics.rs`.
const ROUNDS: usize = 12;

#[test]
fn class_28_only_what_a_session_saw_and_marked_goes_and_only_with_its_quit() {
    let target = Target::new();
    for number in 0..4 {
        target.deliver(format!("Subject: {number}\n\nx\n"));
    }
    for round in 0..ROUNDS {
        let before: Vec<_> = unique_ids(&target).into_iter().collect();
        let (mut first, mut second) = (target.session(), target.session());
        // What it sees as number 2 stays number 2, though somebody else removes number 1.
        let seen = second.ask("UIDL 2");
        let marked = seen.rsplit(' ').next().unwrap().to_owned();
        let gone = first.ask("UIDL 1");
        let gone = gone.rsplit(' ').next().unwrap().to_owned();
        assert!(first.ask("DELE 1").starts_with("+OK"));
        assert!(first.ask("QUIT").starts_with("+OK"));
        target.deliver(format!("Subject: new {round}\n\nx\n"));
        target.deliver(format!("Subject: newer {round}\n\nx\n"));
        assert!(second.ask("DELE 2").starts_with("+OK"));
        let quits = round % 3;
        match quits {
            0 => assert!(second.ask("QUIT").starts_with("+OK")),
            // Cut off amid the QUIT, or before it.
            1 => second.send(b"QUI").unwrap(),
            _ => {}
        }
        drop(second);
        let mut expected: BTreeSet<_> = before.into_iter().collect();
        assert!(expected.remove(&gone));
        if quits == 0 {
            assert!(expected.remove(&marked));
        }
        let after = unique_ids(&target);
        assert!(after.is_superset(&expected), "{after:?} {expected:?}");
        assert_eq!(after.len(), expected.len() + 2);
        assert!(!after.contains(&gone));
    }
    let plain = format!("AUTH PLAIN {}", crate::target::ANN);
    assert_eq!(target.wire().ask(&plain), WELCOME);
}
