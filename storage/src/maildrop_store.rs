//! The contract of a message store.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use crate::{
    BodyFacts, DeletedRecord, MaildropId, MessageId, MessageRecord, StoreError, StoreErrorKind,
    Usage,
};

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

    /// Ends a message with more than one recipient: its octets are stored once, whoever gets it.
    fn finish_shared(self: Box<Self>) -> Result<Box<dyn SharedBody>, StoreError>;
}

/// A complete message for any number of recipients. Dropped, it leaves behind only what was
/// delivered.
pub trait SharedBody: Send {
    /// What is known of it, without any trace lines.
    fn facts(&self) -> BodyFacts;

    /// The message for one recipient: `trace`, then the shared octets. Facts and sizes are those
    /// of both together. `trace` is up to [`TRACE_OCTETS_MAX`] octets of whole header lines that
    /// end in CRLF (RFC 5321 s4.4), or nothing.
    ///
    /// # Errors
    /// `Invalid` if `trace` is not that; `Full`, `Io`.
    ///
    /// [`TRACE_OCTETS_MAX`]: crate::body::trace::TRACE_OCTETS_MAX
    fn delivery(&self, trace: &[u8]) -> Result<Delivery, StoreError>;
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

    /// Grows with every commit that changes which messages there are, live or deleted, also
    /// across restarts.
    fn revision(&self) -> u64;

    /// The live messages in order of their numbers.
    fn messages(&self) -> &[MessageRecord];

    /// A way to read bodies that outlives this value and never changes anything.
    fn bodies(&self) -> Arc<dyn BodySource>;

    /// Takes messages in: numbers are allocated and committed with the index entries, all or
    /// none. When it returns `Ok` they are durable.
    ///
    /// A carried unique-id is taken while its message is live or among [`Self::deleted`]; a decimal
    /// one also if it lies where the maildrop's own numbers were given out. Another can be carried
    /// once more after its message was removed without `keep`, purged, or brought back: whoever
    /// carries unique-ids over from elsewhere answers for what they meant there (MS-STANXPOP3
    /// C0009).
    ///
    /// # Errors
    /// `Duplicate` if a carried unique-id is taken, `Corrupt`, `Full`, `Io`, `Poisoned`.
    fn deliver(&mut self, deliveries: Vec<Delivery>) -> Result<Vec<MessageId>, StoreError>;

    /// Removes messages, all or none, durable when it returns `Ok`. Numbers that are not there
    /// (any more) are passed over: they are gone, as asked. Returns how many were removed.
    ///
    /// # Errors
    /// `Invalid` if the removal's session is no session, `Full`, `Io`, `Poisoned`.
    fn remove(&mut self, messages: &[MessageId], removal: &Removal) -> Result<usize, StoreError>;

    /// The removed messages whose bodies were kept, in order of their numbers.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    fn deleted(&self) -> Result<Vec<DeletedRecord>, StoreError>;

    /// Brings deleted messages back, all or none, durable when it returns `Ok`: each with a new
    /// number, allocated as for a delivery, and that as its unique-id (MS-STANXPOP3 C0008); a
    /// carried one is not carried again. They are as new: not read, and received at `at_secs`
    /// (since 1970-01-01 UTC), so that whoever removes by age does not do so again at once.
    /// Returns old and new numbers, in order of the old ones.
    ///
    /// # Errors
    /// `Gone` if one of them is not among [`Self::deleted`], `Full`, `Io`, `Poisoned`.
    fn undelete(
        &mut self,
        ids: &[MessageId],
        at_secs: u64,
    ) -> Result<Vec<(MessageId, MessageId)>, StoreError>;

    /// Gives up the bodies of messages that were removed before that second, for good. Many go in
    /// several commits.
    ///
    /// # Errors
    /// `Corrupt`, `Full`, `Io`, `Poisoned`. Part of it may be done then.
    fn purge(&mut self, deleted_before_secs: u64) -> Result<Purged, StoreError>;

    /// Notes that messages were retrieved; durable when it returns `Ok`. Unknown numbers are
    /// passed over. Returns for how many it is news; if for none, nothing is written. The
    /// revision stays: there are no other messages than before.
    ///
    /// # Errors
    /// `Full`, `Io`, `Poisoned`.
    fn mark_read(&mut self, ids: &[MessageId]) -> Result<usize, StoreError>;

    /// What the live messages are together.
    fn usage(&self) -> Usage;

    /// Whether a warning about the quota is due no more: see [`Self::set_quota_warned`].
    fn quota_warned(&self) -> bool;

    /// Keeps a mark for whoever warns about the quota; durable when it returns `Ok`. Like
    /// [`MessageRecord::read`] it is in the index alone.
    ///
    /// # Errors
    /// `Full`, `Io`, `Poisoned`.
    fn set_quota_warned(&mut self, warned: bool) -> Result<(), StoreError>;
}

/// How messages are removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    /// When, in seconds since 1970-01-01 UTC. It counts for [`OwnedMaildrop::purge`].
    pub at_secs: u64,
    /// Who did it, for those who want to take it back: 1 to 64 octets of 0x21 to 0x7E.
    pub session: Option<Box<str>>,
    /// Whether the bodies stay recoverable; else they are unlinked at once.
    pub keep: bool,
}

impl Removal {
    /// The most octets that name a session. Twice as many are part of a file's name.
    pub const SESSION_OCTETS_MAX: usize = 64;

    /// # Errors
    /// `Invalid` if the session is outside the accepted range.
    pub fn check(&self) -> Result<(), StoreError> {
        self.session.as_deref().map_or(Ok(()), Self::check_session)
    }

    /// # Errors
    /// `Invalid`.
    pub(crate) fn check_session(session: &str) -> Result<(), StoreError> {
        let length_is_right = (1..=Self::SESSION_OCTETS_MAX).contains(&session.len());
        if length_is_right && session.bytes().all(|octet| (0x21..=0x7E).contains(&octet)) {
            return Ok(());
        }
        Err(StoreError::new(
            StoreErrorKind::Invalid,
            format!(
                "a session is named by 1 to {} octets of 0x21 to 0x7E, not by {session:?}",
                Self::SESSION_OCTETS_MAX
            ),
        ))
    }
}

/// What a purge gave up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// How many messages.
    pub messages: u64,
    /// Octets that they occupied. Where a body is shared, it is counted whole for each message.
    pub stored_octets: u64,
}

/// Reads the bodies of one maildrop.
pub trait BodySource: Send + Sync {
    /// Opens a body for reading.
    ///
    /// # Errors
    /// `Gone` if the message was removed, `Corrupt` if it is missing, cut or not what was
    /// written, `Io`.
    fn open(&self, message: MessageId) -> Result<Box<dyn Body>, StoreError>;

    /// Opens a body and reads as much of it as `buffer` takes, for a caller that must not wait:
    /// only what is in memory is looked at. `None` whenever that does not do, whatever the
    /// reason: [`Self::open`] then finds out.
    fn open_now(&self, message: MessageId, buffer: &mut [u8]) -> Option<OpenedNow> {
        let _ = (message, buffer);
        None
    }
}

/// A body that was opened without waiting, and how much of it was read.
pub struct OpenedNow {
    /// What is known of it.
    pub facts: BodyFacts,
    /// Octets of it at the beginning of the buffer.
    pub filled: usize,
    /// Reads what follows them; `None` if nothing does.
    pub rest: Option<Box<dyn Body>>,
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

    /// The same for a caller that must not wait. `None` if nothing of it is in memory, or that
    /// cannot be known: [`Self::read`] goes on from here.
    fn read_now(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let _ = buffer;
        None
    }

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
