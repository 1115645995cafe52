//! STLS (RFC 2595 s4), and what must not get through it.

use super::driver::{Connection, World};
use crate::{CloseReason, LoginType, Policy};

fn clear() -> Connection {
    let policy = Policy {
        login_type: LoginType::PlainTextLogin,
        ..Policy::exchange2013()
    };
    let mut connection = Connection::in_clear(policy, World::new(&[]));
    connection.take();
    connection
}

const BEGIN: &str = "+OK Begin TLS negotiation.\r\n";
const WRONG_STATE: &str = "-ERR Command is not valid in this state.\r\n";

#[test]
fn tls_is_begun_once() {
    let mut connection = clear();
    assert!(connection.ask("CAPA").contains("STLS\r\n"));
    assert_eq!(connection.ask("stls"), BEGIN);
    connection.handshake();
    assert_eq!(connection.take(), "");
    assert_eq!(
        connection.session.summary().tls.as_ref().unwrap().version,
        "TLSv1.3"
    );
    assert!(!connection.ask("CAPA").contains("STLS"));
    assert_eq!(connection.ask("STLS"), WRONG_STATE);
    connection.ask("USER alice");
    assert_eq!(
        connection.ask("PASS open sesame"),
        "+OK User successfully logged on.\r\n"
    );
    assert_eq!(connection.ask("STLS"), WRONG_STATE);
}

#[test]
fn without_a_certificate_or_after_log_on_there_is_none() {
    let mut connection = clear();
    connection.session.link.stls = false;
    assert_eq!(connection.ask("STLS"), WRONG_STATE);
    let mut connection = clear();
    connection.ask("USER alice");
    connection.ask("PASS open sesame");
    assert_eq!(connection.ask("STLS"), WRONG_STATE);
    let mut connection = clear();
    assert_eq!(
        connection.ask("STLS now"),
        "-ERR There are too many arguments.\r\n"
    );
}

#[test]
fn nothing_said_before_the_handshake_counts_inside_tls() {
    let mut connection = clear();
    connection.ask("USER alice");
    for _ in 0..9 {
        connection.ask("NONSENSE");
    }
    assert_eq!(connection.ask("STLS"), BEGIN);
    connection.handshake();
    assert_eq!(connection.ask("PASS open sesame"), WRONG_STATE);
    for _ in 0..8 {
        connection.ask("NONSENSE");
    }
    assert_eq!(connection.closed, None);
    assert!(connection.ask("CAPA").starts_with("+OK\r\nTOP\r\n"));
}

#[test]
fn octets_behind_stls_close_the_session_at_every_split() {
    for injected in [
        "U",
        "\r",
        "\n",
        "USER a",
        "CAPA\r\n",
        "USER alice\r\nPASS open sesame\r\n",
    ] {
        let sent = format!("STLS\r\n{injected}");
        for cut in 0..=sent.len() {
            let mut connection = clear();
            let (first, second) = sent.as_bytes().split_at(cut);
            connection.send(first);
            connection.send(second);
            assert_eq!(
                connection.closed,
                Some(CloseReason::InputBeforeTls),
                "{sent:?} at {cut}"
            );
            let replies = connection.take();
            assert!(replies.is_empty() || replies == BEGIN, "{replies:?}");
            assert!(connection.world.log_ons.is_empty());
        }
        let mut connection = clear();
        sent.as_bytes()
            .chunks(1)
            .for_each(|octet| connection.send(octet));
        assert_eq!(connection.closed, Some(CloseReason::InputBeforeTls));
        assert_eq!(connection.take(), BEGIN);
    }
}

#[test]
fn a_handshake_does_not_revive_a_session_that_was_closed() {
    let mut connection = clear();
    connection.ask("STLS");
    connection.send(b"USER a");
    connection.handshake();
    assert_eq!(connection.closed, Some(CloseReason::InputBeforeTls));
    assert_eq!(connection.ask("CAPA"), "");
}

#[test]
fn half_a_line_before_stls_is_part_of_it() {
    let mut connection = clear();
    connection.send(b"USER ali");
    assert_eq!(connection.ask("ce STLS"), "+OK\r\n");
    assert!(!connection.starting_tls);
}
