//! Message files that the index does not have, after a run that did not end cleanly.
//!
//! A delivery gives its files their names and then commits. If the process ends in between, the
//! files are whole but unclaimed. Nobody was told that they are stored, so the sender will try
//! again; still they are taken in rather than lost: twice is better than never. A batch is taken
//! in wholly or not at all; what is not taken in is set aside, never deleted.

use std::collections::{BTreeMap, HashSet};

use super::Shared;
use super::body_file::{BodyHeader, check_body, read_header};
use super::committer::Purpose;
use super::event::StoreEvent;
use super::index::{Change, TreeName, maildrop_key, segment_key};
use super::layout::Layout;
use super::options::SledStoreOptions;
use super::placed::occupied_octets;
use super::probe::tells_nothing_of_the_file;
use super::record::{JournalEntry, MaildropRow, encode_segment, segment_of};
use crate::numbering::{Sequence, decimal_in};
use crate::{MaildropId, MessageId, MessageRecord, StoreError};

/// Takes unclaimed messages into the row and the list, durably. On an error no message was taken
/// in; the sequence goes on after their numbers all the same.
pub(super) fn take_in(
    shared: &Shared,
    id: MaildropId,
    row: &mut MaildropRow,
    messages: &mut Vec<MessageRecord>,
) -> Result<(), StoreError> {
    let unclaimed = unclaimed(shared, id, messages)?;
    let Some(highest) = unclaimed.last() else {
        return Ok(());
    };
    let floor = Sequence {
        next: highest.0.saturating_add(1),
        first_own: 0,
    };
    row.sequence = row.sequence.or_later(floor);
    let mut taken: HashSet<Box<str>> = messages
        .iter()
        .filter_map(|record| record.carried_unique_id.clone())
        .collect();
    let mut adopted = Vec::new();
    for (_, batch) in read_batches(shared, id, &unclaimed)? {
        let whole = batch
            .iter()
            .all(|(header, _)| header.batch as usize == batch.len());
        let carried = batch
            .iter()
            .filter_map(|(header, _)| header.carried_unique_id.clone());
        let new = carried.clone().all(|unique_id| !taken.contains(&unique_id));
        if whole && new {
            taken.extend(carried);
            adopted.extend(batch);
            continue;
        }
        let reason = if whole {
            "its unique-id is taken"
        } else {
            "its batch is not whole"
        };
        for (header, _) in batch {
            let name = header.message.to_string();
            set_aside(&shared.options, &shared.layout, id, &name, reason)?;
        }
    }
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

/// The files that neither the index nor the journal knows.
fn unclaimed(
    shared: &Shared,
    id: MaildropId,
    messages: &[MessageRecord],
) -> Result<Vec<MessageId>, StoreError> {
    // First, because what is finished afterwards may still be in the list of files.
    let mut pending = HashSet::new();
    for (maildrop, entry) in shared.unfinished().values() {
        match entry {
            JournalEntry::Unlink(removed) | JournalEntry::Keep(removed, _) if *maildrop == id => {
                pending.extend(removed.clone());
            }
            JournalEntry::Unlink(_)
            | JournalEntry::Keep(..)
            | JournalEntry::Forget(_)
            | JournalEntry::Folder
            | JournalEntry::Owner(_) => {}
        }
    }
    let mut found = shared.layout.messages_on_disk(id).map_err(|error| {
        StoreError::io(format!("cannot list the folder of maildrop {id}"), error)
    })?;
    found.retain(|message| {
        let known = messages
            .binary_search_by_key(message, |record| record.id)
            .is_ok();
        !known && !pending.contains(message)
    });
    Ok(found)
}

/// Reads the files, with the octets that they occupy, by the commit that they were written for.
/// What cannot be used is set aside.
///
/// # Errors
/// If nobody can tell at the moment: the next who opens the maildrop looks again.
fn read_batches(
    shared: &Shared,
    id: MaildropId,
    unclaimed: &[MessageId],
) -> Result<BTreeMap<u64, Vec<(BodyHeader, u64)>>, StoreError> {
    let files = &*shared.options.files;
    let mut batches: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for message in unclaimed {
        let read = || {
            let path = shared.layout.body(id, *message);
            let context = || format!("cannot read message {message} of maildrop {id}");
            let io = |error| StoreError::io(context(), error);
            let file = files.open(&path, false).map_err(io)?;
            let header = read_header(files, &file, id, *message)?;
            check_body(files, &file, &header)?;
            let stored_octets = occupied_octets(&file.metadata().map_err(io)?, header.facts.octets);
            Ok::<_, StoreError>((header, stored_octets))
        };
        match read() {
            Ok((header, stored)) => {
                batches
                    .entry(header.revision)
                    .or_default()
                    .push((header, stored));
            }
            Err(error) if tells_nothing_of_the_file(&error) => return Err(error),
            Err(error) => {
                let name = message.to_string();
                // It stays where it is if it cannot be moved.
                let _ = set_aside(
                    &shared.options,
                    &shared.layout,
                    id,
                    &name,
                    &error.to_string(),
                );
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
    let next = header.message.0.saturating_add(1);
    let (next, first_own) = match header.carried_unique_id.as_deref() {
        None => (next, header.message.0),
        Some(carried) => (
            next.max(decimal_in(carried).map_or(0, |decimal| decimal.saturating_add(1))),
            0,
        ),
    };
    row.sequence = row.sequence.or_later(Sequence { next, first_own });
}

/// All segments of a maildrop.
pub(super) fn segments(id: MaildropId, messages: &[MessageRecord]) -> Vec<Change> {
    let segments = messages.chunk_by(|one, two| segment_of(one.id) == segment_of(two.id));
    let put = |records: &[MessageRecord]| {
        let key = segment_key(id, segment_of(records[0].id));
        Change::put(TreeName::Segments, key, encode_segment(records.iter()))
    };
    segments.map(put).collect()
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
