//! The log: what is acknowledged is there first, made durable by one sync for all who wait.
//!
//! ```text
//! commit:      record (small files, index changes) appended ─► one fdatasync ─► index ─► `Ok`
//! checkpoint:  what the journal wants done ─► index flushed ─► syncfs ─► fdatasync of the index
//!              ─► the records before it are not needed any more
//! ```
//!
//! There are two segments. Records go to one of them; when it is full, or nobody has committed for
//! a while, they go to the other one, and a checkpoint makes durable in files and index what the
//! first one has. Then its place is used again: the file keeps its blocks, so that a sync of the
//! log makes the file system write no metadata. Where a checkpoint does not keep up, commits wait.
//!
//! A record is written where none that is needed can be: see [`record`]. Reading and doing again
//! is in [`replay`].

mod checkpoint;
mod record;
mod replay;

use std::fs::File;
use std::sync::Arc;

use super::committer::CommitError;
use super::files::Files;
use super::index::Change;
use super::layout::Layout;
use super::options::{Durability, SledStoreOptions};
use crate::{StoreError, StoreErrorKind};

pub(super) use checkpoint::{Background, floor_change, floor_told};
pub(super) use record::LoggedFile;
pub(super) use replay::Replay;

use record::Place;

/// How many octets of zeros are written ahead of the records: one sync in so many octets has to
/// write metadata of the file system too.
const ZEROS_OCTETS: usize = 1 << 20;

const SEGMENTS: usize = 2;

/// The log of one run, for writing. The committer has it.
pub(super) struct Log {
    files: Arc<dyn Files>,
    segments: [Segment; SEGMENTS],
    active: usize,
    /// Octets of the active segment that have records.
    end: u64,
    run: u64,
    /// The sequence of the next record.
    next: u64,
    /// The sequence of the first record of the active segment.
    begun: u64,
    /// The lowest sequence that is needed.
    floor: u64,
    limit: u64,
    sync: bool,
    buffer: Vec<u8>,
}

struct Segment {
    file: File,
    /// Octets that have blocks on the disk.
    octets: u64,
}

/// What goes into one record for one who waits.
pub(super) struct Logged<'a> {
    pub(super) files: &'a [LoggedFile],
    pub(super) changes: &'a [Change],
}

impl Log {
    /// Begins the log of a run. What earlier runs left in it means nothing from here on.
    pub(super) fn begin(
        layout: &Layout,
        options: &SledStoreOptions,
        run: u64,
    ) -> Result<Self, StoreError> {
        let files = &options.files;
        let folder = layout.log();
        let open = |number: usize| -> std::io::Result<Segment> {
            let path = layout.log_segment(number);
            let file = match files.open(&path, true) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => files.create(&path),
                outcome => outcome,
            }?;
            let octets = file.metadata()?.len();
            Ok(Segment { file, octets })
        };
        let open = || -> std::io::Result<_> {
            files.create_folder(&folder)?;
            let segments = [open(0)?, open(1)?];
            files.sync_folder(&folder)?;
            files.sync_folder(layout.root())?;
            Ok(segments)
        };
        let segments = open().map_err(|error| StoreError::io("cannot open the log", error))?;
        Ok(Self {
            files: Arc::clone(files),
            segments,
            active: 0,
            end: 0,
            run,
            next: 1,
            begun: 1,
            floor: 1,
            limit: options.log_octets,
            sync: options.durability == Durability::Full,
            buffer: Vec::new(),
        })
    }

    /// Whether the active segment has anything.
    pub(super) fn has_records(&self) -> bool {
        self.end > 0
    }

    /// Whether the active segment has no room for more.
    pub(super) fn is_full(&self) -> bool {
        self.end >= self.limit
    }

    /// The sequence from which on records are needed once the other segment is free.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Makes one record durable.
    pub(super) fn append(&mut self, commits: &[Logged<'_>]) -> Result<(), CommitError> {
        record::begin(&mut self.buffer);
        for commit in commits {
            for file in commit.files {
                record::put_file(&mut self.buffer, file);
            }
            for change in commit.changes {
                record::put_change(&mut self.buffer, change);
            }
        }
        self.write()
    }

    /// Goes on in the other segment, whose records are not needed any more. Returns the sequence
    /// up to which a checkpoint may now give this one's place free.
    pub(super) fn turn(&mut self) -> Result<u64, CommitError> {
        // Before the first record there goes over an old one: the old ones are not needed.
        self.floor = self.begun;
        record::begin(&mut self.buffer);
        self.write()?;
        self.active = (self.active + 1) % SEGMENTS;
        self.end = 0;
        self.begun = self.next;
        Ok(self.begun)
    }

    fn write(&mut self) -> Result<(), CommitError> {
        let place = Place {
            run: self.run,
            sequence: self.next,
            floor: self.floor,
        };
        record::end(&mut self.buffer, place);
        let end = self.end + self.buffer.len() as u64;
        let segment = &mut self.segments[self.active];
        let mut write = || {
            if end > segment.octets {
                let zeros = vec![0; ZEROS_OCTETS.max(self.buffer.len())];
                self.files.write_at(&segment.file, &zeros, segment.octets)?;
                segment.octets += zeros.len() as u64;
            }
            self.files.write_at(&segment.file, &self.buffer, self.end)
        };
        write().map_err(not_appended)?;
        if self.sync {
            self.files.sync(&segment.file).map_err(|error| {
                CommitError::Unknown(StoreError::io("cannot make the log durable", error))
            })?;
        }
        self.end = end;
        self.next += 1;
        Ok(())
    }
}

/// What did not fit is not in the log, and the next record goes over it. After any other failure
/// nobody knows what the disk still does.
fn not_appended(error: std::io::Error) -> CommitError {
    let error = StoreError::io("cannot write the log", error);
    match error.kind() {
        StoreErrorKind::Full => CommitError::Refused(error),
        _ => CommitError::Unknown(error),
    }
}
