//! Makes a mailbox on first use, keeps the books of them, and never lets a maildrop have two.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, Addr, AsyncContext, Context, Handler, ResponseFuture, Supervised, WrapFuture};
use mailroost_storage::MaildropId;
use tokio_util::sync::CancellationToken;

use super::{
    Crash, FindMailbox, Kept, MailboxActor, MailboxCounts, MailboxDown, MailboxParts,
    RetireMailbox, StopIdleMailboxes,
};
use crate::supervise::{
    Budget, Child, ChildSpec, Exit, Place, Reports, Restart, cradle, start_child,
};
use crate::{Limits, TreeError, clock};

/// See the file's first lines.
pub(crate) struct MailboxSupervisor {
    parts: Arc<MailboxParts>,
    limits: Limits,
    places: Arc<[Place]>,
    counts: MailboxCounts,
    tree: CancellationToken,
    /// Ends the mailboxes of this incarnation.
    mine: CancellationToken,
    mailboxes: HashMap<MaildropId, Entry>,
    generation: u64,
}

struct Entry {
    kept: Arc<Kept>,
    generation: u64,
    /// When somebody asked for it last.
    found: Instant,
    state: State,
}

enum State {
    Alive(Addr<MailboxActor>, Child),
    /// It died too often; it is not made again before this time.
    GivenUp(Instant),
}

impl MailboxSupervisor {
    pub(crate) fn new(
        parts: Arc<MailboxParts>,
        limits: Limits,
        places: Arc<[Place]>,
        counts: MailboxCounts,
        tree: CancellationToken,
    ) -> Self {
        let mine = tree.child_token();
        let mailboxes = HashMap::new();
        Self {
            parts,
            limits,
            places,
            counts,
            tree,
            mine,
            mailboxes,
            generation: 0,
        }
    }

    fn make(&mut self, maildrop: MaildropId, kept: &Arc<Kept>, me: Addr<Self>) -> State {
        self.generation += 1;
        let spec = ChildSpec {
            name: format!("MailboxActor {maildrop}"),
            restart: Restart::Transient,
            budget: Budget::new(self.limits.restarts_max, self.limits.restart_window),
        };
        let actor = {
            let (parts, kept) = (Arc::clone(&self.parts), Arc::clone(kept));
            let counts = self.counts.clone();
            move || MailboxActor::new(maildrop, parts, kept, counts)
        };
        // Neighbouring numbers go to different threads.
        let place = usize::try_from(maildrop.0 % self.places.len() as u64)
            .expect("the remainder of a usize fits into it");
        let reports = self.reports(maildrop, me);
        let (addr, cradle) = cradle(self.limits.mailbox_waiting_max);
        let place = &self.places[place];
        let child = start_child(cradle, place, spec, &self.mine, actor, reports);
        State::Alive(addr, child)
    }

    fn reports(&self, maildrop: MaildropId, me: Addr<Self>) -> Reports {
        let log = self.parts.log.new(slog::o!("maildrop" => maildrop.0));
        let generation = self.generation;
        Reports {
            restarted: {
                let log = log.clone();
                Box::new(move |restarted| {
                    slog::error!(log, "mailbox died and is made again"; "cause" => restarted.cause);
                })
            },
            ended: Box::new(move |exit| {
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
        let kept = match self.mailboxes.get_mut(&maildrop) {
            Some(Entry {
                state: State::Alive(addr, _),
                found,
                ..
            }) if addr.connected() => {
                *found = now;
                return Ok(addr.clone());
            }
            Some(Entry {
                state: State::GivenUp(until),
                ..
            }) if now < *until => {
                return Err(TreeError::Unavailable("the mailbox, which died too often,"));
            }
            Some(entry) => Arc::clone(&entry.kept),
            None => Arc::default(),
        };
        let state = self.make(maildrop, &kept, me);
        let entry = Entry {
            kept,
            generation: self.generation,
            found: now,
            state,
        };
        let entry = self.mailboxes.entry(maildrop).insert_entry(entry);
        match &entry.get().state {
            State::Alive(addr, _) => Ok(addr.clone()),
            State::GivenUp(_) => Err(TreeError::Unavailable("the mailbox")),
        }
    }
}

impl Actor for MailboxSupervisor {
    type Context = Context<Self>;

    /// No question is answered before the last child of the former incarnation has put its
    /// maildrop down: two owners of one maildrop must never be.
    fn started(&mut self, ctx: &mut Context<Self>) {
        let counts = self.counts.clone();
        ctx.wait(async move { counts.empty().await }.into_actor(self));
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
        self.find(message.0, ctx.address())
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
    type Result = ResponseFuture<()>;

    fn handle(&mut self, message: RetireMailbox, _ctx: &mut Context<Self>) -> Self::Result {
        let Some(entry) = self.mailboxes.remove(&message.0) else {
            return Box::pin(async {});
        };
        Box::pin(async move {
            if let State::Alive(_, child) = &entry.state {
                child.end().await;
            }
            // A store call that was under way holds the gate until it has put the maildrop down.
            drop(entry.kept.gate.lock().await);
        })
    }
}

impl Handler<StopIdleMailboxes> for MailboxSupervisor {
    type Result = ();

    fn handle(&mut self, _: StopIdleMailboxes, _ctx: &mut Context<Self>) {
        let now = clock::now();
        let idle = self.limits.mailbox_idle;
        self.mailboxes.retain(|_, entry| match &entry.state {
            // Whoever has found it has asked it by now. What it still works on keeps the gate
            // closed, and the answer goes out all the same.
            State::Alive(_, child) => {
                let stays = now.duration_since(entry.found) < idle || entry.kept.is_locked();
                if !stays {
                    child.stop.cancel();
                }
                stays
            }
            State::GivenUp(until) => now < *until,
        });
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
