//! Deliveries over LMTP: one actor for each connection of an MTA, their supervisor, and the
//! listeners.
//!
//! As with sessions, the actor is a thin shell that others can talk to, and its work is one
//! future that owns the connection and the protocol's state. When it dies, the message at hand
//! dies with it: nothing of it is delivered, and the MTA, which heard nothing, sends it again.

mod connections;
mod effects;
mod fan_out;
mod incoming;
mod listener;
mod rules;
mod run;
mod supervisor;

use std::sync::Arc;

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, Supervised,
    WrapFuture,
};
use mailroost_protocol::Ending;
use mailroost_storage::{Directory, MaildropStore};
use tokio::sync::watch;

use crate::mailbox::MailboxSupervisor;
use crate::session::Signals;
use crate::supervise::{Crash, Member};
use crate::tls::BoxedIo;
use crate::{Limits, Machine, Upkeep};
pub(crate) use connections::Connections;
pub(crate) use listener::{LmtpListenerActor, LmtpListenerParts, SharedSocket};
pub use rules::{Lmtp, LmtpAddress, LmtpPeer, LmtpRules, LmtpSocket};
pub(crate) use supervisor::{AdmitDelivery, DeliverySupervisor, EndDeliveries};

/// What all connections share.
pub(crate) struct DeliveryParts {
    pub(crate) limits: Limits,
    pub(crate) connections: Connections,
    pub(crate) rules: watch::Receiver<Arc<LmtpRules>>,
    pub(crate) upkeep: watch::Receiver<Arc<Upkeep>>,
    pub(crate) store: Arc<dyn MaildropStore>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) mailboxes: Addr<MailboxSupervisor>,
    pub(crate) machine: Machine,
    pub(crate) log: slog::Logger,
}

/// How the octets of a connection travel.
pub(crate) enum DeliveryWire {
    /// An accepted socket, not yet bound to a thread.
    Tcp(std::net::TcpStream),
    /// The same, from a Unix socket.
    Unix(std::os::unix::net::UnixStream),
    /// Anything else.
    Other(BoxedIo),
}

/// To a connection: end at the next command boundary, with a notice.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct EndDelivery(pub(crate) Ending);

/// See the file's first lines.
pub(crate) struct LmtpActor {
    parts: Arc<DeliveryParts>,
    signals: Arc<Signals>,
    start: Option<Start>,
}

/// What the future takes along.
pub(crate) struct Start {
    number: u64,
    wire: DeliveryWire,
    peer: LmtpPeer,
    rules: Arc<LmtpRules>,
    place: Member,
}

impl LmtpActor {
    fn new(parts: Arc<DeliveryParts>, start: Start) -> Self {
        Self {
            parts,
            signals: Arc::default(),
            start: Some(start),
        }
    }
}

impl Actor for LmtpActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some(start) = self.start.take() else {
            ctx.stop();
            return;
        };
        let run = run::run(Arc::clone(&self.parts), start, Arc::clone(&self.signals));
        ctx.spawn(run.into_actor(self).map(|(), _, ctx| ctx.stop()));
    }
}

impl Supervised for LmtpActor {}

impl Handler<EndDelivery> for LmtpActor {
    type Result = ();

    fn handle(&mut self, message: EndDelivery, _ctx: &mut Context<Self>) {
        self.signals.raise(message.0);
    }
}

impl Handler<Crash> for LmtpActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("the LMTP connection was told to crash");
    }
}
