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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MechanismOffer {
    /// Upper-case name.
    pub name: &'static str,
    /// It shows the password to whoever reads the connection.
    pub plaintext: bool,
    /// It is never offered without TLS.
    pub tls: bool,
    /// An initial response is allowed (RFC 5034 s4).
    pub client_first: bool,
    /// It is offered only where the connection has a channel binding.
    pub channel_binding: bool,
    /// It is offered only to clients with a certificate that is trusted.
    pub client_certificate: bool,
}

/// What the log should know of TLS, and what mechanisms can build upon.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFacts {
    /// For example `TLSv1.3`.
    pub version: String,
    /// For example `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// Whether there is a channel binding (RFC 5056).
    pub channel_binding: bool,
    /// Whether the client has shown a certificate that is trusted.
    pub client_certificate: bool,
}

/// The connection, as a session keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// TLS is on.
    pub(crate) tls: bool,
    /// It has a channel binding.
    pub(crate) channel_binding: bool,
    /// The client has a certificate that is trusted.
    pub(crate) client_certificate: bool,
    /// STLS could be offered.
    pub(crate) stls: bool,
    /// The mechanisms that could be offered.
    pub(crate) mechanisms: Arc<[MechanismOffer]>,
}

impl Link {
    /// What a handshake led to.
    pub(crate) fn secured(&mut self, facts: &TlsFacts) {
        self.tls = true;
        self.channel_binding = facts.channel_binding;
        self.client_certificate = facts.client_certificate;
    }
}
