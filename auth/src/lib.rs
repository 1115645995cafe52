//! Who is there, and may they come in: SASL mechanisms as challenge and response values,
//! password sources, password hashes and the cache of proven passwords.
//!
//! Nothing here knows POP3's replies or message numbers. Calls may block (a hash takes tens of
//! milliseconds and megabytes): the caller runs them away from threads that serve sockets.

pub mod mechanism;
pub mod source;

pub use mechanism::{Exchange, Link, Mechanism, Needs, Progress};
pub use source::{AuthError, Identity, PasswordSource};

/// Octets that are never shown and are wiped when dropped.
pub type Secret = secrecy::SecretSlice<u8>;
