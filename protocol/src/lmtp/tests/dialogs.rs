//! What the transcripts do not show: what becomes of messages, and of a server in trouble.

use std::time::Duration;

use super::super::{LmtpPolicy, LmtpRefusal, Nonconforming, OverQuota, lmtp_refusal};
use super::driver::{Connection, HELLO};
use crate::{CloseReason, Ending};

const ENVELOPE: &str = "MAIL FROM:<a@x>\r\nRCPT TO:<ann>\r\nRCPT TO:<ben>\r\n";

fn greeted() -> Connection {
    with(LmtpPolicy::default())
}

fn with(policy: LmtpPolicy) -> Connection {
    let mut connection = Connection::new(policy);
    connection.send(HELLO.as_bytes());
    connection.send(ENVELOPE.as_bytes());
    connection.take();
    connection
}

fn messages(connection: &Connection) -> Vec<(&str, &[u8])> {
    let delivered = connection.world.delivered.iter();
    delivered
        .map(|(user, _, message)| (user.as_str(), message.as_slice()))
        .collect()
}

#[test]
fn a_message_reaches_each_recipient_as_it_was_sent() {
    let mut connection = greeted();
    connection.send(b"DATA\r\nS: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n");
    assert_eq!(connection.codes(), [354, 250, 250, 221]);
    let message = b"S: x\r\n\r\n.dot\r\n".as_slice();
    assert_eq!(messages(&connection), [("ann", message), ("ben", message)]);
    assert_eq!(connection.closed, Some(CloseReason::Quit));
    let summary = connection.session.summary();
    assert_eq!(
        (summary.messages, summary.delivered, summary.refused),
        (1, 2, 0)
    );
}

#[test]
fn chunks_are_counted_octets_whatever_they_hold() {
    let mut connection = greeted();
    connection.send(b"BDAT 9\r\nS: x\r\n\r\n.BDAT 7\r\n\r\n.\r\nQ\0BDAT 0 LAST\r\nNOOP\r\n");
    assert_eq!(connection.codes(), [250, 250, 250, 250, 250]);
    // The NUL is repaired away.
    let message = b"S: x\r\n\r\n.\r\n.\r\nQ".as_slice();
    assert_eq!(messages(&connection), [("ann", message), ("ben", message)]);
}

#[test]
fn nonconforming_input_is_repaired_or_refused() {
    let bad = b"BDAT 10 LAST\r\nS: x\n\nQUIT";
    let mut connection = greeted();
    connection.send(bad);
    assert_eq!(connection.codes(), [250, 250]);
    let mut connection = with(LmtpPolicy {
        nonconforming: Nonconforming::Refuse,
        ..LmtpPolicy::default()
    });
    connection.send(bad);
    assert_eq!(connection.codes(), [554, 554]);
    assert!(connection.world.delivered.is_empty());
    assert_eq!(connection.world.refused, ["a bare CR or LF in the message"]);
    connection.send(ENVELOPE.as_bytes());
    connection.send(b"DATA\r\nno header\r\n.\r\n");
    assert_eq!(connection.codes(), [250, 250, 250, 354, 554, 554]);
}

#[test]
fn who_is_over_quota_is_told_by_setting() {
    for (over_quota, code) in [
        (OverQuota::Temporary, "452 4.2.2"),
        (OverQuota::Permanent, "552 5.2.2"),
    ] {
        let mut connection = with(LmtpPolicy {
            over_quota,
            ..LmtpPolicy::default()
        });
        connection.send(b"RCPT TO:<cay>\r\nDATA\r\nS: x\r\n.\r\n");
        let said = connection.take();
        let replies: Vec<&str> = said.lines().collect();
        assert_eq!(replies.len(), 5, "{said}");
        assert!(replies[4].starts_with(code), "{said}");
        assert_eq!(connection.world.delivered.len(), 2);
    }
}

#[test]
fn a_store_in_trouble_loses_nobody_the_thread() {
    let mut connection = greeted();
    connection.world.no_place = true;
    connection.send(b"DATA\r\n");
    assert_eq!(connection.codes(), [451]);
    connection.send(b"BDAT 4\r\nS: xBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
    assert_eq!(connection.codes(), [451, 451, 451, 250]);
    connection.world.no_place = false;
    connection.world.room = Some(3);
    connection.send(ENVELOPE.as_bytes());
    connection.send(b"DATA\r\nS: x\r\n.\r\nNOOP\r\n");
    assert_eq!(connection.codes(), [250, 250, 250, 354, 452, 452, 250]);
    assert!(connection.world.delivered.is_empty());
    assert_eq!(connection.world.refused.len(), 2);
}

#[test]
fn nothing_but_spaces_may_stand_before_last() {
    for space in ["\u{a0}", " \u{2003}", " \u{3000}"] {
        let mut connection = greeted();
        connection.send(format!("BDAT 4 {space}LAST\r\n").as_bytes());
        assert_eq!(connection.codes(), [501], "{space:?}");
        assert_eq!(connection.closed, Some(CloseReason::UnknownChunk));
    }
}

#[test]
fn an_error_that_closes_is_answered_once() {
    for (line, reason) in [
        ("NOOP\n", CloseReason::BareLineFeed),
        ("BDAT x\r\n", CloseReason::UnknownChunk),
    ] {
        let mut connection = Connection::new(LmtpPolicy {
            protocol_errors_max: 1,
            ..LmtpPolicy::default()
        });
        connection.take();
        connection.send(line.as_bytes());
        assert_eq!(connection.codes().len(), 1, "{line:?}");
        assert_eq!(connection.closed, Some(reason));
    }
}

#[test]
fn a_chunk_that_nobody_wants_is_swallowed() {
    let mut connection = Connection::new(LmtpPolicy::default());
    connection.take();
    connection.send(b"BDAT 6\r\nQUIT\r\nLHLO x\r\nBDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<>\r\n");
    connection.send(b"RCPT TO:<zoe>\r\nBDAT 6\r\nQUIT\r\nDATA\r\nBDAT 6 LAST\r\nQUIT\r\n");
    let codes = connection.codes();
    assert_eq!(codes[0], 503);
    assert_eq!(codes[codes.len() - 6..], [503, 250, 550, 503, 503, 503]);
    assert_eq!(connection.closed, None);
}

#[test]
fn a_chunk_of_unknown_size_closes() {
    let sizes = [
        "",
        "x",
        "-1",
        "1 FIRST",
        "18446744073709551616",
        "1\t",
        "1 LAST x",
    ];
    for size in sizes {
        let mut connection = greeted();
        connection.send(format!("BDAT {size}\r\nQUIT\r\n").as_bytes());
        assert_eq!(connection.codes(), [501], "{size:?}");
        assert_eq!(
            connection.closed,
            Some(CloseReason::UnknownChunk),
            "{size:?}"
        );
    }
    let mut connection = greeted();
    connection.send(format!("bdat {}1\r\nQUIT\r\n", "0".repeat(2_000)).as_bytes());
    assert_eq!(connection.codes(), [500]);
    assert_eq!(connection.closed, Some(CloseReason::UnknownChunk));
}

#[test]
fn a_bare_line_feed_among_commands_closes() {
    let mut connection = greeted();
    connection.send(b"NOOP\nQUIT\r\n");
    assert_eq!(connection.codes(), [521]);
    assert_eq!(connection.closed, Some(CloseReason::BareLineFeed));
}

#[test]
fn an_end_waits_for_the_message_at_hand() {
    let mut connection = greeted();
    connection.send(b"DATA\r\nS: x\r\n");
    connection
        .session
        .end(Ending::Shutdown, &mut connection.received);
    connection.go_on();
    assert_eq!(connection.closed, None);
    connection.send(b".\r\nNOOP\r\n");
    assert_eq!(connection.codes(), [354, 250, 250, 250, 421]);
    assert_eq!(connection.closed, Some(CloseReason::Shutdown));
    assert_eq!(connection.world.delivered.len(), 2);
}

#[test]
fn silence_ends_a_session_and_nothing_is_delivered() {
    let policy = LmtpPolicy {
        command_timeout: Duration::from_secs(7),
        data_timeout: Duration::from_secs(3),
        ..LmtpPolicy::default()
    };
    let mut connection = with(policy);
    assert_eq!(
        connection.session.deadline() - connection.now,
        Duration::from_secs(7)
    );
    connection.now += Duration::from_secs(1);
    connection.send(b"DATA\r\nS");
    assert_eq!(
        connection.session.deadline() - connection.now,
        Duration::from_secs(3)
    );
    connection.now += Duration::from_secs(1);
    connection.send(b":");
    assert_eq!(
        connection.session.deadline() - connection.now,
        Duration::from_secs(3)
    );
    connection
        .session
        .end(Ending::Autologout, &mut connection.received);
    connection.go_on();
    assert_eq!(connection.codes(), [354, 421]);
    assert_eq!(connection.closed, Some(CloseReason::Autologout));
    assert!(connection.world.delivered.is_empty() && !connection.session.message_is_open());
}

#[test]
fn who_gets_no_session_gets_one_line() {
    for (why, code) in [
        (LmtpRefusal::TooManyConnections, "421 4.3.2 "),
        (LmtpRefusal::ShuttingDown, "421 4.3.2 "),
        (LmtpRefusal::NotPermitted, "554 5.7.1 "),
    ] {
        let line = String::from_utf8(lmtp_refusal(why)).unwrap();
        assert!(line.starts_with(code) && line.ends_with("\r\n"), "{line}");
    }
}
