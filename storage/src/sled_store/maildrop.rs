//! An owned maildrop: its live list in memory, its changes file first and index second, its
//! removals index first and files second.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::bodies::SledBodies;
use super::body_file::{BodyHeader, HEADER_OCTETS};
use super::committer::{CommitError, Purpose};
use super::files::Files;
use super::index::{Change, TreeName, journal_key, maildrop_key, segment_key};
use super::record::{JournalEntry, MaildropRow, SEGMENT_BITS, encode_segment, segment_of};
use super::staging::StagedFile;
use super::{Ownership, Shared, unclaimed};
use crate::numbering::Numbering;
use crate::{
    BodySource, Delivery, MaildropId, MessageId, MessageRecord, OwnedMaildrop, StoreError,
    StoreErrorKind,
};

/// Messages in one journal entry: its record stays a few kilobytes.
const JOURNAL_ENTRY_MESSAGES_MAX: usize = 1_000;

pub(super) struct SledMaildrop {
    ownership: Ownership,
    row: MaildropRow,
    numbering: Numbering,
    messages: Vec<MessageRecord>,
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
        let carried = messages
            .iter()
            .filter_map(|record| record.carried_unique_id.as_deref());
        let numbering = Numbering::new(row.sequence, carried);
        Ok(Self {
            ownership,
            row,
            numbering,
            messages,
        })
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.ownership.shared
    }

    /// Files first, index second.
    fn deliver_numbered(
        &mut self,
        batch: Vec<(Delivery, StagedFile, MessageId)>,
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
        for (delivery, staged, message) in batch {
            let header = BodyHeader {
                maildrop: id,
                message,
                facts: staged.facts,
                received_secs: delivery.received_secs,
                revision: row.revision,
                batch: batch_count,
                body_crc: staged.body_crc,
                carried_unique_id: delivery.carried_unique_id,
            };
            let stored_octets = placed.place(staged, &header).map_err(refused)?;
            row.exact_octets = row.exact_octets.saturating_add(header.facts.octets);
            row.stored_octets = row.stored_octets.saturating_add(stored_octets);
            records.push(MessageRecord {
                id: message,
                exact_octets: header.facts.octets,
                stored_octets,
                received_secs: header.received_secs,
                carried_unique_id: header.carried_unique_id,
            });
        }
        placed.sync().map_err(refused)?;
        row.messages += records.len() as u64;
        let mut changes = changes_of_delivery(id, &self.messages, &records);
        changes.push(Change::put(
            TreeName::Maildrops,
            maildrop_key(id),
            row.encode(),
        ));
        match shared.committer.commit(changes, Purpose::Growth) {
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
        Ok(())
    }
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
        let mut batch = Vec::with_capacity(deliveries.len());
        for mut delivery in deliveries {
            // The material moves out; what is left is never looked at.
            let material = std::mem::replace(&mut delivery.material, Box::new(()));
            match material.downcast::<StagedFile>() {
                Ok(staged) if staged.belongs_to(self.shared()) => batch.push((delivery, *staged)),
                Ok(_) | Err(_) => {
                    let context = "the delivery was staged by another store";
                    return Err(StoreError::new(StoreErrorKind::Invalid, context));
                }
            }
        }
        let carried: Vec<Box<str>> = batch
            .iter()
            .filter_map(|(delivery, _)| delivery.carried_unique_id.clone())
            .collect();
        let numbers = self.numbering.admit_all(
            batch
                .iter()
                .map(|(delivery, _)| delivery.carried_unique_id.as_deref()),
        )?;
        // Used from now on, whatever becomes of the delivery.
        self.shared()
            .know_sequence(self.id(), self.numbering.sequence());
        let batch = batch.into_iter().zip(&numbers);
        let batch = batch
            .map(|((delivery, staged), number)| (delivery, staged, *number))
            .collect();
        match self.deliver_numbered(batch) {
            Ok(()) => Ok(numbers),
            Err(error) => {
                self.numbering
                    .forget(carried.iter().map(|unique_id| &**unique_id));
                Err(error.into())
            }
        }
    }

    fn remove(&mut self, messages: &[MessageId]) -> Result<usize, StoreError> {
        self.shared().poison.check()?;
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
        let mut changes = changes_of_removal(id, &kept, &ids);
        changes.push(Change::put(
            TreeName::Maildrops,
            maildrop_key(id),
            row.encode(),
        ));
        let mut entries = Vec::new();
        for (part, ids) in (0..).zip(ids.chunks(JOURNAL_ENTRY_MESSAGES_MAX)) {
            let key = journal_key(id, row.revision, part);
            let entry = JournalEntry::Unlink(ids.to_vec());
            changes.push(Change::put(TreeName::Journal, key.clone(), entry.encode()));
            entries.push((key, id, entry));
        }
        self.shared().committer.commit(changes, Purpose::Removal)?;
        self.row = row;
        self.messages = kept;
        let carried = removed
            .iter()
            .filter_map(|record| record.carried_unique_id.as_deref());
        self.numbering.forget(carried);
        for (key, maildrop, entry) in entries {
            self.shared().finish(key, maildrop, entry);
        }
        Ok(removed.len())
    }
}

/// The segments that get longer.
fn changes_of_delivery(
    id: MaildropId,
    live: &[MessageRecord],
    added: &[MessageRecord],
) -> Vec<Change> {
    let Some(first) = added.first() else {
        return Vec::new();
    };
    let begin = MessageId(segment_of(first.id) << SEGMENT_BITS);
    let from = live.partition_point(|record| record.id < begin);
    let touched: Vec<&MessageRecord> = live[from..].iter().chain(added).collect();
    let segments = touched.chunk_by(|one, two| segment_of(one.id) == segment_of(two.id));
    let put = |records: &[&MessageRecord]| {
        let key = segment_key(id, segment_of(records[0].id));
        Change::put(
            TreeName::Segments,
            key,
            encode_segment(records.iter().copied()),
        )
    };
    segments.map(put).collect()
}

/// The segments that get shorter or go.
fn changes_of_removal(id: MaildropId, kept: &[MessageRecord], gone: &[MessageId]) -> Vec<Change> {
    let segments = gone.chunk_by(|one, two| segment_of(*one) == segment_of(*two));
    let change = |ids: &[MessageId]| {
        let segment = segment_of(ids[0]);
        let from = kept.partition_point(|record| segment_of(record.id) < segment);
        let rest = &kept[from..];
        let rest = &rest[..rest.partition_point(|record| segment_of(record.id) == segment)];
        let key = segment_key(id, segment);
        match rest {
            [] => Change::drop(TreeName::Segments, key),
            rest => Change::put(TreeName::Segments, key, encode_segment(rest.iter())),
        }
    };
    segments.map(change).collect()
}

fn refused(error: StoreError) -> CommitError {
    CommitError::Refused(error)
}

/// Files that have their final names, but no index entry yet. Dropped, they are unlinked.
struct Placed<'a> {
    shared: &'a Shared,
    maildrop: MaildropId,
    paths: Vec<PathBuf>,
}

impl<'a> Placed<'a> {
    fn new(shared: &'a Shared, maildrop: MaildropId) -> Self {
        Self {
            shared,
            maildrop,
            paths: Vec::new(),
        }
    }

    /// Completes a staged file and gives it its name. Returns the octets that it occupies.
    fn place(&mut self, mut staged: StagedFile, header: &BodyHeader) -> Result<u64, StoreError> {
        let files: &dyn Files = &*self.shared.options.files;
        let context = || format!("cannot store a message in maildrop {}", self.maildrop);
        let path = self.shared.layout.body(self.maildrop, header.message);
        let write = || {
            let file = files.open(staged.temporary.path(), true)?;
            files.write_at(&file, &header.encode(), 0)?;
            if self.shared.syncs() {
                files.sync(&file)?;
            }
            let stored_octets = occupied_octets(&file.metadata()?, header.facts.octets);
            files.rename(staged.temporary.path(), &path)?;
            Ok(stored_octets)
        };
        let stored_octets = write().map_err(|error| StoreError::io(context(), error))?;
        staged.temporary.placed();
        self.paths.push(path);
        Ok(stored_octets)
    }

    /// Makes the names durable.
    fn sync(&self) -> Result<(), StoreError> {
        if !self.shared.syncs() {
            return Ok(());
        }
        let folder = self.shared.layout.maildrop(self.maildrop);
        self.shared
            .options
            .files
            .sync_folder(&folder)
            .map_err(|error| {
                let context = format!("cannot store a message in maildrop {}", self.maildrop);
                StoreError::io(context, error)
            })
    }

    fn keep(&mut self) {
        self.paths.clear();
    }
}

impl Drop for Placed<'_> {
    fn drop(&mut self) {
        if self.paths.is_empty() {
            return;
        }
        let files = &self.shared.options.files;
        for path in &self.paths {
            // What stays is found at the next start: see `unclaimed`.
            let _ = files.unlink(path);
        }
        let _ = files.sync_folder(&self.shared.layout.maildrop(self.maildrop));
    }
}

/// What the file occupies (MS-STANXPOP3 2.1.4); on a file system that does not say, its length.
pub(super) fn occupied_octets(metadata: &std::fs::Metadata, body_octets: u64) -> u64 {
    /// The unit of `st_blocks`, whatever the file system's blocks are.
    const UNIT_OCTETS: u64 = 512;
    match metadata.blocks().saturating_mul(UNIT_OCTETS) {
        0 => HEADER_OCTETS.saturating_add(body_octets),
        octets => octets,
    }
}
