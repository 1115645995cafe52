//! What can go wrong in a store: the kind is for the caller, the context and source for the log.

use std::error::Error;
use std::fmt;

/// Who is to blame, and what the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// No maildrop or user of that name is known.
    NotFound,
    /// The message was removed, by whomever: it will not come back under this unique-id.
    Gone,
    /// Somebody owns the maildrop at the moment; try again.
    Busy,
    /// Another process holds the store.
    Locked,
    /// The device, or the system's quota on it, is full; nothing was stored.
    Full,
    /// It goes beyond the quota of the maildrop; nothing was stored. Whoever delivers decides
    /// it, no store does.
    OverQuota,
    /// What is on disk is not what was written. Only the named message or maildrop is affected.
    Corrupt,
    /// The name or unique-id is taken.
    Duplicate,
    /// The caller's value is outside the accepted range.
    Invalid,
    /// An earlier write could not be made durable: nothing more is accepted until a restart.
    Poisoned,
    /// The operating system refused.
    Io,
}

/// A store's error. Its text is one line, lower-case, and holds no message content.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    context: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error of `kind`; `context` names what was attempted and on what.
    pub fn new(kind: StoreErrorKind, context: impl Into<String>) -> Self {
        Self {
            kind,
            context: context.into(),
            source: None,
        }
    }

    /// The same with the underlying cause.
    pub fn caused_by(
        kind: StoreErrorKind,
        context: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            context: context.into(),
            source: Some(source.into()),
        }
    }

    /// An operating system error, with its kind derived: no space and quota become
    /// [`StoreErrorKind::Full`], the rest [`StoreErrorKind::Io`].
    pub fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let kind = match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreErrorKind::Full,
            _ => StoreErrorKind::Io,
        };
        Self::caused_by(kind, context, source)
    }

    /// What the caller decides by.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}
