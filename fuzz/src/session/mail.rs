//! The maildrop behind the session, and its messages as a client must get them.

use std::sync::Arc;

use mailroost_protocol::wire::transparency::MessageEncoder;
use mailroost_protocol::{Maildrop, Octets, ScanEntry, SizeKind};

/// Messages that have what is hard about messages.
const MESSAGES: [&[u8]; 6] = [
    b"Subject: one\r\n\r\nbody\r\n",
    b"Subject: two\r\n\r\n.\r\n..\r\nline\r\n.end\r\n",
    b"no header end",
    b"",
    b"Subject: five\r\n\r\n1\r\n2\r\n3\r\n4\r\n",
    b".Subject: six\r\n.\r\n\r\nbare\n.dot\r\nno end.",
];

/// What the first message's number in the store is.
const FIRST_ID: u64 = 6_499;

/// The unique-id that the third message brought along.
const CARRIED: (u32, &str) = (2, "AAADadKA+");

/// The octets of message `at`, counted from 0.
pub fn message(at: u64) -> &'static [u8] {
    MESSAGES[at as usize]
}

/// The store's number of it.
pub fn id(at: u64) -> u64 {
    FIRST_ID + 3 * at
}

/// Its unique-id.
pub fn unique_id(at: u64) -> String {
    match at == u64::from(CARRIED.0) {
        true => CARRIED.1.to_owned(),
        false => id(at).to_string(),
    }
}

/// Its size as STAT and LIST say it.
pub fn octets(at: u64, sizes: SizeKind) -> u64 {
    let exact = message(at).len() as u64;
    match sizes {
        SizeKind::Exact => exact,
        SizeKind::Stored => exact + 1_000,
    }
}

/// The first `messages` of them.
pub fn maildrop(messages: u64) -> Arc<Maildrop> {
    let entries = (0..messages).map(|at| ScanEntry {
        id: id(at),
        stored: Octets(octets(at, SizeKind::Stored)),
        exact: Octets(octets(at, SizeKind::Exact)),
    });
    let carried = match messages > u64::from(CARRIED.0) {
        true => vec![(CARRIED.0, CARRIED.1.into())],
        false => Vec::new(),
    };
    Arc::new(Maildrop::new(entries.collect(), carried))
}

fn header_octets(message: &[u8]) -> usize {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n");
    end.map_or(message.len(), |at| at + 4)
}

/// Sends message `at` in chunks of so many octets, as whoever carries out the effect does.
pub fn send(at: u64, lines: Option<u64>, chunk: usize, wire: &mut Vec<u8>) {
    let message = message(at);
    let mut encoder = MessageEncoder::new(lines, header_octets(message) as u64, true);
    let mut scratch = Vec::new();
    for chunk in message.chunks(chunk.max(1)) {
        let encoded = encoder.encode(chunk, &mut scratch);
        wire.extend_from_slice(encoded.octets);
        if encoded.complete {
            break;
        }
    }
    wire.extend_from_slice(encoder.end());
}

/// What a client must get: whole lines, the termination octet doubled (RFC 1939 s3), of the body
/// as many as were asked for, and the termination line.
pub fn sent(at: u64, lines: Option<u64>) -> Vec<u8> {
    let (header, body) = message(at).split_at(header_octets(message(at)));
    let wanted = usize::try_from(lines.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let body = body.split_inclusive(|octet| *octet == b'\n').take(wanted);
    let header = header.split_inclusive(|octet| *octet == b'\n');
    let mut wire = Vec::new();
    for line in header.chain(body) {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    if !wire.is_empty() && !wire.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}
