//! The sessions that are alive. It lives above the supervisor, so its death loses nobody.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix::Addr;
use mailroost_storage::MaildropId;

use super::SessionActor;
use crate::supervise::{Child, Member, Population};

/// All sessions, by number.
#[derive(Default)]
pub(crate) struct Registry {
    next: AtomicU64,
    sessions: Mutex<HashMap<u64, Entry>>,
    population: Population,
}

/// What is kept of a session.
pub(crate) struct Entry {
    pub(crate) addr: Addr<SessionActor>,
    pub(crate) child: Child,
    pub(crate) opened: Arc<OpenedMark>,
}

/// Which maildrop a session has open, where others can see it.
#[derive(Debug, Default)]
pub(crate) struct OpenedMark(AtomicU64);

impl OpenedMark {
    pub(crate) fn set(&self, maildrop: MaildropId) {
        self.0.store(maildrop.0, Ordering::SeqCst);
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

    /// Counts a session in, until the member is dropped.
    pub(crate) fn admit(&self) -> Member {
        self.population.admit()
    }

    /// Those who are counted in.
    pub(crate) fn population(&self) -> &Population {
        &self.population
    }

    pub(crate) fn insert(&self, number: u64, entry: Entry) {
        self.lock().insert(number, entry);
    }

    pub(crate) fn remove(&self, number: u64) {
        self.lock().remove(&number);
    }

    /// Calls `each` for all that are alive now.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&Entry)) {
        self.lock().values().for_each(&mut each);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Entry>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
