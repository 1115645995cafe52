//! The index's records: small, packed, and each with a checksum over its key and its content.

use crate::numbering::Sequence;
use crate::{MaildropId, MessageId, MessageRecord, User, UserName};

/// Numbers that share a segment have these bits in common: 64 messages, about 750 octets, so a
/// delivery or a removal rewrites little, and a log-on reads few records.
pub(super) const SEGMENT_BITS: u32 = 6;

/// What the index knows of a maildrop as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MaildropRow {
    pub(super) sequence: Sequence,
    pub(super) revision: u64,
    pub(super) messages: u64,
    pub(super) exact_octets: u64,
    pub(super) stored_octets: u64,
}

/// What remains to be done after a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JournalEntry {
    /// The files of these messages are to be unlinked.
    Unlink(Vec<MessageId>),
    /// The maildrop's folder is to be removed, unless the index has the maildrop.
    Folder,
    /// The maildrop's owner file is to be written from what the index knows of this user.
    Owner(UserName),
}

impl MaildropRow {
    pub(super) const NEW: Self = Self {
        sequence: Sequence::NEW,
        revision: 0,
        messages: 0,
        exact_octets: 0,
        stored_octets: 0,
    };

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        put(&mut out, self.sequence.next);
        put(&mut out, self.sequence.first_own);
        put(&mut out, self.revision);
        put(&mut out, self.messages);
        put(&mut out, self.exact_octets);
        put(&mut out, self.stored_octets);
        out
    }

    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(octets);
        let row = Self {
            sequence: Sequence {
                next: cursor.number()?,
                first_own: cursor.number()?,
            },
            revision: cursor.number()?,
            messages: cursor.number()?,
            exact_octets: cursor.number()?,
            stored_octets: cursor.number()?,
        };
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
        put(&mut out, record.id.0 & ((1 << SEGMENT_BITS) - 1));
        put(&mut out, record.exact_octets);
        put(&mut out, record.stored_octets);
        put(&mut out, record.received_secs);
        put_octets(
            &mut out,
            record.carried_unique_id.as_deref().unwrap_or("").as_bytes(),
        );
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
        let offset = cursor.number()?;
        if offset < lowest || offset >> SEGMENT_BITS != 0 {
            return None;
        }
        lowest = offset + 1;
        out.push(MessageRecord {
            id: MessageId((segment << SEGMENT_BITS) | offset),
            exact_octets: cursor.number()?,
            stored_octets: cursor.number()?,
            received_secs: cursor.number()?,
            carried_unique_id: match cursor.text()? {
                "" => None,
                text => Some(text.into()),
            },
        });
    }
    Some(())
}

/// Packs a user; the name stands first, so that an owner file says whose it is.
pub(super) fn encode_user(user: &User) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    put_octets(&mut out, user.name.as_str().as_bytes());
    put(&mut out, user.maildrop.0);
    put(&mut out, user.created_secs);
    out.push(u8::from(user.pop_enabled));
    out.push(match user.exact_rfc822_size {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    });
    out.push(u8::from(user.password_hash.is_some()));
    put_octets(
        &mut out,
        user.password_hash.as_deref().unwrap_or("").as_bytes(),
    );
    out.push(u8::from(user.use_protocol_defaults));
    if let Some(site) = &user.site {
        put_octets(&mut out, site.as_bytes());
    }
    out
}

/// The reverse.
pub(super) fn decode_user(octets: &[u8]) -> Option<User> {
    let mut cursor = Cursor(octets);
    let name = UserName::new(cursor.text()?).ok()?;
    let maildrop = MaildropId(cursor.number()?);
    let created_secs = cursor.number()?;
    let pop_enabled = cursor.flag()?;
    let exact_rfc822_size = match cursor.number()? {
        0 => None,
        1 => Some(false),
        2 => Some(true),
        _ => return None,
    };
    let has_password = cursor.flag()?;
    let password_hash = Some(cursor.text()?.to_owned()).filter(|_| has_password);
    // Earlier records end here, and an override of theirs acts.
    let use_protocol_defaults = match cursor.is_at_end() {
        true => exact_rfc822_size.is_none(),
        false => cursor.flag()?,
    };
    // So do records of users without a site.
    let site = match cursor.is_at_end() {
        true => None,
        false => Some(cursor.text()?.into()),
    };
    cursor.end()?;
    Some(User {
        name,
        maildrop,
        password_hash,
        pop_enabled,
        use_protocol_defaults,
        exact_rfc822_size,
        site,
        created_secs,
    })
}

impl JournalEntry {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Unlink(messages) => {
                put(&mut out, 1);
                let mut before = 0;
                for message in messages {
                    put(&mut out, message.0.wrapping_sub(before));
                    before = message.0;
                }
            }
            Self::Folder => put(&mut out, 2),
            Self::Owner(name) => {
                put(&mut out, 3);
                put_octets(&mut out, name.as_str().as_bytes());
            }
        }
        out
    }

    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(octets);
        let entry = match cursor.number()? {
            1 => {
                let mut messages = Vec::new();
                let mut before = 0_u64;
                while !cursor.0.is_empty() {
                    before = before.wrapping_add(cursor.number()?);
                    messages.push(MessageId(before));
                }
                Self::Unlink(messages)
            }
            2 => Self::Folder,
            3 => Self::Owner(UserName::new(cursor.text()?).ok()?),
            _ => return None,
        };
        cursor.end()?;
        Some(entry)
    }
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
fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(0x80 | (number & 0x7F) as u8);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_octets(out: &mut Vec<u8>, octets: &[u8]) {
    put(out, octets.len() as u64);
    out.extend_from_slice(octets);
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn number(&mut self) -> Option<u64> {
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

    fn text(&mut self) -> Option<&'a str> {
        let count = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests;
