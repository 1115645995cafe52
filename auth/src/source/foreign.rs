//! The contract of a source that knows passwords and has no maildrops: LDAP, PAM, a file.

use std::sync::Arc;

use mailroost_storage::UserName;

use crate::user_name::AccountName;
use crate::{AuthError, Secret};

/// Knows whether a password is somebody's. Calls may block, for a bounded time.
pub trait ForeignPasswords: Send + Sync + 'static {
    /// Checks a password, which is not empty.
    ///
    /// # Errors
    /// See [`AuthError`]. `UnknownUser` only if another source may be asked; `Unavailable` if
    /// nobody can tell, and never `WrongPassword` then.
    fn check(&self, claim: &Claim<'_>, password: &Secret) -> Result<ForeignAccount, AuthError>;

    /// Goes to the trouble of `check` for nobody, as far as it can: whoever was refused by an
    /// earlier source shall not be told by the time it took.
    fn feign(&self, password: &Secret);

    /// What a remembered password is tied to: it counts no longer when this changes. The default
    /// never does, so that a change at the source is noticed when what is remembered ends.
    fn stored(&self, claim: &Claim<'_>) -> String {
        let _ = claim;
        String::new()
    }
}

/// Takes lines for the operator's log. They hold no secret and nothing that a client sent.
pub type Notices = Arc<dyn Fn(&str) + Send + Sync>;

/// Who somebody says they are.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The name, taken apart.
    pub account: AccountName<'a>,
    /// The stored names that it can mean, likeliest first; at least one.
    pub candidates: &'a [UserName],
    /// It has no domain, or one of the accepted ones, so that the rest of it says all.
    pub at_home: bool,
}

impl Claim<'_> {
    /// The name that a new user gets: without the domain, if that is an accepted one.
    pub(super) fn canonical(&self) -> Option<&UserName> {
        self.candidates
            .iter()
            .min_by_key(|name| name.as_str().len())
    }
}

/// What a source says of somebody whose password was right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignAccount {
    /// The name of the user whose maildrop it is; `None`: the one that was given.
    pub maildrop: Option<UserName>,
    /// The site that has the maildrop; `None`: the source does not say.
    pub site: Option<Box<str>>,
    /// The most octets in the maildrop, likewise.
    pub quota_octets: Option<u64>,
}
