//! A file of unique-ids in memory, by file name or message number.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::{UniqueIds, courier, dovecot, two_columns, unique_id};

/// The longest line of such a file in octets: a file name (255), a unique-id (70), numbers, and
/// whatever else Dovecot puts there. It keeps a file without line ends out of memory.
const LINE_OCTETS_MAX: u64 = 4096;

/// What a file says about the messages of one maildrop. Takes memory for each line.
#[derive(Debug, Default)]
pub struct UniqueIdList {
    by_key: HashMap<Box<[u8]>, Listed>,
}

#[derive(Debug)]
struct Listed {
    unique_id: Box<str>,
    line: u64,
}

/// What one line of a file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ListedLine<'a> {
    /// The file name without flags, or the message's number.
    pub key: &'a [u8],
    pub unique_id: Vec<u8>,
}

/// Understands the lines of one kind of file, in their order. `Ok(None)`: no message there.
pub(super) trait LineFormat {
    fn line<'a>(&mut self, line: &'a [u8]) -> Result<Option<ListedLine<'a>>, String>;

    /// Called at the end, with what was missing.
    fn end(&self) -> Result<(), String>;
}

impl UniqueIdList {
    /// Reads the file that `source` names; `None` if it names none.
    pub fn load(source: &UniqueIds) -> Result<Option<Self>, ListError> {
        match source {
            UniqueIds::New | UniqueIds::XUidl => Ok(None),
            UniqueIds::Dovecot(file) => read(file, &mut dovecot::Format::default()).map(Some),
            UniqueIds::Courier(file) => read(file, &mut courier::Format::default()).map(Some),
            UniqueIds::TwoColumns(file) => read(file, &mut two_columns::Format).map(Some),
        }
    }

    /// The unique-id of the message with this number or file name; flags do not count.
    pub fn find(&self, key: &[u8]) -> Option<&str> {
        self.by_key
            .get(base_name(key))
            .map(|listed| &*listed.unique_id)
    }

    pub(super) fn read_lines(
        input: impl BufRead,
        format: &mut dyn LineFormat,
    ) -> Result<Self, LineError> {
        let mut list = Self::default();
        let mut input = input.take(0);
        let mut line = Vec::new();
        let mut number = 0;
        loop {
            line.clear();
            input.set_limit(LINE_OCTETS_MAX + 1);
            let octets = input
                .read_until(b'\n', &mut line)
                .map_err(LineError::Read)?;
            if octets == 0 {
                let fault = |reason| LineError::Fault {
                    line: number.max(1),
                    reason,
                };
                return format.end().map(|()| list).map_err(fault);
            }
            number += 1;
            let fault = |reason| LineError::Fault {
                line: number,
                reason,
            };
            if octets as u64 > LINE_OCTETS_MAX {
                let reason = format!("a line has up to {LINE_OCTETS_MAX} octets, this one more");
                return Err(fault(reason));
            }
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if let Some(listed) = format.line(text).map_err(fault)? {
                list.add(listed, number).map_err(fault)?;
            }
        }
    }

    fn add(&mut self, listed: ListedLine<'_>, line: u64) -> Result<(), String> {
        let unique_id = unique_id(&listed.unique_id).map_err(|error| error.to_string())?;
        match self.by_key.entry(base_name(listed.key).into()) {
            Entry::Vacant(vacant) => {
                vacant.insert(Listed { unique_id, line });
                Ok(())
            }
            Entry::Occupied(occupied) => Err(format!(
                "{} has been listed in line {} with unique-id {}",
                listed.key.escape_ascii(),
                occupied.get().line,
                occupied.get().unique_id
            )),
        }
    }
}

/// A Maildir name without its flags.
pub(crate) fn base_name(name: &[u8]) -> &[u8] {
    memchr::memchr(b':', name).map_or(name, |colon| &name[..colon])
}

/// A decimal number of a list, with its name for the error.
pub(super) fn number(octets: &[u8], what: &str) -> Result<u32, String> {
    std::str::from_utf8(octets)
        .ok()
        .filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            format!(
                "{what} is 0 to 4294967295, not \"{}\"",
                octets.escape_ascii()
            )
        })
}

fn read(path: &Path, format: &mut dyn LineFormat) -> Result<UniqueIdList, ListError> {
    let read_error = |source| ListError::Read {
        file: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(read_error)?;
    UniqueIdList::read_lines(BufReader::new(file), format).map_err(|error| match error {
        LineError::Read(source) => read_error(source),
        LineError::Fault { line, reason } => ListError::Fault {
            file: path.to_owned(),
            line,
            reason,
        },
    })
}

#[derive(Debug)]
pub(super) enum LineError {
    Read(io::Error),
    Fault { line: u64, reason: String },
}

/// Why a file of unique-ids is of no use. Nothing has been imported then.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The operating system refused.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A line that is not understood.
    #[error("{}, line {line}: {reason}", file.display())]
    Fault {
        /// The file.
        file: PathBuf,
        /// The line's number, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}
