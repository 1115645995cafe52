//! Import from an mbox file: however the file is read, its messages are the same; they lie in it
//! one behind the other; and what an export writes of them, an import reads back.

use std::io::BufReader;

use mailroost_storage::export::{ExportSettings, to_mbox};
use mailroost_storage::import::mbox::{MboxMessage, MboxReader};

use crate::maildrop::Maildrop;

/// The target. The first octet says how the file is read, the second how much is asked for at
/// once.
pub fn mbox(data: &[u8]) {
    let [buffer, octets, file @ ..] = data else {
        return;
    };
    let whole = messages(file, 64 * 1024, 64 * 1024);
    let cut = messages(file, usize::from(*buffer), usize::from(*octets).max(1));
    assert_eq!(cut, whole);
    let (found, broken) = whole;
    let mut before = None;
    for (number, (message, body)) in (1..).zip(&found) {
        assert_eq!(message.number, number);
        let begin = usize::try_from(message.offset).unwrap();
        assert!(before.is_none_or(|before| before < begin));
        before = Some(begin);
        assert!(file[begin..].starts_with(b"From "));
        let newlines = file[..begin]
            .iter()
            .filter(|octet| **octet == b'\n')
            .count();
        assert_eq!(message.line, newlines as u64 + 1);
        assert!(body.len() <= file.len() - begin);
    }
    if !broken {
        there_and_back(&found);
    }
}

type Found = (Vec<(MboxMessage, Vec<u8>)>, bool);

/// The messages up to the end or to what cannot be read on, and whether there was such a thing.
fn messages(file: &[u8], buffer: usize, octets: usize) -> Found {
    let mut reader = MboxReader::new(BufReader::with_capacity(buffer.max(1), file));
    let mut found = Vec::new();
    loop {
        let message = match reader.next_message() {
            Ok(Some(message)) => message,
            Ok(None) => return (found, false),
            Err(_) => return (found, true),
        };
        let mut body = Vec::new();
        loop {
            match reader.read_chunk(&mut body, octets) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => return (found, true),
            }
        }
        found.push((message, body));
    }
}

/// Stores messages, exports them, and reads the export.
fn there_and_back(found: &[(MboxMessage, Vec<u8>)]) {
    let mut maildrop = Maildrop::new();
    for (message, body) in found {
        maildrop.deliver(body, message.received_secs);
    }
    let stored = maildrop.bodies();
    let mut export = Vec::new();
    let bodies = maildrop.owned.bodies();
    let settings = ExportSettings::default();
    let report = to_mbox(maildrop.owned.messages(), &*bodies, settings, &mut export).unwrap();
    assert_eq!(report.exported, found.len() as u64);
    let (read, broken) = messages(&export, 64 * 1024, 64 * 1024);
    assert!(!broken);
    let mut again = Maildrop::new();
    for (message, body) in &read {
        again.deliver(body, message.received_secs);
    }
    assert_eq!(again.bodies(), stored);
}
