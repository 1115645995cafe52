//! Requests and replies as values, and how faults travel.

use mailroost_storage::{MessageRecord, StoreError, StoreErrorKind};
use serde::{Deserialize, Serialize};

use super::census::TreeNode;
use super::credential::{AppPasswordAction, AppPasswordRow};
use super::facts::FactsRow;
use super::refusals::{BanRow, RefusalRow};
use super::upkeep::{AliasChange, DeletedRow, Limit, RetainedRow, UsageRow};
use super::user::{DerivedSecrets, UserRow};
use crate::exit::{Failure, Status};
use crate::server::ServerError;

/// What a client wants. It may hold a password hash, so it cannot be shown.
#[derive(Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    /// Who is there?
    Hello,
    /// Add a user.
    AddUser {
        name: String,
        password_hash: Option<String>,
    },
    /// Replace a user's password hash. What else was made of the old password goes; the NT hash
    /// of the new one, sealed, may come.
    SetPassword {
        name: String,
        password_hash: Option<String>,
        #[serde(default)]
        derived: DerivedSecrets,
    },
    /// Change what else is kept of a user.
    SetUser { name: String, changes: UserChanges },
    /// End a user's sessions and remove user, maildrop and messages.
    RemoveUser { name: String },
    /// See and change the app passwords of a user.
    AppPasswords {
        user: String,
        action: AppPasswordAction,
    },
    /// One user.
    User { name: String },
    /// The next page of users, after a name.
    Users { after: Option<String> },
    /// Take a message in; it follows. Not yet visible.
    Stage {
        received_secs: Option<u64>,
        carried_unique_id: Option<Box<str>>,
    },
    /// Let go of a staged message.
    Discard { token: u64 },
    /// Deliver staged messages, all or none.
    Deliver {
        user: String,
        tokens: Vec<u64>,
        ignore_quota: bool,
    },
    /// The next page of a maildrop, after a number.
    Messages { user: String, after: Option<u64> },
    /// One message.
    Read { user: String, id: u64 },
    /// Remove messages, all or none.
    Remove { user: String, ids: Vec<u64> },
    /// What is in a user's maildrop, and what may be.
    Usage { name: String },
    /// The next page of what was removed and can be brought back, after a number.
    Deleted { user: String, after: Option<u64> },
    /// Bring removed messages back, all or none.
    Undelete {
        user: String,
        ids: Vec<u64>,
        ignore_quota: bool,
    },
    /// Give up for good what was removed before that second.
    Purge {
        user: String,
        deleted_before_secs: u64,
    },
    /// Retention for the next page of users, after a name.
    Retain {
        after: Option<String>,
        dry_run: bool,
    },
    /// The supervision tree.
    Census,
    /// All bans that are in force.
    Bans,
    /// Forget the failures of an address or a user, or all.
    ClearBans { whom: Option<String> },
    /// What is known of a refusal.
    Refusal { id: String },
}

/// What can be changed of a user. What is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserChanges {
    /// Whether the user may log on.
    pub pop_enabled: Option<bool>,
    /// Whether the overrides below do not act.
    pub use_protocol_defaults: Option<bool>,
    /// What STAT and LIST report to this user.
    pub sizes: Option<Sizes>,
    /// Which site has the maildrop.
    pub site: Option<SiteChange>,
    /// One alias more or less.
    pub alias: Option<AliasChange>,
    /// One delegate more or less, by canonical name.
    #[serde(default)]
    pub delegate: Option<AliasChange>,
    /// The quota in octets.
    pub quota_octets: Option<Limit>,
    /// The quota in messages.
    pub quota_messages: Option<Limit>,
    /// For how many seconds retrieved messages stay.
    pub retain_read_secs: Option<Limit>,
    /// For how many seconds the others stay.
    pub retain_unread_secs: Option<Limit>,
}

/// Which site has a user's maildrop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteChange {
    /// Whichever server is asked.
    Any,
    /// The one of this name.
    Of(String),
}

/// What STAT and LIST report to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sizes {
    /// As `protocol.exact_rfc822_size` says.
    Default,
    /// The octets that RETR sends.
    Exact,
    /// What a message occupies in storage.
    Stored,
}

/// What the server answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub(super) enum Reply {
    /// It is done.
    Done,
    Hello {
        protocol: u32,
        pid: u32,
    },
    User {
        user: UserRow,
    },
    AppPasswords {
        rows: Vec<AppPasswordRow>,
    },
    /// A page; an empty one is the end.
    Users {
        users: Vec<UserRow>,
    },
    Staged {
        token: u64,
        facts: FactsRow,
        received_secs: u64,
    },
    Delivered {
        ids: Vec<u64>,
    },
    /// A page; an empty one is the end.
    Messages {
        messages: Vec<MessageRow>,
    },
    /// The message follows.
    Body {
        facts: FactsRow,
    },
    Removed {
        count: usize,
    },
    Usage {
        usage: UsageRow,
    },
    /// A page; an empty one is the end.
    Deleted {
        messages: Vec<DeletedRow>,
    },
    /// Old and new numbers.
    Undeleted {
        ids: Vec<(u64, u64)>,
    },
    Purged {
        messages: u64,
        stored_octets: u64,
    },
    /// A page with those users of whom there is something to tell; `last` is the last one that
    /// was looked at, and `None` is the end.
    Retained {
        rows: Vec<RetainedRow>,
        last: Option<String>,
    },
    Census {
        tree: TreeNode,
    },
    Bans {
        bans: Vec<BanRow>,
    },
    Refusal {
        found: Option<RefusalRow>,
    },
    Failed {
        fault: Fault,
    },
}

/// Which form of the protocol this is. A daemon and a command line of different forms refuse to
/// talk.
pub(super) const PROTOCOL: u32 = 2;

/// A message in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRow {
    /// Its number in the maildrop.
    pub id: u64,
    /// Octets that RETR sends.
    pub exact_octets: u64,
    /// Octets that it occupies in storage.
    pub stored_octets: u64,
    /// Seconds since 1970-01-01 UTC.
    pub received_secs: u64,
    /// A unique-id that was carried over.
    pub carried_unique_id: Option<Box<str>>,
    /// Somebody retrieved it whole.
    #[serde(default)]
    pub read: bool,
}

impl MessageRow {
    /// What UIDL shows (MS-STANXPOP3 C0007, C0009).
    pub fn unique_id(&self) -> String {
        self.carried_unique_id
            .as_ref()
            .map_or_else(|| self.id.to_string(), ToString::to_string)
    }
}

impl From<&MessageRecord> for MessageRow {
    fn from(record: &MessageRecord) -> Self {
        Self {
            id: record.id.0,
            exact_octets: record.exact_octets,
            stored_octets: record.stored_octets,
            received_secs: record.received_secs,
            carried_unique_id: record.carried_unique_id.clone(),
            read: record.read,
        }
    }
}

impl From<MessageRow> for MessageRecord {
    fn from(row: MessageRow) -> Self {
        Self {
            id: mailroost_storage::MessageId(row.id),
            exact_octets: row.exact_octets,
            stored_octets: row.stored_octets,
            received_secs: row.received_secs,
            carried_unique_id: row.carried_unique_id,
            read: row.read,
        }
    }
}

/// Why a request was not carried out. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What the client decides by.
    pub kind: FaultKind,
    /// One line for people.
    pub message: String,
}

impl Fault {
    pub(super) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

/// The kinds of [`Fault`]: those of a store, and what else there is.
macro_rules! fault_kinds {
    ($($(#[$doc:meta])* $name:ident => $status:ident,)+) => {
        /// Who is to blame.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FaultKind {
            $($(#[$doc])* $name,)+
            /// There is no user of that name.
            NoSuchUser,
            /// What is needed is being restarted or has too much to do.
            Unavailable,
            /// What the client sent is not of this protocol.
            Protocol,
        }

        impl From<StoreErrorKind> for FaultKind {
            fn from(kind: StoreErrorKind) -> Self {
                match kind {
                    $(StoreErrorKind::$name => Self::$name,)+
                    // The enumeration is open to its own room.
                    _ => Self::Io,
                }
            }
        }

        impl From<&Fault> for StoreError {
            fn from(fault: &Fault) -> Self {
                let kind = match fault.kind {
                    $(FaultKind::$name => StoreErrorKind::$name,)+
                    FaultKind::NoSuchUser => StoreErrorKind::NotFound,
                    FaultKind::Unavailable | FaultKind::Protocol => StoreErrorKind::Io,
                };
                Self::new(kind, fault.message.clone())
            }
        }

        impl From<Fault> for Failure {
            fn from(fault: Fault) -> Self {
                let status = match fault.kind {
                    $(FaultKind::$name => Status::$status,)+
                    FaultKind::NoSuchUser => Status::NoUser,
                    FaultKind::Unavailable => Status::TempFail,
                    FaultKind::Protocol => Status::Unavailable,
                };
                Self::new(status, fault.message)
            }
        }
    };
}

fault_kinds! {
    /// See [`StoreErrorKind::NotFound`].
    NotFound => NoUser,
    /// See [`StoreErrorKind::Gone`].
    Gone => Unavailable,
    /// See [`StoreErrorKind::Busy`].
    Busy => TempFail,
    /// See [`StoreErrorKind::Locked`].
    Locked => TempFail,
    /// See [`StoreErrorKind::Full`].
    Full => Io,
    /// See [`StoreErrorKind::OverQuota`].
    OverQuota => CannotCreate,
    /// See [`StoreErrorKind::Corrupt`].
    Corrupt => Io,
    /// See [`StoreErrorKind::Duplicate`].
    Duplicate => CannotCreate,
    /// See [`StoreErrorKind::Invalid`].
    Invalid => Data,
    /// See [`StoreErrorKind::Poisoned`].
    Poisoned => Io,
    /// See [`StoreErrorKind::Io`].
    Io => Io,
}

impl From<ServerError> for Fault {
    fn from(error: ServerError) -> Self {
        let kind = match &error {
            ServerError::UserName(_) | ServerError::Hash(_) => FaultKind::Invalid,
            ServerError::NoSuchUser(_) => FaultKind::NoSuchUser,
            ServerError::Store(error) => error.kind().into(),
            ServerError::Reading(_) => FaultKind::Io,
            ServerError::Unavailable(_) => FaultKind::Unavailable,
            ServerError::Reload(_) => FaultKind::Invalid,
        };
        Self::new(kind, error.to_string())
    }
}
