//! What the log says of a session.

use super::TlsFacts;

/// What the log says of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Who logged on.
    pub user: Option<String>,
    /// Commands received.
    pub commands: u64,
    /// Messages sent by RETR.
    pub retrieved: u64,
    /// Messages sent by TOP.
    pub topped: u64,
    /// Messages marked as deleted at the end.
    pub marked: u64,
    /// Messages removed by QUIT.
    pub removed: u64,
    /// Failed log-ons.
    pub auth_failures: u64,
    /// TLS, if it was on.
    pub tls: Option<TlsFacts>,
}
