//! What is done behind the acknowledgements: what the journal wants, and checkpoints. One thread
//! does both in the order of the commits, so that a checkpoint covers all that came before it.

use std::fs::File;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::super::committer::Poison;
use super::super::index::{Change, Index, TreeName};
use super::super::journal::finish;
use super::super::layout::Layout;
use super::super::options::{Durability, SledStoreOptions};
use super::super::record::JournalEntry;
use super::super::unfinished::Unfinished;
use crate::{MaildropId, StoreError, StoreErrorKind};

/// The record of the index that tells from which sequence on the log has more than it.
const FLOOR_KEY: &[u8] = b"log_floor";

/// How far the checkpoints of this run have got.
#[derive(Default)]
pub(in super::super) struct Checkpoints {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Records before this sequence are not needed.
    floor: u64,
    ended: bool,
}

impl Checkpoints {
    pub(in super::super) fn floor(&self) -> u64 {
        self.lock().floor
    }

    /// Waits until the records before `floor` are not needed. Returns whether that came.
    pub(in super::super) fn wait_for(&self, floor: u64) -> bool {
        let mut state = self.lock();
        while state.floor < floor && !state.ended {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.floor >= floor
    }

    fn change(&self, act: impl FnOnce(&mut State)) {
        act(&mut self.lock());
        self.changed.notify_all();
    }

    /// A number and a flag: a panic elsewhere leaves them whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Task {
    Finish(Vec<u8>, MaildropId, JournalEntry),
    Checkpoint(u64),
    Tell(SyncSender<()>),
}

/// The way to the thread. Its queue needs no limit of its own: what is in it is in the log, and
/// that has one.
#[derive(Clone)]
pub(in super::super) struct Background {
    tasks: Sender<Task>,
    pub(in super::super) checkpoints: Arc<Checkpoints>,
}

impl Background {
    pub(in super::super) fn start(
        index: Index,
        layout: &Layout,
        options: &SledStoreOptions,
        poison: Poison,
        unfinished: Arc<Unfinished>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (tasks, queue) = channel();
        let checkpoints = Arc::new(Checkpoints::default());
        checkpoints.change(|state| state.floor = 1);
        let work = Work {
            file: index.file()?,
            // Open from the beginning: it tells of all that fails to be written from now on.
            file_system: options.files.open(layout.root(), false)?,
            index,
            layout: layout.clone(),
            options: options.clone(),
            poison,
            unfinished,
            checkpoints: Arc::clone(&checkpoints),
        };
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || work.run(&queue))?;
        Ok((Self { tasks, checkpoints }, thread))
    }

    /// Has an entry of the journal be done. A thread that is gone leaves it to the next start.
    pub(in super::super) fn finish(&self, key: Vec<u8>, id: MaildropId, entry: JournalEntry) {
        let _ = self.tasks.send(Task::Finish(key, id, entry));
    }

    /// Has everything before `floor` be made durable in files and index.
    pub(in super::super) fn checkpoint(&self, floor: u64) {
        let _ = self.tasks.send(Task::Checkpoint(floor));
    }

    /// Waits until all that was asked for so far is done.
    pub(in super::super) fn wait(&self) {
        let (tell, told) = sync_channel(1);
        if self.tasks.send(Task::Tell(tell)).is_ok() {
            let _ = told.recv();
        }
    }
}

struct Work {
    index: Index,
    file: File,
    file_system: File,
    layout: Layout,
    options: SledStoreOptions,
    poison: Poison,
    unfinished: Arc<Unfinished>,
    checkpoints: Arc<Checkpoints>,
}

/// However the thread ends, nobody waits for it.
impl Drop for Work {
    fn drop(&mut self) {
        self.checkpoints.change(|state| state.ended = true);
    }
}

impl Work {
    fn run(self, queue: &Receiver<Task>) {
        for task in queue {
            match task {
                Task::Finish(key, id, entry) => {
                    let options = &self.options;
                    finish(
                        options,
                        &self.layout,
                        &self.index,
                        &self.unfinished,
                        (key, id, entry),
                    );
                }
                Task::Tell(tell) => drop(tell.send(())),
                Task::Checkpoint(floor) if self.poison.check().is_err() => {
                    // Nothing is given free any more.
                    let _ = floor;
                    return;
                }
                Task::Checkpoint(floor) => match self.checkpoint(floor) {
                    Ok(()) => self.checkpoints.change(|state| state.floor = floor),
                    Err(error) => {
                        self.poison.set(&error);
                        return;
                    }
                },
            }
        }
    }

    fn checkpoint(&self, floor: u64) -> Result<(), StoreError> {
        let done = self.unfinished.begin_checkpoint();
        self.index.apply(&[&[floor_change(floor)]])?;
        self.index.flush()?;
        if self.options.durability == Durability::Full {
            let files = &self.options.files;
            let io = |error| StoreError::io("cannot make the files of the store durable", error);
            files.sync_file_system(&self.file_system).map_err(io)?;
            files.sync(&self.file).map_err(io)?;
        }
        self.unfinished.end_checkpoint(done);
        Ok(())
    }
}

/// Tells in the index how far it is durable.
pub(in super::super) fn floor_change(floor: u64) -> Change {
    let content = floor.to_le_bytes().to_vec();
    Change::put(TreeName::Meta, FLOOR_KEY.to_vec(), content)
}

/// What [`floor_change`] told last; 1 if it never did.
pub(in super::super) fn floor_told(index: &Index) -> Result<u64, StoreError> {
    match index.find(TreeName::Meta, FLOOR_KEY)? {
        None => Ok(1),
        Some(content) => match content.first_chunk::<8>() {
            Some(octets) => Ok(u64::from_le_bytes(*octets)),
            None => Err(StoreError::new(
                StoreErrorKind::Corrupt,
                "the index does not tell how much of the log it has",
            )),
        },
    }
}
