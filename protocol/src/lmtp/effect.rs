//! What an LMTP session asks of whoever drives it, and what it is told in return.

use std::sync::Arc;

use super::path::Path;
use super::trace::Trace;
use crate::CloseReason;

/// What has to happen next.
#[derive(Debug)]
#[must_use]
pub enum LmtpStep {
    /// Everything received is answered: write `out`, then read more.
    NeedInput,
    /// `out` is over its water mark: write it before going on.
    Flush,
    /// Carry this out and `resume`. One is open at a time.
    Effect(LmtpEffect),
    /// Write `out` and close.
    Close(CloseReason),
}

/// Something that only the outside can do.
#[derive(Debug)]
pub enum LmtpEffect {
    /// RCPT: whose maildrop is it? Outcomes: `Recipient`, `RecipientRefused`.
    Resolve {
        /// As it was sent, for the log.
        path: Path,
        /// Names of users and aliases; the first that there is counts.
        names: Vec<String>,
    },
    /// A message begins: make a place for it. One that is still there is dropped.
    /// Outcomes: `Done`, `Failed`.
    Begin,
    /// The next octets of the message. Outcomes: `Done`, `Failed`.
    Write(Vec<u8>),
    /// The message is complete: deliver it to each of these, durably. Who is named twice, by
    /// whatever path, gets it once, and two answers. Outcome: `Delivered`.
    Deliver {
        /// In the order of the replies.
        recipients: Arc<[Recipient]>,
        /// What is put before the message.
        trace: Trace,
    },
    /// The message is complete and refused: nobody gets it. For the log. Outcome: `Done`.
    Refuse {
        /// Who would have got it.
        recipients: Arc<[Recipient]>,
        /// Who sent it.
        trace: Trace,
        /// Why, as the client is told.
        why: &'static str,
    },
}

/// A recipient that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// As it was sent.
    pub path: Path,
    /// Whose maildrop it is.
    pub addressee: Addressee,
}

/// A user that a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee {
    /// The store's number of the maildrop.
    pub maildrop: u64,
    /// The user's name, for the log.
    pub user: Box<str>,
}

/// How an effect ended.
#[derive(Debug)]
pub enum LmtpOutcome {
    /// The recipient has a maildrop here.
    Recipient(Addressee),
    /// It is not accepted.
    RecipientRefused(DeliveryRefusal),
    /// It is done.
    Done,
    /// It could not be done, and the message is lost: the client is to send it again.
    Failed(DeliveryRefusal),
    /// What became of the message, for each recipient in order.
    Delivered(Vec<Result<(), DeliveryRefusal>>),
}

/// Why a recipient does not get a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryRefusal {
    /// There is no such user, or not any more.
    UnknownUser,
    /// The maildrop is over its quota.
    OverQuota,
    /// The disk is full.
    Full,
    /// The store or the directory cannot do it at the moment.
    Trouble,
}
