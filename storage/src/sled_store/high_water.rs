//! The high-water marks: what was ever given out, kept apart from the index.
//!
//! One file of records of 32 octets, appended to; the last record of a maildrop counts, a torn
//! one at the end does not. A mark is durable before a number at or beyond it is used, and it
//! runs ahead so that this is rarely needed. Marks of removed maildrops stay: their numbers are
//! not used again either. One more record tells the run of the store that wrote last, so that an
//! index from an older backup is recognised.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::Files;
use crate::numbering::Sequence;
use crate::{MaildropId, StoreError, StoreErrorKind};

const RECORD_OCTETS: usize = 32;
const KIND: [u8; 4] = *b"MRHW";
/// The maildrop number of the record that tells the run. No maildrop is ever called so.
const RUN: u64 = u64::MAX;

/// The open file and what it says.
#[derive(Debug)]
pub(super) struct HighWater {
    files: Arc<dyn Files>,
    file: File,
    end: u64,
    state: State,
    sync: bool,
    closed: bool,
}

#[derive(Debug, Default)]
struct State {
    marks: HashMap<MaildropId, Sequence>,
    run: Option<LastRun>,
    /// Records that are not what was written, but for a torn one at the end.
    damaged: u64,
    /// Records in the file, wanted or not.
    records: u64,
    torn: bool,
}

/// The run of the store that wrote last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastRun {
    pub(super) number: u64,
    /// Whether the store was closed at its end.
    pub(super) closed: bool,
}

/// Why a mark could not be raised.
#[derive(Debug)]
pub(super) enum RaiseError {
    /// Nothing was written; it can be tried again.
    Refused(StoreError),
    /// It is not known what is on disk.
    Unknown(StoreError),
}

impl From<RaiseError> for StoreError {
    fn from(error: RaiseError) -> Self {
        match error {
            RaiseError::Refused(error) | RaiseError::Unknown(error) => error,
        }
    }
}

impl HighWater {
    /// Reads the file, or begins a new one, and writes it anew if it holds much that is over.
    /// Returns also what was wrong with it.
    pub(super) fn open(
        files: &Arc<dyn Files>,
        path: &Path,
        sync: bool,
    ) -> Result<(Self, Option<String>), StoreError> {
        let io = |error| StoreError::io(format!("cannot read {}", path.display()), error);
        let (state, complaint) = match std::fs::read(path) {
            Ok(octets) => {
                let state = State::read(&octets);
                let complaint = match state.damaged {
                    0 => None,
                    damaged => Some(format!("{damaged} damaged records in {}", path.display())),
                };
                (state, complaint)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (
                State {
                    torn: true,
                    ..State::default()
                },
                Some(format!("no {}", path.display())),
            ),
            Err(error) => return Err(io(error)),
        };
        let wanted = state.marks.len() as u64 + 1;
        if state.torn || state.damaged > 0 || state.records > 2 * wanted + 64 {
            write_anew(files, path, &state)?;
        }
        let file = files.open(path, true).map_err(io)?;
        let end = file.metadata().map_err(io)?.len();
        Ok((
            Self {
                files: Arc::clone(files),
                file,
                end,
                state,
                sync,
                closed: false,
            },
            complaint,
        ))
    }

    /// What was ever given out in that maildrop, at most.
    pub(super) fn mark(&self, maildrop: MaildropId) -> Option<Sequence> {
        self.state.marks.get(&maildrop).copied()
    }

    /// The run that wrote last.
    pub(super) fn run(&self) -> Option<LastRun> {
        self.state.run
    }

    /// The number after the highest maildrop's.
    pub(super) fn next_maildrop(&self) -> u64 {
        self.state.marks.keys().map(|id| id.0).max().unwrap_or(0) + 1
    }

    /// Sets marks and makes them durable.
    pub(super) fn set(&mut self, marks: &[(MaildropId, Sequence)]) -> Result<(), RaiseError> {
        let mut octets = Vec::with_capacity(marks.len() * RECORD_OCTETS);
        for (maildrop, mark) in marks {
            octets.extend_from_slice(&record(maildrop.0, mark.next, mark.first_own));
        }
        self.append(&octets)?;
        self.state.marks.extend(marks.iter().copied());
        Ok(())
    }

    /// Tells that this run wrote last, durably.
    pub(super) fn set_run(&mut self, run: LastRun) -> Result<(), RaiseError> {
        self.append(&run.record())?;
        self.state.run = Some(run);
        Ok(())
    }

    /// Nothing is written from now on: the next process may have the file.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    fn append(&mut self, octets: &[u8]) -> Result<(), RaiseError> {
        if self.closed {
            let context = "the store is closed";
            return Err(RaiseError::Refused(StoreError::new(
                StoreErrorKind::Io,
                context,
            )));
        }
        let context = "cannot write the high-water marks";
        // After a failure the end stays, and the next record goes over what was torn.
        self.files
            .write_at(&self.file, octets, self.end)
            .map_err(|error| RaiseError::Refused(StoreError::io(context, error)))?;
        if self.sync {
            self.files.sync(&self.file).map_err(|error| {
                RaiseError::Unknown(StoreError::caused_by(
                    StoreErrorKind::Poisoned,
                    "cannot make the high-water marks durable",
                    error,
                ))
            })?;
        }
        self.end += octets.len() as u64;
        Ok(())
    }
}

impl State {
    fn read(octets: &[u8]) -> Self {
        let mut state = Self::default();
        let (records, rest) = octets.as_chunks::<RECORD_OCTETS>();
        state.records = records.len() as u64;
        state.torn = !rest.is_empty();
        for (place, octets) in records.iter().enumerate() {
            match parse(octets) {
                Some((RUN, number, closed)) => {
                    state.run = Some(LastRun {
                        number,
                        closed: closed == 1,
                    });
                }
                Some((maildrop, next, first_own)) => {
                    state
                        .marks
                        .insert(MaildropId(maildrop), Sequence { next, first_own });
                }
                None if place + 1 == records.len() => state.torn = true,
                None => state.damaged += 1,
            }
        }
        state
    }
}

impl LastRun {
    fn record(self) -> [u8; RECORD_OCTETS] {
        record(RUN, self.number, u64::from(self.closed))
    }
}

fn write_anew(files: &Arc<dyn Files>, path: &Path, state: &State) -> Result<(), StoreError> {
    let mut octets = Vec::with_capacity((state.marks.len() + 1) * RECORD_OCTETS);
    if let Some(run) = state.run {
        octets.extend_from_slice(&run.record());
    }
    for (maildrop, mark) in &state.marks {
        octets.extend_from_slice(&record(maildrop.0, mark.next, mark.first_own));
    }
    write_file(&**files, path, &octets)
}

/// Writes a small file in one step: another name, synced, renamed, folder synced.
pub(super) fn write_file(files: &dyn Files, path: &Path, octets: &[u8]) -> Result<(), StoreError> {
    let io = |error| StoreError::io(format!("cannot write {}", path.display()), error);
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    match files.unlink(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        Ok(()) | Err(_) => {}
    }
    let write = || {
        let file = files.create(&new)?;
        files.write_at(&file, octets, 0)?;
        files.sync(&file)?;
        files.rename(&new, path)?;
        files.sync_folder(path.parent().unwrap_or(Path::new(".")))
    };
    write().map_err(|error| {
        let _ = files.unlink(&new);
        io(error)
    })
}

fn record(maildrop: u64, next: u64, first_own: u64) -> [u8; RECORD_OCTETS] {
    let mut out = [0; RECORD_OCTETS];
    out[..8].copy_from_slice(&maildrop.to_le_bytes());
    out[8..16].copy_from_slice(&next.to_le_bytes());
    out[16..24].copy_from_slice(&first_own.to_le_bytes());
    out[24..28].copy_from_slice(&KIND);
    let sum = crc32fast::hash(&out[..28]);
    out[28..].copy_from_slice(&sum.to_le_bytes());
    out
}

fn parse(octets: &[u8; RECORD_OCTETS]) -> Option<(u64, u64, u64)> {
    let (content, sum) = octets.split_last_chunk::<4>()?;
    if crc32fast::hash(content) != u32::from_le_bytes(*sum) || content[24..] != KIND {
        return None;
    }
    let (words, _) = content.as_chunks::<8>();
    let [maildrop, next, first_own] = words else {
        return None;
    };
    Some((
        u64::from_le_bytes(*maildrop),
        u64::from_le_bytes(*next),
        u64::from_le_bytes(*first_own),
    ))
}

#[cfg(test)]
mod tests;
