//! The door of the room: what the tree is made of, and the handle to it.

mod upkeep;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use mailroost_auth::throttle::Ban;
use mailroost_auth::{Mechanism, PasswordSource, Throttle};
use mailroost_protocol::{Policy, RefusalId};
use mailroost_storage::{
    BodySource, Delivery, Directory, MaildropId, MaildropStore, MessageId, MessageRecord,
    StoreError,
};

use crate::ask::ask;
use crate::delivery::{AdmitDelivery, DeliveryWire};
use crate::grow::grow;
use crate::mailbox::{
    CommitDeletions, Deliver, FindMailbox, ListContents, RetireMailbox, ask_mailbox,
};
use crate::session::{Admit, Connection, EndMaildrop, Wire};
use crate::supervise::Crash;
use crate::tls::{BoxedIo, TlsAcceptor};
use crate::trunk::{Grown, Trunk};
use crate::{
    Limits, Lmtp, LmtpAddress, LmtpPeer, LmtpRules, Machine, ProtocolLog, RefusalNote, Sites,
    Terms, Upkeep, clock,
};

/// What the tree is made of, all of it values.
pub struct Blueprint {
    /// Where the maildrops are.
    pub store: Arc<dyn MaildropStore>,
    /// Whose they are.
    pub directory: Arc<dyn Directory>,
    /// Who may open them.
    pub passwords: Arc<dyn PasswordSource>,
    /// Who has failed to, and has to wait.
    pub throttle: Arc<Throttle>,
    /// The SASL mechanisms, in the order of CAPA's SASL line.
    pub mechanisms: Vec<Arc<dyn Mechanism>>,
    /// How the protocol behaves.
    pub policy: Arc<Policy>,
    /// How much there may be of everything.
    pub limits: Limits,
    /// How maildrops are looked after.
    pub upkeep: Arc<Upkeep>,
    /// Where the users of other sites have their maildrops.
    pub sites: Sites,
    /// Where a record of every command goes, if anywhere.
    pub protocol_log: Option<Arc<dyn ProtocolLog>>,
    /// The sockets to serve, bound already.
    pub bindings: Vec<Binding>,
    /// Deliveries over LMTP.
    pub lmtp: Lmtp,
    /// Arbiters (threads) for sessions and mailboxes. With 0 everything runs on the arbiter
    /// that starts the tree, as a test on a paused clock needs it.
    pub workers: usize,
    /// What it runs on.
    pub machine: Machine,
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
pub struct TreeHandle(Arc<Trunk>);

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

/// One of the kinds of actors, for drills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The root.
    Root,
    /// The timer.
    Timer,
    /// The directory.
    Directory,
    /// The supervisor of the mailboxes.
    MailboxSupervisor,
    /// The mailbox of this maildrop, made first if it is not there.
    Mailbox(MaildropId),
    /// The supervisor of the sessions.
    SessionSupervisor,
    /// All sessions that have this maildrop open.
    Sessions(MaildropId),
    /// The supervisor of the LMTP connections.
    DeliverySupervisor,
    /// All LMTP connections.
    Deliveries,
    /// All listeners.
    Listeners,
    /// The sweeper.
    Sweeper,
}

impl TreeHandle {
    /// Starts the tree inside the current `actix::System`.
    ///
    /// # Errors
    /// If a thread cannot be started or a binding has no address.
    pub fn start(blueprint: Blueprint) -> std::io::Result<Self> {
        grow(blueprint).map(Self)
    }

    /// The addresses served, in the order of the bindings.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0.addresses
    }

    /// Where LMTP is served, in the order of its sockets.
    pub fn lmtp_addresses(&self) -> &[LmtpAddress] {
        &self.0.lmtp_addresses
    }

    pub(crate) fn grown(&self) -> Result<&Grown, TreeError> {
        self.0.grown.get().ok_or(TreeError::Unavailable("the tree"))
    }

    /// Serves a connection that somebody else accepted or made up (an in-memory pipe).
    /// Admission applies as for any other.
    ///
    /// # Errors
    /// `Unavailable` if the tree is being taken down.
    pub async fn serve(
        &self,
        io: BoxedIo,
        peer: SocketAddr,
        security: Security,
        tls: Option<Arc<dyn TlsAcceptor>>,
    ) -> Result<(), TreeError> {
        let connection = Connection {
            wire: Wire::Other(io),
            peer,
            security,
            tls,
        };
        let sessions = &self.grown()?.addrs.sessions;
        ask(sessions, "the session supervisor", Admit(connection)).await
    }

    /// Takes messages over LMTP from a connection that somebody else accepted or made up.
    /// Admission applies as for any other.
    ///
    /// # Errors
    /// `Unavailable` if the tree is being taken down.
    pub async fn serve_lmtp(&self, io: BoxedIo, peer: LmtpPeer) -> Result<(), TreeError> {
        let wire = DeliveryWire::Other(io);
        let deliveries = &self.grown()?.addrs.deliveries;
        let admit = AdmitDelivery { wire, peer };
        ask(deliveries, "the delivery supervisor", admit).await
    }

    /// Delivers messages into a maildrop, whatever its quota: all or none, durable when it
    /// returns.
    ///
    /// # Errors
    /// See `OwnedMaildrop::deliver`. After `Unavailable` nobody knows whether it happened.
    pub async fn deliver(
        &self,
        maildrop: MaildropId,
        deliveries: Vec<Delivery>,
    ) -> Result<Vec<MessageId>, TreeError> {
        self.take_in(maildrop, deliveries, None).await
    }

    /// The same on terms, which [`TreeHandle::upkeep`] has for each user.
    ///
    /// # Errors
    /// As `deliver`; `OverQuota`.
    pub async fn deliver_on(
        &self,
        terms: Terms,
        maildrop: MaildropId,
        deliveries: Vec<Delivery>,
    ) -> Result<Vec<MessageId>, TreeError> {
        self.take_in(maildrop, deliveries, Some(terms)).await
    }

    async fn take_in(
        &self,
        maildrop: MaildropId,
        deliveries: Vec<Delivery>,
        terms: Option<Terms>,
    ) -> Result<Vec<MessageId>, TreeError> {
        let mailboxes = &self.grown()?.addrs.mailboxes;
        let mailbox = ask(mailboxes, "the mailbox supervisor", FindMailbox(maildrop)).await??;
        ask(&mailbox, "the mailbox", Deliver { deliveries, terms }).await?
    }

    /// Removes messages: all or none, durable when it returns. Says how many there were.
    ///
    /// # Errors
    /// See `OwnedMaildrop::remove`.
    pub async fn remove(
        &self,
        maildrop: MaildropId,
        messages: Vec<MessageId>,
    ) -> Result<usize, TreeError> {
        ask_mailbox(&self.grown()?.addrs.mailboxes, maildrop, |mailbox| {
            let commit = CommitDeletions {
                messages: messages.clone(),
                read: Vec::new(),
                by: Some("operator".into()),
            };
            async move { ask(&mailbox, "the mailbox", commit).await? }
        })
        .await
    }

    /// What is in a maildrop.
    ///
    /// # Errors
    /// See `MaildropStore::open_maildrop`.
    pub async fn contents(&self, maildrop: MaildropId) -> Result<MaildropContents, TreeError> {
        ask_mailbox(
            &self.grown()?.addrs.mailboxes,
            maildrop,
            |mailbox| async move { ask(&mailbox, "the mailbox", ListContents).await? },
        )
        .await
    }

    /// Ends the sessions of a maildrop and lets go of it, so that it can be removed.
    ///
    /// # Errors
    /// `Unavailable` if the tree is being taken down.
    pub async fn retire(&self, maildrop: MaildropId) -> Result<(), TreeError> {
        let addrs = &self.grown()?.addrs;
        ask(
            &addrs.sessions,
            "the session supervisor",
            EndMaildrop(maildrop),
        )
        .await?;
        ask(
            &addrs.mailboxes,
            "the mailbox supervisor",
            RetireMailbox(maildrop),
        )
        .await
    }

    /// What new sessions follow.
    pub fn policy(&self) -> Arc<Policy> {
        let policy = self.0.policy.read();
        Arc::clone(&policy.unwrap_or_else(PoisonError::into_inner))
    }

    /// New sessions follow this policy.
    pub fn set_policy(&self, policy: Arc<Policy>) {
        *self
            .0
            .policy
            .write()
            .unwrap_or_else(PoisonError::into_inner) = policy;
    }

    /// Who has to wait, and who is banned.
    pub fn throttle(&self) -> &Arc<Throttle> {
        &self.0.throttle
    }

    /// All bans that are in force, those that last longest first.
    pub fn bans(&self) -> Vec<Ban> {
        self.0.throttle.bans(clock::now())
    }

    /// What is known of a refusal, if it is one of the last.
    pub fn refusal(&self, id: RefusalId) -> Option<RefusalNote> {
        self.0.refusals.find(id)
    }

    /// New LMTP connections follow these rules.
    pub fn set_lmtp_rules(&self, rules: Arc<LmtpRules>) {
        self.0.lmtp_rules.send_replace(rules);
    }

    /// The tree as it is now.
    pub async fn census(&self) -> Node {
        self.0.census()
    }

    /// No new connections; sessions end at a command boundary with a notice, QUITs already
    /// received are committed; what is left after `patience` is cut. Resolves when all is
    /// still, the ports are free and the mailboxes have let go. The store is not closed: it
    /// is not the tree's.
    pub async fn drain(&self, patience: Duration) {
        self.0.fell(Some(patience), Ended::Stopped).await;
    }

    /// Cuts everything now. Resolves like `drain`.
    pub async fn stop(&self) {
        self.0.fell(None, Ended::Stopped).await;
    }

    /// Resolves when the tree has ended, and says why.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.0.ended.subscribe();
        match ended.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or(Ended::Stopped),
            // The sender lives in the trunk, and the trunk in this handle.
            Err(_closed) => Ended::Stopped,
        }
    }

    /// Makes actors panic, to see the tree hold. For drills and tests.
    ///
    /// # Errors
    /// `Unavailable` if the mailbox cannot be made.
    pub async fn crash(&self, victim: Victim) -> Result<(), TreeError> {
        let Grown {
            addrs,
            parts,
            deliveries,
            ..
        } = self.grown()?;
        // The answer to `Crash` is that there is none.
        match victim {
            Victim::Root => {
                let _ = addrs.root.send(Crash).await;
            }
            Victim::Timer => {
                let _ = addrs.timer.send(Crash).await;
            }
            Victim::Directory => {
                let _ = addrs.directory.send(Crash).await;
            }
            Victim::MailboxSupervisor => {
                let _ = addrs.mailboxes.send(Crash).await;
            }
            Victim::Mailbox(maildrop) => {
                let find = FindMailbox(maildrop);
                let mailbox = ask(&addrs.mailboxes, "the mailbox supervisor", find).await??;
                let _ = mailbox.send(Crash).await;
            }
            Victim::SessionSupervisor => {
                let _ = addrs.sessions.send(Crash).await;
            }
            Victim::Sessions(maildrop) => {
                for session in parts.registry.all() {
                    if session.opened.is(maildrop) {
                        let _ = session.addr.try_send(Crash);
                    }
                }
            }
            Victim::DeliverySupervisor => {
                let _ = addrs.deliveries.send(Crash).await;
            }
            Victim::Deliveries => deliveries.connections.crash_all(),
            Victim::Listeners => {
                for listener in &addrs.listeners {
                    let _ = listener.send(Crash).await;
                }
                for listener in &addrs.lmtp_listeners {
                    let _ = listener.send(Crash).await;
                }
            }
            Victim::Sweeper => {
                let _ = addrs.sweeper.send(Crash).await;
            }
        }
        Ok(())
    }
}
