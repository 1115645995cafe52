//! Exit statuses of the command line, as sysexits(3) has them, and the one line that goes with
//! each failure.

use std::fmt;
use std::io;
use std::process::ExitCode;

use mailroost_storage::{StoreError, StoreErrorKind};

use crate::config::ConfigError;
use crate::privileges::PrivilegesError;
use crate::server::{ServerError, StartError};

/// Why the command line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// EX_USAGE: the command line itself is wrong.
    Usage = 64,
    /// EX_DATAERR: what was read (a message, an mbox file, a password) is not acceptable.
    Data = 65,
    /// EX_NOINPUT: a file that was named is not there or cannot be read.
    NoInput = 66,
    /// EX_NOUSER: there is no user of that name.
    NoUser = 67,
    /// EX_UNAVAILABLE: no such message; the daemon is not there or did not answer.
    Unavailable = 69,
    /// EX_SOFTWARE: a defect of the program; the supervision tree gave up.
    Software = 70,
    /// EX_OSERR: the operating system refused something that it should not.
    OsError = 71,
    /// EX_CANTCREAT: what was to be made is there already or cannot be made; a quota is used up.
    CannotCreate = 73,
    /// EX_IOERR: reading or writing failed; a disk is full; a store is damaged.
    Io = 74,
    /// EX_TEMPFAIL: it may work later: the store is locked, a maildrop busy; a drain was cut.
    TempFail = 75,
    /// EX_NOPERM: the system does not let this user do it.
    NoPermission = 77,
    /// EX_CONFIG: the configuration is wrong.
    Config = 78,
}

/// A failure: what to exit with, and what to say in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What to exit with.
    pub status: Status,
    /// One line, lower-case, without a full stop: what failed, where, and why.
    pub message: String,
}

impl Failure {
    /// A failure.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// A failure of the operating system: the status follows from the kind of error.
    pub fn io(doing: impl fmt::Display, error: &io::Error) -> Self {
        let status = match error.kind() {
            io::ErrorKind::NotFound => Status::NoInput,
            io::ErrorKind::PermissionDenied => Status::NoPermission,
            io::ErrorKind::AlreadyExists => Status::CannotCreate,
            _ => Status::Io,
        };
        Self::new(status, format!("{doing}: {error}"))
    }

    /// The same failure, with what it was about put in front.
    #[must_use]
    pub fn about(self, what: impl fmt::Display) -> Self {
        Self {
            message: format!("{what}: {}", self.message),
            ..self
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        ExitCode::from(status as u8)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let status = if error.unreadable() {
            Status::NoInput
        } else {
            Status::Config
        };
        Self::new(status, error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(status_of(error.kind()), error.to_string())
    }
}

fn status_of(kind: StoreErrorKind) -> Status {
    match kind {
        StoreErrorKind::NotFound => Status::NoUser,
        StoreErrorKind::Gone => Status::Unavailable,
        StoreErrorKind::Busy | StoreErrorKind::Locked => Status::TempFail,
        StoreErrorKind::Duplicate | StoreErrorKind::OverQuota => Status::CannotCreate,
        StoreErrorKind::Invalid => Status::Data,
        StoreErrorKind::Full
        | StoreErrorKind::Corrupt
        | StoreErrorKind::Poisoned
        | StoreErrorKind::Io => Status::Io,
        // The enumeration is open to other rooms.
        _ => Status::Software,
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        let status = match &error {
            ServerError::UserName(_) | ServerError::Hash(_) => Status::Data,
            ServerError::NoSuchUser(_) => Status::NoUser,
            ServerError::Store(error) => status_of(error.kind()),
            ServerError::Reading(_) => Status::Io,
            ServerError::Unavailable(_) => Status::TempFail,
            ServerError::Reload(_) => Status::Config,
        };
        Self::new(status, error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let status = match &error {
            StartError::Bind { source, .. } | StartError::BindLmtp { source, .. } => {
                match source.kind() {
                    io::ErrorKind::PermissionDenied => Status::NoPermission,
                    _ => Status::Unavailable,
                }
            }
            StartError::Secret { source, .. } | StartError::ProtocolLog { source, .. } => {
                match source.kind() {
                    io::ErrorKind::PermissionDenied => Status::NoPermission,
                    _ => Status::CannotCreate,
                }
            }
            StartError::Tls(_)
            | StartError::NoCertificate(_)
            | StartError::Site(_)
            | StartError::Gssapi(_)
            | StartError::OAuth(_)
            | StartError::Hash(_)
            | StartError::PamHelper { .. }
            | StartError::Ntlm(_)
            | StartError::Upkeep(_) => Status::Config,
            StartError::Tree(_) => Status::OsError,
            StartError::Missing(_) => Status::Software,
        };
        Self::new(status, error.to_string())
    }
}

impl From<PrivilegesError> for Failure {
    fn from(error: PrivilegesError) -> Self {
        let status = match &error {
            PrivilegesError::RootUnasked | PrivilegesError::Unknown { .. } => Status::Config,
            PrivilegesError::Become { .. } | PrivilegesError::Owner { .. } => Status::NoPermission,
            PrivilegesError::Folder { .. } => Status::CannotCreate,
            PrivilegesError::Required { .. } | PrivilegesError::Refused { .. } => Status::OsError,
        };
        Self::new(status, error.to_string())
    }
}
