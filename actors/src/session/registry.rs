//! The sessions that are alive. It lives above the supervisor, so its death loses nobody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix::{Addr, Handler, Message};
use mailroost_storage::MaildropId;

use super::SessionActor;
use crate::supervise::{Child, Member, Population};

/// All sessions, by number.
#[derive(Default)]
pub(crate) struct Registry {
    next: AtomicU64,
    closed: AtomicBool,
    sessions: Mutex<BTreeMap<u64, Arc<Entry>>>,
    population: Population,
}

/// What is kept of a session.
pub(crate) struct Entry {
    pub(crate) addr: Addr<SessionActor>,
    pub(crate) child: Child,
    pub(crate) opened: Arc<OpenedMark>,
}

/// Which maildrop a session has open, where others can see it.
#[derive(Debug)]
pub(crate) struct OpenedMark(AtomicU64);

/// In place of a maildrop: none is open.
const NONE: u64 = u64::MAX;

impl Default for OpenedMark {
    fn default() -> Self {
        Self(AtomicU64::new(NONE))
    }
}

impl OpenedMark {
    pub(crate) fn set(&self, maildrop: MaildropId) {
        self.0.store(maildrop.0, Ordering::SeqCst);
    }

    pub(crate) fn clear(&self) {
        self.0.store(NONE, Ordering::SeqCst);
    }

    pub(crate) fn is(&self, maildrop: MaildropId) -> bool {
        self.0.load(Ordering::SeqCst) == maildrop.0
    }
}

impl Registry {
    /// A number for a new session, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Nobody comes in any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Counts a session in, until the member is dropped.
    pub(crate) fn admit(&self) -> Member {
        self.population.admit()
    }

    /// Those who are counted in.
    pub(crate) fn population(&self) -> &Population {
        &self.population
    }

    pub(crate) fn insert(&self, number: u64, entry: Entry) {
        self.lock().insert(number, Arc::new(entry));
    }

    pub(crate) fn remove(&self, number: u64) {
        self.lock().remove(&number);
    }

    /// All that are alive now, in the order in which they came. A copy, so that nobody who ends waits for what is done with them.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        self.lock().values().cloned().collect()
    }

    /// Passes something on to all. A session whose queue is full has been told already.
    pub(crate) fn tell_all<M>(&self, message: impl Fn() -> M)
    where
        M: Message<Result = ()> + Send + 'static,
        SessionActor: Handler<M>,
    {
        for session in self.all() {
            let _ = session.addr.try_send(message());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Entry>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
