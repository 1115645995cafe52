//! The index's records: small, packed, and each with a checksum over its key and its content.

mod journal;
mod user;

use crate::numbering::Sequence;
use crate::{DeletedRecord, MessageId, MessageRecord};

pub(super) use journal::{Deletion, JournalEntry};
pub(super) use user::{decode_user, encode_user};

/// Numbers that share a segment have these bits in common: 64 messages, about 750 octets, so a
/// delivery or a removal rewrites little, and a log-on reads few records.
pub(super) const SEGMENT_BITS: u32 = 6;

const OFFSET_MAX: u64 = (1 << SEGMENT_BITS) - 1;

/// What the index knows of a maildrop as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MaildropRow {
    pub(super) sequence: Sequence,
    pub(super) revision: u64,
    pub(super) messages: u64,
    pub(super) exact_octets: u64,
    pub(super) stored_octets: u64,
    pub(super) quota_warned: bool,
    /// Messages that were removed and whose bodies were kept, and the octets that they occupy.
    pub(super) deleted: u64,
    pub(super) deleted_octets: u64,
}

impl MaildropRow {
    pub(super) const NEW: Self = Self {
        sequence: Sequence::NEW,
        revision: 0,
        messages: 0,
        exact_octets: 0,
        stored_octets: 0,
        quota_warned: false,
        deleted: 0,
        deleted_octets: 0,
    };

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        put(&mut out, self.sequence.next);
        put(&mut out, self.sequence.first_own);
        put(&mut out, self.revision);
        put(&mut out, self.messages);
        put(&mut out, self.exact_octets);
        put(&mut out, self.stored_octets);
        put(&mut out, u64::from(self.quota_warned));
        put(&mut out, self.deleted);
        put(&mut out, self.deleted_octets);
        out
    }

    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(octets);
        let mut row = Self {
            sequence: Sequence {
                next: cursor.number()?,
                first_own: cursor.number()?,
            },
            revision: cursor.number()?,
            messages: cursor.number()?,
            exact_octets: cursor.number()?,
            stored_octets: cursor.number()?,
            ..Self::NEW
        };
        // Rows from before bodies were kept end here.
        if !cursor.is_at_end() {
            row.quota_warned = cursor.flag()?;
            row.deleted = cursor.number()?;
            row.deleted_octets = cursor.number()?;
        }
        cursor.end()?;
        Some(row)
    }
}

/// The segment that a message is in.
pub(super) fn segment_of(message: MessageId) -> u64 {
    message.0 >> SEGMENT_BITS
}

/// Packs the records of one segment.
pub(super) fn encode_segment<'a>(records: impl Iterator<Item = &'a MessageRecord>) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    for record in records {
        put(
            &mut out,
            offset_of(record.id) | u64::from(record.read) << SEGMENT_BITS,
        );
        put(&mut out, record.exact_octets);
        put(&mut out, record.stored_octets);
        put(&mut out, record.received_secs);
        put_text(&mut out, record.carried_unique_id.as_deref());
    }
    out
}

/// Appends the records of a segment to `out`; `None` if they are not in order.
pub(super) fn decode_segment(
    segment: u64,
    octets: &[u8],
    out: &mut Vec<MessageRecord>,
) -> Option<()> {
    let mut cursor = Cursor(octets);
    let mut lowest = 0;
    while !cursor.0.is_empty() {
        let offset_and_read = cursor.number()?;
        let offset = offset_and_read & OFFSET_MAX;
        if offset < lowest || offset_and_read >> SEGMENT_BITS > 1 {
            return None;
        }
        lowest = offset + 1;
        out.push(MessageRecord {
            id: MessageId((segment << SEGMENT_BITS) | offset),
            exact_octets: cursor.number()?,
            stored_octets: cursor.number()?,
            received_secs: cursor.number()?,
            carried_unique_id: cursor.text_if_any()?,
            // Earlier records never have the bit.
            read: offset_and_read > OFFSET_MAX,
        });
    }
    Some(())
}

/// Packs the records of one segment of deleted messages.
pub(super) fn encode_deleted<'a>(records: impl Iterator<Item = &'a DeletedRecord>) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    for record in records {
        put(&mut out, offset_of(record.id));
        put(&mut out, record.exact_octets);
        put(&mut out, record.stored_octets);
        put(&mut out, record.received_secs);
        put(&mut out, record.deleted_secs);
        put(&mut out, record.revision);
        put_text(&mut out, record.session.as_deref());
        put_text(&mut out, record.carried_unique_id.as_deref());
    }
    out
}

/// Appends the records of a segment of deleted messages to `out`; `None` if they are not in order.
pub(super) fn decode_deleted(
    segment: u64,
    octets: &[u8],
    out: &mut Vec<DeletedRecord>,
) -> Option<()> {
    let mut cursor = Cursor(octets);
    let mut lowest = 0;
    while !cursor.0.is_empty() {
        let offset = cursor.number()?;
        if offset < lowest || offset > OFFSET_MAX {
            return None;
        }
        lowest = offset + 1;
        out.push(DeletedRecord {
            id: MessageId((segment << SEGMENT_BITS) | offset),
            exact_octets: cursor.number()?,
            stored_octets: cursor.number()?,
            received_secs: cursor.number()?,
            deleted_secs: cursor.number()?,
            revision: cursor.number()?,
            session: cursor.text_if_any()?,
            carried_unique_id: cursor.text_if_any()?,
        });
    }
    Some(())
}

fn offset_of(message: MessageId) -> u64 {
    message.0 & OFFSET_MAX
}

/// Content with its checksum, which also covers the key: a record in the wrong place is damaged.
pub(super) fn seal(key: &[u8], mut content: Vec<u8>) -> Vec<u8> {
    let sum = checksum(key, &content);
    content.extend_from_slice(&sum.to_le_bytes());
    content
}

/// The content, if it is what was sealed under that key.
pub(super) fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Option<&'a [u8]> {
    let (content, sum) = value.split_last_chunk::<4>()?;
    (checksum(key, content) == u32::from_le_bytes(*sum)).then_some(content)
}

fn checksum(key: &[u8], content: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(key);
    sum.update(content);
    sum.finalize()
}

/// Seven bits an octet, the lowest first; the top bit says that more follow.
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(0x80 | (number & 0x7F) as u8);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn put_octets(out: &mut Vec<u8>, octets: &[u8]) {
    put(out, octets.len() as u64);
    out.extend_from_slice(octets);
}

/// A text that may be missing, but is never empty.
fn put_text(out: &mut Vec<u8>, text: Option<&str>) {
    put_octets(out, text.unwrap_or("").as_bytes());
}

/// What is read again, from its front.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&octet, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(octet & 0x7F);
            if bits.checked_shl(shift)? >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if octet & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn flag(&mut self) -> Option<bool> {
        match self.number()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn octets(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.number()?).ok()?;
        let (octets, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(octets)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.octets()?).ok()
    }

    fn text_if_any(&mut self) -> Option<Option<Box<str>>> {
        let text = self.text()?;
        Some(Some(text).filter(|text| !text.is_empty()).map(Box::from))
    }

    /// How many items follow; each takes an octet at least.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests;
