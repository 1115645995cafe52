//! Sessions of users of another site (MS-STANXPOP3 C0010).

use std::time::Duration;

use super::driver::{Connection, World};
use crate::{
    Blame, CloseReason, Ending, ForeignSite, LogOnRefusal, Outcome, Policy, Profile, Session,
};

fn elsewhere(policy: Policy) -> Connection {
    let mut world = World::new(&["H: 1\r\n\r\n"]);
    world.hands_on = true;
    Connection::new(policy, world)
}

fn handed_on(behind: &str) -> Connection {
    let mut connection = elsewhere(Policy::exchange2013());
    connection.take();
    connection.send(format!("USER alice\r\nPASS open sesame\r\n{behind}").as_bytes());
    connection
}

fn tell(session: &mut Session, connection_now: std::time::Instant, outcome: Outcome) -> Vec<u8> {
    let mut out = Vec::new();
    session.resume(outcome, connection_now, &mut out);
    out
}

#[test]
fn the_later_profiles_hand_on_and_the_others_refuse() {
    for profile in Profile::ALL {
        let expected = match profile {
            Profile::Exchange2013 | Profile::Exchange2010 => ForeignSite::HandOn,
            Profile::Exchange2007 | Profile::Rfc1939 => ForeignSite::Refuse,
        };
        assert_eq!(profile.policy().foreign_site, expected, "{profile}");
    }
}

#[test]
fn the_log_on_is_answered_and_what_was_pipelined_goes_to_the_other_server() {
    let mut connection = handed_on("STAT\r\nRETR 1\r\nQU");
    assert_eq!(
        connection.take(),
        "+OK\r\n+OK User successfully logged on.\r\n"
    );
    assert_eq!(connection.relayed.take().unwrap(), b"STAT\r\nRETR 1\r\nQU");
    // It is given once, and no command is answered here any more.
    connection.send(b"IT\r\n");
    assert_eq!(
        (connection.take(), connection.relayed),
        (String::new(), None)
    );
    assert_eq!(connection.session.summary().user.as_deref(), Some("alice"));
}

#[test]
fn after_auth_it_is_the_same() {
    let mut connection = elsewhere(Policy::exchange2013());
    connection.take();
    connection.send(b"AUTH PLAIN AGFsaWNlAG9wZW4gc2VzYW1l\r\nNOOP\r\n");
    assert_eq!(connection.take(), "+OK User successfully logged on.\r\n");
    assert_eq!(connection.relayed.unwrap(), b"NOOP\r\n");
}

#[test]
fn what_passes_sets_the_timer_anew() {
    let mut connection = handed_on("");
    let half_an_hour = Duration::from_secs(1_800);
    let deadline = connection.session.deadline();
    assert_eq!(deadline, connection.now + half_an_hour);
    let later = connection.now + Duration::from_secs(60);
    connection.session.relayed(later, true);
    assert_eq!(connection.session.deadline(), later + half_an_hour);
}

#[test]
fn a_notice_is_said_only_where_the_other_server_ended_a_line() {
    let table = [
        ("", None, true),
        ("RETR 1\r\n", None, false),
        ("", Some(false), false),
        ("RETR 1\r\n", Some(true), true),
    ];
    for (behind, passed, notice) in table {
        let mut connection = handed_on(behind);
        if let Some(at_boundary) = passed {
            connection.session.relayed(connection.now, at_boundary);
        }
        let mut out = Vec::new();
        connection.session.end(Ending::Shutdown, &mut out);
        connection.run();
        assert_eq!(!out.is_empty(), notice, "{behind:?} {passed:?}");
        assert_eq!(connection.closed, Some(CloseReason::Shutdown));
    }
}

#[test]
fn when_the_other_side_closes_the_session_closes_without_a_word() {
    let mut connection = handed_on("");
    let now = connection.now;
    assert!(tell(&mut connection.session, now, Outcome::RelayEnded).is_empty());
    connection.run();
    assert_eq!(connection.closed, Some(CloseReason::RelayEnded));
    // Nothing else can be reported of such a session.
    let mut connection = handed_on("");
    tell(&mut connection.session, now, Outcome::Committed);
    connection.run();
    assert_eq!(connection.closed, Some(CloseReason::UnexpectedOutcome));
}

#[test]
fn a_site_that_cannot_be_reached_is_a_temporary_refusal() {
    let mut connection = elsewhere(Policy::rfc1939());
    connection.world.log_on_refusal = Some(LogOnRefusal::Failed(Blame::Temporary));
    connection.take();
    connection.ask("USER alice");
    let reply = connection.ask("PASS open sesame");
    assert!(reply.starts_with("-ERR [SYS/TEMP] "), "{reply}");
    assert_eq!(connection.closed, None);
}
