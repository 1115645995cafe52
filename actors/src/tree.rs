//! The door of the room: what the tree is made of, and the handle to it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use mailroost_auth::{Mechanism, PasswordSource};
use mailroost_protocol::Policy;
use mailroost_storage::{
    BodySource, Delivery, MaildropId, MaildropStore, MessageId, MessageRecord, StoreError,
};

use crate::Limits;
use crate::tls::{BoxedIo, TlsAcceptor};

/// What the tree is made of, all of it values.
pub struct Blueprint {
    /// Where the maildrops are.
    pub store: Arc<dyn MaildropStore>,
    /// Who may open them.
    pub passwords: Arc<dyn PasswordSource>,
    /// The SASL mechanisms, in the order of CAPA's SASL line.
    pub mechanisms: Vec<Arc<dyn Mechanism>>,
    /// How the protocol behaves.
    pub policy: Arc<Policy>,
    /// How much there may be of everything.
    pub limits: Limits,
    /// The sockets to serve, bound already.
    pub bindings: Vec<Binding>,
    /// Arbiters (threads) for sessions and mailboxes. With 0 everything runs on the arbiter
    /// that starts the tree, as a test on a paused clock needs it.
    pub workers: usize,
    /// Where to log.
    pub log: slog::Logger,
}

/// A bound socket and what is spoken on it.
pub struct Binding {
    /// Bound and listening.
    pub socket: TcpListener,
    /// Implicit TLS or not.
    pub security: Security,
    /// Needed for implicit TLS; offers STLS otherwise, where it is there.
    pub tls: Option<Arc<dyn TlsAcceptor>>,
}

/// How TLS comes about on a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Plaintext at first; STLS if there is a certificate.
    Stls,
    /// The handshake comes first (RFC 8314).
    ImplicitTls,
}

/// The tree from outside. Cheap to clone; dropping it stops nothing.
#[derive(Clone)]
pub struct TreeHandle {}

/// A maildrop as it is now.
pub struct MaildropContents {
    /// Grows with every change.
    pub revision: u64,
    /// The live messages in order.
    pub messages: Arc<[MessageRecord]>,
    /// Their bodies.
    pub bodies: Arc<dyn BodySource>,
}

/// Why the tree could not do something.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The actor that was asked died, or its queue is full; trying again may work.
    #[error("{0} is not available at the moment")]
    Unavailable(&'static str),
}

/// Why the tree ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was drained or stopped.
    Stopped,
    /// A child died more often than its budget allows.
    GaveUp {
        /// Which child, and what it died of.
        cause: String,
    },
}

/// One node of the tree and what is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// For example `MailboxSupervisor` or `ListenerActor 127.0.0.1:110`.
    pub name: String,
    /// Restarts since the tree started.
    pub restarts: u64,
    /// Children that are alive.
    pub children: Vec<Node>,
    /// Sessions, mailboxes and so on, where they are too many to be named one by one.
    pub population: usize,
}

impl TreeHandle {
    /// Starts the tree inside the current `actix::System`.
    pub fn start(_blueprint: Blueprint) -> std::io::Result<Self> {
        todo!()
    }

    /// The addresses served, in the order of the bindings.
    pub fn addresses(&self) -> &[SocketAddr] {
        todo!()
    }

    /// Serves a connection that somebody else accepted or made up (an in-memory pipe).
    /// Admission applies as for any other.
    pub async fn serve(
        &self,
        _io: BoxedIo,
        _peer: SocketAddr,
        _security: Security,
        _tls: Option<Arc<dyn TlsAcceptor>>,
    ) -> Result<(), TreeError> {
        todo!()
    }

    /// Delivers messages into a maildrop: all or none, durable when it returns.
    pub async fn deliver(
        &self,
        _maildrop: MaildropId,
        _deliveries: Vec<Delivery>,
    ) -> Result<Vec<MessageId>, TreeError> {
        todo!()
    }

    /// Removes messages: all or none, durable when it returns. Says how many there were.
    pub async fn remove(
        &self,
        _maildrop: MaildropId,
        _messages: Vec<MessageId>,
    ) -> Result<usize, TreeError> {
        todo!()
    }

    /// What is in a maildrop.
    pub async fn contents(&self, _maildrop: MaildropId) -> Result<MaildropContents, TreeError> {
        todo!()
    }

    /// Ends the sessions of a maildrop and lets go of it, so that it can be removed.
    pub async fn retire(&self, _maildrop: MaildropId) -> Result<(), TreeError> {
        todo!()
    }

    /// New sessions follow this policy.
    pub fn set_policy(&self, _policy: Arc<Policy>) {
        todo!()
    }

    /// The tree as it is now.
    pub async fn census(&self) -> Node {
        todo!()
    }

    /// No new connections; sessions end at a command boundary with a notice, QUITs already
    /// received are committed; what is left after `patience` is cut. Resolves when all is
    /// still, the ports are free and the mailboxes have let go. The store is not closed: it
    /// is not the tree's.
    pub async fn drain(&self, _patience: Duration) {
        todo!()
    }

    /// Cuts everything now. Resolves like `drain`.
    pub async fn stop(&self) {
        todo!()
    }

    /// Resolves when the tree has ended, and says why.
    pub async fn ended(&self) -> Ended {
        todo!()
    }
}
