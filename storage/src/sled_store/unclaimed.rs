//! Message files that the index does not have, after a run that did not end cleanly.
//!
//! A delivery gives its files their names and then commits. If the process ends in between, the
//! files are whole but unclaimed. Nobody was told that they are stored, so the sender will try
//! again; still they are taken in rather than lost: twice is better than never. A batch is taken
//! in wholly or not at all; what is not taken in is set aside, never deleted. Only second names of
//! what is still there go: a body that others have too, and what an undelete made, as long as the
//! deleted messages are there and can be brought back again.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt;

use super::Shared;
use super::body_file::BodyHeader;
use super::changes::segments;
use super::committer::Purpose;
use super::event::StoreEvent;
use super::index::{Change, TreeName, maildrop_key};
use super::journal::unlink_if_there;
use super::layout::{self, Layout};
use super::message_file::{KnownSums, MessageFile};
use super::options::SledStoreOptions;
use super::probe::tells_nothing_of_the_file;
use super::record::{Deletion, JournalEntry, MaildropRow};
use crate::numbering::{Sequence, decimal_in};
use crate::{DeletedRecord, MaildropId, MessageId, MessageRecord, StoreError};

/// Takes unclaimed messages into the row and the list, durably. On an error no message was taken
/// in; the sequence goes on after their numbers all the same.
pub(super) fn take_in(
    shared: &Shared,
    id: MaildropId,
    row: &mut MaildropRow,
    messages: &mut Vec<MessageRecord>,
) -> Result<(), StoreError> {
    let unclaimed = Unclaimed::find(shared, id, messages)?;
    let Some(highest) = unclaimed.highest() else {
        return Ok(());
    };
    let floor = Sequence {
        next: highest.0.saturating_add(1),
        first_own: 0,
    };
    row.sequence = row.sequence.or_later(floor);
    for orphan in &unclaimed.orphans {
        set_orphan_aside(&shared.options, &shared.layout, id, *orphan)?;
    }
    let adopted = adoptable(shared, id, &unclaimed, messages)?;
    if adopted.is_empty() {
        return Ok(());
    }
    let count = adopted.len() as u64;
    let (mut new_row, mut new_messages) = (*row, messages.clone());
    for (header, stored_octets) in adopted {
        count_in(&mut new_row, &header, stored_octets);
        new_messages.push(header.into_record(stored_octets));
    }
    new_row.revision += 1;
    new_messages.sort_unstable_by_key(|record| record.id);
    shared.raise_mark(id, new_row.sequence)?;
    let mut changes = segments(id, &new_messages);
    changes.push(Change::put(
        TreeName::Maildrops,
        maildrop_key(id),
        new_row.encode(),
    ));
    shared.committer.commit(changes, Purpose::Growth)?;
    *row = new_row;
    *messages = new_messages;
    (shared.options.events)(&StoreEvent::Adopted {
        maildrop: id,
        messages: count,
    });
    Ok(())
}

/// The messages of whole batches whose unique-ids are new. The others are set aside, or withdrawn
/// if the messages that they were made of can still be brought back. What was made of messages that
/// were given up since must not come back as live.
fn adoptable(
    shared: &Shared,
    id: MaildropId,
    unclaimed: &Unclaimed,
    messages: &[MessageRecord],
) -> Result<Vec<Found>, StoreError> {
    let mut taken: HashSet<Box<str>> = messages
        .iter()
        .filter_map(|record| record.carried_unique_id.clone())
        .collect();
    let mut adopted = Vec::new();
    for (_, batch) in read_batches(shared, id, &unclaimed.messages)? {
        let made_of = batch
            .iter()
            .filter_map(|(header, _)| header.apart.and_then(|it| it.restored_from));
        let made_of: Vec<MessageId> = made_of.collect();
        let can_come_back = |it: &MessageId| unclaimed.recoverable.contains(it);
        if !made_of.is_empty() && made_of.iter().all(can_come_back) {
            withdraw(shared, id, &batch)?;
            continue;
        }
        let given_up = !made_of.is_empty()
            && !made_of.iter().any(|it| {
                let is_live = messages
                    .binary_search_by_key(it, |record| record.id)
                    .is_ok();
                is_live || unclaimed.deleted.contains(it)
            });
        let whole = batch
            .iter()
            .all(|(header, _)| header.batch as usize == batch.len());
        let carried = batch
            .iter()
            .filter_map(|(header, _)| header.carried_unique_id.clone());
        let new = carried.clone().all(|unique_id| !taken.contains(&unique_id));
        if whole && new && !given_up {
            taken.extend(carried);
            adopted.extend(batch);
            continue;
        }
        let reason = match (whole, new) {
            (false, _) => "its batch is not whole",
            (true, false) => "its unique-id is taken",
            (true, true) => "the deleted message that it was made of was given up",
        };
        for (header, _) in batch {
            let message = header.message;
            set_message_aside(&shared.options, &shared.layout, id, message, None, reason)?;
        }
    }
    Ok(adopted)
}

/// An undelete that was not committed has not happened: nothing is lost with what it made.
fn withdraw(shared: &Shared, id: MaildropId, batch: &[Found]) -> Result<(), StoreError> {
    let files = &*shared.options.files;
    let unlink = || {
        for (header, _) in batch {
            let message = header.message;
            unlink_if_there(files, &shared.layout.body(id, message))?;
            unlink_if_there(files, &shared.layout.body_apart(id, message))?;
        }
        files.sync_folder(&shared.layout.maildrop(id))
    };
    unlink().map_err(|error| {
        let context = format!("cannot take back half an undelete in maildrop {id}");
        StoreError::io(context, error)
    })
}

/// The header of a message, and the octets that it occupies.
type Found = (BodyHeader, u64);

/// The files that neither the index nor the journal knows.
#[derive(Default)]
struct Unclaimed {
    messages: Vec<MessageId>,
    /// Bodies apart of no message.
    orphans: Vec<MessageId>,
    /// The deleted messages that the index knows, if there is anything unclaimed.
    deleted: HashSet<MessageId>,
    /// Those of them whose files are there.
    recoverable: HashSet<MessageId>,
}

impl Unclaimed {
    fn find(
        shared: &Shared,
        id: MaildropId,
        messages: &[MessageRecord],
    ) -> Result<Self, StoreError> {
        // First, because what is finished afterwards may still be in the list of files.
        let pending = pending(shared, id);
        let found = shared.layout.files_on_disk(id).map_err(|error| {
            StoreError::io(format!("cannot list the folder of maildrop {id}"), error)
        })?;
        let unknown = |message: &MessageId| {
            let known = messages.binary_search_by_key(message, |record| record.id);
            known.is_err() && !pending.contains(message)
        };
        let mut unclaimed = Self {
            orphans: found.orphans().filter(unknown).collect(),
            messages: found.messages.iter().copied().filter(unknown).collect(),
            ..Self::default()
        };
        if unclaimed.highest().is_some() {
            let deleted = shared.index()?.deleted(id)?;
            unclaimed.deleted = deleted.iter().map(|record| record.id).collect();
            let is_there = |record: &&DeletedRecord| {
                let key = (record.id, record.revision);
                let place = |(it, how): &(MessageId, Deletion)| (*it, how.revision).cmp(&key);
                found.deleted.binary_search_by(place).is_ok()
            };
            let recoverable = deleted.iter().filter(is_there);
            unclaimed.recoverable = recoverable.map(|record| record.id).collect();
            let Self {
                orphans, deleted, ..
            } = &mut unclaimed;
            orphans.retain(|message| !deleted.contains(message));
        }
        Ok(unclaimed)
    }

    fn highest(&self) -> Option<MessageId> {
        let last = self.messages.last().copied();
        last.max(self.orphans.last().copied())
    }
}

/// The messages whose files the journal will see to.
fn pending(shared: &Shared, id: MaildropId) -> HashSet<MessageId> {
    let mut pending = HashSet::new();
    for (_, entry) in shared.unfinished.of(id) {
        match &entry {
            JournalEntry::Unlink(removed) | JournalEntry::Keep(removed, _) => {
                pending.extend(removed.iter().copied());
            }
            JournalEntry::Forget(deleted) => {
                pending.extend(deleted.iter().map(|(message, _)| *message));
            }
            JournalEntry::Folder | JournalEntry::Owner(_) => {}
        }
    }
    pending
}

/// Reads the files by the commit that they were written for. What cannot be used is set aside.
///
/// # Errors
/// If nobody can tell at the moment: the next who opens the maildrop looks again.
fn read_batches(
    shared: &Shared,
    id: MaildropId,
    unclaimed: &[MessageId],
) -> Result<BTreeMap<u64, Vec<Found>>, StoreError> {
    let Shared {
        options, layout, ..
    } = shared;
    let files = &*options.files;
    let mut batches: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for message in unclaimed {
        let read = || {
            let file = MessageFile::open(files, layout, id, *message, None)?;
            file.check(files, &mut KnownSums::default())?;
            let stored_octets = file.stored_octets();
            Ok::<_, StoreError>((file.header, stored_octets))
        };
        match read() {
            Ok(found) => batches.entry(found.0.revision).or_default().push(found),
            Err(error) if tells_nothing_of_the_file(&error) => return Err(error),
            Err(error) => {
                let reason = error.to_string();
                // It stays where it is if it cannot be moved.
                let _ = set_message_aside(options, layout, id, *message, None, &reason);
            }
        }
    }
    Ok(batches)
}

/// Counts a message that is taken in from its file.
pub(super) fn count_in(row: &mut MaildropRow, header: &BodyHeader, stored_octets: u64) {
    row.messages += 1;
    row.exact_octets = row.exact_octets.saturating_add(header.facts.octets);
    row.stored_octets = row.stored_octets.saturating_add(stored_octets);
    row.revision = row.revision.max(header.revision);
    row.sequence = row.sequence.or_later(given_out(header));
}

/// Where numbers go on after that message.
pub(super) fn given_out(header: &BodyHeader) -> Sequence {
    let next = header.message.0.saturating_add(1);
    match header.carried_unique_id.as_deref().map(decimal_in) {
        None => Sequence {
            next,
            first_own: header.message.0,
        },
        Some(decimal) => Sequence {
            next: next.max(decimal.map_or(0, |decimal| decimal.saturating_add(1))),
            first_own: 0,
        },
    }
}

/// Moves the files of a message, live or deleted so, out of the maildrop's folder.
pub(super) fn set_message_aside(
    options: &SledStoreOptions,
    layout: &Layout,
    id: MaildropId,
    message: MessageId,
    deletion: Option<&Deletion>,
    reason: &str,
) -> Result<(), StoreError> {
    let name = match deletion {
        None => message.to_string(),
        Some(deletion) => layout::deleted_name(message, deletion),
    };
    set_aside(options, layout, id, &name, reason)?;
    if std::fs::symlink_metadata(layout.body_apart(id, message)).is_err() {
        return Ok(());
    }
    set_aside(options, layout, id, &layout::body_name(message), reason)
}

/// Moves the body of a message without a header out of the maildrop's folder, and unlinks it if
/// that is only another name of a body that is elsewhere. Returns whether it was moved.
pub(super) fn set_orphan_aside(
    options: &SledStoreOptions,
    layout: &Layout,
    id: MaildropId,
    orphan: MessageId,
) -> Result<bool, StoreError> {
    let path = layout.body_apart(id, orphan);
    let name = layout::body_name(orphan);
    let io = |error| StoreError::io(format!("cannot see to file {name} of maildrop {id}"), error);
    let metadata = std::fs::symlink_metadata(&path).map_err(io)?;
    if metadata.is_file() && metadata.nlink() > 1 {
        unlink_if_there(&*options.files, &path).map_err(io)?;
        return Ok(false);
    }
    let reason = "the message that it is of has no header";
    set_aside(options, layout, id, &name, reason)?;
    Ok(true)
}

/// Moves a file out of the maildrop's folder, for a person to look at.
pub(super) fn set_aside(
    options: &SledStoreOptions,
    layout: &Layout,
    id: MaildropId,
    name: &str,
    reason: &str,
) -> Result<(), StoreError> {
    let files = &*options.files;
    let moved_to = layout.set_aside_body(id, name);
    let act = || {
        files.create_folder(&layout.set_aside())?;
        files.rename(&layout.maildrop(id).join(name), &moved_to)?;
        files.sync_folder(&layout.set_aside())?;
        files.sync_folder(&layout.maildrop(id))
    };
    act().map_err(|error| {
        StoreError::io(
            format!("cannot set aside file {name} of maildrop {id}"),
            error,
        )
    })?;
    (options.events)(&StoreEvent::BodySetAside {
        maildrop: id,
        name: name.to_owned(),
        reason: reason.to_owned(),
        moved_to,
    });
    Ok(())
}

impl BodyHeader {
    /// What the index keeps of it.
    pub(super) fn into_record(self, stored_octets: u64) -> MessageRecord {
        MessageRecord {
            id: self.message,
            exact_octets: self.facts.octets,
            stored_octets,
            received_secs: self.received_secs,
            carried_unique_id: self.carried_unique_id,
            read: false,
        }
    }
}
