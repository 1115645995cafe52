//! What is known of a maildrop for as long as anybody has anything of it: a mailbox, a store call
//! under way, or a session. It outlives mailboxes and their supervisor, so that the next
//! mailbox of a maildrop, whoever makes it, finds the gate that the former one went through.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use mailroost_storage::MaildropId;
use tokio::sync::OwnedMutexGuard;

use crate::supervise::{Member, Population};

/// All maildrops of which somebody has something.
#[derive(Debug, Clone, Default)]
pub(crate) struct Maildrops {
    /// Mailboxes that are alive.
    pub(crate) mailboxes: Population,
    /// Maildrops in hand: a mailbox can be gone while the store still works on its maildrop.
    in_hand: Population,
    kept: Arc<Mutex<HashMap<MaildropId, Weak<Kept>>>>,
}

impl Maildrops {
    /// Resolves when no mailbox is left and no maildrop in hand.
    pub(crate) async fn let_go(&self) {
        self.mailboxes.empty().await;
        self.in_hand.empty().await;
    }

    /// What is kept of this one.
    pub(super) fn kept(&self, maildrop: MaildropId) -> Arc<Kept> {
        let mut kept = lock(&self.kept);
        if let Some(known) = kept.get(&maildrop).and_then(Weak::upgrade) {
            return known;
        }
        let fresh = Arc::new(Kept::new(self.in_hand.clone()));
        kept.insert(maildrop, Arc::downgrade(&fresh));
        fresh
    }

    /// Forgets those of which nobody has anything any more.
    pub(super) fn forget_the_unused(&self) {
        lock(&self.kept).retain(|_, kept| kept.strong_count() > 0);
    }
}

/// See the file's first lines.
#[derive(Debug)]
pub(super) struct Kept {
    /// Held by whoever has the maildrop in hand.
    gate: Arc<tokio::sync::Mutex<()>>,
    in_hand: Population,
    /// Questions that are not answered yet.
    asked: Population,
    access: Mutex<Access>,
}

/// Who has the maildrop open.
#[derive(Debug, Default)]
struct Access {
    /// The session that is alone with it, if there is one.
    alone: Weak<()>,
    /// Sessions that share it, under snapshot access.
    shared: Weak<()>,
}

/// The right of a session to have a maildrop open: alone (RFC 1939 s4), or with others that do
/// not mind. Dropping it gives it up.
#[derive(Debug)]
pub(crate) struct AccessLock {
    _held: Arc<()>,
    _kept: Arc<Kept>,
}

/// The right to take a maildrop up. While it is there, no other incarnation has one.
pub(super) struct Empty {
    _gate: OwnedMutexGuard<()>,
    _in_hand: Member,
    _kept: Arc<Kept>,
}

impl Kept {
    fn new(in_hand: Population) -> Self {
        Self {
            gate: Arc::default(),
            in_hand,
            asked: Population::default(),
            access: Mutex::default(),
        }
    }

    /// A session's hold on the maildrop, or none if it may not have it.
    pub(super) fn lock(self: &Arc<Self>, exclusive: bool) -> Option<AccessLock> {
        let mut access = lock(&self.access);
        let shared = access.shared.upgrade();
        if access.alone.upgrade().is_some() || (exclusive && shared.is_some()) {
            return None;
        }
        let held = shared.unwrap_or_default();
        let whose = if exclusive {
            &mut access.alone
        } else {
            &mut access.shared
        };
        *whose = Arc::downgrade(&held);
        Some(AccessLock {
            _held: held,
            _kept: Arc::clone(self),
        })
    }

    /// Waits until nobody has the maildrop in hand.
    pub(super) async fn pass_the_gate(self: &Arc<Self>) -> Empty {
        // Counted before the wait: who waits here may take the maildrop up at any moment.
        let in_hand = self.in_hand.admit();
        Empty {
            _gate: Arc::clone(&self.gate).lock_owned().await,
            _in_hand: in_hand,
            _kept: Arc::clone(self),
        }
    }

    /// One more question, until the member is dropped.
    pub(super) fn busy(&self) -> Member {
        self.asked.admit()
    }

    /// Whether there are questions that are not answered yet.
    pub(super) fn is_busy(&self) -> bool {
        self.asked.size() > 0
    }
}

/// What is in them cannot be left half-changed, so poison means nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
