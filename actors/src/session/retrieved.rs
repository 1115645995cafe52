//! What a session has retrieved whole. Its mailbox hears of it once, when the session ends: a
//! crash forgets the marks of one session, and no command waits for a disk.

use std::collections::BTreeSet;

use actix::Addr;
use mailroost_storage::{MaildropId, MessageId};

use crate::TreeError;
use crate::ask::ask;
use crate::mailbox::{MailboxSupervisor, MarkRead, ask_mailbox};

/// See the file's first lines. A message is there once, however often it was retrieved.
#[derive(Debug)]
pub(super) struct Retrieved {
    maildrop: MaildropId,
    /// Written to the connection, to the last octet.
    written: BTreeSet<MessageId>,
    /// Of these something is still in the output buffer.
    leaving: Vec<MessageId>,
}

impl Retrieved {
    pub(super) fn of(maildrop: MaildropId) -> Self {
        Self {
            maildrop,
            written: BTreeSet::new(),
            leaving: Vec::new(),
        }
    }

    /// The message was sent, as far as into the output buffer.
    pub(super) fn add(&mut self, message: MessageId) {
        self.leaving.push(message);
    }

    /// The output buffer has left.
    pub(super) fn flushed(&mut self) {
        self.written.extend(self.leaving.drain(..));
    }

    /// All of them: the client says QUIT, so it has what it wanted.
    pub(super) fn all(mut self) -> Vec<MessageId> {
        self.flushed();
        self.written.into_iter().collect()
    }

    /// Tells the mailbox. What the client may not have received is not told.
    pub(super) async fn mark(self, mailboxes: &Addr<MailboxSupervisor>, log: &slog::Logger) {
        let read: Vec<MessageId> = self.written.into_iter().collect();
        if read.is_empty() {
            return;
        }
        let marked: Result<usize, TreeError> = ask_mailbox(mailboxes, self.maildrop, |mailbox| {
            let mark = MarkRead(read.clone());
            async move { ask(&mailbox, "the mailbox", mark).await? }
        })
        .await;
        if let Err(error) = marked {
            slog::warn!(log, "retrieved messages were not marked as read"; "why" => %error);
        }
    }
}
