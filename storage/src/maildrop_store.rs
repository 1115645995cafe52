//! The contract of a message store.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use crate::{BodyFacts, MaildropId, MessageId, MessageRecord, StoreError};

/// Keeps maildrops. All calls may block on a disk.
pub trait MaildropStore: Send + Sync + 'static {
    /// Takes ownership of a maildrop. It ends when the returned value is dropped.
    ///
    /// # Errors
    /// `Busy` while another owner lives: there are never two. `NotFound`, `Corrupt`, `Io`.
    fn open_maildrop(&self, maildrop: MaildropId) -> Result<Box<dyn OwnedMaildrop>, StoreError>;

    /// Begins to take in a message for any maildrop. Nothing is visible until it is delivered;
    /// a staging that is dropped leaves nothing behind.
    fn stage(&self, staging: Staging) -> Result<Box<dyn StagedBody>, StoreError>;

    /// Finishes what was left between two steps (unlinked bodies, forgotten temporary files).
    fn housekeeping(&self) -> Result<Housekeeping, StoreError>;

    /// Makes everything durable and refuses further work. A second call does nothing.
    fn close(&self) -> Result<(), StoreError>;
}

/// What is known of a message before its first octet arrives.
#[derive(Debug, Clone, Default)]
pub struct Staging {
    /// Refuse more octets than this (as received), with `Invalid`.
    pub octets_max: Option<u64>,
    /// Seconds since 1970-01-01 UTC; `None` is now.
    pub received_secs: Option<u64>,
    /// A unique-id to carry over (MS-STANXPOP3 C0009).
    pub carried_unique_id: Option<Box<str>>,
}

/// A message on its way in. Octets are written as they were received; line ends become CRLF, a
/// missing last line end, header or empty line is added (MS-STANXPOP3 C0011).
pub trait StagedBody: Write + Send {
    /// Ends the message and makes its octets durable (not yet visible).
    fn finish(self: Box<Self>) -> Result<Delivery, StoreError>;
}

/// A complete message that waits for a maildrop to take it. Dropped, it leaves nothing behind.
pub struct Delivery {
    /// What RETR needs to know.
    pub facts: BodyFacts,
    /// Octets as RETR sends them (the same as `facts.octets`), occupied octets, and so on, but
    /// for the number, which the maildrop allocates.
    pub received_secs: u64,
    /// A unique-id that is carried over.
    pub carried_unique_id: Option<Box<str>>,
    /// The store's own part; only the store that made it can take it.
    pub material: Box<dyn std::any::Any + Send>,
}

/// A maildrop and the right to change it. There is one owner at a time, so the calls that
/// change something take `&mut self` and need no further lock.
pub trait OwnedMaildrop: Send {
    /// Its number.
    fn id(&self) -> MaildropId;

    /// Grows with every commit, also across restarts.
    fn revision(&self) -> u64;

    /// The live messages in order of their numbers.
    fn messages(&self) -> &[MessageRecord];

    /// A way to read bodies that outlives this value and never changes anything.
    fn bodies(&self) -> Arc<dyn BodySource>;

    /// Takes messages in: numbers are allocated and committed with the index entries, all or
    /// none. When it returns `Ok` they are durable.
    ///
    /// # Errors
    /// `Duplicate` if a carried unique-id is taken, `Full`, `Io`, `Poisoned`.
    fn deliver(&mut self, deliveries: Vec<Delivery>) -> Result<Vec<MessageId>, StoreError>;

    /// Removes messages, all or none, durable when it returns `Ok`. Numbers that are not there
    /// (any more) are passed over: they are gone, as asked. Returns how many were removed.
    fn remove(&mut self, messages: &[MessageId]) -> Result<usize, StoreError>;
}

/// Reads the bodies of one maildrop.
pub trait BodySource: Send + Sync {
    /// Opens a body for reading.
    ///
    /// # Errors
    /// `Gone` if the message was removed, `Corrupt` if it is missing, cut or not what was
    /// written, `Io`.
    fn open(&self, message: MessageId) -> Result<Box<dyn Body>, StoreError>;
}

/// An open body: octets as RETR sends them, before transparency.
pub trait Body: Send {
    /// What is known without reading it.
    fn facts(&self) -> BodyFacts;

    /// Reads the next octets into `buffer`; 0 is the end.
    ///
    /// # Errors
    /// `Corrupt` if it ends before `facts().octets`, `Io`.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StoreError>;

    /// The file and the offset in octets of the body in it, where there is one.
    fn file(&self) -> Option<(&File, u64)> {
        None
    }
}

/// What housekeeping did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Housekeeping {
    /// Bodies whose removal had been committed and that were unlinked now.
    pub unlinked: u64,
    /// Temporary files that nobody will finish.
    pub temporary: u64,
}
