//! Journal entries, packed.

use super::{Cursor, put, put_octets, put_text};
use crate::{DeletedRecord, MessageId, Removal, UserName};

/// What remains to be done after a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum JournalEntry {
    /// The files of these messages are to be unlinked.
    Unlink(Vec<MessageId>),
    /// The files of these messages are to be renamed, so that they can be brought back.
    Keep(Vec<MessageId>, Deletion),
    /// The files of these deleted messages are to be unlinked.
    Forget(Vec<(MessageId, Deletion)>),
    /// The maildrop's folder is to be removed, unless the index has the maildrop.
    Folder,
    /// The maildrop's owner file is to be written from what the index knows of this user.
    Owner(UserName),
}

/// How a message was deleted, as the name of its file tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Deletion {
    /// Seconds since 1970-01-01 UTC.
    pub(in super::super) secs: u64,
    pub(in super::super) revision: u64,
    pub(in super::super) session: Option<Box<str>>,
}

impl Deletion {
    pub(in super::super) fn of(record: &DeletedRecord) -> Self {
        Self {
            secs: record.deleted_secs,
            revision: record.revision,
            session: record.session.clone(),
        }
    }

    pub(in super::super) fn by(removal: &Removal, revision: u64) -> Self {
        Self {
            secs: removal.at_secs,
            revision,
            session: removal.session.clone(),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        put(out, self.secs);
        put(out, self.revision);
        put_text(out, self.session.as_deref());
    }
}

impl JournalEntry {
    pub(in super::super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Unlink(messages) => {
                put(&mut out, 1);
                put_messages(&mut out, messages);
            }
            Self::Folder => put(&mut out, 2),
            Self::Owner(name) => {
                put(&mut out, 3);
                put_octets(&mut out, name.as_str().as_bytes());
            }
            Self::Keep(messages, deletion) => {
                put(&mut out, 4);
                deletion.put(&mut out);
                put_messages(&mut out, messages);
            }
            Self::Forget(deleted) => {
                put(&mut out, 5);
                for (message, deletion) in deleted {
                    put(&mut out, message.0);
                    deletion.put(&mut out);
                }
            }
        }
        out
    }

    pub(in super::super) fn decode(octets: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(octets);
        let entry = match cursor.number()? {
            1 => Self::Unlink(cursor.messages()?),
            2 => Self::Folder,
            3 => Self::Owner(UserName::new(cursor.text()?).ok()?),
            4 => {
                let deletion = cursor.deletion()?;
                Self::Keep(cursor.messages()?, deletion)
            }
            5 => {
                let mut deleted = Vec::new();
                while !cursor.is_at_end() {
                    deleted.push((MessageId(cursor.number()?), cursor.deletion()?));
                }
                Self::Forget(deleted)
            }
            _ => return None,
        };
        cursor.end()?;
        Some(entry)
    }
}

/// Each as its distance from the one before.
fn put_messages(out: &mut Vec<u8>, messages: &[MessageId]) {
    let mut before = 0;
    for message in messages {
        put(out, message.0.wrapping_sub(before));
        before = message.0;
    }
}

impl Cursor<'_> {
    fn messages(&mut self) -> Option<Vec<MessageId>> {
        let mut messages = Vec::new();
        let mut before = 0_u64;
        while !self.is_at_end() {
            before = before.wrapping_add(self.number()?);
            messages.push(MessageId(before));
        }
        Some(messages)
    }

    fn deletion(&mut self) -> Option<Deletion> {
        Some(Deletion {
            secs: self.number()?,
            revision: self.number()?,
            session: self.text_if_any()?,
        })
    }
}
