//! The sled store: an index in sled, bodies as content files, high-water marks apart from both.
//!
//! What holds it together: a change is durable in the [`log`] before anybody is told of it, and the
//! log has it until files and index are durable, too. The index can always be made anew from the
//! files and the log; that no number is used twice even then is what the marks are for.

mod arrival;
mod bodies;
mod body_file;
mod changes;
mod committer;
mod consistency;
mod directory;
mod event;
pub mod files;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
#[allow(missing_docs, reason = "it is for the fuzz targets")]
pub mod fuzzing;
mod high_water;
mod index;
mod journal;
mod layout;
mod lock;
mod log;
mod maildrop;
mod message_file;
mod open;
mod options;
mod owner_file;
mod placed;
mod probe;
mod rebuild;
mod record;
mod shared_body;
mod staging;
mod unclaimed;
mod unfinished;
mod verify;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use committer::{CommitError, Committer, Poison};
use high_water::{HighWater, RaiseError};
use index::Index;
use layout::Layout;
use lock::StoreLock;
use maildrop::SledMaildrop;
use unfinished::Unfinished;

pub use event::{EventSink, StoreEvent};
pub use options::{Durability, Probe, SledStoreOptions};
pub use probe::{DAMAGED_STATUS, probe};
pub use rebuild::{Rebuilt, rebuild};
pub use verify::{Finding, Severity, Verified, verify};

use crate::numbering::Sequence;
use crate::{
    Housekeeping, MaildropId, MaildropStore, OwnedMaildrop, StagedBody, Staging, StoreError,
    StoreErrorKind,
};

/// A store in a folder. See the module for what it promises.
///
/// Dropped without [`MaildropStore::close`] it is as after a crash: nothing is lost, and the next
/// start looks more closely.
pub struct SledStore {
    shared: Arc<Shared>,
}

/// How much is in a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStatistics {
    /// Maildrops.
    pub maildrops: u64,
    /// Messages in them.
    pub messages: u64,
    /// Octets of the messages as RETR sends them.
    pub exact_octets: u64,
    /// Octets that they occupy on the disk.
    pub stored_octets: u64,
    /// Messages that were removed and can be brought back.
    pub deleted: u64,
    /// Octets that these occupy on the disk.
    pub deleted_octets: u64,
    /// Maildrops whose record in the index is damaged; they are not counted above.
    pub damaged: u64,
}

impl SledStore {
    /// Opens the store in `folder`, or makes one there. Damage to the index is repaired from the
    /// files; what happened is told to the options' event sink.
    ///
    /// # Errors
    /// `Locked` if another process has it, `Io`, `Full`, `Poisoned` if the disk loses writes.
    pub fn open(folder: &Path, options: SledStoreOptions) -> Result<Self, StoreError> {
        open::open(folder, options).map(|shared| Self {
            shared: Arc::new(shared),
        })
    }

    /// The maildrops, in order of their numbers.
    ///
    /// # Errors
    /// `Io` if the index cannot be read.
    pub fn maildrops(&self) -> Result<Vec<MaildropId>, StoreError> {
        let mut found = Vec::new();
        self.shared
            .index()?
            .maildrops(&mut |id, _| found.push(id))?;
        Ok(found)
    }

    /// Counts what is in the store; reads one small record for each maildrop.
    ///
    /// # Errors
    /// `Io` if the index cannot be read.
    pub fn statistics(&self) -> Result<StoreStatistics, StoreError> {
        let mut sums = StoreStatistics::default();
        self.shared.index()?.maildrops(&mut |_, row| match row {
            Some(row) => {
                sums.maildrops += 1;
                sums.messages += row.messages;
                sums.exact_octets = sums.exact_octets.saturating_add(row.exact_octets);
                sums.stored_octets = sums.stored_octets.saturating_add(row.stored_octets);
                sums.deleted += row.deleted;
                sums.deleted_octets = sums.deleted_octets.saturating_add(row.deleted_octets);
            }
            None => sums.damaged += 1,
        })?;
        Ok(sums)
    }
}

impl MaildropStore for SledStore {
    fn open_maildrop(&self, maildrop: MaildropId) -> Result<Box<dyn OwnedMaildrop>, StoreError> {
        Ok(Box::new(SledMaildrop::open(self.shared.own(maildrop)?)?))
    }

    fn stage(&self, staging: Staging) -> Result<Box<dyn StagedBody>, StoreError> {
        staging::stage(&self.shared, staging)
    }

    fn housekeeping(&self) -> Result<Housekeeping, StoreError> {
        self.shared.poison.check()?;
        drop(self.shared.index()?);
        let unlinked = {
            // No user is being made or removed meanwhile, so every folder entry is due.
            let _one_at_a_time = self.shared.directory();
            self.shared.finish_the_unfinished()
        };
        let temporary = self.shared.unlink_forgotten()?;
        Ok(Housekeeping {
            unlinked,
            temporary,
        })
    }

    fn close(&self) -> Result<(), StoreError> {
        self.shared.close()
    }
}

/// What the store and everything made by it have in common.
struct Shared {
    layout: Layout,
    options: SledStoreOptions,
    /// Empty once the store is closed.
    index: RwLock<Option<Index>>,
    committer: Committer,
    poison: Poison,
    high_water: Mutex<HighWater>,
    /// Maildrops that were opened in this run.
    presences: Mutex<HashMap<MaildropId, Presence>>,
    /// Held while users are added, changed or removed: one at a time.
    directory: Mutex<()>,
    /// What is counted up whenever that is let go of.
    directory_revision: AtomicU64,
    /// The number of the next temporary file.
    staged: AtomicU64,
    /// The temporary files that somebody is still writing.
    staging_names: Mutex<HashSet<u64>>,
    unfinished: Arc<Unfinished>,
    /// Whether the run before this one did not end cleanly.
    unclean: bool,
    /// Whether unclaimed files were left: the next start looks for them (again).
    put_off: AtomicBool,
    /// The number of this run.
    run: u64,
    lock: Mutex<Option<StoreLock>>,
}

/// The right to change users. A change that failed may have been made nevertheless: the revision
/// is another in any case.
struct DirectoryChange<'a> {
    revision: &'a AtomicU64,
    _alone: MutexGuard<'a, ()>,
}

impl Drop for DirectoryChange<'_> {
    fn drop(&mut self) {
        self.revision.fetch_add(1, Ordering::Release);
    }
}

#[derive(Default)]
struct Presence {
    owned: bool,
    /// Where the maildrop's numbers go on; known after the first time in a run.
    sequence: Option<Sequence>,
}

/// The right to change a maildrop: there is one at a time.
struct Ownership {
    shared: Arc<Shared>,
    maildrop: MaildropId,
}

impl Drop for Ownership {
    fn drop(&mut self) {
        let mut presences = lock(&self.shared.presences);
        if let Some(presence) = presences.get_mut(&self.maildrop) {
            presence.owned = false;
            if presence.sequence.is_none() {
                // It was not there, or could not be read.
                presences.remove(&self.maildrop);
            }
        }
    }
}

impl Shared {
    /// # Errors
    /// `Io` once the store is closed.
    fn index(&self) -> Result<Index, StoreError> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index
            .clone()
            .ok_or_else(|| StoreError::new(StoreErrorKind::Io, "the store is closed"))
    }

    fn own(self: &Arc<Self>, maildrop: MaildropId) -> Result<Ownership, StoreError> {
        let mut presences = lock(&self.presences);
        let presence = presences.entry(maildrop).or_default();
        if presence.owned {
            let context = format!("maildrop {maildrop} has an owner");
            return Err(StoreError::new(StoreErrorKind::Busy, context));
        }
        presence.owned = true;
        Ok(Ownership {
            shared: Arc::clone(self),
            maildrop,
        })
    }

    fn known_sequence(&self, maildrop: MaildropId) -> Option<Sequence> {
        lock(&self.presences)
            .get(&maildrop)
            .and_then(|presence| presence.sequence)
    }

    fn know_sequence(&self, maildrop: MaildropId, sequence: Sequence) {
        lock(&self.presences).entry(maildrop).or_default().sequence = Some(sequence);
    }

    /// Sees to it that the mark is beyond what the sequence has given out, and ahead of it.
    fn raise_mark(&self, maildrop: MaildropId, given: Sequence) -> Result<(), CommitError> {
        let mut high_water = self.high_water();
        let enough = high_water
            .mark(maildrop)
            .is_some_and(|mark| mark.next >= given.next && mark.first_own == given.first_own);
        if enough {
            return Ok(());
        }
        let next = given.next.saturating_add(self.options.high_water_block);
        let mark = Sequence {
            next,
            first_own: given.first_own,
        };
        let outcome = high_water.set(&[(maildrop, mark)]);
        drop(high_water);
        self.or_poison(outcome)
    }

    fn set_mark(&self, maildrop: MaildropId, mark: Sequence) -> Result<(), CommitError> {
        let outcome = self.high_water().set(&[(maildrop, mark)]);
        self.or_poison(outcome)
    }

    fn or_poison(&self, outcome: Result<(), RaiseError>) -> Result<(), CommitError> {
        outcome.map_err(|error| match error {
            RaiseError::Refused(error) => CommitError::Refused(error),
            RaiseError::Unknown(error) => {
                self.poison.set(&error);
                CommitError::Refused(error)
            }
        })
    }

    /// Unlinks temporary files that nobody is writing.
    fn unlink_forgotten(&self) -> Result<u64, StoreError> {
        let folder = self.layout.staging();
        let io = |error| StoreError::io("cannot tidy the staging folder", error);
        let mut unlinked = 0;
        for entry in layout::read_dir_if_there(&folder).map_err(io)? {
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if number.is_none_or(|number| !self.staging_names().contains(&number))
                && self.options.files.unlink(&entry.path()).is_ok()
            {
                unlinked += 1;
            }
        }
        Ok(unlinked)
    }

    /// Whether bodies are made durable.
    fn syncs(&self) -> bool {
        self.options.durability == Durability::Full
    }

    fn high_water(&self) -> MutexGuard<'_, HighWater> {
        lock(&self.high_water)
    }

    /// The maildrop was removed for good.
    fn forget(&self, maildrop: MaildropId) {
        if let Some(presence) = lock(&self.presences).get_mut(&maildrop) {
            presence.sequence = None;
        }
    }

    fn directory(&self) -> DirectoryChange<'_> {
        DirectoryChange {
            revision: &self.directory_revision,
            _alone: lock(&self.directory),
        }
    }

    fn staging_names(&self) -> MutexGuard<'_, HashSet<u64>> {
        lock(&self.staging_names)
    }
}

/// What is behind these locks is changed in single steps: a panic elsewhere leaves it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
