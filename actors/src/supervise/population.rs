//! How many children of a kind are alive, counted by guards, so that no way out is missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A count that can be waited for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Population(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    alive: AtomicUsize,
    emptied: Notify,
}

/// One of the counted. Dropping it counts it down.
#[derive(Debug)]
pub(crate) struct Member(Arc<Count>);

impl Population {
    /// Counts one more.
    pub(crate) fn admit(&self) -> Member {
        self.0.alive.fetch_add(1, Ordering::SeqCst);
        Member(Arc::clone(&self.0))
    }

    /// How many there are.
    pub(crate) fn size(&self) -> usize {
        self.0.alive.load(Ordering::SeqCst)
    }

    /// Resolves when there is nobody.
    pub(crate) async fn empty(&self) {
        loop {
            let emptied = self.0.emptied.notified();
            tokio::pin!(emptied);
            // Registered before the look, so that no wake-up falls between.
            emptied.as_mut().enable();
            if self.size() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.0.alive.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.emptied.notify_waiters();
        }
    }
}
