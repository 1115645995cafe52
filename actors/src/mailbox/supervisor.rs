//! Makes a mailbox on first use, keeps the books of them, and never lets a maildrop have two.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use actix::{
    Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, ResponseActFuture, Supervised,
    WrapFuture,
};
use mailroost_storage::MaildropId;
use tokio_util::sync::CancellationToken;

use super::{
    BorrowMailbox, Borrowed, FindMailbox, GiveBack, Kept, MailboxActor, MailboxDown, MailboxParts,
    Maildrops, RetireMailbox, StopIdleMailboxes,
};
use crate::supervise::{
    Budget, Child, ChildSpec, Crash, Exit, Place, Reports, Restart, cradle, start_child,
};
use crate::{Limits, TreeError, clock};

/// See the file's first lines.
pub(crate) struct MailboxSupervisor {
    parts: Arc<MailboxParts>,
    limits: Limits,
    places: Arc<[Place]>,
    maildrops: Maildrops,
    tree: CancellationToken,
    /// Ends the mailboxes of this incarnation.
    mine: CancellationToken,
    mailboxes: BTreeMap<MaildropId, Entry>,
    generation: u64,
}

struct Entry {
    generation: u64,
    /// When somebody asked for it last.
    found: Instant,
    /// It was not only borrowed.
    wanted: bool,
    state: State,
}

enum State {
    Alive {
        addr: Addr<MailboxActor>,
        child: Child,
        kept: Arc<Kept>,
    },
    /// It died too often; it is not made again before this time.
    GivenUp(Instant),
    /// It is being let go of, and not made again before that is done.
    Retiring,
}

impl MailboxSupervisor {
    pub(crate) fn new(
        parts: Arc<MailboxParts>,
        limits: Limits,
        places: Arc<[Place]>,
        maildrops: Maildrops,
        tree: CancellationToken,
    ) -> Self {
        let mine = tree.child_token();
        let mailboxes = BTreeMap::new();
        Self {
            parts,
            limits,
            places,
            maildrops,
            tree,
            mine,
            mailboxes,
            generation: 0,
        }
    }

    fn make(&mut self, maildrop: MaildropId, me: Addr<Self>) -> Addr<MailboxActor> {
        self.generation += 1;
        let kept = self.maildrops.kept(maildrop);
        let spec = ChildSpec {
            name: format!("MailboxActor {maildrop}"),
            restart: Restart::Transient,
            budget: Budget::new(self.limits.restarts_max, self.limits.restart_window),
        };
        let actor = {
            let (parts, kept) = (Arc::clone(&self.parts), Arc::clone(&kept));
            move || MailboxActor::new(maildrop, parts, kept)
        };
        // Neighbouring numbers go to different threads.
        let place = usize::try_from(maildrop.0 % self.places.len() as u64)
            .expect("the remainder of a usize fits into it");
        let reports = self.reports(maildrop, me);
        let (addr, cradle) = cradle(self.limits.mailbox_waiting_max);
        let place = &self.places[place];
        let child = start_child(cradle, place, spec, &self.mine, actor, reports);
        let entry = Entry {
            generation: self.generation,
            found: clock::now(),
            wanted: false,
            state: State::Alive {
                addr: addr.clone(),
                child,
                kept,
            },
        };
        self.mailboxes.insert(maildrop, entry);
        addr
    }

    fn reports(&self, maildrop: MaildropId, me: Addr<Self>) -> Reports {
        let log = self.parts.log.new(slog::o!("maildrop" => maildrop.0));
        let generation = self.generation;
        let member = self.maildrops.mailboxes.admit();
        Reports {
            restarted: {
                let log = log.clone();
                Box::new(move |restarted| {
                    slog::error!(log, "mailbox died and is made again"; "cause" => restarted.cause);
                })
            },
            ended: Box::new(move |exit| {
                let _counted_until_here = member;
                let gave_up = match exit {
                    Exit::GaveUp(cause) => {
                        slog::crit!(log, "mailbox died too often"; "cause" => &cause);
                        Some(cause)
                    }
                    Exit::Normal | Exit::Stopped | Exit::Panicked(_) | Exit::Lost => None,
                };
                crate::supervise::notify(
                    &me,
                    MailboxDown {
                        maildrop,
                        generation,
                        gave_up,
                    },
                );
            }),
        }
    }

    fn find(
        &mut self,
        maildrop: MaildropId,
        me: Addr<Self>,
    ) -> Result<Addr<MailboxActor>, TreeError> {
        let now = clock::now();
        match self.mailboxes.get_mut(&maildrop) {
            Some(Entry {
                state: State::Alive { addr, .. },
                found,
                ..
            }) => {
                if !addr.connected() {
                    // The report is under way, and says whether it died too often.
                    return Err(TreeError::Unavailable("the mailbox, which has just died,"));
                }
                *found = now;
                Ok(addr.clone())
            }
            Some(Entry {
                state: State::GivenUp(until),
                ..
            }) if now < *until => Err(TreeError::Unavailable("the mailbox, which died too often,")),
            Some(Entry {
                state: State::Retiring,
                ..
            }) => Err(TreeError::Unavailable(
                "the maildrop, which is being let go of,",
            )),
            Some(Entry {
                state: State::GivenUp(_),
                ..
            })
            | None => Ok(self.make(maildrop, me)),
        }
    }
}

impl Actor for MailboxSupervisor {
    type Context = Context<Self>;

    /// No question is answered before the last child of the former incarnation has put its
    /// maildrop down: two owners of one maildrop must never be.
    fn started(&mut self, ctx: &mut Context<Self>) {
        let maildrops = self.maildrops.clone();
        ctx.wait(async move { maildrops.let_go().await }.into_actor(self));
    }
}

impl Supervised for MailboxSupervisor {
    fn restarting(&mut self, _ctx: &mut Context<Self>) {
        self.mine.cancel();
        self.mine = self.tree.child_token();
        self.mailboxes.clear();
    }
}

impl Handler<FindMailbox> for MailboxSupervisor {
    type Result = Result<Addr<MailboxActor>, TreeError>;

    fn handle(&mut self, message: FindMailbox, ctx: &mut Context<Self>) -> Self::Result {
        let found = self.find(message.0, ctx.address())?;
        if let Some(entry) = self.mailboxes.get_mut(&message.0) {
            entry.wanted = true;
        }
        Ok(found)
    }
}

impl Handler<BorrowMailbox> for MailboxSupervisor {
    type Result = Result<Borrowed, TreeError>;

    fn handle(&mut self, message: BorrowMailbox, ctx: &mut Context<Self>) -> Self::Result {
        let mailbox = self.find(message.0, ctx.address())?;
        let entry = self.mailboxes.get(&message.0);
        Ok(Borrowed {
            mailbox,
            generation: entry.map_or(self.generation, |entry| entry.generation),
        })
    }
}

impl Handler<GiveBack> for MailboxSupervisor {
    type Result = ();

    fn handle(&mut self, message: GiveBack, _ctx: &mut Context<Self>) {
        let Some(entry) = self.mailboxes.get(&message.maildrop) else {
            return;
        };
        let State::Alive { child, kept, .. } = &entry.state else {
            return;
        };
        let wanted = entry.wanted || kept.was_opened();
        if entry.generation == message.generation && !wanted && !kept.is_busy() {
            child.stop.cancel();
            self.mailboxes.remove(&message.maildrop);
        }
    }
}

impl Handler<MailboxDown> for MailboxSupervisor {
    type Result = ();

    fn handle(&mut self, message: MailboxDown, _ctx: &mut Context<Self>) {
        let MailboxDown {
            maildrop,
            generation,
            gave_up,
        } = message;
        let Some(entry) = self.mailboxes.get_mut(&maildrop) else {
            return;
        };
        if entry.generation != generation {
            return;
        }
        match gave_up {
            Some(_) => {
                entry.state = State::GivenUp(clock::now() + self.limits.restart_window);
            }
            None => drop(self.mailboxes.remove(&maildrop)),
        }
    }
}

impl Handler<RetireMailbox> for MailboxSupervisor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, message: RetireMailbox, _ctx: &mut Context<Self>) -> Self::Result {
        let maildrop = message.0;
        self.generation += 1;
        let generation = self.generation;
        let retiring = Entry {
            generation,
            found: clock::now(),
            wanted: false,
            state: State::Retiring,
        };
        let former = self.mailboxes.insert(maildrop, retiring);
        let kept = self.maildrops.kept(maildrop);
        let let_go = async move {
            if let Some(State::Alive { child, .. }) = former.map(|entry| entry.state) {
                child.end().await;
            }
            // A store call that was under way holds the gate until it has put the maildrop down.
            drop(kept.pass_the_gate().await);
        };
        Box::pin(let_go.into_actor(self).map(move |(), supervisor, _| {
            let known = supervisor.mailboxes.get(&maildrop);
            // Somebody else may want the same, and be waiting still.
            if known.is_some_and(|entry| entry.generation == generation) {
                supervisor.mailboxes.remove(&maildrop);
            }
        }))
    }
}

impl Handler<StopIdleMailboxes> for MailboxSupervisor {
    type Result = ();

    fn handle(&mut self, _: StopIdleMailboxes, _ctx: &mut Context<Self>) {
        let now = clock::now();
        let idle = self.limits.mailbox_idle;
        self.mailboxes.retain(|_, entry| match &entry.state {
            // Whoever has found it has asked it by now.
            State::Alive { child, kept, .. } => {
                if kept.forget_opened() {
                    entry.found = now;
                }
                let stays = now.duration_since(entry.found) < idle || kept.is_busy();
                if !stays {
                    child.stop.cancel();
                }
                stays
            }
            State::GivenUp(until) => now < *until,
            State::Retiring => true,
        });
        self.maildrops.forget_the_unused();
    }
}

/// Mailboxes end with their supervisor.
impl Drop for MailboxSupervisor {
    fn drop(&mut self) {
        self.mine.cancel();
    }
}

impl Handler<Crash> for MailboxSupervisor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("the mailbox supervisor was told to crash");
    }
}
