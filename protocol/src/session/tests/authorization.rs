//! USER, PASS, and what else is valid before log-on.

use super::driver::{Connection, World, play};
use crate::session::{Blame, LogOnRefusal};
use crate::{CloseReason, LoginType, Policy};

fn fresh() -> Connection {
    Connection::new(
        Policy::exchange2013(),
        World::new(&["H: 1\r\n\r\nbody\r\n"]),
    )
}

#[test]
fn the_session_that_exchange_is_known_for() {
    play(
        fresh,
        "
        S: +OK The Microsoft Exchange POP3 service is ready.
        C: CAPA
        S: +OK
        S: TOP
        S: UIDL
        S: SASL RIDDLE PLAIN
        S: USER
        S: .
        C: USER nobody@contoso.com
        S: +OK
        C: PASS wrong
        S: -ERR Logon failure: unknown user name or bad password.
        C: STAT
        S: -ERR Command is not valid in this state.
        C: user alice
        S: +OK
        C: PASS open sesame
        S: +OK User successfully logged on.
        C: STAT
        S: +OK 1 114
        C: UIDL
        S: +OK
        S: 1 6499
        S: .
        C: QUIT
        S: +OK Microsoft Exchange Server 2013 POP3 server signing off.
        C: STAT
        ",
    );
}

#[test]
fn only_a_few_commands_are_valid_before_log_on() {
    play(
        || {
            Connection::new(
                Policy {
                    protocol_errors_max: 99,
                    ..Policy::default()
                },
                World::new(&[]),
            )
        },
        "
        S: +OK The Microsoft Exchange POP3 service is ready.
        C: STAT
        S: -ERR Command is not valid in this state.
        C: LIST x y z
        S: -ERR Command is not valid in this state.
        C: NOOP
        S: -ERR Command is not valid in this state.
        C: RETR 1
        S: -ERR Command is not valid in this state.
        C: PASS secret
        S: -ERR Command is not valid in this state.
        C: APOP alice c4c9334bac560ecc979e58001b3e22fb
        S: -ERR Protocol error. 14
        C: LAST
        S: -ERR Protocol error. 14
        C: 
        S: -ERR Protocol error. 14
        C:  USER alice
        S: -ERR Protocol error. 14
        C: USER
        S: -ERR Protocol error. 14
        C: USER 
        S: -ERR Protocol error. 14
        C: CAPA all
        S: -ERR There are too many arguments.
        C: QUIT now
        S: -ERR There are too many arguments.
        C: QUIT
        S: +OK Microsoft Exchange Server 2013 POP3 server signing off.
        ",
    );
}

#[test]
fn after_a_failed_pass_it_begins_with_user_again() {
    play(
        fresh,
        "
        S: +OK The Microsoft Exchange POP3 service is ready.
        C: USER alice
        S: +OK
        C: PASS wrong
        S: -ERR Logon failure: unknown user name or bad password.
        C: PASS open sesame
        S: -ERR Command is not valid in this state.
        C: USER bob
        S: +OK
        C: USER alice
        S: +OK
        C: CAPA
        S: +OK
        S: TOP
        S: UIDL
        S: SASL RIDDLE PLAIN
        S: USER
        S: .
        C: PASS
        S: -ERR An argument is missing.
        C: PASS open sesame
        S: +OK User successfully logged on.
        C: USER alice
        S: -ERR Command is not valid in this state.
        C: AUTH PLAIN
        S: -ERR Command is not valid in this state.
        C: STLS
        S: -ERR Command is not valid in this state.
        ",
    );
}

#[test]
fn name_and_password_arrive_as_they_were_sent() {
    let table: [(&[u8], &[u8], &[u8]); 9] = [
        (b"PASS a  b ", b"alice", b"a  b "),
        (b"PASS  lead", b"alice", b" lead"),
        (b"PASS\t\tx\ty\t", b"alice", b"\tx\ty\t"),
        (b"PASS a\0b", b"alice", b"a\0b"),
        (b"PASS \xff\xe9", b"alice", b"\xff\xe9"),
        (b"PASS ", b"alice", b""),
        (b"pass *", b"alice", b"*"),
        (b"PASS a\rb", b"alice", b"a\rb"),
        (b"PASS PASS", b"alice", b"PASS"),
    ];
    for (line, user, password) in table {
        let mut connection = fresh();
        connection.send(b"USER alice\r\n");
        connection.send(line);
        connection.send(b"\r\n");
        assert_eq!(
            connection.world.log_ons,
            [(user.to_vec(), password.to_vec())]
        );
    }
    let mut connection = fresh();
    connection.send(b"USER \t d\xf6main\\user name \t\r\nPASS x\r\n");
    assert_eq!(connection.world.log_ons[0].0, b"d\xf6main\\user name");
}

#[test]
fn a_name_with_a_control_character_is_a_protocol_error() {
    for name in ["USER a\0b", "USER a\rb", "USER a\x1b[2J", "USER a\x7f"] {
        let mut connection = fresh();
        connection.take();
        assert_eq!(connection.ask(name), "-ERR Protocol error. 14\r\n");
    }
}

#[test]
fn user_tells_about_the_connection_and_never_about_the_user() {
    for login_type in [LoginType::PlainTextAuthentication, LoginType::SecureLogin] {
        let policy = Policy {
            login_type,
            ..Policy::exchange2013()
        };
        let mut connection = Connection::in_clear(policy, World::new(&[]));
        connection.take();
        for command in ["USER alice", "USER nobody", "PASS open sesame"] {
            assert_eq!(
                connection.ask(command),
                "-ERR Command is not valid in this state.\r\n"
            );
        }
        assert!(connection.world.log_ons.is_empty());
    }
    let policy = Policy {
        login_type: LoginType::PlainTextLogin,
        ..Policy::exchange2013()
    };
    let mut connection = Connection::in_clear(policy, World::new(&[]));
    connection.take();
    assert_eq!(connection.ask("USER alice"), "+OK\r\n");
    assert_eq!(connection.ask("USER nobody"), "+OK\r\n");
}

#[test]
fn why_a_client_is_not_let_in() {
    let table = [
        (
            LogOnRefusal::Credentials,
            "-ERR [AUTH] Logon failure: unknown user name or bad password.",
        ),
        (LogOnRefusal::Malformed, "-ERR This is not a command."),
        (
            LogOnRefusal::TooManySessions,
            "-ERR [SYS/TEMP] The user has too many sessions.",
        ),
        (
            LogOnRefusal::InUse,
            "-ERR [IN-USE] The maildrop is in use by another session.",
        ),
        (
            LogOnRefusal::Failed(Blame::Temporary),
            "-ERR [SYS/TEMP] The server is unavailable for now.",
        ),
        (
            LogOnRefusal::Failed(Blame::Permanent),
            "-ERR [SYS/PERM] The server is unavailable. An administrator has to act.",
        ),
    ];
    for (refusal, reply) in table {
        let mut world = World::new(&[]);
        world.log_on_refusal = Some(refusal);
        let mut connection = Connection::new(Policy::rfc1939(), world);
        connection.ask("USER alice");
        assert_eq!(connection.ask("PASS open sesame"), format!("{reply}\r\n"));
        assert_eq!(connection.ask("USER alice"), "+OK\r\n");
    }
}

#[test]
fn too_many_failed_log_ons_close_the_session_with_a_notice() {
    let mut connection = fresh();
    for _ in 0..4 {
        connection.ask("USER alice");
        connection.ask("PASS wrong");
        assert_eq!(connection.closed, None);
    }
    connection.ask("USER alice");
    assert_eq!(
        connection.ask("PASS wrong"),
        "-ERR Logon failure: unknown user name or bad password.\r\n\
         -ERR Too many failed log-ons. Connection is closed.\r\n"
    );
    assert_eq!(connection.closed, Some(CloseReason::TooManyFailures));
    assert_eq!(connection.session.summary().auth_failures, 5);
}

#[test]
fn quit_in_the_authorization_state_removes_nothing() {
    let mut connection = fresh();
    connection.ask("QUIT");
    assert_eq!(connection.closed, Some(CloseReason::Quit));
    assert_eq!(connection.world.committed, None);
}
