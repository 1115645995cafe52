//! The index made anew from message files, owner files and high-water marks.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::body_file::{BodyHeader, read_header};
use super::event::StoreEvent;
use super::files::Files;
use super::high_water::HighWater;
use super::index::{Change, Index, TreeName, maildrop_key};
use super::layout::Layout;
use super::open::{NEXT_MAILDROP_KEY, prepare_folders, told_again};
use super::options::{Durability, SledStoreOptions};
use super::owner_file;
use super::placed::occupied_octets;
use super::probe::tells_nothing_of_the_file;
use super::record::{MaildropRow, encode_user};
use super::unclaimed::{count_in, segments, set_aside};
use crate::numbering::Sequence;
use crate::{MaildropId, MessageId, MessageRecord, StoreError, StoreErrorKind, UserName};

/// Changes in one transaction: enough to be fast, few enough for sled's buffers.
const CHANGES_AT_ONCE: usize = 2_000;

/// What a new index holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Users, each from an owner file.
    pub users: u64,
    /// Maildrops, also those whose user is not known.
    pub maildrops: u64,
    /// Messages.
    pub messages: u64,
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
    let (high_water, complaint) = HighWater::open(
        &options.files,
        &layout.high_water(),
        options.durability == Durability::Full,
    )?;
    if let Some(reason) = complaint {
        (options.events)(&StoreEvent::MarksMissing { reason });
    }
    if layout.index().exists() {
        let moved_to = set_index_aside(&layout, options)?;
        let reason = "a new one was asked for".to_owned();
        (options.events)(&StoreEvent::IndexSetAside { reason, moved_to });
    }
    index_from_files(&layout, options, &high_water)
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

/// Makes the index under another name, and moves it to its place when it is complete.
pub(super) fn index_from_files(
    layout: &Layout,
    options: &SledStoreOptions,
    high_water: &HighWater,
) -> Result<Rebuilt, StoreError> {
    let io = |error| StoreError::io("cannot make a new index", error);
    let folder = layout.index_in_making();
    let index = Index::open(&folder, options.cache_octets, None)?;
    let mut making = Making {
        layout,
        options,
        high_water,
        index: &index,
        changes: Vec::new(),
        names: HashMap::new(),
        rebuilt: Rebuilt::default(),
    };
    let maildrops = layout.maildrops_on_disk().map_err(io)?;
    for id in &maildrops {
        making.add_maildrop(*id)?;
    }
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
    making.changes.extend(high_water.run().map(told_again));
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
    changes: Vec<Change>,
    /// Whose maildrops were met, by name.
    names: HashMap<UserName, MaildropId>,
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
        let mut messages = Vec::new();
        let mut carried = HashSet::new();
        let found = self.layout.messages_on_disk(id).map_err(|error| {
            StoreError::io(format!("cannot list the folder of maildrop {id}"), error)
        })?;
        for message in found {
            let floor = Sequence {
                next: message.0.saturating_add(1),
                first_own: 0,
            };
            row.sequence = row.sequence.or_later(floor);
            match self.read(id, message) {
                Ok((header, stored_octets)) => {
                    if let Some(unique_id) = &header.carried_unique_id
                        && !carried.insert(unique_id.clone())
                    {
                        self.set_aside(id, message, "its unique-id is another's")?;
                        continue;
                    }
                    count_in(&mut row, &header, stored_octets);
                    messages.push(header.into_record(stored_octets));
                }
                Err(error) if tells_nothing_of_the_file(&error) => return Err(error),
                Err(error) => self.set_aside(id, message, &error.to_string())?,
            }
        }
        // Removals left no trace in the files: time is what certainly went on.
        row.revision = row.revision.max(now_micros()).saturating_add(1);
        self.add_owner(id);
        self.put(id, &row, &messages)
    }

    fn put(
        &mut self,
        id: MaildropId,
        row: &MaildropRow,
        messages: &[MessageRecord],
    ) -> Result<(), StoreError> {
        self.rebuilt.maildrops += 1;
        self.rebuilt.messages += row.messages;
        self.rebuilt.exact_octets = self.rebuilt.exact_octets.saturating_add(row.exact_octets);
        self.changes.push(Change::put(
            TreeName::Maildrops,
            maildrop_key(id),
            row.encode(),
        ));
        for change in segments(id, messages) {
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

    fn read(&self, id: MaildropId, message: MessageId) -> Result<(BodyHeader, u64), StoreError> {
        let files: &dyn Files = &*self.options.files;
        let io = |error| {
            StoreError::io(
                format!("cannot read message {message} of maildrop {id}"),
                error,
            )
        };
        let file = files
            .open(&self.layout.body(id, message), false)
            .map_err(io)?;
        let header = read_header(files, &file, id, message)?;
        let stored_octets = occupied_octets(&file.metadata().map_err(io)?, header.facts.octets);
        Ok((header, stored_octets))
    }

    fn set_aside(
        &mut self,
        id: MaildropId,
        message: MessageId,
        reason: &str,
    ) -> Result<(), StoreError> {
        self.rebuilt.set_aside += 1;
        set_aside(self.options, self.layout, id, &message.to_string(), reason)
    }

    /// Of two maildrops of one user the later counts: the other was being removed.
    fn add_owner(&mut self, id: MaildropId) {
        let (unowned, reason) = match owner_file::read(&self.layout.owner(id), id) {
            Ok(user) => {
                let key = user.name.as_str().as_bytes().to_vec();
                self.changes
                    .push(Change::put(TreeName::Users, key, encode_user(&user)));
                let reason = format!("user {} has maildrop {id}", user.name);
                match self.names.insert(user.name, id) {
                    None => {
                        self.rebuilt.users += 1;
                        return;
                    }
                    Some(earlier) => (earlier, reason),
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
}

fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since
        .ok()
        .and_then(|since| u64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}
