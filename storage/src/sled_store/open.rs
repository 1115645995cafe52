//! Opening and closing a store: the lock, the marks, the index (probed, and made anew if it must
//! be), what the last run left half-done, and the run's own mark.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::committer::{Committer, Poison};
use super::consistency;
use super::event::StoreEvent;
use super::high_water::{HighWater, LastRun};
use super::index::{Change, Index, TreeName};
use super::journal::finish;
use super::layout::{Layout, read_dir_if_there};
use super::lock::StoreLock;
use super::log::{Log, Replay, floor_change, floor_told};
use super::options::{Durability, SledStoreOptions};
use super::probe::{Refused, examine};
use super::rebuild::{index_from_files, set_index_aside};
use super::unfinished::Unfinished;
use super::{Shared, lock};
use crate::{MaildropId, StoreError, StoreErrorKind};

/// The record that tells the last run, the one before, and whether the last one ended cleanly.
const RUN_KEY: &[u8] = b"run";
/// The record that tells the number of the next maildrop.
pub(super) const NEXT_MAILDROP_KEY: &[u8] = b"next_maildrop";

pub(super) fn open(folder: &Path, options: SledStoreOptions) -> Result<Shared, StoreError> {
    let layout = Layout::new(folder, options.high_water_folder.as_deref());
    let lock = prepare_folders(&layout, &options)?;
    let is_new = !layout.index().exists() && first_maildrop(&layout)?.is_none();
    let sync = options.durability == Durability::Full;
    let (mut high_water, complaint) = HighWater::open(&options.files, &layout.high_water(), sync)?;
    let marks_are_sound = complaint.is_none();
    if let Some(reason) = complaint.filter(|_| !is_new) {
        (options.events)(&StoreEvent::MarksMissing { reason });
    }
    let (index, clean) = sound_index(&layout, &options, &mut high_water)?;
    let run = begin_run(&index, &mut high_water, &options)?;
    let unfinished = Arc::new(replay(&index, &layout, &options)?);
    let poison = Poison::new(&options.events);
    let log = Log::begin(&layout, &options, run)?;
    let committer = Committer::start(
        index.clone(),
        log,
        &layout,
        poison.clone(),
        &options,
        &unfinished,
    )?;
    Ok(Shared {
        layout,
        options,
        index: RwLock::new(Some(index)),
        committer,
        poison,
        high_water: Mutex::new(high_water),
        presences: Mutex::default(),
        directory: Mutex::default(),
        directory_revision: AtomicU64::default(),
        staged: AtomicU64::new(1),
        staging_names: Mutex::new(HashSet::new()),
        unfinished,
        unclean: !clean || !marks_are_sound,
        put_off: AtomicBool::new(false),
        run,
        lock: Mutex::new(Some(lock)),
    })
}

/// The folders and the lock; empties the staging folder.
pub(super) fn prepare_folders(
    layout: &Layout,
    options: &SledStoreOptions,
) -> Result<StoreLock, StoreError> {
    let files = &*options.files;
    let context = || format!("cannot use {} as a store", layout.root().display());
    let io = |error| StoreError::io(context(), error);
    files.create_folder(layout.root()).map_err(io)?;
    let lock = StoreLock::take(&layout.lock())?;
    for folder in [
        layout.bodies(),
        layout.staging(),
        layout.high_water_folder().to_owned(),
    ] {
        files.create_folder(&folder).map_err(io)?;
    }
    files.sync_folder(layout.root()).map_err(io)?;
    for entry in read_dir_if_there(&layout.staging()).map_err(io)? {
        // A folder is nothing of ours: no reason to stay closed.
        if !entry.file_type().map_err(io)?.is_dir() {
            files.unlink(&entry.path()).map_err(io)?;
        }
    }
    // A probe was at work when the process ended: its index goes back to its place.
    for under_probe in layout.indexes_under_probe().map_err(io)? {
        let free = !layout.index().exists();
        let to = if free {
            layout.index()
        } else {
            layout.index_damaged()
        };
        files.rename(&under_probe, &to).map_err(io)?;
    }
    match std::fs::remove_dir_all(layout.index_in_making()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io(error)),
        Ok(()) | Err(_) => Ok(lock),
    }
}

fn first_maildrop(layout: &Layout) -> Result<Option<MaildropId>, StoreError> {
    let found = layout.maildrops_on_disk();
    let found = found.map_err(|error| StoreError::io("cannot list the maildrops", error))?;
    Ok(found.first().copied())
}

/// The index that belongs to the files, and whether the last run ended cleanly. What the log has
/// is done again first. What is missing, damaged, or older than the marks is made anew.
fn sound_index(
    layout: &Layout,
    options: &SledStoreOptions,
    high_water: &mut HighWater,
) -> Result<(Index, bool), StoreError> {
    let log = files_from_log(layout, options, high_water)?;
    let open = || Index::open(&layout.index(), options.cache_octets, options.tidy_ms);
    if layout.index().join("db").exists() {
        match open_probed(layout, options, high_water, &log) {
            Ok(found) => return Ok(found),
            Err(Refused::Unexamined(error)) => return Err(error),
            Err(Refused::Damaged(reason)) => {
                let moved_to = set_index_aside(layout, options)?;
                (options.events)(&StoreEvent::IndexSetAside { reason, moved_to });
            }
        }
    } else {
        if layout.index().exists() {
            set_index_aside(layout, options)?;
        }
        if first_maildrop(layout)?.is_none() {
            return Ok((open()?, false));
        }
        (options.events)(&StoreEvent::IndexMissing);
    }
    set_log_aside(layout, options, &log)?;
    let rebuilt = index_from_files(layout, options, high_water)?;
    (options.events)(&StoreEvent::IndexRebuilt {
        maildrops: rebuilt.maildrops,
        messages: rebuilt.messages,
        set_aside: rebuilt.set_aside,
    });
    Ok((open()?, false))
}

/// Has the files be as the log says, durably. A log that has lost a record is set aside: it says so.
pub(super) fn files_from_log(
    layout: &Layout,
    options: &SledStoreOptions,
    high_water: &HighWater,
) -> Result<Replay, StoreError> {
    let log = Replay::read(layout, options, high_water.run())?;
    log.redo_files(layout, options)?;
    let is_clean = high_water.run().is_some_and(|last| last.closed);
    if !is_clean {
        // Also what nobody claimed, which may be taken in.
        sync_files(layout, options)?;
    }
    Ok(log)
}

/// Makes all files and names of the store durable.
fn sync_files(layout: &Layout, options: &SledStoreOptions) -> Result<(), StoreError> {
    if options.durability != Durability::Full {
        return Ok(());
    }
    let files = &options.files;
    let root = files.open(layout.root(), false);
    root.and_then(|root| files.sync_file_system(&root))
        .map_err(|error| StoreError::io("cannot make the files of the store durable", error))
}

/// Moves a log that has lost a record out of the way. What it still has is in the files.
pub(super) fn set_log_aside(
    layout: &Layout,
    options: &SledStoreOptions,
    log: &Replay,
) -> Result<(), StoreError> {
    let Some(reason) = log.damage() else {
        return Ok(());
    };
    let moved_to = layout.log_damaged();
    let io = |error| StoreError::io("cannot set the log aside", error);
    options.files.rename(&layout.log(), &moved_to).map_err(io)?;
    options.files.sync_folder(layout.root()).map_err(io)?;
    let reason = reason.to_owned();
    (options.events)(&StoreEvent::LogSetAside { reason, moved_to });
    Ok(())
}

fn open_probed(
    layout: &Layout,
    options: &SledStoreOptions,
    high_water: &HighWater,
    log: &Replay,
) -> Result<(Index, bool), Refused> {
    if let Some(reason) = log.damage() {
        return Err(Refused::Damaged(format!(
            "the log that goes on from it: {reason}"
        )));
    }
    examine(layout, options)?;
    let index = Index::open(&layout.index(), options.cache_octets, options.tidy_ms)?;
    let told = told_run(&index)?;
    let closed = belongs_to(told, high_water.run()).map_err(|why| Refused::Damaged(why.into()))?;
    if !log.is_empty() {
        if floor_told(&index)? < log.floor() {
            return Err(Refused::Damaged("it lost what was written last".into()));
        }
        log.redo_index(&index)?;
    }
    if !closed {
        consistency::check(&index, layout)?;
    }
    Ok((index, closed))
}

/// Whether the index is that of the last run, and then whether that run ended cleanly.
fn belongs_to(told: Option<ToldRun>, last: Option<LastRun>) -> Result<bool, &'static str> {
    match (told, last) {
        // The marks are missing: no comparison.
        (_, None) => Ok(false),
        // It knew better once: its end was cut off.
        (Some(told), Some(last)) if told.run == last.number && last.closed && !told.closed => {
            Err("it lost what was written last")
        }
        (Some(told), Some(last)) if told.run == last.number => Ok(told.closed),
        // The process ended between the two writes that begin a run: nothing had happened yet.
        (Some(told), Some(last)) if told.before == last.number => Ok(false),
        (_, Some(_)) => Err("it is older than the high-water marks"),
    }
}

#[derive(Clone, Copy)]
struct ToldRun {
    run: u64,
    before: u64,
    closed: bool,
}

fn told_run(index: &Index) -> Result<Option<ToldRun>, StoreError> {
    let Some(content) = index.find(TreeName::Meta, RUN_KEY)? else {
        return Ok(None);
    };
    let (words, flag) = content.as_chunks::<8>();
    match (words, flag) {
        ([run, before], [closed]) => Ok(Some(ToldRun {
            run: u64::from_le_bytes(*run),
            before: u64::from_le_bytes(*before),
            closed: *closed == 1,
        })),
        _ => Err(StoreError::new(
            StoreErrorKind::Corrupt,
            "the index does not tell its last run",
        )),
    }
}

impl ToldRun {
    fn change(self) -> Change {
        let mut content = self.run.to_le_bytes().to_vec();
        content.extend_from_slice(&self.before.to_le_bytes());
        content.push(u8::from(self.closed));
        Change::put(TreeName::Meta, RUN_KEY.to_vec(), content)
    }
}

/// The record of a run that ended, for an index that is made anew.
pub(super) fn told_again(last: LastRun) -> Change {
    ToldRun {
        run: last.number,
        before: last.number,
        closed: last.closed,
    }
    .change()
}

fn tell_run(index: &Index, told: ToldRun, options: &SledStoreOptions) -> Result<(), StoreError> {
    index.apply(&[&[told.change(), floor_change(1)]])?;
    index.flush()?;
    let io = |error| StoreError::io("cannot make the index durable", error);
    options.files.sync(&index.file().map_err(io)?).map_err(io)
}

/// Nobody can guess it: records of the log are known by it.
pub(super) fn run_number() -> Result<u64, StoreError> {
    let context = "cannot number this run of the store";
    getrandom::u64().map_err(|error| StoreError::caused_by(StoreErrorKind::Io, context, error))
}

/// Index first, marks second: see [`open_probed`].
fn begin_run(
    index: &Index,
    high_water: &mut HighWater,
    options: &SledStoreOptions,
) -> Result<u64, StoreError> {
    let run = run_number()?;
    let before = high_water.run().map_or(0, |last| last.number);
    tell_run(
        index,
        ToldRun {
            run,
            before,
            closed: false,
        },
        options,
    )?;
    high_water.set_run(LastRun {
        number: run,
        closed: false,
    })?;
    Ok(run)
}

/// Finishes what the last run committed and did not finish.
fn replay(
    index: &Index,
    layout: &Layout,
    options: &SledStoreOptions,
) -> Result<Unfinished, StoreError> {
    let unfinished = Unfinished::default();
    for (key, id, entry) in index.journal()? {
        finish(options, layout, index, &unfinished, (key, id, entry));
    }
    Ok(unfinished)
}

/// The number that the next maildrop gets: never one that was used.
pub(super) fn next_maildrop(index: &Index, high_water: &HighWater) -> Result<u64, StoreError> {
    let mut next = high_water.next_maildrop();
    if let Some(content) = index.find(TreeName::Meta, NEXT_MAILDROP_KEY)?
        && let Some(octets) = content.first_chunk::<8>()
    {
        next = next.max(u64::from_be_bytes(*octets));
    }
    Ok(next)
}

impl Shared {
    /// Everything committed is durable already, by the log; this makes it durable in files and
    /// index, makes the marks exact, and says that the run ended cleanly.
    pub(super) fn close(&self) -> Result<(), StoreError> {
        self.committer.close();
        let index = self
            .index
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(index) = index else { return Ok(()) };
        let outcome = self.end_run(&index);
        drop(index);
        self.high_water().close();
        drop(lock(&self.lock).take());
        outcome
    }

    /// A last checkpoint, with whose end the journal has nothing that was done.
    fn sync_all(&self, index: &Index) -> Result<(), StoreError> {
        let done = self.unfinished.begin_checkpoint();
        sync_files(&self.layout, &self.options)?;
        self.unfinished.end_checkpoint(done);
        let durable = self.unfinished.take_durable().into_iter();
        let durable = durable.map(|key| Change::drop(TreeName::Journal, key));
        index.apply(&[&durable.collect::<Vec<_>>()])
    }

    fn end_run(&self, index: &Index) -> Result<(), StoreError> {
        self.poison.check()?;
        self.sync_all(index)?;
        let mut high_water = self.high_water();
        let marks: Vec<_> = lock(&self.presences)
            .iter()
            .filter_map(|(id, presence)| presence.sequence.map(|sequence| (*id, sequence)))
            .filter(|(id, sequence)| high_water.mark(*id).is_some_and(|mark| mark != *sequence))
            .collect();
        high_water.set(&marks)?;
        // With something left to do, the next start looks as closely as after a crash.
        let closed = self.unfinished.is_empty() && !self.put_off.load(Ordering::Relaxed);
        tell_run(
            index,
            ToldRun {
                run: self.run,
                before: self.run,
                closed,
            },
            &self.options,
        )?;
        Ok(high_water.set_run(LastRun {
            number: self.run,
            closed,
        })?)
    }
}
