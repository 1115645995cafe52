//! The verbs after log-on.

use super::driver::{Connection, World, play};
use crate::session::Blame;
use crate::{CloseReason, Maildrop, Octets, Policy, ScanEntry, SizeKind};

const FIRST: &str = "Subject: one\r\n\r\nline 1\r\n.line 2\r\n";
const SECOND: &str = ".\r\n";
const THIRD: &str = "Subject: three\r\n\r\nno end";

fn logged_on() -> Connection {
    let policy = Policy {
        sizes: SizeKind::Exact,
        ..Policy::exchange2013()
    };
    Connection::logged_on(policy, World::new(&[FIRST, SECOND, THIRD]))
}

#[test]
fn listings_and_messages() {
    play(
        logged_on,
        "
        C: STAT
        S: +OK 3 60
        C: LIST
        S: +OK
        S: 1 33
        S: 2 3
        S: 3 24
        S: .
        C: list \t 3
        S: +OK 3 24
        C: UIDL
        S: +OK
        S: 1 6499
        S: 2 6500
        S: 3 6501
        S: .
        C: UIDL 2
        S: +OK 2 6500
        C: RETR 1
        S: +OK
        S: Subject: one
        S: 
        S: line 1
        S: ..line 2
        S: .
        C: RETR 2
        S: +OK
        S: ..
        S: .
        C: RETR 3
        S: +OK
        S: Subject: three
        S: 
        S: no end
        S: .
        C: TOP 1 0
        S: +OK
        S: Subject: one
        S: 
        S: .
        C: TOP 1 1
        S: +OK
        S: Subject: one
        S: 
        S: line 1
        S: .
        C: TOP 3 99999999
        S: +OK
        S: Subject: three
        S: 
        S: no end
        S: .
        C: NOOP
        S: +OK
        C: CAPA
        S: +OK
        S: TOP
        S: UIDL
        S: SASL RIDDLE PLAIN
        S: USER
        S: .
        C: QUIT
        S: +OK Microsoft Exchange Server 2013 POP3 server signing off.
        ",
    );
}

#[test]
fn a_marked_message_is_out_of_sight_until_rset() {
    play(
        logged_on,
        "
        C: DELE 2
        S: +OK
        C: DELE 2
        S: -ERR The message is marked as deleted.
        C: RETR 2
        S: -ERR The message is marked as deleted.
        C: TOP 2 0
        S: -ERR The message is marked as deleted.
        C: LIST 2
        S: -ERR The message is marked as deleted.
        C: UIDL 2
        S: -ERR The message is marked as deleted.
        C: STAT
        S: +OK 2 57
        C: LIST
        S: +OK
        S: 1 33
        S: 3 24
        S: .
        C: UIDL
        S: +OK
        S: 1 6499
        S: 3 6501
        S: .
        C: LIST 3
        S: +OK 3 24
        C: RSET
        S: +OK
        C: STAT
        S: +OK 3 60
        C: LIST 2
        S: +OK 2 3
        C: DELE 2
        S: +OK
        C: DELE 1
        S: +OK
        C: DELE 3
        S: +OK
        C: STAT
        S: +OK 0 0
        C: LIST
        S: +OK
        S: .
        C: RSET
        S: +OK
        C: QUIT
        S: +OK Microsoft Exchange Server 2013 POP3 server signing off.
        ",
    );
}

#[test]
fn what_is_no_message_number_names_no_message() {
    let none = "-ERR There is no message with this number.\r\n";
    let malformed = "-ERR The message number is not a number from 1 upwards.\r\n";
    let missing = "-ERR An argument is missing.\r\n";
    let too_many = "-ERR There are too many arguments.\r\n";
    for verb in ["RETR", "DELE", "LIST", "UIDL", "TOP"] {
        let lines = if verb == "TOP" { " 0" } else { "" };
        let mut connection = logged_on();
        for number in [
            "0", "00", "+1", "-1", "1e0", "1.", "0x1", "one", "1\0", "\u{b9}", "*",
        ] {
            let reply = connection.ask(&format!("{verb} {number}{lines}"));
            assert_eq!(reply, malformed, "{verb} {number}");
        }
        for number in ["4", "4294967296", "4294967297", "18446744073709551616"] {
            let reply = connection.ask(&format!("{verb} {number}{lines}"));
            assert_eq!(reply, none, "{verb} {number}");
        }
        assert_eq!(connection.ask(&format!("{verb} 1{lines} 1")), too_many);
        if !["LIST", "UIDL"].contains(&verb) {
            assert_eq!(connection.ask(verb), missing);
        }
        assert_eq!(connection.ask("STAT"), "+OK 3 60\r\n");
    }
    let mut connection = logged_on();
    assert_eq!(connection.ask("TOP 1"), missing);
    for lines in ["-1", "+1", "x", "1e9"] {
        let reply = connection.ask(&format!("TOP 1 {lines}"));
        assert_eq!(reply, "-ERR The number of lines is not a number.\r\n");
    }
    let all = connection.ask("RETR 1");
    assert_eq!(connection.ask("TOP 1 18446744073709551616"), all);
}

#[test]
fn quit_removes_what_is_marked_and_nothing_else() {
    let mut connection = logged_on();
    connection.ask("DELE 3");
    connection.ask("DELE 1");
    connection.holds_effects = true;
    assert_eq!(connection.ask("QUIT"), "", "no reply before it is done");
    connection.carry_out();
    assert_eq!(
        connection.take(),
        "+OK Microsoft Exchange Server 2013 POP3 server signing off.\r\n"
    );
    assert_eq!(connection.world.committed, Some(vec![6499, 6501]));
    assert_eq!(connection.closed, Some(CloseReason::Quit));
    let summary = connection.session.summary();
    assert_eq!((summary.marked, summary.removed), (2, 2));
    assert_eq!(summary.user.as_deref(), Some("alice"));
}

#[test]
fn the_removal_is_asked_for_in_the_order_of_the_store() {
    let entry = |id| ScanEntry {
        id,
        stored: Octets(1),
        exact: Octets(1),
    };
    let newest_first = Maildrop::new(vec![entry(9), entry(5), entry(2)], Vec::new());
    let mut connection =
        Connection::logged_on(Policy::default(), World::with_maildrop(newest_first));
    for command in ["DELE 1", "DELE 2", "DELE 3", "QUIT"] {
        connection.ask(command);
    }
    assert_eq!(connection.world.committed, Some(vec![2, 5, 9]));
}

#[test]
fn quit_without_marks_asks_for_nothing() {
    let mut connection = logged_on();
    for command in ["DELE 1", "RSET"] {
        connection.ask(command);
    }
    connection.holds_effects = true;
    connection.ask("QUIT");
    assert!(connection.held.is_none());
    assert_eq!(connection.closed, Some(CloseReason::Quit));
}

#[test]
fn a_removal_that_did_not_happen_is_not_answered_ok() {
    let mut connection = logged_on();
    connection.world.failure = Some(Blame::Temporary);
    connection.ask("DELE 1");
    let reply = connection.ask("QUIT");
    assert_eq!(
        reply,
        "-ERR The messages marked as deleted were not removed.\r\n"
    );
    assert_eq!(connection.closed, Some(CloseReason::QuitFailed));
    assert_eq!(connection.session.summary().removed, 0);
}

#[test]
fn a_message_that_vanished_cannot_be_fetched_but_can_be_marked() {
    let mut connection = logged_on();
    connection.world.gone.insert(6500);
    let gone = "-ERR The message has been removed meanwhile.\r\n";
    assert_eq!(connection.ask("RETR 2"), gone);
    assert_eq!(connection.ask("TOP 2 0"), gone);
    assert_eq!(connection.ask("LIST 2"), "+OK 2 3\r\n");
    assert_eq!(connection.ask("STAT"), "+OK 3 60\r\n");
    assert_eq!(connection.ask("DELE 2"), "+OK\r\n");
    assert!(
        connection
            .ask("RETR 3")
            .starts_with("+OK\r\nSubject: three")
    );
}

#[test]
fn looping_on_a_vanished_message_ends() {
    let mut connection = logged_on();
    connection.world.gone.insert(6500);
    let mut asked = 0;
    while connection.closed.is_none() {
        connection.ask("RETR 2");
        connection.ask("NOOP");
        asked += 1;
        assert!(asked < 100);
    }
    assert_eq!(asked, 11);
    assert_eq!(connection.closed, Some(CloseReason::TooManyErrors));
}

#[test]
fn every_message_gone_is_no_reason_to_close() {
    let messages = vec!["H: 1\r\n\r\n"; 100];
    let mut connection = Connection::logged_on(Policy::default(), World::new(&messages));
    connection.world.gone = (6499..6599).collect();
    for verb in ["TOP", "RETR"] {
        for number in 1..=100 {
            let lines = if verb == "TOP" { " 0" } else { "" };
            connection.ask(&format!("{verb} {number}{lines}"));
        }
    }
    assert_eq!(connection.closed, None);
}

#[test]
fn a_message_that_cannot_be_read_is_an_error_for_it_alone() {
    let mut connection = logged_on();
    connection.world.failure = Some(Blame::Temporary);
    assert_eq!(connection.ask("RETR 1"), "-ERR Server Unavailable. 21\r\n");
    connection.world.failure = Some(Blame::Permanent);
    let reply = connection.ask("RETR 1");
    assert_eq!(
        reply,
        "-ERR Server Unavailable. An administrator has to act.\r\n"
    );
    connection.world.failure = None;
    assert!(connection.ask("RETR 1").starts_with("+OK\r\n"));
    let summary = connection.session.summary();
    assert_eq!((summary.retrieved, summary.topped), (1, 0));
}

#[test]
fn bad_message_numbers_do_not_close_the_session() {
    let mut connection = logged_on();
    for _ in 0..100 {
        connection.ask("RETR 99");
        connection.ask("LIST x");
    }
    assert_eq!(connection.closed, None);
}

#[test]
fn totals_pass_four_gibioctets() {
    let entry = |id| ScanEntry {
        id,
        stored: Octets(5 << 30),
        exact: Octets(1),
    };
    let maildrop = Maildrop::new((1..=3).map(entry).collect(), Vec::new());
    let mut connection = Connection::logged_on(Policy::default(), World::with_maildrop(maildrop));
    assert_eq!(connection.ask("STAT"), "+OK 3 16106127360\r\n");
    assert_eq!(connection.ask("LIST 2"), "+OK 2 5368709120\r\n");
    connection.ask("DELE 2");
    assert_eq!(connection.ask("STAT"), "+OK 2 10737418240\r\n");
}
