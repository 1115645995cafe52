//! The inactivity timer, and endings that come from outside.

use std::time::Duration;

use super::driver::{Connection, World};
use crate::{CloseReason, Ending, Outcome, Policy, Step};

const MINUTE: Duration = Duration::from_secs(60);

fn end(connection: &mut Connection, ending: Ending) -> String {
    let mut out = Vec::new();
    connection.session.end(ending, &mut out);
    connection.run();
    String::from_utf8(out).unwrap()
}

fn logged_on() -> Connection {
    Connection::logged_on(
        Policy::exchange2013(),
        World::new(&["H: 1\r\n\r\n", "H: 2\r\n\r\n"]),
    )
}

#[test]
fn every_command_sets_the_timer_anew() {
    let mut connection = Connection::new(Policy::exchange2013(), World::new(&[]));
    let start = connection.now;
    assert_eq!(connection.session.deadline(), start + MINUTE);
    for (seconds, line) in [
        (10, "CAPA"),
        (20, "NONSENSE"),
        (30, "AUTH PLAIN"),
        (40, "*"),
    ] {
        connection.now = start + Duration::from_secs(seconds);
        connection.ask(line);
        assert_eq!(connection.session.deadline(), connection.now + MINUTE);
    }
    connection.now = start + MINUTE;
    connection.ask("USER alice");
    connection.ask("PASS open sesame");
    assert_eq!(connection.session.deadline(), connection.now + 30 * MINUTE);
}

#[test]
fn half_a_line_does_not_set_the_timer_anew() {
    let mut connection = Connection::new(Policy::exchange2013(), World::new(&[]));
    let deadline = connection.session.deadline();
    for octet in b"CAPA" {
        connection.now += Duration::from_secs(10);
        connection.send(&[*octet]);
        assert_eq!(connection.session.deadline(), deadline);
    }
    connection.send(b"\n");
    assert!(connection.session.deadline() > deadline);
}

#[test]
fn a_long_log_on_or_message_is_not_the_clients_silence() {
    let mut connection = logged_on();
    connection.holds_effects = true;
    connection.ask("RETR 1");
    connection.now += 10 * MINUTE;
    connection.carry_out();
    assert_eq!(connection.session.deadline(), connection.now + 30 * MINUTE);
}

#[test]
fn an_ending_says_why_and_removes_nothing() {
    let table = [
        (
            Ending::Autologout,
            CloseReason::Autologout,
            "because it was inactive",
        ),
        (Ending::Shutdown, CloseReason::Shutdown, "is shutting down"),
        (Ending::Restart, CloseReason::Restart, "Server Unavailable"),
    ];
    for (ending, reason, words) in table {
        let mut connection = logged_on();
        connection.ask("DELE 1");
        let notice = end(&mut connection, ending);
        assert!(
            notice.starts_with("-ERR ") && notice.contains(words),
            "{notice}"
        );
        assert_eq!(notice.matches("\r\n").count(), 1);
        assert_eq!(connection.closed, Some(reason));
        assert_eq!(connection.world.committed, None);
        assert_eq!(connection.session.summary().marked, 1);
        assert_eq!(end(&mut connection, ending), "", "only once");
    }
}

#[test]
fn the_policy_can_silence_the_autologout_alone() {
    let policy = Policy {
        closing_notice: false,
        ..Policy::exchange2013()
    };
    let mut connection = Connection::new(policy.clone(), World::new(&[]));
    assert_eq!(end(&mut connection, Ending::Autologout), "");
    let mut connection = Connection::new(policy, World::new(&[]));
    assert!(!end(&mut connection, Ending::Shutdown).is_empty());
    let mut connection = Connection::new(Policy::rfc1939(), World::new(&[]));
    assert!(end(&mut connection, Ending::Shutdown).starts_with("-ERR [SYS/TEMP] "));
}

#[test]
fn no_notice_in_the_midst_of_a_reply_or_a_handshake() {
    let mut connection = logged_on();
    connection.holds_effects = true;
    connection.ask("RETR 1");
    let mut out = Vec::new();
    connection
        .session
        .resume(Outcome::MessageOpened, connection.now, &mut out);
    assert_eq!(out, b"+OK\r\n");
    assert_eq!(end(&mut connection, Ending::Shutdown), "");
    assert_eq!(connection.closed, Some(CloseReason::Shutdown));

    let mut connection = logged_on();
    connection.session.input(b"UIDL\r\n");
    let step = connection.session.next(connection.now, &mut Vec::new());
    assert!(matches!(step, Step::Shared(_)));
    assert_eq!(end(&mut connection, Ending::Shutdown), "");

    let mut connection = Connection::in_clear(Policy::exchange2013(), World::new(&[]));
    connection.ask("STLS");
    assert_eq!(end(&mut connection, Ending::Autologout), "");
    assert_eq!(connection.closed, Some(CloseReason::Autologout));
}

#[test]
fn a_message_that_is_being_opened_or_a_log_on_gets_the_notice() {
    let mut connection = logged_on();
    connection.holds_effects = true;
    connection.ask("RETR 1");
    assert!(end(&mut connection, Ending::Shutdown).starts_with("-ERR"));
    // The outcome comes too late and changes nothing.
    connection.carry_out();
    assert_eq!(connection.take(), "");
    assert_eq!(connection.closed, Some(CloseReason::Shutdown));

    let mut connection = Connection::new(Policy::exchange2013(), World::new(&[]));
    connection.ask("USER alice");
    connection.holds_effects = true;
    connection.ask("PASS open sesame");
    assert!(end(&mut connection, Ending::Shutdown).starts_with("-ERR"));
    connection.carry_out();
    assert_eq!(connection.session.summary().user, None);
}

#[test]
fn quit_is_carried_through_whatever_ends() {
    let mut connection = logged_on();
    connection.ask("DELE 1");
    connection.holds_effects = true;
    connection.ask("QUIT");
    assert_eq!(end(&mut connection, Ending::Shutdown), "");
    assert_eq!(connection.closed, None);
    connection.carry_out();
    assert!(connection.take().starts_with("+OK"));
    assert_eq!(connection.closed, Some(CloseReason::Quit));
}

#[test]
fn a_message_that_broke_off_closes_without_a_word() {
    let mut connection = logged_on();
    connection.holds_effects = true;
    connection.ask("RETR 1");
    let mut out = Vec::new();
    connection
        .session
        .resume(Outcome::MessageOpened, connection.now, &mut out);
    connection.run();
    let mut out = Vec::new();
    let failed = Outcome::Failed(crate::Blame::Temporary);
    connection.session.resume(failed, connection.now, &mut out);
    connection.run();
    assert!(out.is_empty());
    assert_eq!(connection.closed, Some(CloseReason::MessageBroken));
    assert_eq!(connection.session.summary().retrieved, 0);
}

#[test]
fn an_outcome_that_nothing_waits_for_closes_the_session() {
    let mut connection = logged_on();
    connection
        .session
        .resume(Outcome::Committed, connection.now, &mut Vec::new());
    connection.run();
    assert_eq!(connection.closed, Some(CloseReason::UnexpectedOutcome));
}
