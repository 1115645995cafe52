//! The seam to TLS: octets in, octets out, and what the log should know. The library behind it
//! is the composer's choice.

use std::future::Future;
use std::pin::Pin;

use mailroost_auth::Link;
use mailroost_protocol::TlsFacts;
use tokio::io::{AsyncRead, AsyncWrite};

/// Octets both ways, whatever they travel through.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// A connection of any kind.
pub type BoxedIo = Box<dyn Io>;

/// A handshake under way.
pub type Handshake = Pin<Box<dyn Future<Output = Result<TlsConnection, TlsError>> + Send>>;

/// Makes TLS out of a connection, server side.
pub trait TlsAcceptor: Send + Sync + 'static {
    /// Begins the handshake. Its deadline is the caller's business.
    fn accept(&self, io: BoxedIo) -> Handshake;
}

/// A connection on which TLS is on.
pub struct TlsConnection {
    /// The plaintext side.
    pub io: BoxedIo,
    /// For the log.
    pub facts: TlsFacts,
    /// What mechanisms can build upon: channel bindings, the client's certificate.
    pub link: Link,
}

/// Why a handshake failed, for the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("TLS handshake: {0}")]
pub struct TlsError(pub String);
