//! The index made anew from message files, owner files and high-water marks.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::changes::{deleted_segments, segments};
use super::committer::LOGGED_AT_ONCE_OCTETS;
use super::directory::{put_aliases, put_user};
use super::event::StoreEvent;
use super::files::Files;
use super::high_water::{HighWater, LastRun};
use super::index::{Change, Index, TreeName, journal_key, maildrop_key};
use super::layout::{FilesOnDisk, Layout, deleted_name};
use super::message_file::MessageFile;
use super::open::{
    NEXT_MAILDROP_KEY, files_from_log, prepare_folders, run_number, set_log_aside, told_again,
};
use super::options::{Durability, SledStoreOptions};
use super::owner_file;
use super::probe::tells_nothing_of_the_file;
use super::record::{Deletion, JournalEntry, MaildropRow};
use super::unclaimed::{count_in, given_out, set_aside, set_message_aside, set_orphan_aside};
use crate::numbering::Sequence;
use crate::{
    DeletedRecord, MaildropId, MessageId, MessageRecord, Removal, StoreError, StoreErrorKind,
    UserName,
};

/// Changes in one transaction: enough to be fast, few enough for sled's buffers.
const CHANGES_AT_ONCE: usize = 2_000;

/// No file with more behind its header gets its name before it is durable.
const UNSYNCED_OCTETS_MAX: u64 = LOGGED_AT_ONCE_OCTETS as u64;

/// What a new index holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Users, each from an owner file.
    pub users: u64,
    /// Maildrops, also those whose user is not known.
    pub maildrops: u64,
    /// Messages.
    pub messages: u64,
    /// Messages that were removed and can be brought back.
    pub deleted: u64,
    /// Octets of the messages as RETR sends them.
    pub exact_octets: u64,
    /// Message files that could not be used and were set aside.
    pub set_aside: u64,
    /// Maildrops whose owner file is missing or damaged.
    pub owners_unknown: u64,
}

/// Makes the index of a stopped store anew; the old one is set aside. What happens to single
/// files is told to the options' event sink.
///
/// # Errors
/// `NotFound` if there is no store, `Locked` if a process has it, `Io`, `Full`.
pub fn rebuild(folder: &Path, options: &SledStoreOptions) -> Result<Rebuilt, StoreError> {
    let layout = Layout::new(folder, options.high_water_folder.as_deref());
    if !layout.bodies().is_dir() {
        let context = format!("there is no store in {}", folder.display());
        return Err(StoreError::new(StoreErrorKind::NotFound, context));
    }
    let _lock = prepare_folders(&layout, options)?;
    let (mut high_water, complaint) = HighWater::open(
        &options.files,
        &layout.high_water(),
        options.durability == Durability::Full,
    )?;
    if let Some(reason) = complaint {
        (options.events)(&StoreEvent::MarksMissing { reason });
    }
    let log = files_from_log(&layout, options, &high_water)?;
    if layout.index().exists() {
        let moved_to = set_index_aside(&layout, options)?;
        let reason = "a new one was asked for".to_owned();
        (options.events)(&StoreEvent::IndexSetAside { reason, moved_to });
    }
    set_log_aside(&layout, options, &log)?;
    index_from_files(&layout, options, &mut high_water)
}

/// Moves the index out of the way. Returns where it is.
pub(super) fn set_index_aside(
    layout: &Layout,
    options: &SledStoreOptions,
) -> Result<PathBuf, StoreError> {
    let io = |error| StoreError::io("cannot set the index aside", error);
    let moved_to = layout.index_damaged();
    options
        .files
        .rename(&layout.index(), &moved_to)
        .map_err(io)?;
    options.files.sync_folder(layout.root()).map_err(io)?;
    Ok(moved_to)
}

/// Makes the index under another name, and moves it to its place when it is complete. What the log
/// has is in the files already, durably: from here on the log is another run's.
pub(super) fn index_from_files(
    layout: &Layout,
    options: &SledStoreOptions,
    high_water: &mut HighWater,
) -> Result<Rebuilt, StoreError> {
    let last = LastRun {
        number: run_number()?,
        closed: high_water.run().is_some_and(|last| last.closed),
    };
    high_water.set_run(last)?;
    let high_water = &*high_water;
    let io = |error| StoreError::io("cannot make a new index", error);
    let folder = layout.index_in_making();
    let index = Index::open(&folder, options.cache_octets, None)?;
    let mut making = Making {
        layout,
        options,
        high_water,
        index: &index,
        after_clean_end: last.closed,
        changes: Vec::new(),
        owners: HashMap::new(),
        rebuilt: Rebuilt::default(),
    };
    let maildrops = layout.maildrops_on_disk().map_err(io)?;
    for id in &maildrops {
        making.add_maildrop(*id)?;
    }
    making.add_aliases()?;
    let after_last = maildrops.last().map_or(1, |id| id.0.saturating_add(1));
    let next = after_last
        .max(high_water.next_maildrop())
        .to_be_bytes()
        .to_vec();
    making.changes.push(Change::put(
        TreeName::Meta,
        NEXT_MAILDROP_KEY.to_vec(),
        next,
    ));
    // As good as the one that the last run left behind.
    making.changes.push(told_again(last));
    making.apply()?;
    let rebuilt = making.rebuilt;
    index.flush()?;
    options.files.sync(&index.file().map_err(io)?).map_err(io)?;
    drop(index);
    options.files.sync_folder(&folder).map_err(io)?;
    options.files.rename(&folder, &layout.index()).map_err(io)?;
    options.files.sync_folder(layout.root()).map_err(io)?;
    Ok(rebuilt)
}

struct Making<'a> {
    layout: &'a Layout,
    options: &'a SledStoreOptions,
    high_water: &'a HighWater,
    index: &'a Index,
    /// All files are durable as they are. If not, one can be torn: it had its name already, and
    /// nobody was told of it.
    after_clean_end: bool,
    changes: Vec<Change>,
    /// The users that were met, with their maildrops and aliases.
    owners: HashMap<UserName, (MaildropId, Vec<UserName>)>,
    rebuilt: Rebuilt,
}

impl Making<'_> {
    fn apply(&mut self) -> Result<(), StoreError> {
        self.index.apply(&[&self.changes])?;
        self.changes.clear();
        Ok(())
    }

    fn add_maildrop(&mut self, id: MaildropId) -> Result<(), StoreError> {
        // Without a mark nobody knows which numbers were unique-ids: all that are lower.
        let unmarked = Sequence {
            next: 1,
            first_own: 1,
        };
        let mut row = MaildropRow::NEW;
        row.sequence = self.high_water.mark(id).unwrap_or(unmarked);
        let found = self.layout.files_on_disk(id).map_err(|error| {
            StoreError::io(format!("cannot list the folder of maildrop {id}"), error)
        })?;
        if let Some(highest) = found.highest() {
            let floor = Sequence {
                next: highest.0.saturating_add(1),
                first_own: 0,
            };
            row.sequence = row.sequence.or_later(floor);
        }
        let mut restored = HashSet::new();
        let messages = self.live(id, &found, &mut row, &mut restored)?;
        let deleted = self.deleted(id, &found, &mut row, &mut restored)?;
        for orphan in found.orphans() {
            let was_moved = set_orphan_aside(self.options, self.layout, id, orphan)?;
            self.rebuilt.set_aside += u64::from(was_moved);
        }
        // Removals left no trace in the files: time is what certainly went on.
        row.revision = row.revision.max(now_micros()).saturating_add(1);
        // An undelete ends with the file that it began with.
        let (replaced, deleted): (Vec<_>, Vec<_>) = deleted
            .into_iter()
            .partition(|record| restored.contains(&record.id));
        if !replaced.is_empty() {
            let files = replaced.iter().map(|it| (it.id, Deletion::of(it)));
            let entry = JournalEntry::Forget(files.collect());
            let key = journal_key(id, row.revision, 0);
            let change = Change::put(TreeName::Journal, key, entry.encode());
            self.changes.push(change);
        }
        for record in &deleted {
            row.deleted += 1;
            row.deleted_octets = row.deleted_octets.saturating_add(record.stored_octets);
        }
        self.add_owner(id);
        self.put(id, &row, &messages, &deleted)
    }

    fn live(
        &mut self,
        id: MaildropId,
        found: &FilesOnDisk,
        row: &mut MaildropRow,
        restored: &mut HashSet<MessageId>,
    ) -> Result<Vec<MessageRecord>, StoreError> {
        let mut messages = Vec::new();
        let mut carried = HashSet::new();
        for message in &found.messages {
            let Some(file) = self.read(id, *message, None)? else {
                continue;
            };
            if let Some(unique_id) = &file.header.carried_unique_id
                && !carried.insert(unique_id.clone())
            {
                self.set_aside(id, *message, None, "its unique-id is another's")?;
                continue;
            }
            restored.extend(file.header.apart.and_then(|apart| apart.restored_from));
            let stored_octets = file.stored_octets();
            count_in(row, &file.header, stored_octets);
            messages.push(file.header.into_record(stored_octets));
        }
        Ok(messages)
    }

    fn deleted(
        &mut self,
        id: MaildropId,
        found: &FilesOnDisk,
        row: &mut MaildropRow,
        restored: &mut HashSet<MessageId>,
    ) -> Result<Vec<DeletedRecord>, StoreError> {
        let mut deleted: Vec<DeletedRecord> = Vec::new();
        for (message, deletion) in &found.deleted {
            let twice = deleted.last().is_some_and(|before| before.id == *message)
                || found.messages.binary_search(message).is_ok();
            if twice {
                // What is apart is the other's.
                let name = deleted_name(*message, deletion);
                let reason = "there is another message with its number";
                set_aside(self.options, self.layout, id, &name, reason)?;
                self.rebuilt.set_aside += 1;
                continue;
            }
            let Some(file) = self.read(id, *message, Some(deletion))? else {
                continue;
            };
            restored.extend(file.header.apart.and_then(|apart| apart.restored_from));
            row.sequence = row.sequence.or_later(given_out(&file.header));
            row.revision = row.revision.max(deletion.revision);
            let stored_octets = file.stored_octets();
            let removal = Removal {
                at_secs: deletion.secs,
                session: deletion.session.clone(),
                keep: true,
            };
            let record = file.header.into_record(stored_octets);
            deleted.push(record.into_deleted(deletion.revision, &removal));
        }
        Ok(deleted)
    }

    fn put(
        &mut self,
        id: MaildropId,
        row: &MaildropRow,
        messages: &[MessageRecord],
        deleted: &[DeletedRecord],
    ) -> Result<(), StoreError> {
        self.rebuilt.maildrops += 1;
        self.rebuilt.messages += row.messages;
        self.rebuilt.deleted += row.deleted;
        self.rebuilt.exact_octets = self.rebuilt.exact_octets.saturating_add(row.exact_octets);
        self.changes.push(Change::put(
            TreeName::Maildrops,
            maildrop_key(id),
            row.encode(),
        ));
        let segments = segments(id, messages);
        for change in segments.into_iter().chain(deleted_segments(id, deleted)) {
            self.changes.push(change);
            if self.changes.len() >= CHANGES_AT_ONCE {
                self.apply()?;
            }
        }
        // Maildrops without a message count too.
        if self.changes.len() >= CHANGES_AT_ONCE {
            self.apply()?;
        }
        Ok(())
    }

    /// One that cannot be used is set aside, and none.
    fn read(
        &mut self,
        id: MaildropId,
        message: MessageId,
        deletion: Option<&Deletion>,
    ) -> Result<Option<MessageFile>, StoreError> {
        let files: &dyn Files = &*self.options.files;
        let read = MessageFile::open(files, self.layout, id, message, deletion).and_then(|file| {
            if !self.after_clean_end && file.header.own_octets() <= UNSYNCED_OCTETS_MAX {
                file.check_own(files)?;
            }
            Ok(file)
        });
        match read {
            Ok(file) => Ok(Some(file)),
            Err(error) if tells_nothing_of_the_file(&error) => Err(error),
            Err(error) => {
                self.set_aside(id, message, deletion, &error.to_string())?;
                Ok(None)
            }
        }
    }

    fn set_aside(
        &mut self,
        id: MaildropId,
        message: MessageId,
        deletion: Option<&Deletion>,
        reason: &str,
    ) -> Result<(), StoreError> {
        self.rebuilt.set_aside += 1;
        set_message_aside(self.options, self.layout, id, message, deletion, reason)
    }

    /// Of two maildrops of one user the later counts: the other was being removed.
    fn add_owner(&mut self, id: MaildropId) {
        let (unowned, reason) = match owner_file::read(&self.layout.owner(id), id) {
            Ok(user) => {
                self.changes.push(put_user(&user));
                let reason = format!("user {} has maildrop {id}", user.name);
                match self.owners.insert(user.name, (id, user.aliases)) {
                    None => {
                        self.rebuilt.users += 1;
                        return;
                    }
                    Some((earlier, _)) => (earlier, reason),
                }
            }
            Err(error) => (id, error.to_string()),
        };
        self.rebuilt.owners_unknown += 1;
        (self.options.events)(&StoreEvent::OwnerUnknown {
            maildrop: unowned,
            reason,
        });
    }

    /// The aliases, after all users are known. One that is taken stays with who has it.
    fn add_aliases(&mut self) -> Result<(), StoreError> {
        let owners = std::mem::take(&mut self.owners);
        let mut in_order: Vec<_> = owners.values().collect();
        in_order.sort_unstable_by_key(|(id, _)| *id);
        let mut taken = HashSet::new();
        for (id, aliases) in in_order.into_iter().filter(|(_, it)| !it.is_empty()) {
            let mut user = owner_file::read(&self.layout.owner(*id), *id)?;
            let mut is_free = |alias: &UserName| {
                let is_free = !owners.contains_key(alias) && taken.insert(alias.clone());
                if !is_free {
                    (self.options.events)(&StoreEvent::AliasTaken {
                        maildrop: *id,
                        alias: alias.clone(),
                    });
                }
                is_free
            };
            user.aliases.retain(|alias| is_free(alias));
            if user.aliases != *aliases {
                // The next start writes the owner file.
                let key = journal_key(*id, u64::MAX, 0);
                let entry = JournalEntry::Owner(user.name.clone());
                let entry = Change::put(TreeName::Journal, key, entry.encode());
                self.changes.extend([put_user(&user), entry]);
            }
            self.changes.extend(put_aliases(&user));
            if self.changes.len() >= CHANGES_AT_ONCE {
                self.apply()?;
            }
        }
        Ok(())
    }
}

fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since
        .ok()
        .and_then(|since| u64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}
