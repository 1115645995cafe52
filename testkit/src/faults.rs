//! A store that fails when it is told to, around one that does not; and that can be waited for.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mailroost_storage::{
    BodySource, DeletedRecord, Delivery, Housekeeping, MaildropId, MaildropStore, MessageId,
    MessageRecord, OwnedMaildrop, Purged, Removal, StagedBody, Staging, StoreError, StoreErrorKind,
    Usage,
};

/// What happens to the next delivery or removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Nothing unusual.
    None,
    /// It is refused, and nothing has changed.
    Refuse,
    /// The thread that does it panics before anything has changed.
    Panic,
}

/// A store around another.
pub struct FaultyStore {
    inner: Arc<dyn MaildropStore>,
    next: Arc<AtomicU8>,
    changes: Arc<Changes>,
}

/// Deliveries and removals that happened, for those who wait for one.
#[derive(Debug, Default)]
pub struct Changes {
    count: Mutex<u64>,
    changed: Condvar,
}

impl Changes {
    /// Waits until `done` is true, asking again after each change; `false` if it was not in time.
    pub fn wait_until(&self, patience: Duration, mut done: impl FnMut() -> bool) -> bool {
        let end = Instant::now() + patience;
        loop {
            let seen = *self.lock();
            if done() {
                return true;
            }
            let mut count = self.lock();
            while *count == seen {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return false;
                }
                let waited = self.changed.wait_timeout(count, left);
                count = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn note(&self) {
        *self.lock() += 1;
        self.changed.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, u64> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultyStore {
    /// Does what `inner` does until a fault is planned.
    pub fn new(inner: Arc<dyn MaildropStore>) -> Self {
        let next = Arc::new(AtomicU8::new(Fault::None as u8));
        Self {
            inner,
            next,
            changes: Arc::default(),
        }
    }

    /// What happened in it.
    pub fn changes(&self) -> Arc<Changes> {
        Arc::clone(&self.changes)
    }

    /// Plans the fate of the next delivery or removal in any maildrop; the one after it is
    /// unharmed.
    pub fn plan(&self, fault: Fault) {
        self.next.store(fault as u8, Ordering::SeqCst);
    }
}

impl MaildropStore for FaultyStore {
    fn open_maildrop(&self, maildrop: MaildropId) -> Result<Box<dyn OwnedMaildrop>, StoreError> {
        let inner = self.inner.open_maildrop(maildrop)?;
        Ok(Box::new(FaultyMaildrop {
            inner,
            next: Arc::clone(&self.next),
            changes: Arc::clone(&self.changes),
        }))
    }

    fn stage(&self, staging: Staging) -> Result<Box<dyn StagedBody>, StoreError> {
        self.inner.stage(staging)
    }

    fn housekeeping(&self) -> Result<Housekeeping, StoreError> {
        self.inner.housekeeping()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.inner.close()
    }
}

struct FaultyMaildrop {
    inner: Box<dyn OwnedMaildrop>,
    next: Arc<AtomicU8>,
    changes: Arc<Changes>,
}

impl FaultyMaildrop {
    fn suffer(&self) -> Result<(), StoreError> {
        let planned = self.next.swap(Fault::None as u8, Ordering::SeqCst);
        if planned == Fault::Refuse as u8 {
            return Err(StoreError::new(
                StoreErrorKind::Io,
                "a planned fault of the store",
            ));
        }
        assert!(planned != Fault::Panic as u8, "a planned death");
        Ok(())
    }
}

impl OwnedMaildrop for FaultyMaildrop {
    fn id(&self) -> MaildropId {
        self.inner.id()
    }

    fn revision(&self) -> u64 {
        self.inner.revision()
    }

    fn messages(&self) -> &[MessageRecord] {
        self.inner.messages()
    }

    fn bodies(&self) -> Arc<dyn BodySource> {
        self.inner.bodies()
    }

    fn deliver(&mut self, deliveries: Vec<Delivery>) -> Result<Vec<MessageId>, StoreError> {
        self.suffer()?;
        let delivered = self.inner.deliver(deliveries);
        self.changes.note();
        delivered
    }

    fn remove(&mut self, messages: &[MessageId], removal: &Removal) -> Result<usize, StoreError> {
        self.suffer()?;
        let removed = self.inner.remove(messages, removal);
        self.changes.note();
        removed
    }

    fn deleted(&self) -> Result<Vec<DeletedRecord>, StoreError> {
        self.inner.deleted()
    }

    fn undelete(
        &mut self,
        ids: &[MessageId],
        at_secs: u64,
    ) -> Result<Vec<(MessageId, MessageId)>, StoreError> {
        self.inner.undelete(ids, at_secs)
    }

    fn purge(&mut self, deleted_before_secs: u64) -> Result<Purged, StoreError> {
        self.inner.purge(deleted_before_secs)
    }

    fn mark_read(&mut self, ids: &[MessageId]) -> Result<usize, StoreError> {
        self.inner.mark_read(ids)
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }

    fn quota_warned(&self) -> bool {
        self.inner.quota_warned()
    }

    fn set_quota_warned(&mut self, warned: bool) -> Result<(), StoreError> {
        self.inner.set_quota_warned(warned)
    }
}
