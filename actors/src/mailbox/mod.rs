//! The mailbox: the one owner of one maildrop. Snapshots, unique-ids and deletion commits come
//! from here and from nowhere else.
//!
//! The store's calls block, so the maildrop itself travels: it is lent to a blocking thread
//! together with all that waits for it, and comes back when that is done. A mailbox that dies
//! while its maildrop is away is made again, but its next incarnation waits at the gate until
//! the maildrop is put down.

mod desk;
mod kept;
mod messages;
mod supervisor;
mod translate;
mod upkeep;

use std::collections::VecDeque;
use std::sync::Arc;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, ResponseFuture,
    Supervised, WrapFuture,
};
use mailroost_storage::{
    DeletedRecord, MaildropId, MaildropStore, MessageId, Purged, StoreError, Usage,
};
use tokio::sync::{oneshot, watch};

use crate::supervise::Crash;
use crate::{Machine, MaildropContents, Retained, TreeError, Upkeep};
use desk::{Desk, Job};
use kept::Kept;
pub(crate) use kept::{AccessLock, Maildrops};
use messages::MailboxDown;
pub(crate) use messages::{
    BorrowMailbox, Borrowed, CommitDeletions, Deliver, FindMailbox, GiveBack, ListContents,
    ListDeleted, MarkRead, OpenError, OpenMaildrop, OpenedMaildrop, Purge, Retain, RetireMailbox,
    StopIdleMailboxes, Undelete, Weigh, ask_mailbox,
};
pub(crate) use supervisor::MailboxSupervisor;
pub(crate) use translate::blame_of;

/// What all mailboxes share.
pub(crate) struct MailboxParts {
    pub(crate) store: Arc<dyn MaildropStore>,
    pub(crate) upkeep: watch::Receiver<Arc<Upkeep>>,
    pub(crate) waiting_max: usize,
    pub(crate) machine: Machine,
    pub(crate) log: slog::Logger,
}

/// See the file's first lines.
pub(crate) struct MailboxActor {
    maildrop: MaildropId,
    parts: Arc<MailboxParts>,
    kept: Arc<Kept>,
    desk: Option<Desk>,
    away: bool,
    waiting: VecDeque<Job>,
}

impl MailboxActor {
    fn new(maildrop: MaildropId, parts: Arc<MailboxParts>, kept: Arc<Kept>) -> Self {
        Self {
            maildrop,
            parts,
            kept,
            desk: None,
            away: false,
            waiting: VecDeque::new(),
        }
    }

    /// Puts a job into the queue and sees to it that it is worked on.
    fn take_in<R>(
        &mut self,
        ctx: &mut Context<Self>,
        work: impl FnOnce(&mut Desk) -> Result<R, StoreError> + Send + 'static,
    ) -> ResponseFuture<Result<R, TreeError>>
    where
        R: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let busy = self.kept.busy();
        if self.waiting.len() < self.parts.waiting_max {
            self.waiting.push_back(Job::new(work, answer));
            self.work(ctx);
        } else {
            drop(answer);
        }
        Box::pin(async move {
            let _until_answered = busy;
            answered
                .await
                .unwrap_or(Err(TreeError::Unavailable("the mailbox")))
        })
    }

    /// Lends the maildrop to a blocking thread with all that waits, unless it is away already.
    fn work(&mut self, ctx: &mut Context<Self>) {
        if self.away || self.waiting.is_empty() {
            return;
        }
        self.away = true;
        self.kept.take_back();
        let jobs = std::mem::take(&mut self.waiting);
        let desk = self.desk.take();
        let kept = Arc::clone(&self.kept);
        let parts = Arc::clone(&self.parts);
        let maildrop = self.maildrop;
        let work = async move {
            let place = match desk {
                Some(desk) => Ok(desk),
                None => Err(kept.pass_the_gate().await),
            };
            let machine = parts.machine.clone();
            let worked = machine.blocking(move || desk::work(place, parts, maildrop, jobs));
            worked.await
        };
        ctx.spawn(
            work.into_actor(self)
                .map(|worked, mailbox, ctx| match worked {
                    Ok(desk) => {
                        mailbox.away = false;
                        if let Some(desk) = &desk {
                            mailbox.kept.lend(desk.lent());
                        }
                        mailbox.desk = desk;
                        mailbox.work(ctx);
                    }
                    // The store's panic is ours: the supervisor counts it.
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => std::panic::resume_unwind(panic),
                        Err(_cancelled) => ctx.stop(),
                    },
                }),
        );
    }
}

impl Actor for MailboxActor {
    type Context = Context<Self>;
}

impl Supervised for MailboxActor {
    /// The next incarnation starts from what the store says. Who waited is told by the dropped
    /// answer, and asks again.
    fn restarting(&mut self, _ctx: &mut Context<Self>) {
        *self = Self::new(
            self.maildrop,
            Arc::clone(&self.parts),
            Arc::clone(&self.kept),
        );
    }
}

impl Handler<OpenMaildrop> for MailboxActor {
    type Result = ResponseFuture<Result<OpenedMaildrop, OpenError>>;

    fn handle(&mut self, message: OpenMaildrop, ctx: &mut Context<Self>) -> Self::Result {
        if let Some(opened) = self.kept.open(message) {
            return Box::pin(std::future::ready(opened));
        }
        let Some(lock) = self.kept.lock(message.exclusive) else {
            return Box::pin(async { Err(OpenError::InUse) });
        };
        let order = message.order;
        let opened = self.take_in(ctx, move |desk| Ok(desk.view(order)));
        Box::pin(async move {
            let (view, bodies) = opened.await?;
            Ok(OpenedMaildrop { view, bodies, lock })
        })
    }
}

impl Handler<CommitDeletions> for MailboxActor {
    type Result = ResponseFuture<Result<usize, TreeError>>;

    fn handle(&mut self, message: CommitDeletions, ctx: &mut Context<Self>) -> Self::Result {
        let CommitDeletions { messages, read, by } = message;
        let removed = self.take_in(ctx, move |desk| desk.remove(&messages, by));
        if !read.is_empty() {
            // Nobody who says QUIT waits for this.
            drop(self.take_in(ctx, move |desk| desk.maildrop.mark_read(&read)));
        }
        removed
    }
}

impl Handler<Deliver> for MailboxActor {
    type Result = ResponseFuture<Result<Vec<MessageId>, TreeError>>;

    fn handle(&mut self, message: Deliver, ctx: &mut Context<Self>) -> Self::Result {
        let Deliver { deliveries, terms } = message;
        self.take_in(ctx, move |desk| desk.deliver(deliveries, terms.as_ref()))
    }
}

impl Handler<ListContents> for MailboxActor {
    type Result = ResponseFuture<Result<MaildropContents, TreeError>>;

    fn handle(&mut self, _: ListContents, ctx: &mut Context<Self>) -> Self::Result {
        self.take_in(ctx, |desk| Ok(desk.contents()))
    }
}

impl Handler<MarkRead> for MailboxActor {
    type Result = ResponseFuture<Result<usize, TreeError>>;

    fn handle(&mut self, message: MarkRead, ctx: &mut Context<Self>) -> Self::Result {
        self.take_in(ctx, move |desk| desk.maildrop.mark_read(&message.0))
    }
}

impl Handler<Retain> for MailboxActor {
    type Result = ResponseFuture<Result<Retained, TreeError>>;

    fn handle(&mut self, message: Retain, ctx: &mut Context<Self>) -> Self::Result {
        let Retain { retention, dry_run } = message;
        self.take_in(ctx, move |desk| desk.retain(retention, dry_run))
    }
}

impl Handler<Weigh> for MailboxActor {
    type Result = ResponseFuture<Result<Usage, TreeError>>;

    fn handle(&mut self, _: Weigh, ctx: &mut Context<Self>) -> Self::Result {
        self.take_in(ctx, |desk| Ok(desk.maildrop.usage()))
    }
}

impl Handler<ListDeleted> for MailboxActor {
    type Result = ResponseFuture<Result<Vec<DeletedRecord>, TreeError>>;

    fn handle(&mut self, _: ListDeleted, ctx: &mut Context<Self>) -> Self::Result {
        self.take_in(ctx, |desk| desk.maildrop.deleted())
    }
}

impl Handler<Undelete> for MailboxActor {
    type Result = ResponseFuture<Result<Vec<(MessageId, MessageId)>, TreeError>>;

    fn handle(&mut self, message: Undelete, ctx: &mut Context<Self>) -> Self::Result {
        let Undelete { ids, terms } = message;
        self.take_in(ctx, move |desk| desk.undelete(&ids, &terms))
    }
}

impl Handler<Purge> for MailboxActor {
    type Result = ResponseFuture<Result<Purged, TreeError>>;

    fn handle(&mut self, message: Purge, ctx: &mut Context<Self>) -> Self::Result {
        self.take_in(ctx, move |desk| {
            desk.maildrop.purge(message.deleted_before_secs)
        })
    }
}

impl Handler<Crash> for MailboxActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("the mailbox was told to crash");
    }
}
