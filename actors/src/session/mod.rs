//! A session: one connection, from the greeting to the last octet.
//!
//! The actor is a thin shell that others can talk to. Its work is one future ([`run`]) that
//! owns the connection and the protocol's state, so that a command costs no message. When the
//! actor dies, the socket and the deletion marks die with it: nothing is removed.

mod account;
mod admission;
mod body;
mod chunk;
mod effects;
mod handed_on;
mod layer;
mod log_on;
mod refuse;
mod registry;
mod retrieved;
mod run;
mod stream;
mod supervisor;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, Supervised,
    WrapFuture,
};
use mailroost_auth::{Mechanism, PasswordSource, Throttle};
use mailroost_protocol::{Ending, MechanismOffer, Policy};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::directory::DirectoryActor;
use crate::mailbox::{MailboxSupervisor, Maildrops};
use crate::refusal::Refusals;
use crate::relay::Sites;
use crate::supervise::Crash;
use crate::timer::{Activity, Armed, DeadlineFired, Deadlines, LookSoon};
use crate::tls::{BoxedIo, TlsAcceptor};
use crate::{Limits, Machine, ProtocolLog, Security};
use account::Account;
pub(crate) use admission::{Admission, Crowded, Place};
pub(crate) use registry::{OpenedMark, Registry};
pub(crate) use run::{LINGER, LINGER_OCTETS_MAX};
pub(crate) use stream::{Stream, with_read_buffer};
pub(crate) use supervisor::{Admit, EndMaildrop, EndSessions, SessionSupervisor};

/// What all sessions share.
pub(crate) struct SessionParts {
    pub(crate) limits: Limits,
    pub(crate) sites: Sites,
    pub(crate) protocol_log: Option<Arc<dyn ProtocolLog>>,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) admission: Admission,
    pub(crate) registry: Registry,
    pub(crate) directory: Addr<DirectoryActor>,
    /// Asked here for what it can tell at once; for all else the directory asks it.
    pub(crate) passwords: Arc<dyn PasswordSource>,
    pub(crate) mailboxes: Addr<MailboxSupervisor>,
    pub(crate) maildrops: Maildrops,
    pub(crate) deadlines: Deadlines,
    pub(crate) mechanisms: Vec<Arc<dyn Mechanism>>,
    pub(crate) offers: Arc<[MechanismOffer]>,
    pub(crate) machine: Machine,
    pub(crate) log: slog::Logger,
}

/// A connection that asks for a session.
pub(crate) struct Connection {
    pub(crate) wire: Wire,
    pub(crate) peer: SocketAddr,
    pub(crate) security: Security,
    pub(crate) tls: Option<Arc<dyn TlsAcceptor>>,
}

/// How the octets travel.
pub(crate) enum Wire {
    /// An accepted socket, not yet bound to a thread.
    Tcp(std::net::TcpStream),
    /// Anything else.
    Other(BoxedIo),
}

/// To a session: end at the next command boundary, with a notice.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct EndSession(pub(crate) Ending);

/// To a session: the timer has forgotten you.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ArmAgain;

/// What the actor tells its future.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    ending: AtomicU8,
    raised: Notify,
}

impl Signals {
    pub(crate) fn raise(&self, ending: Ending) {
        let code = match ending {
            Ending::Autologout => 1,
            Ending::Restart => 2,
            Ending::Shutdown => 3,
        };
        // A shutdown is not forgotten over an autologout that turns out to be premature.
        self.ending.fetch_max(code, Ordering::SeqCst);
        self.raised.notify_one();
    }

    /// What was told, and forgets it.
    pub(crate) fn take(&self) -> Option<Ending> {
        match self.ending.swap(0, Ordering::SeqCst) {
            1 => Some(Ending::Autologout),
            2 => Some(Ending::Restart),
            3 => Some(Ending::Shutdown),
            _ => None,
        }
    }

    /// Waits until something is told.
    pub(crate) async fn told(&self) {
        if self.ending.load(Ordering::SeqCst) == 0 {
            self.raised.notified().await;
        }
    }
}

/// See the file's first lines.
pub(crate) struct SessionActor {
    number: u64,
    parts: Arc<SessionParts>,
    signals: Arc<Signals>,
    activity: Arc<Activity>,
    start: Option<Start>,
}

/// What the future takes along.
pub(crate) struct Start {
    connection: Connection,
    policy: Arc<Policy>,
    opened: Arc<OpenedMark>,
    account: Arc<Account>,
    place: Place,
}

impl SessionActor {
    fn new(number: u64, parts: Arc<SessionParts>, start: Start) -> Self {
        let timeout = start.policy.pre_authenticated_timeout;
        Self {
            number,
            parts,
            signals: Arc::default(),
            activity: Arc::new(Activity::new(crate::clock::now() + timeout)),
            start: Some(start),
        }
    }

    /// Has the timer watch this session.
    fn arm(&self, ctx: &mut Context<Self>) {
        let armed = Armed {
            session: self.number,
            activity: Arc::downgrade(&self.activity),
            tell: ctx.address().downgrade().recipient(),
        };
        if let Some(timer) = self.parts.deadlines.arm(armed) {
            let again = async move {
                let _ = timer.send(LookSoon).await;
            };
            ctx.spawn(again.into_actor(self));
        }
    }
}

impl Actor for SessionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some(start) = self.start.take() else {
            ctx.stop();
            return;
        };
        self.arm(ctx);
        let run = run::run(
            self.number,
            Arc::clone(&self.parts),
            start,
            Arc::clone(&self.signals),
            Arc::clone(&self.activity),
        );
        ctx.spawn(run.into_actor(self).map(|(), session, ctx| {
            if session.activity.is_watched() {
                session.parts.deadlines.disarm(session.number);
            }
            ctx.stop();
        }));
    }
}

impl Supervised for SessionActor {}

impl Handler<DeadlineFired> for SessionActor {
    type Result = ();

    fn handle(&mut self, _: DeadlineFired, _ctx: &mut Context<Self>) {
        self.signals.raise(Ending::Autologout);
    }
}

impl Handler<EndSession> for SessionActor {
    type Result = ();

    fn handle(&mut self, message: EndSession, _ctx: &mut Context<Self>) {
        self.signals.raise(message.0);
    }
}

impl Handler<ArmAgain> for SessionActor {
    type Result = ();

    fn handle(&mut self, _: ArmAgain, ctx: &mut Context<Self>) {
        self.arm(ctx);
    }
}

impl Handler<Crash> for SessionActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("the session was told to crash");
    }
}

impl Wire {
    /// The server's end, where it has an address.
    fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(tcp) => tcp.local_addr().ok(),
            Self::Other(_) => None,
        }
    }

    /// The stream, bound to the thread that calls.
    fn into_stream(self) -> std::io::Result<stream::Stream> {
        match self {
            Self::Tcp(tcp) => {
                // Replies are written whole; waiting for more of them helps nobody.
                tcp.set_nodelay(true)?;
                Ok(stream::Stream::Tcp(TcpStream::from_std(tcp)?))
            }
            Self::Other(other) => Ok(stream::Stream::Other(other)),
        }
    }
}
