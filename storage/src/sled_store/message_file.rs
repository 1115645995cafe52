//! A message on disk: its file, and the file of its body where that is apart.
//!
//! A body apart begins, as every message's file does, with [`HEADER_OCTETS`] octets that are not
//! part of the message: what is there was another's header, or nothing. So the file of a deleted
//! message can become the body of the one that it is brought back as, without being copied; and
//! the file of one body can have a name in any number of maildrops. How many it has, the file
//! system knows.

use std::fs::{File, Metadata};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::MetadataExt;

use super::body_file::{BodyHeader, HEADER_OCTETS, HEADER_SIZE, checked_header, read_header};
use super::files::Files;
use super::layout::Layout;
use super::record::Deletion;
use crate::{MaildropId, MessageId, StoreError, StoreErrorKind};

/// Octets read at a time where a whole body is examined.
const CHUNK_OCTETS: usize = 64 * 1024;

/// An open message, whose files were found and have the right length.
pub(super) struct MessageFile {
    pub(super) header: BodyHeader,
    file: File,
    apart: Option<File>,
    stored_octets: u64,
}

impl MessageFile {
    /// Opens a live message, or one that was deleted so.
    ///
    /// # Errors
    /// `Corrupt`, or `Io`, which [`is_missing`] tells apart.
    pub(super) fn open(
        files: &dyn Files,
        layout: &Layout,
        maildrop: MaildropId,
        message: MessageId,
        deletion: Option<&Deletion>,
    ) -> Result<Self, StoreError> {
        let place = || format!("message {message} of maildrop {maildrop}");
        let io = |error| StoreError::io(format!("cannot open {}", place()), error);
        let path = match deletion {
            None => layout.body(maildrop, message),
            Some(deletion) => layout.deleted(maildrop, message, deletion),
        };
        let file = files.open(&path, false).map_err(io)?;
        let header = read_header(files, &file, maildrop, message)?;
        let metadata = file.metadata().map_err(io)?;
        let mut stored_octets = occupied_octets(&metadata);
        let apart = match header.apart {
            None => None,
            Some(_) => {
                let path = layout.body_apart(maildrop, message);
                let apart = files.open(&path, false).map_err(io)?;
                let metadata = apart.metadata().map_err(io)?;
                let expected = header.apart_octets().saturating_add(HEADER_OCTETS);
                if !metadata.is_file() || metadata.len() != expected {
                    let context = format!(
                        "{} is damaged: its body is no file of {expected} octets",
                        place()
                    );
                    return Err(StoreError::new(StoreErrorKind::Corrupt, context));
                }
                stored_octets = stored_octets.saturating_add(occupied_octets(&metadata));
                Some(apart)
            }
        };
        Ok(Self {
            header,
            file,
            apart,
            stored_octets,
        })
    }

    /// Opens a live message without waiting for a disk, and reads as much of it as is in memory
    /// and fits into `buffer`: how many octets. `None` if that does not do, or if anything is not
    /// as it should be: [`Self::open`] then says what.
    pub(super) fn open_cached(
        files: &dyn Files,
        layout: &Layout,
        maildrop: MaildropId,
        message: MessageId,
        buffer: &mut [u8],
    ) -> Option<(Self, usize)> {
        let file = files.open_cached(&layout.body(maildrop, message))?;
        let metadata = file.metadata().ok()?;
        let mut octets = [0; HEADER_SIZE];
        let mut both = [IoSliceMut::new(&mut octets), IoSliceMut::new(buffer)];
        let read = files.read_cached(&file, &mut both, 0)?;
        let mut filled = read.checked_sub(HEADER_SIZE)?;
        let header = checked_header(&octets, metadata.len(), maildrop, message).ok()?;
        let mut stored_octets = occupied_octets(&metadata);
        let apart = match header.apart {
            None => None,
            Some(_) => {
                let apart = files.open_cached(&layout.body_apart(maildrop, message))?;
                let metadata = apart.metadata().ok()?;
                if metadata.len() != header.apart_octets().saturating_add(HEADER_OCTETS) {
                    return None;
                }
                stored_octets = stored_octets.saturating_add(occupied_octets(&metadata));
                Some(apart)
            }
        };
        let opened = Self {
            header,
            file,
            apart,
            stored_octets,
        };
        // What follows the trace lines is in the other file.
        if opened.apart.is_some() && filled as u64 == opened.header.own_octets() {
            let behind = opened.read_cached(files, &mut buffer[filled..], filled as u64);
            filled += behind.unwrap_or(0);
        }
        Some((opened, filled))
    }

    /// Octets that its own files occupy; one that others have too is counted whole.
    pub(super) fn stored_octets(&self) -> u64 {
        self.stored_octets
    }

    /// Reads octets of the message at `position`; 0 is the end.
    pub(super) fn read_at(
        &self,
        files: &dyn Files,
        buffer: &mut [u8],
        position: u64,
    ) -> io::Result<usize> {
        let (file, wanted, offset) = self.place_of(position, buffer.len());
        files.read_at(file, &mut buffer[..wanted], offset)
    }

    /// The same without waiting for a disk; `None` if there is nothing in memory.
    pub(super) fn read_cached(
        &self,
        files: &dyn Files,
        buffer: &mut [u8],
        position: u64,
    ) -> Option<usize> {
        let (file, wanted, offset) = self.place_of(position, buffer.len());
        files.read_cached(file, &mut [IoSliceMut::new(&mut buffer[..wanted])], offset)
    }

    /// Where the octets at `position` of the message are: the file, how many of `wanted` octets
    /// are in it, and the offset.
    fn place_of(&self, position: u64, wanted: usize) -> (&File, usize, u64) {
        let own = self.header.own_octets();
        match &self.apart {
            Some(apart) if position >= own => (apart, wanted, HEADER_OCTETS + position - own),
            Some(_) | None => {
                let left = usize::try_from(own - position.min(own)).unwrap_or(usize::MAX);
                (&self.file, wanted.min(left), HEADER_OCTETS + position)
            }
        }
    }

    /// The one file that the whole message is in, if it is so, and where in it.
    pub(super) fn one_file(&self) -> Option<(&File, u64)> {
        match &self.apart {
            None => Some((&self.file, HEADER_OCTETS)),
            Some(apart) if self.header.own_octets() == 0 => Some((apart, HEADER_OCTETS)),
            Some(_) => None,
        }
    }

    /// The trace lines of a message whose body is apart.
    pub(super) fn trace(&self, files: &dyn Files) -> io::Result<Vec<u8>> {
        let octets = self.header.apart.map_or(0, |apart| apart.trace_octets);
        let mut trace = vec![0; octets as usize];
        let mut filled = 0;
        while filled < trace.len() {
            match self.read_at(files, &mut trace[filled..], filled as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        Ok(trace)
    }

    /// Compares the checksum of what stands behind the header alone: whatever is apart was durable
    /// before it had its name.
    ///
    /// # Errors
    /// `Corrupt` or `Io`.
    pub(super) fn check_own(&self, files: &dyn Files) -> Result<(), StoreError> {
        let own_crc = match self.header.apart {
            None => self.header.body_crc,
            Some(apart) => apart.trace_crc,
        };
        match sum_of(files, &self.file) {
            Ok((sum, _)) if sum == own_crc => Ok(()),
            Ok(_) => Err(self.damaged()),
            Err(error) => Err(self.unreadable(error)),
        }
    }

    /// Reads all of the message and compares checksums. Returns the octets that were read.
    /// `known` remembers the sums of bodies that have more than one name.
    ///
    /// # Errors
    /// `Corrupt` or `Io`.
    pub(super) fn check(
        &self,
        files: &dyn Files,
        known: &mut KnownSums,
    ) -> Result<u64, StoreError> {
        let io = |error| self.unreadable(error);
        let (own_crc, apart_crc) = match self.header.apart {
            None => (self.header.body_crc, None),
            Some(apart) => (apart.trace_crc, Some(self.header.body_crc)),
        };
        let (own, mut octets) = sum_of(files, &self.file).map_err(io)?;
        let mut right = own == own_crc;
        if let (Some(apart), Some(crc)) = (&self.apart, apart_crc) {
            let (found, read) = known.sum_of(files, apart).map_err(io)?;
            right &= found == crc;
            octets += read;
        }
        if right {
            return Ok(octets);
        }
        Err(self.damaged())
    }

    fn damaged(&self) -> StoreError {
        let context = format!(
            "{} is damaged: its octets are not those that were written",
            self.place()
        );
        StoreError::new(StoreErrorKind::Corrupt, context)
    }

    fn unreadable(&self, error: io::Error) -> StoreError {
        StoreError::io(format!("cannot read {}", self.place()), error)
    }

    fn place(&self) -> String {
        let BodyHeader {
            maildrop, message, ..
        } = self.header;
        format!("message {message} of maildrop {maildrop}")
    }
}

/// Sums of bodies that have more than one name, by device and number of the file.
#[derive(Default)]
pub(super) struct KnownSums(std::collections::HashMap<(u64, u64), u32>);

impl KnownSums {
    /// Forgets when there are more: a few hundred kilobytes. Then a body is read once more.
    const SUMS_MAX: usize = 10_000;

    /// The sum, and how many octets were read for it.
    fn sum_of(&mut self, files: &dyn Files, file: &File) -> io::Result<(u32, u64)> {
        let metadata = file.metadata()?;
        if metadata.nlink() < 2 {
            return sum_of(files, file);
        }
        let key = (metadata.dev(), metadata.ino());
        if let Some(sum) = self.0.get(&key) {
            return Ok((*sum, 0));
        }
        if self.0.len() >= Self::SUMS_MAX {
            self.0.clear();
        }
        let (sum, octets) = sum_of(files, file)?;
        self.0.insert(key, sum);
        Ok((sum, octets))
    }
}

/// CRC-32 of what stands behind the header, and how many octets that is.
fn sum_of(files: &dyn Files, file: &File) -> io::Result<(u32, u64)> {
    let mut sum = crc32fast::Hasher::new();
    let mut buffer = vec![0; CHUNK_OCTETS];
    let mut octets = 0;
    loop {
        match files.read_at(file, &mut buffer, HEADER_OCTETS + octets)? {
            0 => return Ok((sum.finalize(), octets)),
            count => {
                sum.update(&buffer[..count]);
                octets += count as u64;
            }
        }
    }
}

/// Whether it says that a file is not there.
pub(super) fn is_missing(error: &StoreError) -> bool {
    let cause = std::error::Error::source(error);
    let cause = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::NotFound)
}

/// What a file occupies (MS-STANXPOP3 2.1.4); on a file system that does not say, its length.
pub(super) fn occupied_octets(metadata: &Metadata) -> u64 {
    /// The unit of `st_blocks`, whatever the file system's blocks are.
    const UNIT_OCTETS: u64 = 512;
    match metadata.blocks().saturating_mul(UNIT_OCTETS) {
        0 => metadata.len(),
        octets => octets,
    }
}
