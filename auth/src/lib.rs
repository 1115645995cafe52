//! Who is there, and may they come in: SASL mechanisms as challenge and response values,
//! password sources, password hashes, the cache of proven passwords and the throttle.
//!
//! Nothing here knows POP3's replies or message numbers. Calls may block (a hash takes tens of
//! milliseconds and megabytes): the caller runs them away from threads that serve sockets.

pub mod app_password;
pub mod breaker;
pub mod credential;
pub mod extended_protection;
pub mod external;
#[cfg(feature = "gssapi")]
pub mod gssapi;
pub mod limits;
pub mod mechanism;
pub mod ntlm;
pub mod oauth;
pub mod password;
pub mod plain;
pub mod prepared;
pub mod scram;
pub mod sealing;
pub mod security_layer;
mod slots;
pub mod source;
pub mod throttle;
pub mod user_name;

pub use breaker::Breaker;
pub use credential::CredentialKind;
pub use extended_protection::ExtendedProtection;
pub use external::{CertificateName, External};
pub use mechanism::{
    ClientCertificate, Exchange, Link, Mechanism, MechanismNameError, Mechanisms, Needs, Progress,
};
pub use password::{
    AnyHash, Argon2id, CacheLimits, Cost, HashError, PasswordCache, PasswordHasher,
};
pub use plain::Plain;
pub use scram::{Scram, ScramKeys, UnknownUsers};
pub use sealing::{SealingError, SealingKey};
pub use security_layer::{SecurityLayer, SecurityLayerError};
pub use source::{
    AuthError, ChainLink, Claim, DirectoryPasswords, ForeignAccount, ForeignLink, ForeignPasswords,
    Guarded, Identity, LinkedSource, Notices, OnWrongPassword, PasswdFile, PasswordChain,
    PasswordSource,
};
pub use throttle::{Attempt, Throttle, ThrottleRules, Watched};
pub use user_name::AcceptedDomains;

/// Octets that are never shown and are wiped when dropped.
pub type Secret = secrecy::SecretSlice<u8>;
