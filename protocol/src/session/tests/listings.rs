//! Large listings, shared and in pieces.

use super::driver::{Connection, World};
use crate::session::OUT_WATER_MARK;
use crate::{Maildrop, Octets, Policy, ScanEntry, Step};

const MESSAGES: u64 = 100_000;

fn large() -> Connection {
    let entry = |id| ScanEntry {
        id: 10 * id,
        stored: Octets(id),
        exact: Octets(id),
    };
    let maildrop = Maildrop::new((1..=MESSAGES).map(entry).collect(), Vec::new());
    Connection::logged_on(Policy::default(), World::with_maildrop(maildrop))
}

#[test]
fn without_marks_a_listing_is_handed_out_as_it_is_shared() {
    let mut connection = large();
    for (command, expected) in [
        (
            b"LIST\r\n",
            connection
                .world
                .maildrop
                .scan_listing(crate::SizeKind::Stored),
        ),
        (b"UIDL\r\n", connection.world.maildrop.unique_id_listing()),
    ] {
        connection.session.input(command);
        let mut out = Vec::new();
        let Step::Shared(listing) = connection.session.next(connection.now, &mut out) else {
            panic!("a listing is shared");
        };
        assert_eq!(out, b"+OK\r\n");
        assert!(std::ptr::eq(listing.as_ptr(), expected.as_ptr()));
    }
}

#[test]
fn with_marks_a_listing_is_written_in_pieces() {
    let mut connection = large();
    connection.ask("DELE 50000");
    connection.session.input(b"UIDL\r\nNOOP\r\n");
    let mut all = Vec::new();
    let mut pieces = 0;
    loop {
        let mut out = Vec::new();
        let step = connection.session.next(connection.now, &mut out);
        assert!(out.len() < OUT_WATER_MARK + 1_024);
        pieces += 1;
        all.append(&mut out);
        match step {
            Step::Flush => {}
            Step::NeedInput => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(pieces > 50, "{pieces}");
    let expected: String = (1..=MESSAGES)
        .filter(|number| *number != 50_000)
        .map(|number| format!("{number} {number}0\r\n"))
        .collect();
    assert_eq!(
        String::from_utf8(all).unwrap(),
        format!("+OK\r\n{expected}.\r\n+OK\r\n")
    );
}

#[test]
fn stat_knows_the_totals_without_counting() {
    let mut connection = large();
    assert_eq!(connection.ask("STAT"), "+OK 100000 5000050000\r\n");
    for number in 1..=1_000 {
        connection.ask(&format!("DELE {number}"));
    }
    assert_eq!(connection.ask("STAT"), "+OK 99000 4999549500\r\n");
}
