//! The log read after a run that did not end cleanly, and done again: files first, then the index.
//!
//! Doing it again is right however often and however much of it was done before: a message's file
//! is written if it is not as it was, what the journal wants is done if it was not, and the index
//! gets all values in their order. A file is written only where its maildrop still has a folder.
//!
//! The last record can be cut off: nobody was told of it. Where one is missing before the last one,
//! the disk has lost what it had promised: then the records that are there are done again in the
//! files, and the index is made anew from these.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use super::super::files::Files;
use super::super::high_water::LastRun;
use super::super::index::{Change, Index, TreeName, maildrop_in};
use super::super::journal::finish_files;
use super::super::layout::Layout;
use super::super::options::SledStoreOptions;
use super::super::record::{Deletion, JournalEntry, unseal};
use super::SEGMENTS;
use super::record::{ALIGNMENT, HEADER_OCTETS, Part, header, is_whole, parts};
use crate::{MaildropId, MessageId, StoreError, StoreErrorKind};

/// What the last run left in the log.
pub(in super::super) struct Replay {
    files: Arc<dyn Files>,
    segments: Vec<File>,
    /// The records that are needed, in order.
    records: Vec<Found>,
    floor: u64,
    /// What is missing, in a few words.
    damage: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Found {
    sequence: u64,
    floor: u64,
    segment: usize,
    offset: u64,
    /// Without the padding.
    octets: usize,
}

impl Replay {
    /// Finds the records of the last run. After a clean end none is needed; where nobody knows the
    /// run, all that is there is of the run that the first segment begins with, or the second.
    ///
    /// # Errors
    /// `Io` if the log cannot be read.
    pub(in super::super) fn read(
        layout: &Layout,
        options: &SledStoreOptions,
        last: Option<LastRun>,
    ) -> Result<Self, StoreError> {
        let mut replay = Self {
            files: Arc::clone(&options.files),
            segments: Vec::new(),
            records: Vec::new(),
            floor: 0,
            damage: None,
        };
        if last.is_some_and(|last| last.closed) {
            return Ok(replay);
        }
        let io = |error| StoreError::io("cannot read the log", error);
        let mut run = last.map(|last| last.number);
        for number in 0..SEGMENTS {
            match options.files.open(&layout.log_segment(number), false) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                outcome => {
                    replay.segments.push(outcome.map_err(io)?);
                    replay.find(&mut run).map_err(io)?;
                }
            }
        }
        replay.judge();
        Ok(replay)
    }

    /// Looks through the segment that was opened last.
    fn find(&mut self, run: &mut Option<u64>) -> io::Result<()> {
        let segment = self.segments.len() - 1;
        let end = self.segments[segment].metadata()?.len();
        let mut record = Vec::new();
        let mut offset = 0;
        while offset < end {
            let mut octets = ALIGNMENT;
            if let Some((place, length)) = self.header(segment, offset)?
                && *run.get_or_insert(place.run) == place.run
                && offset + length as u64 <= end
            {
                record.resize(length, 0);
                self.fill(segment, offset, &mut record)?;
                if is_whole(&record) {
                    octets = length.next_multiple_of(ALIGNMENT);
                    self.records.push(Found {
                        sequence: place.sequence,
                        floor: place.floor,
                        segment,
                        offset,
                        octets: length,
                    });
                }
            }
            offset += octets as u64;
        }
        Ok(())
    }

    fn header(
        &self,
        segment: usize,
        offset: u64,
    ) -> io::Result<Option<(super::record::Place, usize)>> {
        let mut octets = [0; HEADER_OCTETS];
        self.fill(segment, offset, &mut octets)?;
        Ok(header(&octets))
    }

    /// Reads as much as there is; the rest stays as it is.
    fn fill(&self, segment: usize, offset: u64, octets: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < octets.len() {
            let file = &self.segments[segment];
            let place = offset + filled as u64;
            match self.files.read_at(file, &mut octets[filled..], place)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(())
    }

    /// Leaves the records that are needed, and sees whether all of these are there.
    fn judge(&mut self) {
        self.records.sort_unstable_by_key(|record| record.sequence);
        self.floor = self.records.iter().map(|it| it.floor).max().unwrap_or(0);
        let floor = self.floor;
        self.records.retain(|record| record.sequence >= floor);
        let expected = self.records.iter().zip(floor..);
        let missing = expected
            .into_iter()
            .find(|(record, sequence)| record.sequence != *sequence);
        self.damage = missing.map(|(_, sequence)| format!("its record {sequence} is damaged"));
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The sequence up to which the index has everything already, or it is an older one.
    pub(in super::super) fn floor(&self) -> u64 {
        self.floor
    }

    pub(in super::super) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    fn each(
        &self,
        visit: &mut dyn FnMut(Part<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut record = Vec::new();
        for found in &self.records {
            record.resize(found.octets, 0);
            self.fill(found.segment, found.offset, &mut record)
                .map_err(|error| StoreError::io("cannot read the log", error))?;
            parts(&record, visit).unwrap_or_else(|| {
                let context = format!("record {} of the log is of another form", found.sequence);
                Err(StoreError::new(StoreErrorKind::Corrupt, context))
            })?;
        }
        Ok(())
    }

    /// Has message files be as they were, and does again with them what the journal wanted.
    ///
    /// # Errors
    /// `Io`, `Full`: then nothing is lost, and the next start begins again.
    pub(in super::super) fn redo_files(
        &self,
        layout: &Layout,
        options: &SledStoreOptions,
    ) -> Result<(), StoreError> {
        let files = &*options.files;
        let fates = self.fates()?;
        self.each(&mut |part| match part {
            Part::File(id, message, octets) => match fates.get(&(id, message)) {
                None => restore(files, layout, (id, message), None, octets),
                Some(Fate::Kept(deletion)) => {
                    restore(files, layout, (id, message), Some(deletion), octets)
                }
                Some(Fate::Gone) => Ok(()),
            },
            Part::Change(change) => match journalled(&change) {
                Some((id, entry)) => finish_files(files, layout, id, &entry)
                    .map(drop)
                    .map_err(Into::into),
                None => Ok(()),
            },
        })
    }

    /// What became of messages after they were delivered.
    fn fates(&self) -> Result<HashMap<(MaildropId, MessageId), Fate>, StoreError> {
        let mut fates = HashMap::new();
        self.each(&mut |part| {
            let Part::Change(change) = part else {
                return Ok(());
            };
            match journalled(&change) {
                Some((id, JournalEntry::Unlink(removed))) => {
                    fates.extend(removed.into_iter().map(|it| ((id, it), Fate::Gone)));
                }
                Some((id, JournalEntry::Forget(removed))) => {
                    fates.extend(removed.into_iter().map(|(it, _)| ((id, it), Fate::Gone)));
                }
                Some((id, JournalEntry::Keep(removed, how))) => {
                    let kept = |it| ((id, it), Fate::Kept(how.clone()));
                    fates.extend(removed.into_iter().map(kept));
                }
                Some((_, JournalEntry::Folder | JournalEntry::Owner(_))) | None => {}
            }
            Ok(())
        })?;
        Ok(fates)
    }

    /// Has the index get all that the last run gave it, if that is known. Not durable yet.
    pub(in super::super) fn redo_index(&self, index: &Index) -> Result<(), StoreError> {
        if self.damage.is_some() {
            return Ok(());
        }
        let mut changes = Vec::new();
        self.each(&mut |part| {
            match part {
                Part::File(..) => {}
                Part::Change(change) => changes.push(change),
            }
            if changes.len() < CHANGES_AT_ONCE {
                return Ok(());
            }
            index.apply(&[&std::mem::take(&mut changes)])
        })?;
        index.apply(&[&changes])
    }
}

enum Fate {
    Gone,
    Kept(Deletion),
}

/// Changes in one transaction of the index: sled's buffers are not for more.
const CHANGES_AT_ONCE: usize = 2_000;

fn journalled(change: &Change) -> Option<(MaildropId, JournalEntry)> {
    let value = change.value.as_deref()?;
    if change.tree != TreeName::Journal {
        return None;
    }
    maildrop_in(&change.key).zip(unseal(&change.key, value).and_then(JournalEntry::decode))
}

/// Writes a message's file, unless it is there; one that was deleted so may have its other name.
fn restore(
    files: &dyn Files,
    layout: &Layout,
    (id, message): (MaildropId, MessageId),
    deletion: Option<&Deletion>,
    octets: &[u8],
) -> Result<(), StoreError> {
    let path = layout.body(id, message);
    let act = || {
        let other = deletion.map(|deletion| layout.deleted(id, message, deletion));
        if let Some(other) = other
            && is_there(files, &other, octets)?
        {
            return Ok(());
        }
        if is_there(files, &path, octets)? || !layout.maildrop(id).is_dir() {
            return Ok(());
        }
        // Under a name of its own first: others may have the file that is there.
        let temporary = layout.staging().join("replayed");
        match files.unlink(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = files.create(&temporary)?;
        files.write_at(&file, octets, 0)?;
        files.rename(&temporary, &path)
    };
    act().map_err(|error| {
        let context = format!("cannot write message {message} of maildrop {id} from the log");
        StoreError::io(context, error)
    })
}

fn is_there(files: &dyn Files, path: &std::path::Path, octets: &[u8]) -> io::Result<bool> {
    let file = match files.open(path, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        outcome => outcome?,
    };
    if file.metadata()?.len() != octets.len() as u64 {
        return Ok(false);
    }
    let mut found = vec![0; octets.len()];
    let mut filled = 0;
    while filled < found.len() {
        match files.read_at(&file, &mut found[filled..], filled as u64)? {
            0 => return Ok(false),
            count => filled += count,
        }
    }
    Ok(found == octets)
}
