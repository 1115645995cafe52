//! The committer: one thread writes log and index for all maildrops, and one sync of the log serves
//! all that wait for it (group commit).

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::event::{EventSink, StoreEvent};
use super::files::Files;
use super::index::{Change, Index, TreeName};
use super::layout::Layout;
use super::log::{Background, Log, Logged, LoggedFile};
use super::options::SledStoreOptions;
use super::record::JournalEntry;
use super::unfinished::Unfinished;
use crate::{MaildropId, StoreError, StoreErrorKind};

/// Octets of message files in one record, after which no more commits join it: the first one waits
/// for the last. A commit of its own never has more.
pub(super) const LOGGED_AT_ONCE_OCTETS: usize = 1 << 20;

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

/// What becomes durable together.
pub(super) struct Commit {
    pub(super) changes: Vec<Change>,
    /// Files that are written already, and not synced.
    pub(super) files: Vec<LoggedFile>,
    /// Entries of the journal, among the changes, that are done behind the commit.
    pub(super) entries: Vec<(Vec<u8>, MaildropId, JournalEntry)>,
    pub(super) purpose: Purpose,
}

struct Request {
    commit: Commit,
    answer: SyncSender<Result<(), CommitError>>,
}

impl Request {
    fn octets(&self) -> usize {
        let files = self.commit.files.iter();
        files.map(|file| file.octets.len()).sum()
    }
}

/// The way to the thread. Dropped or closed, the thread ends after what is queued.
pub(super) struct Committer {
    queue: Mutex<Option<SyncSender<Request>>>,
    background: Mutex<Option<Background>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    poison: Poison,
}

impl Committer {
    pub(super) fn start(
        index: Index,
        log: Log,
        layout: &Layout,
        poison: Poison,
        options: &SledStoreOptions,
        unfinished: &Arc<Unfinished>,
    ) -> Result<Self, StoreError> {
        let start = |error| StoreError::io("cannot start the committer", error);
        let (queue, requests) = sync_channel(options.queue_length);
        let (background, behind) = Background::start(
            index.clone(),
            layout,
            options,
            poison.clone(),
            Arc::clone(unfinished),
        )
        .map_err(start)?;
        let work = Work {
            index_folder: index.folder().to_owned(),
            index,
            log,
            poison: poison.clone(),
            files: Arc::clone(&options.files),
            unfinished: Arc::clone(unfinished),
            background: background.clone(),
            idle: options.log_idle,
            reserve_octets: options.reserve_octets,
            removal_reserve_octets: options.removal_reserve_octets,
        };
        let batch_max = options.commits_per_flush_max.max(1);
        let thread = std::thread::Builder::new()
            .name("store-committer".to_owned())
            .spawn(move || work.run(&requests, batch_max))
            .map_err(start)?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            background: Mutex::new(Some(background)),
            threads: Mutex::new(vec![thread, behind]),
            poison,
        })
    }

    /// Waits for a place in the queue, and then until the changes are durable.
    pub(super) fn commit(&self, changes: Vec<Change>, purpose: Purpose) -> Result<(), CommitError> {
        self.commit_all(Commit {
            changes,
            files: Vec::new(),
            entries: Vec::new(),
            purpose,
        })
    }

    /// The same with all that can become durable.
    pub(super) fn commit_all(&self, commit: Commit) -> Result<(), CommitError> {
        let closed =
            || CommitError::Refused(StoreError::new(StoreErrorKind::Io, "the store is closed"));
        let queue = lock(&self.queue).clone();
        let queue = queue.ok_or_else(closed)?;
        let (answer, answered) = sync_channel(1);
        match queue.try_send(Request { commit, answer }) {
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

    /// Waits until all that was committed so far is done in the files, or could not be.
    pub(super) fn wait_for_background(&self) {
        let background = lock(&self.background).clone();
        if let Some(background) = background {
            background.wait();
        }
    }

    /// Ends the threads after what is queued. A second call does nothing.
    pub(super) fn close(&self) {
        drop(lock(&self.queue).take());
        drop(lock(&self.background).take());
        for thread in lock(&self.threads).drain(..) {
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
    index_folder: PathBuf,
    log: Log,
    poison: Poison,
    files: Arc<dyn Files>,
    unfinished: Arc<Unfinished>,
    background: Background,
    idle: Duration,
    reserve_octets: u64,
    removal_reserve_octets: u64,
}

impl Work {
    fn run(mut self, requests: &Receiver<Request>, batch_max: usize) {
        loop {
            let first = match requests.recv_timeout(self.idle) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => {
                    self.checkpoint_if_due();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut octets = first.octets();
            let mut batch = vec![first];
            while batch.len() < batch_max && octets < LOGGED_AT_ONCE_OCTETS {
                match requests.try_recv() {
                    Ok(request) => {
                        octets += request.octets();
                        batch.push(request);
                    }
                    Err(_) => break,
                }
            }
            self.commit(batch);
        }
    }

    /// Nobody has committed for a while. What fails fails again when somebody does.
    fn checkpoint_if_due(&mut self) {
        let is_free = self.background.checkpoints.floor() >= self.log.begun();
        if self.log.has_records()
            && is_free
            && self.poison.check().is_ok()
            && let Err(CommitError::Unknown(error)) = self.turn()
        {
            self.poison.set(&error);
        }
    }

    /// Goes on in the other segment of the log, as soon as that is free.
    fn turn(&mut self) -> Result<(), CommitError> {
        if !self.background.checkpoints.wait_for(self.log.begun()) {
            let error = StoreError::new(StoreErrorKind::Poisoned, "there are no checkpoints");
            return Err(CommitError::Unknown(
                self.poison.check().err().unwrap_or(error),
            ));
        }
        let floor = self.log.turn()?;
        self.background.checkpoint(floor);
        Ok(())
    }

    fn commit(&mut self, batch: Vec<Request>) {
        if self.poison.check().is_err() {
            for request in batch {
                let error = self.poison.check().err().unwrap_or_else(|| {
                    StoreError::new(StoreErrorKind::Poisoned, "nothing is accepted")
                });
                answer(&request, Err(CommitError::Refused(error)));
            }
            return;
        }
        let batch = self.with_room(batch);
        if batch.is_empty() {
            return;
        }
        let outcome = self.write(&batch);
        if let Err(CommitError::Unknown(error)) = &outcome {
            self.poison.set(error);
        }
        for request in batch {
            let outcome = match &outcome {
                Ok(()) => Ok(()),
                Err(CommitError::Refused(error)) => Err(CommitError::Refused(StoreError::new(
                    error.kind(),
                    error.to_string(),
                ))),
                Err(CommitError::Unknown(error)) => Err(CommitError::Unknown(StoreError::new(
                    StoreErrorKind::Poisoned,
                    format!("the commit may not be durable: {error}"),
                ))),
            };
            self.answer(request, outcome);
        }
    }

    /// Those for which there is room; the others are answered.
    fn with_room(&self, batch: Vec<Request>) -> Vec<Request> {
        let free = self.files.free_octets(&self.index_folder);
        let (batch, refused): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|request| match &free {
                Ok(free) => *free >= self.reserve(request.commit.purpose),
                Err(_) => false,
            });
        for request in refused {
            let error = match &free {
                Ok(free) => StoreError::new(
                    StoreErrorKind::Full,
                    format!(
                        "the device is full: {free} octets are free, {} are kept in reserve",
                        self.reserve(request.commit.purpose)
                    ),
                ),
                Err(error) => {
                    StoreError::io("cannot see how much room there is", error.kind().into())
                }
            };
            answer(&request, Err(CommitError::Refused(error)));
        }
        batch
    }

    fn write(&mut self, batch: &[Request]) -> Result<(), CommitError> {
        if self.log.is_full() {
            self.turn()?;
        }
        let done = self.unfinished.take_durable().into_iter();
        let done = done.map(|key| Change::drop(TreeName::Journal, key));
        let done: Vec<Change> = done.collect();
        let mut commits = vec![Logged {
            files: &[],
            changes: &done,
        }];
        commits.extend(batch.iter().map(|request| Logged {
            files: &request.commit.files,
            changes: &request.commit.changes,
        }));
        self.log.append(&commits)?;
        let changes: Vec<&[Change]> = commits.iter().map(|commit| commit.changes).collect();
        self.index.apply(&changes).map_err(CommitError::Unknown)
    }

    fn reserve(&self, purpose: Purpose) -> u64 {
        match purpose {
            Purpose::Growth => self.reserve_octets,
            Purpose::Removal => self.removal_reserve_octets,
        }
    }

    /// What is to be done behind the commit is known before its caller is told.
    fn answer(&self, mut request: Request, outcome: Result<(), CommitError>) {
        if outcome.is_ok() {
            for (key, id, entry) in std::mem::take(&mut request.commit.entries) {
                self.unfinished.add(key.clone(), id, entry.clone());
                self.background.finish(key, id, entry);
            }
        }
        answer(&request, outcome);
    }
}

fn answer(request: &Request, outcome: Result<(), CommitError>) {
    // A caller that is gone does not need it.
    let _ = request.answer.send(outcome);
}

/// What is behind these locks is changed in single steps: a panic elsewhere leaves it whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
