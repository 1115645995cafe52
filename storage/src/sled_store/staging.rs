//! Messages on their way in: a temporary file that becomes the message's file, or vanishes.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Shared;
use super::body_file::HEADER_OCTETS;
use super::shared_body::{Content, Material, SHARED_OCTETS_MIN, SledShared};
use crate::body::normalise::Normaliser;
use crate::numbering::check_unique_id;
use crate::{BodyFacts, Delivery, SharedBody, StagedBody, Staging, StoreError, StoreErrorKind};

/// Octets collected before they are written: few calls for a large message, one for most.
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

pub(super) fn stage(
    shared: &Arc<Shared>,
    staging: Staging,
) -> Result<Box<dyn StagedBody>, StoreError> {
    shared.poison.check()?;
    drop(shared.index()?);
    if let Some(unique_id) = &staging.carried_unique_id {
        check_unique_id(unique_id)?;
    }
    let temporary = TemporaryFile::new(shared);
    let file = shared
        .options
        .files
        .create(&temporary.path)
        .map_err(|error| StoreError::io("cannot begin to take in a message", error))?;
    Ok(Box::new(SledStaged {
        temporary,
        file,
        staging,
        normaliser: Normaliser::new(),
        buffer: Vec::new(),
        written: 0,
        taken: 0,
        sum: crc32fast::Hasher::new(),
        failed: None,
    }))
}

struct SledStaged {
    temporary: TemporaryFile,
    file: File,
    staging: Staging,
    normaliser: Normaliser,
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
        } = &*self.temporary.shared;
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
        let offset = HEADER_OCTETS + self.written;
        let files = &self.temporary.shared.options.files;
        files
            .write_at(&self.file, &self.buffer, offset)
            .map_err(|error| StoreError::io("cannot store the message", error))?;
        self.sum.update(&self.buffer);
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn end(&mut self) -> Result<(), StoreError> {
        self.check()?;
        self.normaliser.finish(&mut self.buffer);
        self.write_out()?;
        let shared = &self.temporary.shared;
        if self.written >= EARLY_SYNC_OCTETS && shared.syncs() {
            let synced = shared.options.files.sync(&self.file);
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
        self.end()?;
        let facts = self.facts();
        let Self {
            temporary,
            staging,
            sum,
            ..
        } = *self;
        Ok(Delivery {
            facts,
            received_secs: staging.received_secs.unwrap_or_else(now_secs),
            carried_unique_id: staging.carried_unique_id,
            material: Box::new(Material::Whole(StagedFile {
                temporary,
                facts,
                body_crc: sum.finalize(),
            })),
        })
    }

    fn finish_shared(mut self: Box<Self>) -> Result<Box<dyn SharedBody>, StoreError> {
        self.check()?;
        self.normaliser.finish(&mut self.buffer);
        let facts = self.facts();
        let is_small = facts.octets < SHARED_OCTETS_MIN;
        if !is_small {
            self.write_out()?;
            let shared = &self.temporary.shared;
            if shared.syncs() {
                // Once, for all who get it.
                let synced = shared.options.files.sync(&self.file);
                synced.map_err(|error| StoreError::io("cannot make the message durable", error))?;
            }
        }
        let Self {
            temporary,
            staging,
            buffer,
            sum,
            ..
        } = *self;
        let content = if is_small {
            Content::Small(Arc::clone(&temporary.shared), buffer.into_boxed_slice())
        } else {
            Content::Large(Arc::new(temporary), sum.finalize())
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
