//! The contract of a password source.

use mailroost_storage::{MaildropId, UserName};

use crate::Secret;

/// Knows whether a password is a user's. Calls may block.
pub trait PasswordSource: Send + Sync + 'static {
    /// Checks a password that was given for a name as the client wrote it.
    ///
    /// # Errors
    /// See [`AuthError`]. "No such user" takes the same time as "wrong password".
    fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError>;
}

/// Somebody who proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user whose maildrop is opened.
    pub user: UserName,
    /// The maildrop.
    pub maildrop: MaildropId,
    /// Overrides `exact_rfc822_size` for this user.
    pub exact_rfc822_size: Option<bool>,
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
    /// The user is known and the password right, but POP3 is switched off for them, or they may
    /// not open the maildrop that they asked for.
    #[error("not permitted: {0}")]
    NotPermitted(&'static str),
    /// The client's message does not follow the mechanism.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// The source cannot answer now.
    #[error("the password source does not answer: {0}")]
    Unavailable(String),
}
