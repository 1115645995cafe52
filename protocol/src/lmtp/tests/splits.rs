//! However the octets of the client are cut into reads, and wherever they break off.

use proptest::prelude::*;

use super::super::{LmtpPolicy, Nonconforming};
use super::driver::Connection;

const SCRIPT: &[u8] = b"LHLO mta.example\r\nMAIL FROM:<a@x> SIZE=100 BODY=8BITMIME\r\n\
    RCPT TO:<ann+tag>\r\nRCPT TO:<zoe>\r\nRCPT TO:<cay>\r\nRCPT TO:<ann>\r\nDATA\r\n\
    Subject: x\r\n\r\n..\r\n.\n.\n\r\n.\r.\r\n\n.\r\nQUIT\r\r\n.\r\r\n\r\n.\r\n\
    NOOP\r\nMAIL FROM:<>\r\nRCPT TO:<ben>\r\nBDAT 12\r\nS: y\r\n.\r\n\r\n\0BDAT 3 LAST\r\n\r\n.\
    XYZ\r\nRSET\r\nVRFY ann\r\nHELP\r\nQUIT\r\nNOOP\r\n";

fn outcome<'a>(policy: &LmtpPolicy, reads: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut connection = Connection::new(policy.clone());
    for read in reads {
        connection.send(read);
    }
    let Connection {
        session,
        world,
        closed,
        ..
    } = &connection;
    let end = format!(
        "{closed:?} {:?} {:?} {:?}",
        session.summary(),
        world.delivered,
        world.refused
    );
    connection.take() + &end
}

fn policies() -> [LmtpPolicy; 2] {
    [Nonconforming::Repair, Nonconforming::Refuse].map(|nonconforming| LmtpPolicy {
        nonconforming,
        ..LmtpPolicy::default()
    })
}

#[test]
fn whole_in_two_reads_and_octet_by_octet() {
    for policy in policies() {
        let whole = outcome(&policy, [SCRIPT]);
        assert!(whole.contains("221 2.0.0"), "{whole}");
        for cut in 1..SCRIPT.len() {
            let (first, second) = SCRIPT.split_at(cut);
            assert_eq!(outcome(&policy, [first, second]), whole, "cut at {cut}");
        }
        for octets in [1, 2, 3, 7] {
            assert_eq!(outcome(&policy, SCRIPT.chunks(octets)), whole);
        }
    }
}

#[test]
fn a_message_that_breaks_off_is_delivered_to_nobody() {
    let envelope = b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ann>\r\n";
    let data: &[u8] = b"DATA\r\nS: x\r\n\r\nbody\r\n.\r\n";
    let bdat: &[u8] = b"BDAT 8\r\nS: x\r\n\r\nBDAT 6 LAST\r\nbody\r\n";
    for message in [data, bdat] {
        for cut in 0..message.len() {
            let mut connection = Connection::new(LmtpPolicy::default());
            connection.send(envelope);
            connection.send(&message[..cut]);
            assert!(connection.world.delivered.is_empty(), "cut at {cut}");
            connection.send(&message[cut..]);
            assert_eq!(connection.world.delivered.len(), 1);
        }
    }
}

/// Commands, good and bad, and lines of messages.
const KNOWN: &[&str] = &[
    "LHLO x",
    "EHLO x",
    "MAIL FROM:<a@x>",
    "MAIL FROM:<> SIZE=9",
    "MAIL FROM:<a",
    "RCPT TO:<ann>",
    "RCPT TO:<ben@x>",
    "RCPT TO:<zoe>",
    "RCPT TO:<cay>",
    "DATA",
    "BDAT 3",
    "BDAT 3 LAST",
    "BDAT 0 LAST",
    "BDAT x",
    "RSET",
    "NOOP",
    "VRFY x",
    "HELP",
    "QUIT",
    ".",
    "..",
    "S: x",
    "",
];

/// Anything that a client might say, mostly in the wrong order.
fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => proptest::sample::select(KNOWN).prop_map(|line| [line.as_bytes(), b"\r\n"].concat()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => proptest::collection::vec(proptest::sample::select(&b"\r\n."[..]), 0..6),
    ]
}

proptest! {
    #[test]
    fn any_lines_in_any_reads(
        lines in proptest::collection::vec(line(), 0..40),
        reads in proptest::collection::vec(1usize..60, 1..20),
    ) {
        let script = [b"LHLO x\r\n".to_vec(), lines.concat()].concat();
        for policy in policies() {
            let whole = outcome(&policy, [script.as_slice()]);
            prop_assert_eq!(&outcome(&policy, script.chunks(1)), &whole);
            let mut rest = script.as_slice();
            let cut = reads.iter().cycle().map_while(|octets| {
                let (read, after) = rest.split_at_checked(*octets).unwrap_or((rest, &[]));
                rest = after;
                (!read.is_empty()).then_some(read)
            });
            prop_assert_eq!(&outcome(&policy, cut), &whole);
        }
    }

    #[test]
    fn every_reply_has_its_form(lines in proptest::collection::vec(line(), 0..40)) {
        let mut connection = Connection::new(LmtpPolicy::default());
        connection.send(&[b"LHLO x\r\n".to_vec(), lines.concat()].concat());
        let said = connection.take();
        prop_assert!(said.is_empty() || said.ends_with("\r\n"));
        for line in said.lines().skip(7) {
            let (code, text) = line.split_once([' ', '-']).unwrap();
            prop_assert!(code.len() == 3 && line.len() < 1_000, "{line}");
            // RFC 2034: everything but 3yz and the answer to LHLO.
            let enhanced = text.split(' ').next().unwrap_or_default();
            let exempt = code == "354" || line.contains('-') || line.contains("SIZE");
            let class = enhanced.starts_with(&format!("{}.", &code[..1]));
            prop_assert!(exempt || class, "{line}");
        }
    }
}
