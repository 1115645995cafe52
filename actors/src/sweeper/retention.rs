//! The rounds of retention: all maildrops, one after the other, from time to time.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use mailroost_storage::{Directory, MaildropId, StoreError, StoreErrorKind, User, UserName};
use tokio::sync::watch;

use crate::ask::ask;
use crate::mailbox::{BorrowMailbox, GiveBack, MailboxActor, MailboxSupervisor, Retain};
use crate::{Machine, Retained, Retention, TreeError, Upkeep, clock};

/// The first round is so long after the start, if not even the interval is that long: whoever
/// starts a server with wrong ages shall have time to notice.
const FIRST_ROUND_AFTER: Duration = Duration::from_secs(10 * 60);

/// Users that are asked for at once.
const PAGE_USERS: usize = 1000;

/// What the rounds need.
#[derive(Clone)]
pub(super) struct Rounds {
    pub(super) directory: Arc<dyn Directory>,
    pub(super) mailboxes: Addr<MailboxSupervisor>,
    pub(super) upkeep: watch::Receiver<Arc<Upkeep>>,
    pub(super) machine: Machine,
    pub(super) log: slog::Logger,
}

impl Rounds {
    /// One round after the other, for ever. New settings count at once.
    pub(super) async fn go_on(mut self) {
        let mut last: Option<std::time::Instant> = None;
        let began = clock::now();
        loop {
            let every = self.upkeep.borrow_and_update().retention_every;
            let next = match last {
                Some(last) => last + every,
                None => began + every.min(FIRST_ROUND_AFTER),
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(next.into()) => {}
                changed = self.upkeep.changed() => match changed {
                    Ok(()) => continue,
                    // The tree is gone, and this actor is about to be.
                    Err(_) => return,
                },
            }
            last = Some(clock::now());
            self.round().await;
        }
    }

    async fn round(&self) {
        let began = clock::now();
        let (mut sum, mut users, mut after) = (Retained::default(), 0_u64, None);
        loop {
            let page = match self.page(after).await {
                Ok(page) => page,
                Err(error) => {
                    slog::warn!(self.log, "retention broke off"; "why" => %error);
                    break;
                }
            };
            let Some(last) = page.last() else {
                break;
            };
            after = Some(last.name.clone());
            for user in &page {
                sum = sum.and(self.look_after(user).await);
                users += 1;
            }
        }
        if !sum.is_nothing() {
            let took = clock::now().duration_since(began).as_millis();
            slog::info!(self.log, "retention";
                "users" => users,
                "messages" => sum.messages,
                "octets" => sum.octets,
                "purged_messages" => sum.purged.messages,
                "purged_octets" => sum.purged.stored_octets,
                "milliseconds" => u64::try_from(took).unwrap_or(u64::MAX));
        }
    }

    async fn page(&self, after: Option<UserName>) -> Result<Vec<User>, StoreError> {
        let directory = Arc::clone(&self.directory);
        let list = move || directory.list(after.as_ref(), PAGE_USERS);
        match self.machine.blocking(list).await {
            Ok(page) => page,
            Err(panicked) => Err(StoreError::caused_by(
                StoreErrorKind::Io,
                "the list of users",
                panicked,
            )),
        }
    }

    /// What one user's maildrop suffers, the others do not notice.
    async fn look_after(&self, user: &User) -> Retained {
        let retention = self.upkeep.borrow().retention_of(user);
        let retained = retain(&self.mailboxes, user.maildrop, retention, false).await;
        retained.unwrap_or_else(|error| {
            slog::warn!(self.log, "retention passed a user over";
                "user" => %user.name, "why" => %error);
            Retained::default()
        })
    }
}

/// Retention of one maildrop, step by step; whoever wants the maildrop has it between two.
pub(crate) async fn retain(
    mailboxes: &Addr<MailboxSupervisor>,
    maildrop: MaildropId,
    retention: Retention,
    dry_run: bool,
) -> Result<Retained, TreeError> {
    let borrow = BorrowMailbox(maildrop);
    let borrowed = ask(mailboxes, "the mailbox supervisor", borrow).await??;
    let retained = steps(&borrowed.mailbox, retention, dry_run).await;
    let given_back = GiveBack {
        maildrop,
        generation: borrowed.generation,
    };
    // With a full queue it stops when it has been idle for long enough.
    drop(mailboxes.try_send(given_back));
    retained
}

async fn steps(
    mailbox: &Addr<MailboxActor>,
    retention: Retention,
    dry_run: bool,
) -> Result<Retained, TreeError> {
    let mut sum = Retained::default();
    loop {
        let retain = Retain { retention, dry_run };
        let step = ask(mailbox, "the mailbox", retain).await??;
        sum = sum.and(step);
        if !step.more {
            return Ok(Retained { more: false, ..sum });
        }
    }
}
