//! The committer: one thread writes the index for all maildrops, and one flush serves all that
//! wait for it (group commit).

use std::fs::File;
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use super::event::{EventSink, StoreEvent};
use super::files::Files;
use super::index::{Change, Index, TreeName};
use super::options::{Durability, SledStoreOptions};
use crate::{StoreError, StoreErrorKind};

/// What a commit is for: removals may use room that deliveries may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It needs room.
    Growth,
    /// It makes room in the end.
    Removal,
}

/// Why a commit did not happen, or may have.
#[derive(Debug)]
pub(super) enum CommitError {
    /// The index is as it was.
    Refused(StoreError),
    /// It is not known whether the index has it. The store is poisoned.
    Unknown(StoreError),
}

impl From<CommitError> for StoreError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Refused(error) | CommitError::Unknown(error) => error,
        }
    }
}

/// Set once, by the first write that could not be made durable.
#[derive(Clone)]
pub(super) struct Poison {
    reason: Arc<OnceLock<String>>,
    events: EventSink,
}

impl Poison {
    pub(super) fn new(events: &EventSink) -> Self {
        Self {
            reason: Arc::new(OnceLock::new()),
            events: Arc::clone(events),
        }
    }

    pub(super) fn set(&self, reason: &StoreError) {
        if self.reason.set(reason.to_string()).is_ok() {
            (self.events)(&StoreEvent::Poisoned {
                reason: reason.to_string(),
            });
        }
    }

    /// # Errors
    /// `Poisoned`, with what happened.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.reason.get() {
            None => Ok(()),
            Some(reason) => Err(StoreError::new(
                StoreErrorKind::Poisoned,
                format!("nothing is accepted until a restart: {reason}"),
            )),
        }
    }
}

struct Request {
    changes: Vec<Change>,
    purpose: Purpose,
    answer: SyncSender<Result<(), CommitError>>,
}

/// The way to the thread. Dropped or closed, the thread ends after what is queued.
pub(super) struct Committer {
    queue: Mutex<Option<SyncSender<Request>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    done: DoneKeys,
    poison: Poison,
}

/// Journal entries that are done; the next commit drops them.
type DoneKeys = Arc<Mutex<Vec<Vec<u8>>>>;

impl Committer {
    pub(super) fn start(
        index: Index,
        poison: Poison,
        options: &SledStoreOptions,
    ) -> Result<Self, StoreError> {
        let start = |error| StoreError::io("cannot start the committer", error);
        let (queue, requests) = sync_channel(options.queue_length);
        let done = DoneKeys::default();
        let work = Work {
            file: index.file().map_err(start)?,
            index,
            poison: poison.clone(),
            files: Arc::clone(&options.files),
            sync: options.durability == Durability::Full,
            reserve_octets: options.reserve_octets,
            removal_reserve_octets: options.removal_reserve_octets,
            done: Arc::clone(&done),
        };
        let batch_max = options.commits_per_flush_max.max(1);
        let thread = std::thread::Builder::new()
            .name("store-committer".to_owned())
            .spawn(move || work.run(&requests, batch_max))
            .map_err(start)?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
            done,
            poison,
        })
    }

    /// Waits for a place in the queue, and then until the changes are durable.
    pub(super) fn commit(&self, changes: Vec<Change>, purpose: Purpose) -> Result<(), CommitError> {
        let closed =
            || CommitError::Refused(StoreError::new(StoreErrorKind::Io, "the store is closed"));
        let queue = self
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let queue = queue.ok_or_else(closed)?;
        let (answer, answered) = sync_channel(1);
        let request = Request {
            changes,
            purpose,
            answer,
        };
        match queue.try_send(request) {
            Ok(()) => {}
            Err(TrySendError::Full(request)) => queue.send(request).map_err(|_| closed())?,
            Err(TrySendError::Disconnected(_)) => return Err(closed()),
        }
        drop(queue);
        answered.recv().unwrap_or_else(|_| {
            let error = || {
                StoreError::new(
                    StoreErrorKind::Poisoned,
                    "the committer ended during a commit",
                )
            };
            self.poison.set(&error());
            Err(CommitError::Unknown(error()))
        })
    }

    /// Has the next commit drop a journal entry.
    pub(super) fn journal_done(&self, key: Vec<u8>) {
        self.done
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(key);
    }

    /// Ends the thread after what is queued. A second call does nothing.
    pub(super) fn close(&self) {
        drop(
            self.queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // Its panics were answered as unknown outcomes.
            let _ = thread.join();
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the thread owns.
struct Work {
    index: Index,
    file: File,
    poison: Poison,
    files: Arc<dyn Files>,
    sync: bool,
    reserve_octets: u64,
    removal_reserve_octets: u64,
    done: DoneKeys,
}

impl Work {
    fn run(&self, requests: &Receiver<Request>, batch_max: usize) {
        while let Ok(first) = requests.recv() {
            let mut batch = vec![first];
            while batch.len() < batch_max {
                match requests.try_recv() {
                    Ok(request) => batch.push(request),
                    Err(_) => break,
                }
            }
            self.commit(batch);
        }
        // What is done need not be replayed at the next start.
        let done = self.take_done();
        if !done.is_empty() && self.poison.check().is_ok() {
            // If it fails, the next start finds nothing left to do for them.
            let _ = self.write(&[&done]);
        }
    }

    fn commit(&self, batch: Vec<Request>) {
        if self.poison.check().is_err() {
            for request in batch {
                let error = self.poison.check().err().unwrap_or_else(|| {
                    StoreError::new(StoreErrorKind::Poisoned, "nothing is accepted")
                });
                answer(&request, Err(CommitError::Refused(error)));
            }
            return;
        }
        let free = self.files.free_octets(self.index.folder());
        let (batch, refused): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|request| match &free {
                Ok(free) => *free >= self.reserve(request.purpose),
                Err(_) => false,
            });
        for request in refused {
            let error = match &free {
                Ok(free) => StoreError::new(
                    StoreErrorKind::Full,
                    format!(
                        "the device is full: {free} octets are free, {} are kept in reserve",
                        self.reserve(request.purpose)
                    ),
                ),
                Err(error) => {
                    StoreError::io("cannot see how much room there is", error.kind().into())
                }
            };
            answer(&request, Err(CommitError::Refused(error)));
        }
        if batch.is_empty() {
            return;
        }
        let done = self.take_done();
        let mut changes: Vec<&[Change]> = vec![&done];
        changes.extend(batch.iter().map(|request| &request.changes[..]));
        let outcome = self.write(&changes);
        if let Err(error) = &outcome {
            self.poison.set(error);
        }
        for request in &batch {
            answer(
                request,
                match &outcome {
                    Ok(()) => Ok(()),
                    Err(error) => Err(CommitError::Unknown(StoreError::new(
                        StoreErrorKind::Poisoned,
                        format!("the commit may not be durable: {error}"),
                    ))),
                },
            );
        }
    }

    fn write(&self, changes: &[&[Change]]) -> Result<(), StoreError> {
        self.index.apply(changes)?;
        self.index.flush()?;
        if self.sync {
            self.files
                .sync(&self.file)
                .map_err(|error| StoreError::io("cannot make the index durable", error))?;
        }
        Ok(())
    }

    fn reserve(&self, purpose: Purpose) -> u64 {
        match purpose {
            Purpose::Growth => self.reserve_octets,
            Purpose::Removal => self.removal_reserve_octets,
        }
    }

    fn take_done(&self) -> Vec<Change> {
        let keys = mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner));
        keys.into_iter()
            .map(|key| Change::drop(TreeName::Journal, key))
            .collect()
    }
}

fn answer(request: &Request, outcome: Result<(), CommitError>) {
    // A caller that is gone does not need it.
    let _ = request.answer.send(outcome);
}
