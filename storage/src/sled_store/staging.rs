//! Messages on their way in: octets in memory, and from some size on a temporary file that becomes
//! the message's file, or vanishes.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Shared;
use super::body_file::{HEADER_OCTETS, HEADER_SIZE};
use super::shared_body::{Content, Material, SHARED_OCTETS_MIN, SledShared};
use crate::body::normalise::Normaliser;
use crate::numbering::check_unique_id;
use crate::{BodyFacts, Delivery, SharedBody, StagedBody, Staging, StoreError, StoreErrorKind};

/// Octets collected before they are written: few calls for a large message, none for most.
const BUFFER_OCTETS: usize = 64 * 1024;

/// Octets normalised at a time, so that the buffer stays within twice its size.
const PUSH_OCTETS: usize = 16 * 1024;

/// From this size on a message is synced when it ends, so that its delivery is short; below, the
/// sync of the delivery is enough.
const EARLY_SYNC_OCTETS: u64 = 256 * 1024;

/// A file in the staging folder. Dropped, it is unlinked, unless it was placed.
pub(super) struct TemporaryFile {
    shared: Arc<Shared>,
    number: u64,
    path: PathBuf,
    placed: bool,
}

impl TemporaryFile {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let number = shared.staged.fetch_add(1, Ordering::Relaxed);
        let path = shared.layout.staging().join(number.to_string());
        shared.staging_names().insert(number);
        Self {
            shared: Arc::clone(shared),
            number,
            path,
            placed: false,
        }
    }

    pub(super) fn belongs_to(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// It has another name now.
    pub(super) fn placed(&mut self) {
        self.placed = true;
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.placed {
            // What cannot be unlinked now is found by housekeeping, or emptied at the next start.
            let _ = self.shared.options.files.unlink(&self.path);
        }
        self.shared.staging_names().remove(&self.number);
    }
}

/// A complete body that waits for its header and its name.
pub(super) struct StagedFile {
    pub(super) temporary: TemporaryFile,
    pub(super) facts: BodyFacts,
    pub(super) body_crc: u32,
}

/// The same of a message that has no file yet.
pub(super) struct StagedSmall {
    pub(super) shared: Arc<Shared>,
    /// Room for the header, and the body.
    pub(super) octets: Vec<u8>,
    pub(super) facts: BodyFacts,
    pub(super) body_crc: u32,
}

pub(super) fn stage(
    shared: &Arc<Shared>,
    staging: Staging,
) -> Result<Box<dyn StagedBody>, StoreError> {
    shared.poison.check()?;
    drop(shared.index()?);
    if let Some(unique_id) = &staging.carried_unique_id {
        check_unique_id(unique_id)?;
    }
    Ok(Box::new(SledStaged {
        shared: Arc::clone(shared),
        file: None,
        staging,
        normaliser: Normaliser::new(),
        buffer: vec![0; HEADER_SIZE],
        written: 0,
        taken: 0,
        sum: crc32fast::Hasher::new(),
        failed: None,
    }))
}

struct SledStaged {
    shared: Arc<Shared>,
    /// None before anything was written.
    file: Option<(TemporaryFile, File)>,
    staging: Staging,
    normaliser: Normaliser,
    /// What was not written yet; before anything was, with room for the header.
    buffer: Vec<u8>,
    /// Octets of the body that are in the file.
    written: u64,
    /// Octets as they were received.
    taken: u64,
    sum: crc32fast::Hasher,
    /// The first failure: nothing is accepted after it.
    failed: Option<(StoreErrorKind, String)>,
}

impl SledStaged {
    fn check(&self) -> Result<(), StoreError> {
        match &self.failed {
            None => Ok(()),
            Some((kind, context)) => Err(StoreError::new(*kind, context.clone())),
        }
    }

    fn fail(&mut self, error: &StoreError) {
        self.failed.get_or_insert((error.kind(), error.to_string()));
    }

    fn take(&mut self, input: &[u8]) -> Result<(), StoreError> {
        self.check()?;
        self.taken += input.len() as u64;
        if let Some(max) = self.staging.octets_max.filter(|max| self.taken > *max) {
            let context = format!("the message has more than the {max} octets that are accepted");
            return Err(StoreError::new(StoreErrorKind::Invalid, context));
        }
        for part in input.chunks(PUSH_OCTETS) {
            self.normaliser.push(part, &mut self.buffer);
            if self.buffer.len() >= BUFFER_OCTETS {
                self.check_room()?;
                self.write_out()?;
            }
        }
        Ok(())
    }

    /// A large message must not use up what is kept free for the index.
    fn check_room(&self) -> Result<(), StoreError> {
        let Shared {
            options, layout, ..
        } = &*self.shared;
        let free = options
            .files
            .free_octets(&layout.staging())
            .map_err(|error| StoreError::io("cannot see how much room there is", error))?;
        let needed = options
            .reserve_octets
            .saturating_add(self.buffer.len() as u64);
        if free >= needed {
            return Ok(());
        }
        let reserve = options.reserve_octets;
        let context =
            format!("the device is full: {free} octets are free, {reserve} are kept in reserve");
        Err(StoreError::new(StoreErrorKind::Full, context))
    }

    fn write_out(&mut self) -> Result<(), StoreError> {
        let files = &self.shared.options.files;
        let store = |error| StoreError::io("cannot store the message", error);
        let (offset, header, file) = match &self.file {
            Some((_, file)) => (HEADER_OCTETS + self.written, 0, file),
            None => {
                let temporary = TemporaryFile::new(&self.shared);
                let file = files.create(&temporary.path).map_err(store)?;
                let (_, file) = self.file.insert((temporary, file));
                (0, HEADER_SIZE, &*file)
            }
        };
        files.write_at(file, &self.buffer, offset).map_err(store)?;
        let body = &self.buffer[header..];
        self.sum.update(body);
        self.written += body.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the rest, and makes all of it durable if it is not worth waiting with that.
    fn end(&mut self, sync_octets_min: u64) -> Result<(), StoreError> {
        self.write_out()?;
        if self.written >= sync_octets_min
            && self.shared.syncs()
            && let Some((_, file)) = &self.file
        {
            let synced = self.shared.options.files.sync(file);
            synced.map_err(|error| StoreError::io("cannot make the message durable", error))?;
        }
        Ok(())
    }
}

impl SledStaged {
    fn facts(&self) -> BodyFacts {
        BodyFacts {
            octets: self.normaliser.octets(),
            header_octets: self.normaliser.header_octets(),
            dot_lines: self.normaliser.dot_lines(),
        }
    }
}

impl Write for SledStaged {
    fn write(&mut self, input: &[u8]) -> io::Result<usize> {
        match self.take(input) {
            Ok(()) => Ok(input.len()),
            Err(error) => {
                self.fail(&error);
                let full = error.kind() == StoreErrorKind::Full;
                let kind = if full {
                    io::ErrorKind::StorageFull
                } else {
                    io::ErrorKind::Other
                };
                Err(io::Error::new(kind, error))
            }
        }
    }

    /// Nothing is visible before the end, so there is nothing to hurry.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StagedBody for SledStaged {
    fn finish(mut self: Box<Self>) -> Result<Delivery, StoreError> {
        self.check()?;
        self.normaliser.finish(&mut self.buffer);
        if self.file.is_some() {
            self.end(EARLY_SYNC_OCTETS)?;
        }
        let facts = self.facts();
        let Self {
            shared,
            file,
            staging,
            buffer,
            sum,
            ..
        } = *self;
        let material = match file {
            Some((temporary, _)) => Material::Whole(StagedFile {
                temporary,
                facts,
                body_crc: sum.finalize(),
            }),
            None => Material::Small(StagedSmall {
                shared,
                body_crc: crc32fast::hash(&buffer[HEADER_SIZE..]),
                octets: buffer,
                facts,
            }),
        };
        Ok(Delivery {
            facts,
            received_secs: staging.received_secs.unwrap_or_else(now_secs),
            carried_unique_id: staging.carried_unique_id,
            material: Box::new(material),
        })
    }

    fn finish_shared(mut self: Box<Self>) -> Result<Box<dyn SharedBody>, StoreError> {
        self.check()?;
        self.normaliser.finish(&mut self.buffer);
        let facts = self.facts();
        if facts.octets >= SHARED_OCTETS_MIN {
            // Synced once, for all who get it.
            self.end(0)?;
        }
        let Self {
            shared,
            file,
            staging,
            mut buffer,
            sum,
            ..
        } = *self;
        let content = match file {
            Some((temporary, _)) => Content::Large(Arc::new(temporary), sum.finalize()),
            None => {
                buffer.drain(..HEADER_SIZE);
                Content::Small(shared, buffer.into_boxed_slice())
            }
        };
        Ok(Box::new(SledShared {
            content,
            facts,
            received_secs: staging.received_secs.unwrap_or_else(now_secs),
            carried_unique_id: staging.carried_unique_id,
        }))
    }
}

/// Seconds since 1970-01-01 UTC.
pub(super) fn now_secs() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
