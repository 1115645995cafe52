//! The connection, as far as a session has to know it.

use std::sync::Arc;

/// The connection as the session finds it.
#[derive(Debug, Clone)]
pub struct Transport {
    /// TLS is on already (implicit TLS, or a resumed value).
    pub tls: Option<TlsFacts>,
    /// A certificate is there, so that STLS can be offered.
    pub stls: bool,
    /// The mechanisms that could be offered, in the order of CAPA's SASL line.
    pub mechanisms: Arc<[MechanismOffer]>,
}

/// A mechanism as far as CAPA and AUTH need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MechanismOffer {
    /// Upper-case name.
    pub name: &'static str,
    /// It shows the password to whoever reads the connection.
    pub plaintext: bool,
    /// It is never offered without TLS.
    pub tls: bool,
    /// An initial response is allowed (RFC 5034 s4).
    pub client_first: bool,
}

/// What the log should know of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// For example `TLSv1.3`.
    pub version: String,
    /// For example `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
}

/// The connection, as a session keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// TLS is on.
    pub(crate) tls: bool,
    /// STLS could be offered.
    pub(crate) stls: bool,
    /// The mechanisms that could be offered.
    pub(crate) mechanisms: Arc<[MechanismOffer]>,
}
