//! An owned maildrop: its live list in memory, its changes file first, log and index second, its
//! removals log and index first and files second.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::arrival::Arrival;
use super::bodies::SledBodies;
use super::body_file::BodyHeader;
use super::changes::{changes_of_deleted, changes_of_delivery, changes_of_segments};
use super::committer::{Commit, CommitError, Purpose};
use super::index::{Change, TreeName, journal_key, maildrop_key};
use super::placed::Placed;
use super::record::{Deletion, JournalEntry, MaildropRow};
use super::{Ownership, Shared, unclaimed};
use crate::numbering::Numbering;
use crate::{
    BodySource, DeletedRecord, Delivery, MaildropId, MessageId, MessageRecord, OwnedMaildrop,
    Purged, Removal, StoreError, StoreErrorKind, Usage,
};

/// Messages in one journal entry: its record stays a few kilobytes.
const JOURNAL_ENTRY_MESSAGES_MAX: usize = 1_000;
/// The same for deleted messages, each of which has its own name in the entry.
const FORGET_ENTRY_MESSAGES_MAX: usize = 100;
/// Messages that a purge gives up in one commit: all other maildrops wait for each commit.
const PURGE_COMMIT_MESSAGES_MAX: usize = 1_000;

pub(super) struct SledMaildrop {
    ownership: Ownership,
    row: MaildropRow,
    numbering: Numbering,
    messages: Vec<MessageRecord>,
    /// Whether the numbering knows the carried unique-ids of the deleted messages, too.
    knows_deleted: bool,
}

impl SledMaildrop {
    /// Reads the maildrop that was just taken.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt`, `Io`.
    pub(super) fn open(ownership: Ownership) -> Result<Self, StoreError> {
        let id = ownership.maildrop;
        let index = ownership.shared.index()?;
        let Some(mut row) = index.maildrop_row(id)? else {
            let context = format!("there is no maildrop {id}");
            return Err(StoreError::new(StoreErrorKind::NotFound, context));
        };
        let mut messages = index.messages(id)?;
        if messages.len() as u64 != row.messages {
            let context = format!(
                "the index of maildrop {id} is damaged: {} messages instead of {}",
                messages.len(),
                row.messages
            );
            return Err(StoreError::new(StoreErrorKind::Corrupt, context));
        }
        drop(index);
        let shared = &ownership.shared;
        match shared.known_sequence(id) {
            Some(known) => row.sequence = row.sequence.or_later(known),
            None => {
                if let Some(mark) = shared.high_water().mark(id) {
                    row.sequence = row.sequence.or_later(mark);
                }
                if shared.unclean {
                    let outcome = unclaimed::take_in(shared, id, &mut row, &mut messages);
                    shared.put_off.fetch_or(outcome.is_err(), Ordering::Relaxed);
                    match outcome {
                        // What is there can be read and removed; the rest waits for room.
                        Err(error) if error.kind() == StoreErrorKind::Full => {}
                        outcome => outcome?,
                    }
                }
                shared.know_sequence(id, row.sequence);
            }
        }
        let numbering = Numbering::new(row.sequence, carried_by(&messages));
        Ok(Self {
            ownership,
            row,
            numbering,
            messages,
            knows_deleted: false,
        })
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.ownership.shared
    }

    /// Has the carried unique-ids of deleted messages be taken. Only who carries one looks: what
    /// was deleted costs nobody else anything.
    fn know_deleted(&mut self) -> Result<(), StoreError> {
        if !self.knows_deleted && self.row.deleted > 0 {
            let deleted = self.deleted()?;
            let carried = deleted.iter();
            let carried = carried.filter_map(|record| record.carried_unique_id.as_deref());
            self.numbering.keep_taken(carried);
        }
        self.knows_deleted = true;
        Ok(())
    }

    /// The carried unique-ids of these are free, unless a live message has one.
    fn free_unique_ids(&mut self, gone: &[DeletedRecord]) {
        if gone.iter().any(|record| record.carried_unique_id.is_some()) {
            self.numbering.take_only(carried_by(&self.messages));
            self.knows_deleted = false;
        }
    }

    /// Numbers are used from here on, whatever becomes of the messages.
    fn admit<'a>(
        &mut self,
        carried: impl Iterator<Item = Option<&'a str>>,
    ) -> Result<Vec<MessageId>, StoreError> {
        let numbers = self.numbering.admit_all(carried)?;
        self.shared()
            .know_sequence(self.ownership.maildrop, self.numbering.sequence());
        Ok(numbers)
    }

    /// Files first, then the log with those that are not durable, then the index. Deleted messages of which the new ones are made go with them.
    fn take_in(
        &mut self,
        batch: Vec<(Arrival, MessageId)>,
        replaced: &[DeletedRecord],
    ) -> Result<(), CommitError> {
        let shared = Arc::clone(self.shared());
        let id = self.ownership.maildrop;
        shared.raise_mark(id, self.numbering.sequence())?;
        let mut row = self.row;
        row.sequence = self.numbering.sequence();
        row.revision += 1;
        let mut placed = Placed::new(&shared, id);
        let mut records = Vec::with_capacity(batch.len());
        let batch_count = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        for (arrival, message) in batch {
            let header = BodyHeader {
                maildrop: id,
                message,
                facts: arrival.material.facts(),
                received_secs: arrival.received_secs,
                revision: row.revision,
                batch: batch_count,
                body_crc: arrival.material.body_crc(),
                carried_unique_id: arrival.carried_unique_id,
                apart: arrival.material.apart(),
            };
            let stored_octets = placed.place(arrival.material, &header).map_err(refused)?;
            row.exact_octets = row.exact_octets.saturating_add(header.facts.octets);
            row.stored_octets = row.stored_octets.saturating_add(stored_octets);
            records.push(header.into_record(stored_octets));
        }
        placed.sync().map_err(refused)?;
        row.messages += records.len() as u64;
        let mut changes = changes_of_delivery(id, &self.messages, &records);
        let entries = self
            .forget(replaced, &mut row, &mut changes)
            .map_err(refused)?;
        changes.push(put_row(id, &row));
        let commit = Commit {
            changes,
            files: placed.take_logged(),
            entries: Vec::new(),
            purpose: Purpose::Growth,
        };
        match shared.committer.commit_all(commit) {
            Ok(()) => {}
            Err(refused @ CommitError::Refused(_)) => return Err(refused),
            Err(unknown @ CommitError::Unknown(_)) => {
                // The index may have the messages: their files must stay.
                placed.keep();
                return Err(unknown);
            }
        }
        placed.keep();
        self.row = row;
        self.messages.append(&mut records);
        self.finish(entries);
        Ok(())
    }

    fn give_up(&mut self, gone: &[DeletedRecord]) -> Result<(), StoreError> {
        let mut row = self.row;
        row.revision += 1;
        row.sequence = self.numbering.sequence();
        let mut changes = Vec::new();
        let entries = self.forget(gone, &mut row, &mut changes)?;
        changes.push(put_row(self.ownership.maildrop, &row));
        self.shared().committer.commit(changes, Purpose::Removal)?;
        self.row = row;
        self.finish(entries);
        Ok(())
    }

    /// Adds the changes by which deleted messages go for good. Returns what is to be done after
    /// the commit.
    fn forget(
        &self,
        gone: &[DeletedRecord],
        row: &mut MaildropRow,
        changes: &mut Vec<Change>,
    ) -> Result<Vec<Entry>, StoreError> {
        let id = self.ownership.maildrop;
        let ids: Vec<MessageId> = gone.iter().map(|record| record.id).collect();
        let index = self.shared().index()?;
        changes.extend(changes_of_deleted(&index, id, &[], &ids)?);
        for record in gone {
            row.deleted = row.deleted.saturating_sub(1);
            row.deleted_octets = row.deleted_octets.saturating_sub(record.stored_octets);
        }
        let forget = |records: &[DeletedRecord]| {
            let files = records.iter().map(|it| (it.id, Deletion::of(it)));
            JournalEntry::Forget(files.collect())
        };
        let entries = gone.chunks(FORGET_ENTRY_MESSAGES_MAX).map(forget);
        Ok(journalled(id, row.revision, entries, changes))
    }

    /// The journal has them: what cannot be done now is done later.
    fn finish(&self, entries: Vec<Entry>) {
        for (key, entry) in entries {
            self.shared().finish(key, self.ownership.maildrop, entry);
        }
    }
}

/// The key of a journal entry, and the entry.
type Entry = (Vec<u8>, JournalEntry);

fn journalled(
    id: MaildropId,
    revision: u64,
    entries: impl Iterator<Item = JournalEntry>,
    changes: &mut Vec<Change>,
) -> Vec<Entry> {
    let keyed = (0..)
        .zip(entries)
        .map(|(part, entry)| (journal_key(id, revision, part), entry));
    let entries: Vec<Entry> = keyed.collect();
    let put = |(key, entry): &Entry| Change::put(TreeName::Journal, key.clone(), entry.encode());
    changes.extend(entries.iter().map(put));
    entries
}

fn put_row(id: MaildropId, row: &MaildropRow) -> Change {
    Change::put(TreeName::Maildrops, maildrop_key(id), row.encode())
}

impl OwnedMaildrop for SledMaildrop {
    fn id(&self) -> MaildropId {
        self.ownership.maildrop
    }

    fn revision(&self) -> u64 {
        self.row.revision
    }

    fn messages(&self) -> &[MessageRecord] {
        &self.messages
    }

    fn bodies(&self) -> Arc<dyn BodySource> {
        Arc::new(SledBodies {
            shared: Arc::clone(self.shared()),
            maildrop: self.id(),
        })
    }

    fn deliver(&mut self, deliveries: Vec<Delivery>) -> Result<Vec<MessageId>, StoreError> {
        self.shared().poison.check()?;
        if deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let mut arrivals = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            arrivals.push(Arrival::delivered(self.shared(), delivery)?);
        }
        let carried: Vec<Option<Box<str>>> = arrivals
            .iter()
            .map(|arrival| arrival.carried_unique_id.clone())
            .collect();
        if carried.iter().any(Option::is_some) {
            self.know_deleted()?;
        }
        let numbers = self.admit(carried.iter().map(Option::as_deref))?;
        let batch = arrivals.into_iter().zip(numbers.iter().copied()).collect();
        match self.take_in(batch, &[]) {
            Ok(()) => Ok(numbers),
            Err(error) => {
                let carried = carried.iter().flatten();
                self.numbering
                    .take_back(carried.map(|unique_id| &**unique_id));
                Err(error.into())
            }
        }
    }

    fn remove(&mut self, messages: &[MessageId], removal: &Removal) -> Result<usize, StoreError> {
        self.shared().poison.check()?;
        removal.check()?;
        let mut wanted = messages.to_vec();
        wanted.sort_unstable();
        let (removed, kept): (Vec<MessageRecord>, Vec<MessageRecord>) = self
            .messages
            .iter()
            .cloned()
            .partition(|it| wanted.binary_search(&it.id).is_ok());
        if removed.is_empty() {
            return Ok(0);
        }
        let id = self.id();
        let mut row = self.row;
        row.revision += 1;
        row.sequence = self.numbering.sequence();
        row.messages = kept.len() as u64;
        for record in &removed {
            row.exact_octets = row.exact_octets.saturating_sub(record.exact_octets);
            row.stored_octets = row.stored_octets.saturating_sub(record.stored_octets);
        }
        let ids: Vec<MessageId> = removed.iter().map(|record| record.id).collect();
        let carried: Vec<Box<str>> = removed
            .iter()
            .filter_map(|record| record.carried_unique_id.clone())
            .collect();
        let count = removed.len();
        let mut changes = changes_of_segments(id, &kept, &ids);
        if removal.keep {
            let into_deleted = |it: MessageRecord| it.into_deleted(row.revision, removal);
            let deleted: Vec<_> = removed.into_iter().map(into_deleted).collect();
            let index = self.shared().index()?;
            changes.extend(changes_of_deleted(&index, id, &deleted, &[])?);
            for record in &deleted {
                row.deleted += 1;
                row.deleted_octets = row.deleted_octets.saturating_add(record.stored_octets);
            }
        }
        let entry = |ids: &[MessageId]| match removal.keep {
            true => JournalEntry::Keep(ids.to_vec(), Deletion::by(removal, row.revision)),
            false => JournalEntry::Unlink(ids.to_vec()),
        };
        let entries = ids.chunks(JOURNAL_ENTRY_MESSAGES_MAX).map(entry);
        let entries = journalled(id, row.revision, entries, &mut changes);
        changes.push(put_row(id, &row));
        let entries = entries.into_iter();
        let commit = Commit {
            changes,
            files: Vec::new(),
            // The log has them: nobody waits until the files have their other names.
            entries: entries.map(|(key, entry)| (key, id, entry)).collect(),
            purpose: Purpose::Removal,
        };
        self.shared().committer.commit_all(commit)?;
        self.row = row;
        self.messages = kept;
        if !removal.keep {
            self.numbering
                .forget(carried.iter().map(|unique_id| &**unique_id));
        }
        Ok(count)
    }

    fn deleted(&self) -> Result<Vec<DeletedRecord>, StoreError> {
        self.shared().index()?.deleted(self.id())
    }

    fn undelete(
        &mut self,
        ids: &[MessageId],
        at_secs: u64,
    ) -> Result<Vec<(MessageId, MessageId)>, StoreError> {
        self.shared().poison.check()?;
        let mut wanted = ids.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let mut replaced = self.deleted()?;
        replaced.retain(|record| wanted.binary_search(&record.id).is_ok());
        let found = |id: &&MessageId| replaced.binary_search_by_key(*id, |it| it.id).is_err();
        if let Some(missing) = wanted.iter().find(found) {
            let context = format!("there is no deleted message {missing} to be brought back");
            return Err(StoreError::new(StoreErrorKind::Gone, context));
        }
        if replaced.is_empty() {
            return Ok(Vec::new());
        }
        let shared = self.shared();
        // Their files may not have their other names yet.
        shared.settle(self.id());
        let restore = |record| Arrival::restored(shared, self.id(), record, at_secs);
        let arrivals = replaced.iter().map(restore);
        let arrivals: Vec<Arrival> = arrivals.collect::<Result<_, _>>()?;
        let numbers = self.admit(arrivals.iter().map(|_| None))?;
        let batch = arrivals.into_iter().zip(numbers.iter().copied()).collect();
        self.take_in(batch, &replaced)?;
        self.free_unique_ids(&replaced);
        Ok(wanted.into_iter().zip(numbers).collect())
    }

    fn purge(&mut self, deleted_before_secs: u64) -> Result<Purged, StoreError> {
        self.shared().poison.check()?;
        if self.row.deleted == 0 {
            return Ok(Purged::default());
        }
        let mut gone = self.deleted()?;
        gone.retain(|record| record.deleted_secs < deleted_before_secs);
        for some in gone.chunks(PURGE_COMMIT_MESSAGES_MAX) {
            self.give_up(some)?;
        }
        self.free_unique_ids(&gone);
        Ok(Purged {
            messages: gone.len() as u64,
            stored_octets: gone.iter().map(|record| record.stored_octets).sum(),
        })
    }

    fn mark_read(&mut self, ids: &[MessageId]) -> Result<usize, StoreError> {
        self.shared().poison.check()?;
        let mut news = ids.to_vec();
        news.sort_unstable();
        news.dedup();
        let place = |id: &MessageId| self.messages.binary_search_by_key(id, |it| it.id).ok();
        let mut places: Vec<usize> = news.iter().filter_map(place).collect();
        places.retain(|place| !self.messages[*place].read);
        if places.is_empty() {
            return Ok(0);
        }
        let ids: Vec<MessageId> = places.iter().map(|it| self.messages[*it].id).collect();
        for place in &places {
            self.messages[*place].read = true;
        }
        let changes = changes_of_segments(self.id(), &self.messages, &ids);
        let outcome = self.shared().committer.commit(changes, Purpose::Removal);
        if let Err(error) = outcome {
            for place in places {
                self.messages[place].read = false;
            }
            return Err(error.into());
        }
        Ok(ids.len())
    }

    fn usage(&self) -> Usage {
        Usage {
            messages: self.row.messages,
            exact_octets: self.row.exact_octets,
            stored_octets: self.row.stored_octets,
        }
    }

    fn quota_warned(&self) -> bool {
        self.row.quota_warned
    }

    fn set_quota_warned(&mut self, warned: bool) -> Result<(), StoreError> {
        self.shared().poison.check()?;
        if self.row.quota_warned == warned {
            return Ok(());
        }
        let mut row = self.row;
        row.quota_warned = warned;
        let changes = vec![put_row(self.id(), &row)];
        self.shared().committer.commit(changes, Purpose::Removal)?;
        self.row = row;
        Ok(())
    }
}

fn carried_by(messages: &[MessageRecord]) -> impl Iterator<Item = &str> {
    messages
        .iter()
        .filter_map(|record| record.carried_unique_id.as_deref())
}

fn refused(error: StoreError) -> CommitError {
    CommitError::Refused(error)
}
