//! What a mailbox actor and its supervisor can be asked.

use std::sync::Arc;

use actix::{Addr, Message};
use mailroost_protocol::{Maildrop, SortOrder};
use mailroost_storage::{
    BodySource, DeletedRecord, Delivery, MaildropId, MessageId, Purged, StoreError, Usage,
};

use super::{AccessLock, MailboxActor, MailboxSupervisor};
use crate::ask::ask;
use crate::{MaildropContents, Retained, Retention, Terms, TreeError};

/// A mailbox that died under a question is made again at once; more often than this in a row is
/// not weather any more.
const ATTEMPTS_MAX: usize = 3;

/// To the supervisor: the actor of this maildrop, made if it is not there.
#[derive(Message)]
#[rtype(result = "Result<Addr<MailboxActor>, TreeError>")]
pub(crate) struct FindMailbox(pub(crate) MaildropId);

/// To the supervisor: the actor of this maildrop for who looks after one maildrop after the
/// other, and would leave behind an actor for each that nobody needs.
#[derive(Message)]
#[rtype(result = "Result<Borrowed, TreeError>")]
pub(crate) struct BorrowMailbox(pub(crate) MaildropId);

/// A mailbox that is to be given back.
pub(crate) struct Borrowed {
    pub(crate) mailbox: Addr<MailboxActor>,
    pub(crate) generation: u64,
}

/// To the supervisor: this one was borrowed. If it was made for that, and nobody else has wanted
/// it since, it may stop.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct GiveBack {
    pub(crate) maildrop: MaildropId,
    pub(crate) generation: u64,
}

/// To the supervisor: let go of this maildrop. Answered when nothing holds it any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct RetireMailbox(pub(crate) MaildropId);

/// To the supervisor: those who have had nothing to do for long may stop.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct StopIdleMailboxes;

/// To the supervisor: an actor is gone, for good.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct MailboxDown {
    pub(super) maildrop: MaildropId,
    pub(super) generation: u64,
    /// It died too often: what it died of last.
    pub(super) gave_up: Option<String>,
}

/// Open the maildrop for a session.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<OpenedMaildrop, OpenError>")]
pub(crate) struct OpenMaildrop {
    /// Nobody else may have it open (RFC 1939 s4).
    pub(crate) exclusive: bool,
    /// How the view is numbered.
    pub(crate) order: SortOrder,
}

/// What a session gets at log-on.
pub(crate) struct OpenedMaildrop {
    /// The view, shared by all sessions that opened the maildrop at this revision in this order.
    pub(crate) view: Arc<Maildrop>,
    /// The way to the bodies.
    pub(crate) bodies: Arc<dyn BodySource>,
    /// Held for the life of the session.
    pub(crate) lock: AccessLock,
}

/// Why a maildrop is not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Another session has it, and one of the two wants it for itself.
    #[error("another session has the maildrop")]
    InUse,
    /// See there.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// Remove these, all or none, durable when answered. Says how many there were.
#[derive(Message)]
#[rtype(result = "Result<usize, TreeError>")]
pub(crate) struct CommitDeletions {
    pub(crate) messages: Vec<MessageId>,
    /// To be marked as read afterwards; the answer does not wait for it.
    pub(crate) read: Vec<MessageId>,
    /// Who removes them, for those who want to take it back.
    pub(crate) by: Option<Box<str>>,
}

/// A session has retrieved these. Says for how many it is news.
#[derive(Message)]
#[rtype(result = "Result<usize, TreeError>")]
pub(crate) struct MarkRead(pub(crate) Vec<MessageId>);

/// One step of retention.
#[derive(Message)]
#[rtype(result = "Result<Retained, TreeError>")]
pub(crate) struct Retain {
    pub(crate) retention: Retention,
    /// Only count.
    pub(crate) dry_run: bool,
}

/// What is in the maildrop, in sum?
#[derive(Message)]
#[rtype(result = "Result<Usage, TreeError>")]
pub(crate) struct Weigh;

/// What was removed and can be brought back?
#[derive(Message)]
#[rtype(result = "Result<Vec<DeletedRecord>, TreeError>")]
pub(crate) struct ListDeleted;

/// Bring these back, all or none. Says their old and new numbers.
#[derive(Message)]
#[rtype(result = "Result<Vec<(MessageId, MessageId)>, TreeError>")]
pub(crate) struct Undelete {
    pub(crate) ids: Vec<MessageId>,
    pub(crate) terms: Terms,
}

/// Give up what was removed before that second.
#[derive(Message)]
#[rtype(result = "Result<Purged, TreeError>")]
pub(crate) struct Purge {
    pub(crate) deleted_before_secs: u64,
}

/// Take these in, all or none, durable when answered.
#[derive(Message)]
#[rtype(result = "Result<Vec<MessageId>, TreeError>")]
pub(crate) struct Deliver {
    pub(crate) deliveries: Vec<Delivery>,
    /// Without them there is no quota.
    pub(crate) terms: Option<Terms>,
}

/// What is in the maildrop?
#[derive(Message)]
#[rtype(result = "Result<MaildropContents, TreeError>")]
pub(crate) struct ListContents;

/// Why the tree's error is shared: one failure may answer several who wait.
pub(super) fn same_error(error: &StoreError) -> StoreError {
    StoreError::new(error.kind(), error.to_string())
}

/// Asks the mailbox of `maildrop`, again if it died before it answered: only for questions that
/// can be asked twice.
pub(crate) async fn ask_mailbox<R, E, Fut>(
    supervisor: &Addr<MailboxSupervisor>,
    maildrop: MaildropId,
    question: impl Fn(Addr<MailboxActor>) -> Fut,
) -> Result<R, E>
where
    E: From<TreeError> + Unanswered,
    Fut: Future<Output = Result<R, E>>,
{
    let mut attempt = 1;
    loop {
        let found = ask(supervisor, "the mailbox supervisor", FindMailbox(maildrop)).await;
        let answered = match found.and_then(|found| found) {
            Ok(mailbox) => question(mailbox).await,
            Err(error) => Err(E::from(error)),
        };
        match answered {
            Err(error) if error.is_unanswered() && attempt < ATTEMPTS_MAX => attempt += 1,
            answered => return answered,
        }
    }
}

/// An error after which asking again makes sense.
pub(crate) trait Unanswered {
    /// Whether it is one.
    fn is_unanswered(&self) -> bool;
}

impl Unanswered for TreeError {
    fn is_unanswered(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl Unanswered for OpenError {
    fn is_unanswered(&self) -> bool {
        match self {
            Self::InUse => false,
            Self::Tree(error) => error.is_unanswered(),
        }
    }
}
