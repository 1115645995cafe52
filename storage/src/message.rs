//! What a store knows of a maildrop and of a message.

use std::fmt;

use crate::Removal;

/// A maildrop's number in its store. Never used again; names are only labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaildropId(pub u64);

impl fmt::Display for MaildropId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A message's number in its maildrop: allocated in the same commit as the message, growing,
/// never used again. Its decimal form is the unique-id, unless one was carried over from
/// another server (MS-STANXPOP3 C0007, C0008, C0009).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One message in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRecord {
    /// Its number.
    pub id: MessageId,
    /// Octets that RETR sends: CRLF counted as two, transparency not counted.
    pub exact_octets: u64,
    /// Octets that it occupies in storage, as measured (MS-STANXPOP3 2.1.4, 2.1.5).
    pub stored_octets: u64,
    /// Seconds since 1970-01-01 UTC at which it was accepted, or brought back after a removal.
    pub received_secs: u64,
    /// A unique-id that another server had given it: 1 to 70 octets of 0x21 to 0x7E.
    pub carried_unique_id: Option<Box<str>>,
    /// Somebody retrieved it whole. Kept in the index alone: an index that is made anew from the
    /// files has forgotten it.
    pub read: bool,
}

impl MessageRecord {
    /// What is known of it after a removal that keeps its body.
    pub(crate) fn into_deleted(self, revision: u64, removal: &Removal) -> DeletedRecord {
        DeletedRecord {
            id: self.id,
            exact_octets: self.exact_octets,
            stored_octets: self.stored_octets,
            received_secs: self.received_secs,
            deleted_secs: removal.at_secs,
            revision,
            session: removal.session.clone(),
            carried_unique_id: self.carried_unique_id,
        }
    }
}

/// A removed message whose body can still be brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedRecord {
    /// The number that it had. It is not given out again, not even to itself.
    pub id: MessageId,
    /// Octets that RETR sent.
    pub exact_octets: u64,
    /// Octets that it still occupies.
    pub stored_octets: u64,
    /// Seconds since 1970-01-01 UTC, as the message's record had it.
    pub received_secs: u64,
    /// Seconds since 1970-01-01 UTC at which it was removed, as [`Removal::at_secs`] said.
    ///
    /// [`Removal::at_secs`]: crate::Removal::at_secs
    pub deleted_secs: u64,
    /// The maildrop's revision that its removal made.
    pub revision: u64,
    /// Who removed it, as [`Removal::session`](crate::Removal::session) said.
    pub session: Option<Box<str>>,
    /// The unique-id that another server had given it.
    pub carried_unique_id: Option<Box<str>>,
}

/// What the live messages of a maildrop are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many there are.
    pub messages: u64,
    /// Octets that RETR sends.
    pub exact_octets: u64,
    /// Octets that they occupy.
    pub stored_octets: u64,
}

/// What RETR and TOP need to know before the first octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyFacts {
    /// Octets of the body as RETR sends it.
    pub octets: u64,
    /// Octets of its header section with the empty line that ends it.
    pub header_octets: u64,
    /// Whether any line begins with a dot; if none does, no octet needs a look.
    pub dot_lines: bool,
}
