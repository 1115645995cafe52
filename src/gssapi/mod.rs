//! GSSAPI from the settings. The Kerberos library is a cargo feature: without it the settings
//! are still read, and refused where they ask for GSSAPI.

#[cfg(feature = "gssapi")]
mod kerberos;
#[cfg(not(feature = "gssapi"))]
mod without;

#[cfg(feature = "gssapi")]
pub(crate) use kerberos::{check, enter_environment, mechanism};
#[cfg(not(feature = "gssapi"))]
pub(crate) use without::{check, enter_environment, mechanism};

/// Whether this program has the Kerberos library.
pub const BUILT_IN: bool = cfg!(feature = "gssapi");

/// Why GSSAPI cannot be offered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GssapiSetupError {
    /// The cargo feature is off.
    #[error("this program was built without the Kerberos library (cargo feature gssapi)")]
    NotBuiltIn,
    /// No keytab is set.
    #[error("GSSAPI needs the keys of this service")]
    NoKeytab,
    /// The keytab is no use.
    #[error("{0}")]
    Unusable(String),
}
