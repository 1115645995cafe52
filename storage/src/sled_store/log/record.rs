//! One record of the log: what one commit of any number of maildrops changes.
//!
//! ```text
//! MRLG | CRC-32 | run | sequence | floor | octets | parts …    then zeros to a multiple of 4 KiB
//!  4      4        8     8          8       4
//! ```
//!
//! The sum covers all that follows it. A record is valid in its own run only: what an earlier run
//! left in the file is never taken for it, and nobody who sends mail can write one, because the
//! run is a random number. `floor` is the lowest sequence that is still needed.

use super::super::index::{Change, TreeName};
use super::super::record::{Cursor, put, put_octets};
use crate::{MaildropId, MessageId};

/// Records begin at multiples of this, in octets. No write touches a page of the file, or a sector
/// of the disk, that has a record which was acknowledged: a torn one harms itself alone.
pub(super) const ALIGNMENT: usize = 4096;

pub(super) const HEADER_OCTETS: usize = 36;

const MAGIC: [u8; 4] = *b"MRLG";

const BODY: u64 = 0;
const PUT: u64 = 1;
const DROP: u64 = 2;

/// A message file that is durable by the log alone, until the next checkpoint: all its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct LoggedFile {
    pub(in super::super) maildrop: MaildropId,
    pub(in super::super) message: MessageId,
    pub(in super::super) octets: Box<[u8]>,
}

/// Where a record stands in the order of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) run: u64,
    pub(super) sequence: u64,
    pub(super) floor: u64,
}

/// A part of a record, read again.
#[derive(Debug)]
pub(in super::super) enum Part<'a> {
    File(MaildropId, MessageId, &'a [u8]),
    Change(Change),
}

/// Begins a record in an empty buffer.
pub(super) fn begin(out: &mut Vec<u8>) {
    out.clear();
    out.resize(HEADER_OCTETS, 0);
}

pub(super) fn put_file(out: &mut Vec<u8>, file: &LoggedFile) {
    put(out, BODY);
    put(out, file.maildrop.0);
    put(out, file.message.0);
    put_octets(out, &file.octets);
}

pub(super) fn put_change(out: &mut Vec<u8>, change: &Change) {
    put(out, if change.value.is_some() { PUT } else { DROP });
    put(out, change.tree as u64);
    put_octets(out, &change.key);
    if let Some(value) = &change.value {
        put_octets(out, value);
    }
}

/// Fills the header in and pads the record.
pub(super) fn end(out: &mut Vec<u8>, place: Place) {
    let octets = u32::try_from(out.len() - HEADER_OCTETS).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&MAGIC);
    out[8..16].copy_from_slice(&place.run.to_le_bytes());
    out[16..24].copy_from_slice(&place.sequence.to_le_bytes());
    out[24..32].copy_from_slice(&place.floor.to_le_bytes());
    out[32..36].copy_from_slice(&octets.to_le_bytes());
    let sum = crc32fast::hash(&out[8..]);
    out[4..8].copy_from_slice(&sum.to_le_bytes());
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}

/// The place that a header tells, and how many octets the record has without its padding.
pub(super) fn header(octets: &[u8; HEADER_OCTETS]) -> Option<(Place, usize)> {
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&octets[at..at + 8]);
        u64::from_le_bytes(word)
    };
    let parts = u32::from_le_bytes([octets[32], octets[33], octets[34], octets[35]]);
    let place = Place {
        run: word(8),
        sequence: word(16),
        floor: word(24),
    };
    let length = usize::try_from(parts).ok()?.checked_add(HEADER_OCTETS)?;
    (octets[..4] == MAGIC).then_some((place, length))
}

/// Whether the record, without its padding, is what was written.
pub(super) fn is_whole(record: &[u8]) -> bool {
    let sum = record.get(4..8).map(|sum| [sum[0], sum[1], sum[2], sum[3]]);
    sum.is_some_and(|sum| crc32fast::hash(&record[8..]) == u32::from_le_bytes(sum))
}

/// Visits the parts of a whole record, in order; `None` if they are not what this version writes.
pub(super) fn parts<E>(
    record: &[u8],
    visit: &mut dyn FnMut(Part<'_>) -> Result<(), E>,
) -> Option<Result<(), E>> {
    let mut cursor = Cursor(record.get(HEADER_OCTETS..)?);
    while !cursor.is_at_end() {
        let kind = cursor.number()?;
        let part = match kind {
            BODY => {
                let maildrop = MaildropId(cursor.number()?);
                let message = MessageId(cursor.number()?);
                Part::File(maildrop, message, cursor.octets()?)
            }
            PUT | DROP => {
                let tree = TreeName::numbered(cursor.number()?)?;
                let key = cursor.octets()?.to_vec();
                let value = match kind {
                    PUT => Some(cursor.octets()?.to_vec()),
                    _ => None,
                };
                Part::Change(Change { tree, key, value })
            }
            _ => return None,
        };
        if let Err(error) = visit(part) {
            return Some(Err(error));
        }
    }
    Some(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Vec<u8> {
        let mut out = vec![9; 3];
        begin(&mut out);
        let file = LoggedFile {
            maildrop: MaildropId(1),
            message: MessageId(2),
            octets: vec![7; 5000].into(),
        };
        put_file(&mut out, &file);
        put_change(
            &mut out,
            &Change::put(TreeName::Journal, vec![1; 20], vec![2]),
        );
        put_change(&mut out, &Change::drop(TreeName::Deleted, vec![3]));
        let place = Place {
            run: u64::MAX,
            sequence: 7,
            floor: 3,
        };
        end(&mut out, place);
        out
    }

    #[test]
    fn a_record_comes_back() {
        let octets = record();
        assert_eq!(octets.len(), 2 * ALIGNMENT);
        let (place, length) = header(octets.first_chunk().unwrap()).unwrap();
        assert_eq!((place.run, place.sequence, place.floor), (u64::MAX, 7, 3));
        assert!(is_whole(&octets[..length]));
        let mut seen = Vec::new();
        let mut visit = |part: Part<'_>| {
            seen.push(match part {
                Part::File(maildrop, message, octets) => {
                    format!("{maildrop} {message} {}", octets.len())
                }
                Part::Change(change) => format!(
                    "{:?} {} {:?}",
                    change.tree,
                    change.key.len(),
                    change.value.map(|value| value.len())
                ),
            });
            Ok::<(), ()>(())
        };
        parts(&octets[..length], &mut visit).unwrap().unwrap();
        assert_eq!(seen, ["1 2 5000", "Journal 20 Some(5)", "Deleted 1 None"]);
    }

    #[test]
    fn any_changed_octet_is_seen() {
        let octets = record();
        let (_, length) = header(octets.first_chunk().unwrap()).unwrap();
        for at in 4..length {
            let mut octets = octets.clone();
            octets[at] ^= 1;
            let whole = header(octets.first_chunk().unwrap())
                .and_then(|(_, length)| octets.get(..length))
                .is_some_and(is_whole);
            assert!(!whole, "octet {at}");
        }
    }
}
