//! The contract of a password source; below it, the sources that there are.

mod chain;
mod foreign;
mod guard;
pub mod ldap;
mod pam;
pub mod passwd_file;
mod store;

use std::fmt;

use mailroost_storage::{MaildropId, UserName};

use crate::{CredentialKind, Secret};

pub use chain::{ChainLink, ForeignLink, LinkedSource, OnWrongPassword, PasswordChain};
pub use foreign::{Claim, ForeignAccount, ForeignPasswords, Notices};
pub use guard::Guarded;
pub use pam::PamPasswords;
pub use passwd_file::PasswdFile;
pub use store::DirectoryPasswords;

/// Knows whether a password is a user's. Calls may block.
pub trait PasswordSource: Send + Sync + 'static {
    /// Checks a password that was given for a name as the client wrote it. The empty name is
    /// nobody's.
    ///
    /// # Errors
    /// See [`AuthError`]. "No such user" takes the same time as "wrong password".
    fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError>;

    /// The same for a name in the octets that the client sent. Octets that are not UTF-8 are
    /// no user's, which takes as long as for any other name.
    ///
    /// # Errors
    /// As `verify`.
    fn verify_octets(&self, name: &[u8], password: &Secret) -> Result<Identity, AuthError> {
        self.verify(std::str::from_utf8(name).unwrap_or_default(), password)
    }

    /// The identity that `verify_octets` would find, where that is known without a hash, a
    /// look-up or anything else that takes time: somebody showed this password under this name a
    /// short time ago, and nothing was changed since. Does not block. `None` says nothing of the
    /// password, and takes the same time for every name; the default knows nobody.
    fn recall(&self, name: &[u8], password: &Secret) -> Option<Identity> {
        let (_, _) = (name, password);
        None
    }

    /// What is stored for a mechanism that proves a secret without revealing it. `None`: no such
    /// user, or nothing of that kind; the caller goes on with what nobody can prove, so that the
    /// client does not learn which. The default has nothing.
    ///
    /// # Errors
    /// `Unavailable`.
    fn credential(&self, name: &str, kind: CredentialKind) -> Result<Option<Secret>, AuthError> {
        let (_, _) = (name, kind);
        Ok(None)
    }

    /// The one form of all names that may mean the same user, whether there is one or not: what
    /// stands in for users who do not exist must not tell them from others by being another
    /// under each of their names.
    fn canonical_name(&self, name: &str) -> String {
        name.to_lowercase()
    }

    /// Whether anybody may have something of that kind. A mechanism that needs it is not offered
    /// otherwise.
    fn keeps(&self, kind: CredentialKind) -> bool {
        let _ = kind;
        false
    }

    /// Lets somebody in whose name was proven otherwise: by a ticket, a token, a certificate or a
    /// stored credential. `authorization` is whom they want to act as, if they said so (RFC 4422
    /// s3.4.1); another's maildrop needs a right to it. The default lets nobody in.
    ///
    /// # Errors
    /// `UnknownUser`, `NotPermitted`, `Unavailable`.
    fn admit(&self, name: &str, authorization: Option<&str>) -> Result<Identity, AuthError> {
        let (_, _) = (name, authorization);
        Err(AuthError::UnknownUser)
    }
}

/// Somebody who proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user whose maildrop is opened.
    pub user: UserName,
    /// Who proved themselves, if it is somebody else who may open that maildrop (MS-OXPOP3
    /// s2.2.2). Limits for each user count them.
    pub delegate: Option<UserName>,
    /// The maildrop.
    pub maildrop: MaildropId,
    /// Overrides `exact_rfc822_size` for this user.
    pub exact_rfc822_size: Option<bool>,
    /// The site that has the user's maildrop, if it need not be this one (MS-STANXPOP3 C0010).
    pub site: Option<Box<str>>,
}

impl Identity {
    /// Who proved themselves.
    pub fn who(&self) -> &UserName {
        self.delegate.as_ref().unwrap_or(&self.user)
    }
}

/// The user, or `delegate/user`, as MS-OXPOP3 s2.2.2 writes it.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.delegate {
            Some(delegate) => write!(f, "{delegate}/{}", self.user),
            None => self.user.fmt(f),
        }
    }
}

/// Why somebody may not come in. Only the log learns the difference between the first three.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// No such user, or a name that cannot be one.
    #[error("no such user")]
    UnknownUser,
    /// The password or proof is wrong.
    #[error("wrong password")]
    WrongPassword,
    /// A proof other than a password was looked at and not accepted: a ticket that is too old,
    /// from a clock that is off, seen before, or for somebody else.
    #[error("the proof is not accepted: {0}")]
    Refused(String),
    /// The user is known and the password right, but POP3 is switched off for them, or they may
    /// not open the maildrop that they asked for, or their proof is bound to another channel.
    #[error("not permitted: {0}")]
    NotPermitted(&'static str),
    /// The client's message does not follow the mechanism.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// The source cannot answer now.
    #[error("the password source does not answer: {0}")]
    Unavailable(String),
}
