//! Writes the messages of a maildrop where other programs can read them, with octets that come
//! back unchanged by an import: as an mbox file or into a Maildir.
//!
//! Line ends become LF, as is the custom in both; nothing else changes, but that a first line
//! `X-UIDL: <unique-id>` is put in front on request (an import that keeps unique-ids by that field
//! takes it off again).

mod maildir;
mod mbox;

pub use maildir::to_maildir;
pub use mbox::to_mbox;

use std::io::{self, Write};

use crate::import::Notes;
use crate::{Body, BodySource, MessageRecord, StoreError, StoreErrorKind};

/// Bodies go through memory in chunks of so many octets.
const CHUNK_OCTETS: usize = 64 * 1024;

/// What is added to the messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportSettings {
    /// A first line `X-UIDL: <unique-id>` for each message.
    pub x_uidl: bool,
}

/// What came of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Messages written.
    pub exported: u64,
    /// Messages that cannot be read, and those that were removed meanwhile: nothing of them was
    /// written.
    pub passed_over: Notes,
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A body ended or changed while it was written. In an mbox file its beginning stands at the
    /// end.
    #[error("message {message}: {source}")]
    Body {
        /// The message's unique-id.
        message: String,
        /// Why.
        source: StoreError,
    },
    /// The operating system refused to take what was written.
    #[error("cannot write {what}: {source}")]
    Write {
        /// The file or folder.
        what: String,
        /// Why.
        source: io::Error,
    },
}

/// Opens a body; one that is gone or corrupt is noted and passed over.
fn open_body(
    record: &MessageRecord,
    bodies: &dyn BodySource,
    report: &mut ExportReport,
) -> Result<Option<Box<dyn Body>>, ExportError> {
    match bodies.open(record.id) {
        Ok(body) => Ok(Some(body)),
        Err(error) if matches!(error.kind(), StoreErrorKind::Gone | StoreErrorKind::Corrupt) => {
            report
                .passed_over
                .add(format!("message {}: {error}", unique_id(record)));
            Ok(None)
        }
        Err(source) => Err(ExportError::Body {
            message: unique_id(record),
            source,
        }),
    }
}

/// Writes a message's octets with LF line ends, each chunk as `transform` appends it.
fn write_body(
    record: &MessageRecord,
    body: &mut dyn Body,
    settings: ExportSettings,
    transform: &mut dyn FnMut(&[u8], &mut Vec<u8>),
    put: &mut dyn FnMut(&[u8]) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    if settings.x_uidl {
        put(format!("X-UIDL: {}\n", unique_id(record)).as_bytes())?;
    }
    let mut input = vec![0; CHUNK_OCTETS];
    let mut lines = Vec::with_capacity(CHUNK_OCTETS);
    let mut output = Vec::with_capacity(CHUNK_OCTETS);
    loop {
        let read = body.read(&mut input).map_err(|source| ExportError::Body {
            message: unique_id(record),
            source,
        })?;
        if read == 0 {
            return Ok(());
        }
        lines.clear();
        output.clear();
        // In a stored body CR stands before LF and nowhere else (MS-STANXPOP3 C0011).
        for part in input[..read].split(|&octet| octet == b'\r') {
            lines.extend_from_slice(part);
        }
        transform(&lines, &mut output);
        put(&output)?;
    }
}

fn unique_id(record: &MessageRecord) -> String {
    record
        .carried_unique_id
        .as_ref()
        .map_or_else(|| record.id.to_string(), ToString::to_string)
}

/// A writer's `write_all` with the name of what is written.
fn write_all(out: &mut dyn Write, octets: &[u8], what: &str) -> Result<(), ExportError> {
    out.write_all(octets).map_err(|source| ExportError::Write {
        what: what.to_owned(),
        source,
    })
}
