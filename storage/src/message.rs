//! What a store knows of a maildrop and of a message.

use std::fmt;

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
    /// Seconds since 1970-01-01 UTC at which it was accepted.
    pub received_secs: u64,
    /// A unique-id that another server had given it: 1 to 70 octets of 0x21 to 0x7E.
    pub carried_unique_id: Option<Box<str>>,
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
