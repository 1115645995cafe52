//! What an import tells while it runs, when it is done, and when it cannot go on.

use std::io;
use std::path::PathBuf;

use super::Notes;
use super::maildir::{MaildirError, shown};
use super::mbox::MboxError;
use super::unique_ids::ListError;
use crate::StoreError;

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The message of the source that was looked at last, counted from 1.
    pub messages: u64,
    /// Octets of the source that were looked at.
    pub octets_done: u64,
    /// Octets of the source.
    pub octets_total: u64,
}

/// What came of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Messages that the maildrop has taken: durable.
    pub imported: u64,
    /// Messages at the beginning of the source that are imported or refused for good: those that
    /// another attempt with new unique-ids can pass over. 0 where unique-ids are kept: what has
    /// been imported is recognised by them.
    pub settled: u64,
    /// Messages that were refused, with their places and the reasons.
    pub refused: Notes,
    /// What else was passed over: files that hold no message.
    pub notes: Notes,
}

/// An import that ended before its source did.
#[derive(Debug, thiserror::Error)]
#[error("{error}; messages imported before: {}", report.imported)]
pub struct ImportFailure {
    /// What had been done.
    pub report: Box<ImportReport>,
    /// Why it could not go on.
    #[source]
    pub error: ImportError,
}

/// Why an import cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The mbox file cannot be opened.
    #[error("cannot read {}: {source}", shown(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The mbox file cannot be read on.
    #[error("{}: {source}", shown(path))]
    Mbox {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: MboxError,
    },
    /// The Maildir cannot be listed.
    #[error(transparent)]
    Maildir(#[from] MaildirError),
    /// The unique-ids cannot be read.
    #[error(transparent)]
    UniqueIds(#[from] ListError),
    /// Dovecot's and Courier's files name files of a Maildir.
    #[error(
        "{} is about the files of a maildir, not about {}",
        shown(list),
        shown(file)
    )]
    Mismatch {
        /// The file with unique-ids.
        list: PathBuf,
        /// The mbox file.
        file: PathBuf,
    },
    /// The store cannot take a message in.
    #[error("{place}: {source}")]
    Stage {
        /// The message.
        place: String,
        /// Why.
        source: StoreError,
    },
    /// The maildrop has not taken a batch; none of its messages is there.
    #[error("{first} to {last}: {source}")]
    Deliver {
        /// The batch's first message.
        first: String,
        /// The batch's last message.
        last: String,
        /// Why.
        source: StoreError,
    },
}
