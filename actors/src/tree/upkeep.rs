//! What the tree does so that maildrops stay within their limits.

use std::sync::Arc;

use mailroost_storage::{DeletedRecord, MaildropId, MessageId, Purged, Usage, User};

use super::TreeHandle;
use crate::ask::ask;
use crate::mailbox::{FindMailbox, ListDeleted, Purge, Undelete, Weigh, ask_mailbox};
use crate::sweeper::retain;
use crate::{Retained, Terms, TreeError, Upkeep};

impl TreeHandle {
    /// How maildrops are looked after now.
    pub fn upkeep(&self) -> Arc<Upkeep> {
        Arc::clone(&self.0.upkeep.borrow())
    }

    /// From now on maildrops are looked after like this.
    pub fn set_upkeep(&self, upkeep: Arc<Upkeep>) {
        self.0.upkeep.send_replace(upkeep);
    }

    /// Removes what has been in a user's maildrop for too long, and gives up what can be brought
    /// back no longer; a dry run only counts both.
    ///
    /// # Errors
    /// See `OwnedMaildrop::remove` and `purge`. Part of it may be done then.
    pub async fn retain(&self, user: &User, dry_run: bool) -> Result<Retained, TreeError> {
        let retention = self.upkeep().retention_of(user);
        let mailboxes = &self.grown()?.addrs.mailboxes;
        retain(mailboxes, user.maildrop, retention, dry_run).await
    }

    /// What is in a maildrop, in sum.
    ///
    /// # Errors
    /// See `MaildropStore::open_maildrop`.
    pub async fn usage(&self, maildrop: MaildropId) -> Result<Usage, TreeError> {
        ask_mailbox(
            &self.grown()?.addrs.mailboxes,
            maildrop,
            |mailbox| async move { ask(&mailbox, "the mailbox", Weigh).await? },
        )
        .await
    }

    /// The messages that were removed from a maildrop and can be brought back, in order of their
    /// numbers.
    ///
    /// # Errors
    /// See `OwnedMaildrop::deleted`.
    pub async fn deleted(&self, maildrop: MaildropId) -> Result<Vec<DeletedRecord>, TreeError> {
        ask_mailbox(
            &self.grown()?.addrs.mailboxes,
            maildrop,
            |mailbox| async move { ask(&mailbox, "the mailbox", ListDeleted).await? },
        )
        .await
    }

    /// Brings removed messages back: all or none, durable when it returns. Each has a new
    /// number; returns old and new ones.
    ///
    /// # Errors
    /// `OverQuota`; see `OwnedMaildrop::undelete`. After `Unavailable` nobody knows whether it
    /// happened.
    pub async fn undelete(
        &self,
        terms: Terms,
        maildrop: MaildropId,
        ids: Vec<MessageId>,
    ) -> Result<Vec<(MessageId, MessageId)>, TreeError> {
        let mailboxes = &self.grown()?.addrs.mailboxes;
        let mailbox = ask(mailboxes, "the mailbox supervisor", FindMailbox(maildrop)).await??;
        ask(&mailbox, "the mailbox", Undelete { ids, terms }).await?
    }

    /// Gives up what was removed from a maildrop before that second (since 1970-01-01 UTC), for
    /// good.
    ///
    /// # Errors
    /// See `OwnedMaildrop::purge`.
    pub async fn purge(
        &self,
        maildrop: MaildropId,
        deleted_before_secs: u64,
    ) -> Result<Purged, TreeError> {
        ask_mailbox(
            &self.grown()?.addrs.mailboxes,
            maildrop,
            |mailbox| async move {
                let purge = Purge {
                    deleted_before_secs,
                };
                ask(&mailbox, "the mailbox", purge).await?
            },
        )
        .await
    }
}
