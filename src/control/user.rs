//! A user in a frame, and what is kept of a new password.

use mailroost_storage::{StoredCredential, User, UserName};
use serde::{Deserialize, Serialize};

use super::upkeep::Limit;

/// A user, without the hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    /// The canonical name.
    pub name: String,
    /// The maildrop's number.
    pub maildrop: u64,
    /// Whether there is a password at all.
    pub password: bool,
    /// Whether its NT hash is kept, for NTLM.
    #[serde(default)]
    pub nt_hash: bool,
    /// Whether its keys of SCRAM are kept.
    #[serde(default)]
    pub scram_keys: bool,
    /// Whether the user may log on.
    pub pop_enabled: bool,
    /// Whether the overrides below do not act.
    pub use_protocol_defaults: bool,
    /// Overrides `protocol.exact_rfc822_size`.
    pub exact_rfc822_size: Option<bool>,
    /// Whether STAT and LIST report exact sizes to this user at the next log-on.
    pub exact_in_effect: bool,
    /// The site that has the maildrop, if it need not be this one.
    pub site: Option<String>,
    /// Other names and addresses.
    pub aliases: Vec<String>,
    /// Who else may open the maildrop.
    #[serde(default)]
    pub delegates: Vec<String>,
    /// The quota in octets.
    pub quota_octets: Limit,
    /// The quota in messages.
    pub quota_messages: Limit,
    /// For how many seconds retrieved messages stay.
    pub retain_read_secs: Limit,
    /// For how many seconds the others stay.
    pub retain_unread_secs: Limit,
    /// Seconds since 1970-01-01 UTC.
    pub created_secs: u64,
}

impl UserRow {
    /// A user of a server that reports exact sizes, or not, to whom no override says otherwise.
    pub(super) fn new(user: User, exact: bool) -> Self {
        Self {
            exact_in_effect: user.exact_rfc822_size_in_effect().unwrap_or(exact),
            use_protocol_defaults: user.use_protocol_defaults,
            name: user.name.as_str().to_owned(),
            maildrop: user.maildrop.0,
            password: user.password_hash.is_some(),
            nt_hash: keeps(&user, StoredCredential::NtHash),
            scram_keys: keeps(&user, StoredCredential::ScramSha256),
            pop_enabled: user.pop_enabled,
            exact_rfc822_size: user.exact_rfc822_size,
            site: user.site.map(Into::into),
            aliases: texts(&user.aliases),
            delegates: texts(&user.delegates),
            quota_octets: Limit::from_stored(user.quota.octets),
            quota_messages: Limit::from_stored(user.quota.messages),
            retain_read_secs: Limit::from_stored(user.retention.read_secs),
            retain_unread_secs: Limit::from_stored(user.retention.unread_secs),
            created_secs: user.created_secs,
        }
    }
}

fn keeps(user: &User, kind: StoredCredential) -> bool {
    user.credentials
        .iter()
        .any(|credential| credential.kind == kind)
}

fn texts(names: &[UserName]) -> Vec<String> {
    names.iter().map(|name| name.as_str().to_owned()).collect()
}

/// What is kept of a password beside its hash, for mechanisms that do not reveal it.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DerivedSecrets {
    /// The NT hash, sealed, for NTLM.
    pub nt_hash: Option<String>,
    /// The keys of SCRAM-SHA-256, as RFC 5803 writes them.
    pub scram_keys: Option<String>,
}
