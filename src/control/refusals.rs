//! Bans and refusals, as they travel over the control socket.

use mailroost_actors::RefusalNote;
use mailroost_auth::throttle::Ban;
use mailroost_protocol::RefusalIdError;
use serde::{Deserialize, Serialize};

use super::execute::PAGE_ROWS;
use super::protocol::{Fault, FaultKind, Reply};
use crate::server::ServerHandle;

/// A ban that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanRow {
    /// `address`, `network`, `user` or `pair`.
    pub scope: String,
    /// The address, or the first of the /64.
    pub address: Option<String>,
    /// The user name.
    pub user: Option<String>,
    /// How much longer it lasts.
    pub left_secs: u64,
    /// Bans in a row, this one included.
    pub bans: u32,
    /// The key of the configuration that made it.
    pub setting: String,
}

impl From<Ban> for BanRow {
    fn from(ban: Ban) -> Self {
        Self {
            scope: ban.scope.as_str().to_owned(),
            setting: ban.setting().to_owned(),
            address: ban.address.map(|address| address.to_string()),
            left_secs: ban.left.as_secs(),
            bans: ban.bans,
            user: ban.user.map(String::from),
        }
    }
}

/// What is known of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalRow {
    /// What it is called.
    pub id: String,
    /// When it was, in seconds since 1970-01-01 UTC.
    pub at_secs: u64,
    /// Who was refused: address and port.
    pub peer: String,
    /// In which session.
    pub session: Option<u64>,
    /// The user name that was given.
    pub name: Option<String>,
    /// How the client wanted to log on.
    pub how: Option<String>,
    /// What it was refused by.
    pub rule: String,
    /// The key of the configuration behind it.
    pub setting: Option<String>,
    /// How much that allows.
    pub limit: Option<String>,
    /// The rest, in a few words.
    pub why: String,
}

impl From<RefusalNote> for RefusalRow {
    fn from(note: RefusalNote) -> Self {
        Self {
            id: note.id.to_string(),
            at_secs: note.id.millis() / 1000,
            peer: note.peer.to_string(),
            session: note.session,
            name: note.name.map(String::from),
            how: note.how.map(str::to_owned),
            rule: note.rule.as_str().to_owned(),
            setting: note.setting.map(str::to_owned),
            limit: note.limit.map(|limit| limit.to_string()),
            why: note.why.into(),
        }
    }
}

/// All bans that are in force, up to a page.
pub(super) fn bans(server: &ServerHandle) -> Reply {
    let bans = server.tree().bans().into_iter().take(PAGE_ROWS);
    Reply::Bans {
        bans: bans.map(Into::into).collect(),
    }
}

/// Forgets the failures of an address or a user, or all.
pub(super) fn clear_bans(server: &ServerHandle, whom: Option<&str>) -> Reply {
    Reply::Removed {
        count: server.tree().throttle().clear(whom),
    }
}

/// What is known of a refusal.
pub(super) fn refusal(server: &ServerHandle, id: &str) -> Result<Reply, Fault> {
    let id = id
        .parse()
        .map_err(|error: RefusalIdError| Fault::new(FaultKind::Invalid, error.to_string()))?;
    Ok(Reply::Refusal {
        found: server.tree().refusal(id).map(Into::into),
    })
}
