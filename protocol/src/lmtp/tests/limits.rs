//! Too much of everything: the right reply, and flat memory.

use super::super::{LmtpPolicy, LmtpSession};
use super::driver::{Connection, HELLO};
use crate::CloseReason;
use crate::session::INPUT_OCTETS_MAX;

fn small() -> LmtpPolicy {
    LmtpPolicy {
        message_octets_max: 1_000,
        recipients_max: 3,
        protocol_errors_max: 3,
        ..LmtpPolicy::default()
    }
}

fn greeted(policy: LmtpPolicy) -> Connection {
    let mut connection = Connection::new(policy);
    connection.send(HELLO.as_bytes());
    connection.take();
    connection
}

#[test]
fn too_many_recipients_are_refused_and_the_rest_is_served() {
    let mut connection = greeted(small());
    connection.send(b"MAIL FROM:<>\r\n");
    for _ in 0..4 {
        connection.send(b"RCPT TO:<ann>\r\n");
    }
    connection.send(b"DATA\r\nS: x\r\n.\r\n");
    assert_eq!(
        connection.codes(),
        [250, 250, 250, 250, 452, 354, 250, 250, 250]
    );
}

#[test]
fn a_large_message_is_refused_by_its_announcement_and_by_its_octets() {
    let mut connection = greeted(small());
    for size in ["1001", "18446744073709551616", "99999999999999999999"] {
        connection.send(format!("MAIL FROM:<> SIZE={size}\r\n").as_bytes());
        assert_eq!(connection.codes(), [552], "{size}");
    }
    let fits = [b"S:".to_vec(), vec![b'x'; 994], b"\r\n\r\n".to_vec()].concat();
    for (message, code) in [
        (fits.clone(), 250),
        ([fits, b"\r\n".to_vec()].concat(), 552),
    ] {
        connection.send(b"MAIL FROM:<> SIZE=1000\r\nRCPT TO:<ann>\r\nRCPT TO:<ann>\r\nDATA\r\n");
        connection.send(&message);
        connection.send(b".\r\n");
        assert_eq!(connection.codes(), [250, 250, 250, 354, code, code]);
        connection.send(b"MAIL FROM:<>\r\nRCPT TO:<ann>\r\n");
        connection.send(format!("BDAT {}\r\n", message.len()).as_bytes());
        connection.send(&message);
        connection.send(b"BDAT 0 LAST\r\n");
        assert_eq!(connection.codes(), [250, 250, code, code]);
    }
    assert_eq!(connection.world.delivered.len(), 3);
}

#[test]
fn endless_octets_take_no_memory() {
    let policy = LmtpPolicy {
        message_octets_max: 1 << 20,
        ..LmtpPolicy::default()
    };
    let read = [b'x'; INPUT_OCTETS_MAX];
    for begin in [
        "",
        "MAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\n",
        "BDAT 999999999999\r\n",
    ] {
        let mut connection = greeted(policy.clone());
        connection.send(begin.as_bytes());
        for _ in 0..4_096 {
            connection.send(&read);
        }
        let said = connection.take();
        assert!(said.len() < 200, "{said}");
        assert!(octets_held(&connection.session) <= 2 * INPUT_OCTETS_MAX);
        assert!(connection.world.write_max <= INPUT_OCTETS_MAX + INPUT_OCTETS_MAX / 200);
        assert!(connection.world.delivered.is_empty());
    }
}

/// What the session keeps of the client's octets, as far as its text shows it.
fn octets_held(session: &LmtpSession) -> usize {
    format!("{session:?}").matches("120").count()
}

#[test]
fn too_many_errors_in_a_row_close() {
    let mut connection = greeted(small());
    connection.send(b"XYZ\r\nDATA\r\nNOOP\r\nXYZ\r\nRCPT TO:<ann>\r\n");
    assert_eq!(connection.codes(), [500, 503, 250, 500, 503]);
    connection.send(&[b'x'; 5_000]);
    assert_eq!(connection.codes(), [500, 421]);
    assert_eq!(connection.closed, Some(CloseReason::TooManyErrors));
}

#[test]
fn many_replies_are_written_bit_by_bit() {
    let mut connection = greeted(LmtpPolicy::default());
    connection.send(&b"NOOP\r\n".repeat(100_000));
    assert_eq!(connection.codes().len(), 100_000);
}
