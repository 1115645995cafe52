//! The LMTP connections that are alive. It lives above their supervisor, so that its death
//! loses nobody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix::Addr;
use mailroost_protocol::Ending;

use super::{EndDelivery, LmtpActor};
use crate::supervise::{Child, Member, Population};

/// All connections, by number.
#[derive(Default)]
pub(crate) struct Connections {
    next: AtomicU64,
    closed: AtomicBool,
    alive: Mutex<BTreeMap<u64, Entry>>,
    population: Population,
}

/// What is kept of a connection.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) addr: Addr<LmtpActor>,
    pub(super) child: Child,
}

impl Connections {
    /// A number for a new connection, from 1.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Nobody comes in any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// A place among `places`, until the member is dropped. Only the supervisor asks, so two
    /// never get the last one.
    pub(super) fn admit(&self, places: usize) -> Option<Member> {
        (self.population.size() < places).then(|| self.population.admit())
    }

    /// Those who have a place.
    pub(crate) fn population(&self) -> &Population {
        &self.population
    }

    pub(super) fn insert(&self, number: u64, entry: Entry) {
        self.lock().insert(number, entry);
    }

    pub(super) fn remove(&self, number: u64) {
        self.lock().remove(&number);
    }

    /// All end at their next command boundary. One whose queue is full has been told already.
    pub(crate) fn end_all(&self, ending: Ending) {
        for connection in self.all() {
            let _ = connection.addr.try_send(EndDelivery(ending));
        }
    }

    /// Ends all now, without a word, and waits until they are gone.
    pub(crate) async fn cut_all(&self) {
        for connection in self.all() {
            connection.child.stop.cancel();
        }
        self.population.empty().await;
    }

    /// All have died of a panic, for drills.
    pub(crate) fn crash_all(&self) {
        for connection in self.all() {
            let _ = connection.addr.try_send(crate::supervise::Crash);
        }
    }

    /// In the order in which they came. A copy, so that nobody who ends waits for what is done with them.
    fn all(&self) -> Vec<Entry> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
