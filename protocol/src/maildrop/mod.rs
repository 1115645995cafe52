//! The maildrop as one session sees it: a view that is frozen at log-on (MS-STANXPOP3 C0004).

use std::num::NonZeroU32;

use bytes::Bytes;

/// A number of octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Octets(pub u64);

/// A message-number: 1 to the number of messages in the view (RFC 1939 s4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageNumber(NonZeroU32);

/// Which size STAT and LIST report (MS-STANXPOP3 2.1.4, 2.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SizeKind {
    /// What the message occupies in storage.
    #[default]
    Stored,
    /// What RETR sends: CRLF counted as two, transparency not counted.
    Exact,
}

/// One message of the view. The view costs 24 octets for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanEntry {
    /// The store's number of the message; its decimal form is the unique-id unless one was
    /// carried over (MS-STANXPOP3 C0007).
    pub id: u64,
    /// Octets occupied in storage.
    pub stored: Octets,
    /// Octets that RETR sends.
    pub exact: Octets,
}

/// The frozen view. It is shared by all sessions that opened the maildrop at one revision.
#[derive(Debug)]
pub struct Maildrop {}

impl Maildrop {
    /// A view of `entries`, numbered from 1 in the order given. `carried` has the unique-ids
    /// that came from another server, as (position in `entries`, unique-id), positions growing
    /// (MS-STANXPOP3 C0009).
    pub fn new(_entries: Vec<ScanEntry>, _carried: Vec<(u32, Box<str>)>) -> Self {
        todo!()
    }

    /// All LIST lines and the termination octet line, rendered on first use and then shared.
    pub fn scan_listing(&self, _kind: SizeKind) -> Bytes {
        todo!()
    }

    /// All UIDL lines and the termination octet line, likewise.
    pub fn unique_id_listing(&self) -> Bytes {
        todo!()
    }
}
