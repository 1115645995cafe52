//! Quota, retention and undelete over the control socket: what travels, and what the server does
//! with it.

use mailroost_actors::{Retained, Terms};
use mailroost_storage::{DeletedRecord, MessageId, User, UserName};
use serde::{Deserialize, Serialize};

use super::protocol::{Fault, FaultKind, Reply};
use crate::server::{ServerError, ServerHandle, blocking};

/// Deleted messages in one page of a listing.
const PAGE_ROWS: usize = 1000;

/// Users whose maildrops are looked through for one reply: few enough for whoever waits to see
/// that it goes on.
const PAGE_USERS: usize = 100;

/// A limit of a user's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// What is set for all users.
    Default,
    /// None.
    Unlimited,
    /// So much.
    Of(u64),
}

impl Limit {
    /// As it is stored.
    pub(super) fn stored(self) -> Option<u64> {
        match self {
            Self::Default => None,
            Self::Unlimited => Some(u64::MAX),
            Self::Of(limit) => Some(limit),
        }
    }

    /// From what is stored.
    pub(super) fn from_stored(stored: Option<u64>) -> Self {
        match stored {
            None => Self::Default,
            Some(u64::MAX) => Self::Unlimited,
            Some(limit) => Self::Of(limit),
        }
    }
}

/// What can be changed of a user's aliases or delegates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AliasChange {
    /// One more.
    Add(String),
    /// One less.
    Remove(String),
}

/// What is in a user's maildrop, and what may be. `None`: any number, or for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    /// Messages.
    pub messages: u64,
    /// Their octets, as RETR sends them.
    pub octets: u64,
    /// Octets that they occupy.
    pub stored_octets: u64,
    /// The quota in effect, in octets.
    pub octets_limit: Option<u64>,
    /// The quota in effect, in messages.
    pub messages_limit: Option<u64>,
    /// For how many seconds retrieved messages stay.
    pub read_secs: Option<u64>,
    /// For how many seconds the others stay.
    pub unread_secs: Option<u64>,
}

/// A message that was removed and can be brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedRow {
    /// The number that it had.
    pub id: u64,
    /// Octets that RETR sent.
    pub exact_octets: u64,
    /// Octets that it still occupies.
    pub stored_octets: u64,
    /// Seconds since 1970-01-01 UTC.
    pub received_secs: u64,
    /// Seconds since 1970-01-01 UTC.
    pub deleted_secs: u64,
    /// Who removed it: a session by its number in the log, `retention`, or `operator`.
    pub session: Option<String>,
    /// The unique-id that had been carried over.
    pub carried_unique_id: Option<Box<str>>,
}

impl DeletedRow {
    /// What UIDL showed.
    pub fn unique_id(&self) -> String {
        self.carried_unique_id
            .as_ref()
            .map_or_else(|| self.id.to_string(), ToString::to_string)
    }
}

impl From<&DeletedRecord> for DeletedRow {
    fn from(record: &DeletedRecord) -> Self {
        Self {
            id: record.id.0,
            exact_octets: record.exact_octets,
            stored_octets: record.stored_octets,
            received_secs: record.received_secs,
            deleted_secs: record.deleted_secs,
            session: record.session.as_deref().map(Into::into),
            carried_unique_id: record.carried_unique_id.clone(),
        }
    }
}

/// What retention did to a user's maildrop, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetainedRow {
    /// Whose.
    pub user: String,
    /// Messages that had been there for too long.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
    /// When the oldest was received, in seconds since 1970-01-01 UTC.
    pub oldest_secs: Option<u64>,
    /// Messages that can be brought back no longer.
    pub purged_messages: u64,
    /// Octets that they occupied.
    pub purged_octets: u64,
    /// Why nothing, or not all of it, was done.
    pub failed: Option<String>,
}

impl RetainedRow {
    fn new(user: &User, retained: Result<Retained, ServerError>) -> Self {
        let (retained, failed) = match retained {
            Ok(retained) => (retained, None),
            Err(error) => (Retained::default(), Some(error.to_string())),
        };
        Self {
            user: user.name.as_str().into(),
            messages: retained.messages,
            octets: retained.octets,
            oldest_secs: retained.oldest_secs,
            purged_messages: retained.purged.messages,
            purged_octets: retained.purged.stored_octets,
            failed,
        }
    }

    fn is_worth_telling(&self) -> bool {
        self.messages > 0 || self.purged_messages > 0 || self.failed.is_some()
    }
}

/// What counts for messages that come in for a user.
pub(super) fn terms(server: &ServerHandle, user: &User, ignore_quota: bool) -> Terms {
    let terms = server.tree().upkeep().terms_of(user);
    if ignore_quota {
        terms.unenforced()
    } else {
        terms
    }
}

pub(super) async fn usage(server: &ServerHandle, name: &str) -> Result<Reply, Fault> {
    let user = server.user(name).await?;
    let tree = server.tree();
    let usage = tree.usage(user.maildrop).await.map_err(ServerError::from)?;
    let upkeep = tree.upkeep();
    let (quota, retention) = (upkeep.terms_of(&user).quota, upkeep.retention_of(&user));
    Ok(Reply::Usage {
        usage: UsageRow {
            messages: usage.messages,
            octets: usage.exact_octets,
            stored_octets: usage.stored_octets,
            octets_limit: quota.octets,
            messages_limit: quota.messages,
            read_secs: retention.read_secs,
            unread_secs: retention.unread_secs,
        },
    })
}

pub(super) async fn deleted(
    server: &ServerHandle,
    user: &str,
    after: Option<u64>,
) -> Result<Reply, Fault> {
    let user = server.user(user).await?;
    let deleted = server.tree().deleted(user.maildrop).await;
    let deleted = deleted.map_err(ServerError::from)?;
    let begin = after.map_or(0, |after| {
        deleted.partition_point(|message| message.id.0 <= after)
    });
    let page = deleted[begin..].iter().take(PAGE_ROWS);
    Ok(Reply::Deleted {
        messages: page.map(DeletedRow::from).collect(),
    })
}

pub(super) async fn undelete(
    server: &ServerHandle,
    user: &str,
    ids: Vec<u64>,
    ignore_quota: bool,
) -> Result<Reply, Fault> {
    let user = server.user(user).await?;
    let terms = terms(server, &user, ignore_quota);
    let ids = ids.into_iter().map(MessageId).collect();
    let undeleted = server.tree().undelete(terms, user.maildrop, ids).await;
    let undeleted = undeleted.map_err(ServerError::from)?;
    Ok(Reply::Undeleted {
        ids: undeleted.iter().map(|(old, new)| (old.0, new.0)).collect(),
    })
}

pub(super) async fn purge(
    server: &ServerHandle,
    user: &str,
    deleted_before_secs: u64,
) -> Result<Reply, Fault> {
    let user = server.user(user).await?;
    let purged = server.tree().purge(user.maildrop, deleted_before_secs);
    let purged = purged.await.map_err(ServerError::from)?;
    Ok(Reply::Purged {
        messages: purged.messages,
        stored_octets: purged.stored_octets,
    })
}

/// Retention for the next page of users.
pub(super) async fn retain(
    server: &ServerHandle,
    after: Option<String>,
    dry_run: bool,
) -> Result<Reply, Fault> {
    let after = after.map(|name| UserName::new(&name)).transpose();
    let after = after.map_err(ServerError::from)?;
    let directory = server.directory().clone();
    let users = blocking(move || directory.list(after.as_ref(), PAGE_USERS)).await?;
    let last = users.last().map(|user| user.name.as_str().to_owned());
    let mut rows = Vec::new();
    for user in &users {
        let retained = server.tree().retain(user, dry_run).await;
        rows.push(RetainedRow::new(user, retained.map_err(ServerError::from)));
    }
    rows.retain(RetainedRow::is_worth_telling);
    Ok(Reply::Retained { rows, last })
}

/// Changes who else may open a user's maildrop. A right that is there already is no error.
pub(super) fn change_delegate(user: &mut User, change: AliasChange) -> Result<(), Fault> {
    let name = |text: &str| UserName::new(text).map_err(ServerError::from);
    match change {
        AliasChange::Add(delegate) => {
            let delegate = name(&delegate)?;
            if delegate != user.name && !user.delegates.contains(&delegate) {
                user.delegates.push(delegate);
            }
        }
        AliasChange::Remove(delegate) => {
            let delegate = name(&delegate)?;
            let before = user.delegates.len();
            user.delegates.retain(|known| *known != delegate);
            if user.delegates.len() == before {
                let message = format!("{delegate} has no right to the maildrop of {}", user.name);
                return Err(Fault::new(FaultKind::Gone, message));
            }
        }
    }
    Ok(())
}

/// The user's name where an alias was given for a new right: it is not for whoever has the alias
/// later.
pub(super) async fn name_delegate(
    server: &ServerHandle,
    change: Option<AliasChange>,
) -> Result<Option<AliasChange>, Fault> {
    let Some(AliasChange::Add(given)) = change else {
        return Ok(change);
    };
    let name = UserName::new(&given).map_err(ServerError::from)?;
    let directory = server.directory().clone();
    let found = blocking(move || directory.resolve(&name)).await?;
    let name = found.map_or(given, |user| user.name.to_string());
    Ok(Some(AliasChange::Add(name)))
}

/// Changes a user's aliases.
pub(super) fn change_alias(user: &mut User, change: AliasChange) -> Result<(), Fault> {
    match change {
        AliasChange::Add(alias) => {
            user.aliases
                .push(UserName::new(&alias).map_err(ServerError::from)?);
        }
        AliasChange::Remove(alias) => {
            let alias = UserName::new(&alias).map_err(ServerError::from)?;
            let place = user.aliases.iter().position(|known| *known == alias);
            let Some(place) = place else {
                let message = format!("{:?} has no alias {:?}", user.name.as_str(), alias.as_str());
                return Err(Fault::new(FaultKind::Gone, message));
            };
            user.aliases.remove(place);
        }
    }
    Ok(())
}
