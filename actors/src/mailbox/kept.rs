//! What is known of a maildrop for as long as anybody has anything of it: a mailbox, a store call
//! under way, or a session. It outlives mailboxes and their supervisor, so that the next
//! mailbox of a maildrop, whoever makes it, finds the gate that the former one went through.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use mailroost_protocol::{Maildrop, SortOrder};
use mailroost_storage::{BodySource, MaildropId};
use tokio::sync::OwnedMutexGuard;

use super::{OpenError, OpenMaildrop, OpenedMaildrop};
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

    /// Opens a maildrop for a session without asking its mailbox, if that has left a view.
    pub(crate) fn open(
        &self,
        maildrop: MaildropId,
        open: OpenMaildrop,
    ) -> Option<Result<OpenedMaildrop, OpenError>> {
        let kept = lock(&self.kept).get(&maildrop).and_then(Weak::upgrade)?;
        let opened = kept.open(open)?;
        kept.opened.store(true, Ordering::Relaxed);
        Some(opened)
    }

    /// What mailboxes have left counts no more: whoever opens a maildrop asks.
    pub(crate) fn take_back(&self) {
        let kept = lock(&self.kept);
        kept.values()
            .filter_map(Weak::upgrade)
            .for_each(|kept| kept.take_back());
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
    /// Somebody has opened it since the sweeper looked last, and did not ask its mailbox.
    opened: AtomicBool,
    access: Mutex<Access>,
    lent: Mutex<Option<Lent>>,
}

/// What a mailbox that has nothing to do leaves for those who open its maildrop. While anything
/// is done with the maildrop, nothing is left.
pub(super) struct Lent {
    pub(super) ascending: Option<Arc<Maildrop>>,
    pub(super) descending: Option<Arc<Maildrop>>,
    pub(super) bodies: Arc<dyn BodySource>,
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").finish_non_exhaustive()
    }
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
    pub(super) kept: Arc<Kept>,
}

impl Kept {
    fn new(in_hand: Population) -> Self {
        Self {
            gate: Arc::default(),
            in_hand,
            asked: Population::default(),
            opened: AtomicBool::new(false),
            access: Mutex::default(),
            lent: Mutex::default(),
        }
    }

    /// Opens the maildrop, or says who has it, if there is a view to be had without the mailbox.
    pub(super) fn open(
        self: &Arc<Self>,
        open: OpenMaildrop,
    ) -> Option<Result<OpenedMaildrop, OpenError>> {
        let (view, bodies) = {
            let lent = lock(&self.lent);
            let lent = lent.as_ref()?;
            let view = match open.order {
                SortOrder::Ascending => &lent.ascending,
                SortOrder::Descending => &lent.descending,
            };
            (Arc::clone(view.as_ref()?), Arc::clone(&lent.bodies))
        };
        let lock = self.lock(open.exclusive).ok_or(OpenError::InUse);
        Some(lock.map(|lock| OpenedMaildrop { view, bodies, lock }))
    }

    /// Leaves the views that are good now.
    pub(super) fn lend(&self, lent: Lent) {
        *lock(&self.lent) = Some(lent);
    }

    /// From now on whoever opens the maildrop asks its mailbox.
    pub(super) fn take_back(&self) {
        *lock(&self.lent) = None;
    }

    /// Whether somebody has opened it without asking since `forget_opened`.
    pub(super) fn was_opened(&self) -> bool {
        self.opened.load(Ordering::Relaxed)
    }

    /// The same, and begins anew.
    pub(super) fn forget_opened(&self) -> bool {
        self.opened.swap(false, Ordering::Relaxed)
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
            kept: Arc::clone(self),
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

#[cfg(test)]
mod tests {
    use mailroost_storage::{Directory, MaildropStore, MemoryStore, NewUser, UserName};

    use super::super::translate::view_of;
    use super::*;

    const ALONE: OpenMaildrop = OpenMaildrop {
        exclusive: true,
        order: SortOrder::Ascending,
    };

    /// A maildrop of which somebody has something, and a view to be left.
    fn maildrop() -> (Maildrops, MaildropId, Arc<Kept>, Lent) {
        let store = MemoryStore::new();
        let new = NewUser {
            name: UserName::new("ann").unwrap(),
            password_hash: None,
        };
        let id = store.add(new).unwrap().maildrop;
        let owned = store.open_maildrop(id).unwrap();
        let maildrops = Maildrops::default();
        let kept = maildrops.kept(id);
        let lent = Lent {
            ascending: Some(Arc::new(view_of(owned.messages(), SortOrder::Ascending))),
            descending: None,
            bodies: owned.bodies(),
        };
        (maildrops, id, kept, lent)
    }

    #[test]
    fn a_view_that_was_left_opens_the_maildrop_until_it_is_taken_back() {
        let (maildrops, id, kept, lent) = maildrop();
        assert!(maildrops.open(id, ALONE).is_none(), "nothing is left yet");
        kept.lend(lent);
        let other = SortOrder::Descending;
        let order = OpenMaildrop {
            order: other,
            ..ALONE
        };
        assert!(maildrops.open(id, order).is_none(), "not in that order");
        assert!(!kept.was_opened());
        let held = maildrops.open(id, ALONE).unwrap().unwrap();
        assert!(kept.forget_opened() && !kept.was_opened());
        let second = maildrops.open(id, ALONE);
        assert!(matches!(second, Some(Err(OpenError::InUse))));
        drop(held);
        assert!(matches!(maildrops.open(id, ALONE), Some(Ok(_))));
        maildrops.take_back();
        assert!(maildrops.open(id, ALONE).is_none());
    }
}
