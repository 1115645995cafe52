//! The sweeper: looks from time to time for what was left over, in the store and among the
//! mailboxes, and for messages that have been in their maildrop for too long.

mod retention;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Supervised, WrapFuture};
use mailroost_storage::{Directory, MaildropStore};
use tokio::sync::watch;

use crate::mailbox::{MailboxSupervisor, StopIdleMailboxes};
use crate::supervise::Crash;
use crate::{Limits, Machine, Upkeep};
use retention::Rounds;
pub(crate) use retention::retain;

/// What it looks after, and with what.
pub(crate) struct SweeperParts {
    pub(crate) store: Arc<dyn MaildropStore>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) mailboxes: Addr<MailboxSupervisor>,
    pub(crate) upkeep: watch::Receiver<Arc<Upkeep>>,
    pub(crate) machine: Machine,
    pub(crate) log: slog::Logger,
}

/// See the file's first lines.
pub(crate) struct SweeperActor {
    store: Arc<dyn MaildropStore>,
    rounds: Rounds,
    sweep_every: Duration,
    mailbox_idle: Duration,
}

impl SweeperActor {
    pub(crate) fn new(parts: SweeperParts, limits: &Limits) -> Self {
        let SweeperParts {
            store,
            directory,
            mailboxes,
            upkeep,
            machine,
            log,
        } = parts;
        let (sweep_every, mailbox_idle) = (limits.sweep_every, limits.mailbox_idle);
        Self {
            store,
            rounds: Rounds {
                directory,
                mailboxes,
                upkeep,
                machine,
                log,
            },
            sweep_every,
            mailbox_idle,
        }
    }
}

impl Actor for SweeperActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(self.mailbox_idle, |sweeper, _| {
            // With a full queue there is more to do than to look for the idle.
            drop(sweeper.rounds.mailboxes.try_send(StopIdleMailboxes));
        });
        let log = self.rounds.log.clone();
        let machine = self.rounds.machine.clone();
        let sweep = sweep(Arc::clone(&self.store), self.sweep_every, machine, log);
        ctx.spawn(sweep.into_actor(self));
        ctx.spawn(self.rounds.clone().go_on().into_actor(self));
    }
}

/// One look after the other, never two at once.
async fn sweep(
    store: Arc<dyn MaildropStore>,
    every: Duration,
    machine: Machine,
    log: slog::Logger,
) {
    loop {
        tokio::time::sleep(every).await;
        let store = Arc::clone(&store);
        match machine.blocking(move || store.housekeeping()).await {
            Ok(Ok(done)) if done == Default::default() => {}
            Ok(Ok(done)) => {
                slog::info!(log, "swept";
                    "unlinked" => done.unlinked, "temporary" => done.temporary);
            }
            Ok(Err(error)) => slog::warn!(log, "sweeping failed"; "why" => %error),
            Err(panicked) => slog::error!(log, "sweeping died"; "cause" => %panicked),
        }
    }
}

impl Supervised for SweeperActor {
    // Its loops are begun anew by `started`.
}

impl Handler<Crash> for SweeperActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("the sweeper was told to crash");
    }
}
