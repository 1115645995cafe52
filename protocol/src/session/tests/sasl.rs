//! AUTH (RFC 5034).

use super::driver::{Connection, World, play};
use crate::session::LogOnRefusal;
use crate::{CloseReason, LoginType, Policy};

fn fresh() -> Connection {
    let mut connection = Connection::new(Policy::exchange2013(), World::new(&[]));
    connection.take();
    connection
}

#[test]
fn with_and_without_an_initial_response() {
    for script in [
        "
        C: AUTH PLAIN AGFsaWNlAG9wZW4gc2VzYW1l
        S: +OK User successfully logged on.
        C: AUTH PLAIN
        S: -ERR Command is not valid in this state.
        ",
        "
        C: auth plain
        S: + 
        C: AGFsaWNlAG9wZW4gc2VzYW1l
        S: +OK User successfully logged on.
        C: STAT
        S: +OK 0 0
        ",
        "
        C: AUTH\t PLAIN \t AGFsaWNlAG9wZW4gc2VzYW1l \t
        S: +OK User successfully logged on.
        ",
        "
        C: AUTH RIDDLE
        S: + b25lPw==
        C: MQ==
        S: + 
        C: Mg==
        S: +OK User successfully logged on.
        ",
    ] {
        play(fresh, script);
    }
}

#[test]
fn the_session_goes_on_after_whatever_went_wrong() {
    for script in [
        "C: AUTH PLAIN
         S: + 
         C: *
         S: -ERR The authentication was cancelled.",
        "C: AUTH RIDDLE
         S: + b25lPw==
         C: *
         S: -ERR The authentication was cancelled.",
        "C: AUTH PLAIN
         S: + 
         C: no base64!
         S: -ERR The authentication message is not base64.",
        "C: AUTH PLAIN AGFsaWNl=
         S: -ERR The authentication message is not base64.",
        "C: AUTH PLAIN AGFsaWNlA
         S: -ERR The authentication message is not base64.",
        "C: AUTH PLAIN *
         S: -ERR The authentication message is not base64.",
        "C: AUTH PLAIN =
         S: -ERR Protocol error. 14",
        "C: AUTH PLAIN
         S: + 
         C: 
         S: -ERR Protocol error. 14",
        "C: AUTH PLAIN AGFsaWNlAHdyb25n
         S: -ERR Logon failure: unknown user name or bad password.",
        "C: AUTH RIDDLE
         S: + b25lPw==
         C: 
         S: -ERR Logon failure: unknown user name or bad password.",
        "C: AUTH RIDDLE MQ==
         S: -ERR The mechanism has no initial response.",
        "C: AUTH GSSAPI
         S: -ERR Protocol error. 14",
        "C: AUTH PLAIN a b
         S: -ERR There are too many arguments.",
    ] {
        let after = "
            C: USER alice
            S: +OK
            C: PASS open sesame
            S: +OK User successfully logged on.";
        play(fresh, &format!("{script}{after}"));
        let after = "
            C: AUTH PLAIN AGFsaWNlAG9wZW4gc2VzYW1l
            S: +OK User successfully logged on.";
        play(fresh, &format!("{script}{after}"));
    }
}

#[test]
fn auth_alone_lists_the_mechanisms() {
    play(
        fresh,
        "
        C: AUTH
        S: +OK
        S: RIDDLE
        S: PLAIN
        S: .
        C: AUTH 
        S: +OK
        S: RIDDLE
        S: PLAIN
        S: .
        ",
    );
    let mut connection = Connection::new(Policy::rfc1939(), World::new(&[]));
    connection.take();
    assert_eq!(connection.ask("AUTH "), "+OK\r\nRIDDLE\r\nPLAIN\r\n.\r\n");
}

#[test]
fn a_name_given_before_auth_is_forgotten() {
    play(
        fresh,
        "
        C: USER alice
        S: +OK
        C: AUTH PLAIN
        S: + 
        C: *
        S: -ERR The authentication was cancelled.
        C: PASS open sesame
        S: -ERR Command is not valid in this state.
        ",
    );
}

#[test]
fn mechanisms_are_offered_as_the_login_type_allows() {
    let ask = |login_type, command: &str| {
        let policy = Policy {
            login_type,
            ..Policy::exchange2013()
        };
        let mut connection = Connection::in_clear(policy, World::new(&[]));
        connection.take();
        connection.ask(command)
    };
    let refused = "-ERR Command is not valid in this state.\r\n";
    assert_eq!(ask(LoginType::SecureLogin, "AUTH"), refused);
    assert_eq!(ask(LoginType::SecureLogin, "AUTH PLAIN"), refused);
    assert_eq!(ask(LoginType::SecureLogin, "AUTH RIDDLE"), refused);
    assert_eq!(
        ask(LoginType::SecureLogin, "AUTH GSSAPI"),
        "-ERR Protocol error. 14\r\n"
    );
    let some = LoginType::PlainTextAuthentication;
    assert_eq!(ask(some, "AUTH"), "+OK\r\nRIDDLE\r\n.\r\n");
    assert_eq!(ask(some, "AUTH PLAIN"), refused);
    assert_eq!(ask(some, "AUTH RIDDLE"), "+ b25lPw==\r\n");
    assert_eq!(ask(LoginType::PlainTextLogin, "AUTH PLAIN"), "+ \r\n");
}

#[test]
fn continuation_lines_have_a_limit_of_their_own() {
    let policy = Policy {
        continuation_octets_max: 12_288,
        ..Policy::exchange2013()
    };
    let open = || {
        let mut connection = Connection::new(policy.clone(), World::new(&[]));
        connection.ask("AUTH PLAIN");
        connection.take();
        connection
    };
    // An octet of three is lost to the line end.
    for octets in [4_096, 8_192, 12_284] {
        let mut connection = open();
        let reply = connection.ask(&"A".repeat(octets));
        assert_eq!(
            reply,
            "-ERR Logon failure: unknown user name or bad password.\r\n"
        );
        assert!(connection.world.log_ons.len() == 1);
    }
    let mut connection = open();
    let reply = connection.ask(&"A".repeat(12_287));
    assert_eq!(reply, "-ERR The authentication message is too long.\r\n");
    assert!(connection.world.log_ons.is_empty());
    assert_eq!(connection.ask("USER alice"), "+OK\r\n");
}

#[test]
fn whether_an_exchange_is_open_can_be_seen() {
    let mut connection = fresh();
    let mut seen = Vec::new();
    for line in [
        "AUTH PLAIN",
        "*",
        "AUTH RIDDLE",
        "MQ==",
        "*",
        "AUTH RIDDLE",
        "!",
        "AUTH RIDDLE",
    ] {
        connection.ask(line);
        seen.push(connection.session.sasl_exchange_is_open());
    }
    assert_eq!(seen, [false, false, true, true, false, true, false, true]);
    connection.ask("MQ==");
    connection.ask("Mg==");
    assert!(!connection.session.sasl_exchange_is_open());
}

#[test]
fn failures_and_cancels_come_to_an_end() {
    let mut connection = fresh();
    for _ in 0..5 {
        connection.ask("AUTH PLAIN AGFsaWNlAHdyb25n");
    }
    assert_eq!(connection.closed, Some(CloseReason::TooManyFailures));
    for mechanism in ["PLAIN", "RIDDLE"] {
        let mut connection = fresh();
        for _ in 0..10 {
            assert_eq!(connection.closed, None);
            connection.ask(&format!("AUTH {mechanism}"));
            connection.ask("*");
        }
        assert_eq!(connection.closed, Some(CloseReason::TooManyErrors));
        assert_eq!(connection.session.summary().auth_failures, 0);
    }
}

#[test]
fn a_refusal_of_a_mechanism_reads_as_one_of_pass() {
    let mut world = World::new(&[]);
    world.log_on_refusal = Some(LogOnRefusal::Credentials);
    let mut connection = Connection::new(Policy::exchange2013(), world);
    connection.ask("USER alice");
    let pass = connection.ask("PASS open sesame");
    assert_eq!(connection.ask("AUTH PLAIN AGFsaWNlAG9wZW4gc2VzYW1l"), pass);
    assert_eq!(connection.ask("AUTH PLAIN AG5vYm9keQB4"), pass);
}
