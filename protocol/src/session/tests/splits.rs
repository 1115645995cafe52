//! However the octets of the client are cut into reads, it gets the same octets back.

use proptest::prelude::*;

use super::driver::{Connection, World};
use super::model::line;
use crate::{OverlongCommand, Policy};

const MESSAGES: [&str; 3] = ["H: 1\r\n\r\n.dot\r\n", "", "H: 3\r\n\r\na\r\nb\r\nc"];

fn scripts() -> Vec<Vec<u8>> {
    let long = [b"LIST ".to_vec(), vec![b'1'; 600], b"QUIT\r\n".to_vec()].concat();
    let log_on = b"user alice\r\nPASS open sesame\r\n".to_vec();
    let log_on_by_auth = b"AUTH\nAUTH RIDDLE\r\n*\r\nAUTH PLAIN\r\n!\r\nAUTH RIDDLE\r\nMQ==\r\n\
        Mg==\r\n"
        .to_vec();
    let commands = b"STAT\r\nLIST\r\nUIDL\nRETR 1\r\nTOP 3 1\r\nDELE 2\r\nLIST\r\n\r\nXYZ\r\n\
        LIST 2\r\nUIDL\r\nRSET\r\nCAPA\r\nNOOP\r\nDELE 1\r\nQUIT\r\nSTAT\r\n"
        .to_vec();
    vec![
        [log_on.clone(), commands.clone()].concat(),
        [log_on_by_auth, long.clone(), commands].concat(),
        [log_on, long].concat(),
        b"USER a\r\nPASS b\r\nUSER c\r\nSTLS\r\nPASS \0\r\n\0\r\n \r\n\xff\r\nQUIT\r\n".to_vec(),
    ]
}

fn replies<'a>(policy: &Policy, reads: impl IntoIterator<Item = &'a [u8]>) -> (String, String) {
    let mut connection = Connection::new(policy.clone(), World::new(&MESSAGES));
    for read in reads {
        connection.send(read);
    }
    let end = format!("{:?} {:?}", connection.closed, connection.session.summary());
    (connection.take(), end)
}

#[test]
fn whole_in_two_reads_and_octet_by_octet() {
    let closing = Policy::exchange2013();
    let refusing = Policy {
        overlong_command: OverlongCommand::Refuse,
        ..Policy::exchange2013()
    };
    for policy in [closing, refusing] {
        for script in scripts() {
            let whole = replies(&policy, [script.as_slice()]);
            assert!(whole.0.lines().count() >= 4, "{whole:?}");
            for cut in 1..script.len() {
                let (first, second) = script.split_at(cut);
                assert_eq!(replies(&policy, [first, second]), whole, "cut at {cut}");
            }
            assert_eq!(replies(&policy, script.chunks(1)), whole);
            assert_eq!(replies(&policy, script.chunks(3)), whole);
        }
    }
}

proptest! {
    #[test]
    fn any_lines_in_any_reads(
        lines in proptest::collection::vec(line(), 0..40),
        reads in proptest::collection::vec(1usize..60, 1..20),
    ) {
        let mut script = Vec::new();
        for line in &lines {
            script.extend_from_slice(line);
            script.extend_from_slice(b"\r\n");
        }
        let policy = Policy { command_octets_max: 60, ..Policy::exchange2007() };
        let whole = replies(&policy, [script.as_slice()]);
        prop_assert_eq!(&replies(&policy, script.chunks(1)), &whole);
        let mut rest = script.as_slice();
        let cut = reads.iter().cycle().map_while(|octets| {
            let (read, after) = rest.split_at_checked(*octets).unwrap_or((rest, &[]));
            rest = after;
            (!read.is_empty()).then_some(read)
        });
        prop_assert_eq!(&replies(&policy, cut), &whole);
    }
}
