//! The contract of a SASL mechanism (RFC 4422), server side.

use crate::{AuthError, Identity, PasswordSource};

/// A mechanism: what it is called, what it needs, and how an exchange begins. An embedding
/// program can add its own.
pub trait Mechanism: Send + Sync + 'static {
    /// Its name in upper case, as in CAPA's SASL line.
    fn name(&self) -> &'static str;

    /// What must be there before it is offered.
    fn needs(&self) -> Needs;

    /// Begins an exchange.
    fn start(&self, link: &Link) -> Box<dyn Exchange>;
}

/// What a mechanism needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// It shows the password to whoever reads the connection: TLS is wanted wherever the
    /// log-on policy wants it for passwords.
    pub plaintext: bool,
    /// It is not offered without TLS, whatever the policy says.
    pub tls: bool,
    /// The client speaks first; if not, an initial response is an error (RFC 5034 s4).
    pub client_first: bool,
}

/// What an exchange may know of the connection.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// Whether TLS is on.
    pub tls: bool,
    /// `tls-server-end-point` channel binding (RFC 5929), if TLS is on and it is known.
    pub tls_server_end_point: Option<Vec<u8>>,
    /// `tls-exporter` channel binding (RFC 9266), likewise.
    pub tls_exporter: Option<Vec<u8>>,
}

/// One exchange with one client. Dropping it is cancelling it.
pub trait Exchange: Send {
    /// Takes the client's octets (decoded; empty at the start when there is no initial
    /// response is *not* given: then the first challenge is empty) and says how it goes on.
    /// May block.
    fn step(&mut self, client: &[u8], source: &dyn PasswordSource) -> Progress;
}

/// How an exchange goes on.
#[derive(Debug)]
pub enum Progress {
    /// Send this to the client (not yet encoded) and come back with its answer.
    Challenge(Vec<u8>),
    /// The client is who it says.
    Success(Identity),
    /// It is not, or nobody can tell.
    Failure(AuthError),
}
