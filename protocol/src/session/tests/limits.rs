//! Limits: long commands, many errors, memory, what a reply may be.

use super::driver::{Connection, World, play};
use crate::{CloseReason, OverlongCommand, Policy, Session};

#[test]
fn a_command_at_the_limit_passes_and_one_octet_more_does_not() {
    // `USER `, the name, CRLF.
    let at_the_limit = format!("USER {}", "x".repeat(512 - 7));
    let refusing = Policy {
        overlong_command: OverlongCommand::Refuse,
        ..Policy::exchange2013()
    };
    play(
        || Connection::new(refusing.clone(), World::new(&[])),
        &format!(
            "
            S: +OK The Microsoft Exchange POP3 service is ready.
            C: {at_the_limit}
            S: +OK
            C: {at_the_limit}x
            S: -ERR The command is too long.
            C: NOOP
            S: -ERR Command is not valid in this state.
            "
        ),
    );
    play(
        || Connection::new(Policy::exchange2013(), World::new(&[])),
        &format!(
            "
            S: +OK The Microsoft Exchange POP3 service is ready.
            C: {at_the_limit}
            S: +OK
            C: {at_the_limit}x
            S: -ERR Protocol error. Connection is closed. 10
            C: NOOP
            "
        ),
    );
}

#[test]
fn the_tail_of_a_refused_line_is_never_a_command() {
    let mut connection = Connection::new(Policy::rfc1939(), World::new(&[]));
    connection.take();
    let mut line = vec![b'x'; 4_096];
    line.extend_from_slice(b"QUIT\r\n");
    assert!(line.len() > 16 * 255);
    connection.send(&line);
    assert_eq!(connection.take(), "-ERR The command is too long.\r\n");
    assert_eq!(connection.closed, None);
    assert_eq!(connection.ask("USER alice"), "+OK\r\n");
}

#[test]
fn a_gibioctet_without_line_end_is_one_error_in_every_state() {
    let policy = || Policy {
        separators: crate::Separators::Lenient,
        ..Policy::rfc1939()
    };
    let fresh = || Connection::new(policy(), World::new(&[]));
    let amid_auth = || {
        let mut connection = fresh();
        connection.ask("AUTH PLAIN");
        connection
    };
    let logged_on = || Connection::logged_on(policy(), World::new(&[]));
    for open in [&fresh as &dyn Fn() -> Connection, &amid_auth, &logged_on] {
        let mut connection = open();
        connection.take();
        let read = [b'x'; 16 * 1024];
        for _ in 0..65_536 {
            connection.send(&read);
        }
        let reply = connection.take();
        assert!(
            reply.starts_with("-ERR ") && reply.lines().count() == 1,
            "{reply}"
        );
        assert_eq!(connection.closed, None);
        connection.send(b"QUIT\r\n");
        assert!(connection.ask("QUIT").starts_with("+OK"));
    }
}

#[test]
fn too_many_errors_in_a_row_close_the_session_with_a_notice() {
    for line in ["NONSENSE", "", " ", "\0", "STAT", "\u{e9}", ".", ":"] {
        let mut connection = Connection::new(Policy::exchange2013(), World::new(&[]));
        connection.take();
        for _ in 0..9 {
            assert!(connection.ask(line).starts_with("-ERR "));
        }
        assert!(connection.ask("CAPA").starts_with("+OK"));
        for _ in 0..9 {
            connection.ask(line);
            assert_eq!(connection.closed, None);
        }
        let last = connection.ask(line);
        assert!(
            last.ends_with("-ERR Too many errors. Connection is closed.\r\n"),
            "{last}"
        );
        assert_eq!(connection.closed, Some(CloseReason::TooManyErrors));
        assert_eq!(connection.session.summary().commands, 20);
    }
}

#[test]
fn no_reply_echoes_what_the_client_sent() {
    let mut connection = Connection::new(
        Policy {
            protocol_errors_max: 1_000,
            ..Policy::exchange2013()
        },
        World::new(&[]),
    );
    connection.take();
    for command in [
        "zqzq",
        "USER zqzq",
        "PASS zqzq",
        "AUTH zqzq",
        "AUTH PLAIN zqzq",
        "STLS zqzq",
        "CAPA zqzq",
        "QUIT zqzq",
        "RETR zqzq",
    ] {
        assert!(!connection.ask(command).contains("zqzq"), "{command}");
    }
}

#[test]
fn an_idle_session_is_a_few_hundred_octets() {
    assert!(size_of::<Session>() <= 512, "{}", size_of::<Session>());
}

#[test]
fn a_session_can_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&Connection::new(Policy::exchange2013(), World::new(&[])).session);
}

#[test]
fn pipelined_commands_are_answered_within_the_water_mark() {
    // The driver checks the water mark at every step.
    let mut connection = Connection::logged_on(Policy::exchange2013(), World::new(&[]));
    connection.send(&b"CAPA\r\n".repeat(5_000));
    assert_eq!(connection.take().matches("+OK\r\n").count(), 5_000);
}
