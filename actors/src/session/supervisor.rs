//! Lets connections in, gives each a session on one of the threads, and passes on what concerns
//! all of them. What it knows is kept above it, so that its death ends no session.

use std::future::poll_fn;
use std::io::Write;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;

use actix::{Actor, Context, Handler, Message, ResponseFuture, Supervised};
use mailroost_protocol::{Ending, Policy, Refusal, RefusalId};
use mailroost_storage::MaildropId;
use tokio::io::AsyncWrite;
use tokio_util::sync::CancellationToken;

use super::registry::Entry;
use super::{
    Account, ArmAgain, Connection, Crowded, EndSession, OpenedMark, SessionActor, SessionParts,
    Start, Wire,
};
use crate::clock;
use crate::refusal::{Refused, Rule};
use crate::supervise::{
    Budget, ChildSpec, Crash, Exit, Place, Reports, Restart, cradle, start_child,
};
use crate::timer::TimerRestarted;

/// Messages that may wait for one session: the timer's, the supervisor's, and room.
const SESSION_QUEUE_MAX: usize = 8;

/// May this connection have a session?
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Admit(pub(crate) Connection);

/// All sessions end at their next command boundary.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct EndSessions(pub(crate) Ending);

/// The sessions of one maildrop end. Answered when they have.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct EndMaildrop(pub(crate) MaildropId);

/// See the file's first lines.
pub(crate) struct SessionSupervisor {
    parts: Arc<SessionParts>,
    policy: Arc<RwLock<Arc<Policy>>>,
    places: Arc<[Place]>,
    tree: CancellationToken,
}

impl SessionSupervisor {
    pub(crate) fn new(
        parts: Arc<SessionParts>,
        policy: Arc<RwLock<Arc<Policy>>>,
        places: Arc<[Place]>,
        tree: CancellationToken,
    ) -> Self {
        Self {
            parts,
            policy,
            places,
            tree,
        }
    }

    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn admit(&self, connection: Connection) {
        if self.parts.registry.is_closed() {
            let why = "the server is shutting down";
            let id = self.note(connection.peer, Rule::ShuttingDown, None, why);
            return refuse(&self.policy(), connection, Refusal::ShuttingDown, id);
        }
        let peer = connection.peer;
        if let Some(ban) = self.parts.throttle.closes(peer.ip(), clock::now()) {
            // A ban tool reads of it, the client reads nothing: that costs the least.
            let limit = self.parts.throttle.rules().failures_max(ban.scope);
            let why = (ban.setting(), u64::from(limit));
            self.note(peer, Rule::Banned, Some(why), &ban.to_string());
            return;
        }
        match self.parts.admission.admit(connection.peer.ip()) {
            Ok(place) => self.begin(connection, place),
            Err(crowded) => {
                let limits = &self.parts.limits;
                let (rule, limit, why, refusal) = match crowded {
                    Crowded::Total => (
                        Rule::Connections,
                        ("limits.max_connections", limits.sessions_max),
                        "all places are taken",
                        Refusal::TooManyConnections,
                    ),
                    Crowded::Address => (
                        Rule::ConnectionsOfAddress,
                        (
                            "limits.max_connections_per_address",
                            limits.sessions_per_address_max,
                        ),
                        "its address has its share of sessions",
                        Refusal::TooManyConnectionsFromAddress,
                    ),
                };
                let limit = (limit.0, limit.1 as u64);
                let id = self.note(peer, rule, Some(limit), why);
                refuse(&self.policy(), connection, refusal, id);
            }
        }
    }

    /// Takes note of a connection that is not let in, with the setting behind it.
    fn note(
        &self,
        peer: SocketAddr,
        rule: Rule,
        limit: Option<(&'static str, u64)>,
        why: &str,
    ) -> RefusalId {
        let (refusals, id) = (&self.parts.refusals, self.parts.refusals.fresh_id());
        let refused = Refused {
            peer,
            session: None,
            name: None,
            how: None,
            rule,
            setting: limit.map(|limit| limit.0),
            limit: limit.map(|limit| limit.1),
            why: why.to_owned(),
        };
        refusals.note(&self.parts.log, id, refused);
        id
    }

    fn begin(&self, connection: Connection, place: super::Place) {
        let registry = &self.parts.registry;
        let number = registry.number();
        let thread = usize::try_from(number % self.places.len() as u64)
            .expect("the remainder of a usize fits into it");
        let opened = Arc::new(OpenedMark::default());
        let peer = connection.peer;
        let policy = self.policy();
        let account = Arc::new(Account::new());
        let reports = self.reports(number, peer, Arc::clone(&account));
        let start = Start {
            connection,
            policy,
            account,
            opened: Arc::clone(&opened),
            place,
        };
        let spec = ChildSpec {
            name: String::new(),
            restart: Restart::Temporary,
            budget: Budget::none(),
        };
        let parts = Arc::clone(&self.parts);
        let make = move || SessionActor::new(number, parts, start);
        let place = &self.places[thread];
        let (addr, cradle) = cradle(SESSION_QUEUE_MAX);
        let child = start_child(cradle, place, spec, &self.tree, make, reports);
        let gone = child.gone.clone();
        registry.insert(
            number,
            Entry {
                addr,
                child,
                opened,
            },
        );
        // It may have ended before it was booked in.
        if gone.is_cancelled() {
            registry.remove(number);
        }
    }

    fn reports(&self, number: u64, peer: SocketAddr, account: Arc<Account>) -> Reports {
        let parts = Arc::clone(&self.parts);
        let member = parts.registry.admit();
        Reports {
            restarted: Box::new(|_never| {}),
            ended: Box::new(move |exit| {
                let _counted_until_here = member;
                parts.registry.remove(number);
                if let Exit::Panicked(panic) | Exit::GaveUp(panic) = &exit {
                    slog::error!(parts.log, "session died";
                        "session" => number, "peer" => %peer, "cause" => panic);
                }
                account.report(&parts.log, number, peer, exit);
            }),
        }
    }
}

/// Says in one line why, if that goes without waiting, and closes.
fn refuse(policy: &Policy, connection: Connection, why: Refusal, id: RefusalId) {
    if connection.security == crate::Security::ImplicitTls {
        return;
    }
    let line = mailroost_protocol::refusal(policy, why, id);
    match connection.wire {
        // The socket's buffer is empty, so the line fits, or the peer is gone.
        Wire::Tcp(mut tcp) => drop(tcp.write(&line)),
        Wire::Other(mut other) => drop(actix_rt::spawn(async move {
            let write = poll_fn(|cx| Poll::Ready(Pin::new(&mut other).poll_write(cx, &line)));
            let _ = write.await;
        })),
    }
}

impl Actor for SessionSupervisor {
    type Context = Context<Self>;
}

impl Supervised for SessionSupervisor {
    // All that it knows is kept above it.
}

impl Handler<Admit> for SessionSupervisor {
    type Result = ();

    fn handle(&mut self, message: Admit, _ctx: &mut Context<Self>) {
        self.admit(message.0);
    }
}

impl Handler<EndSessions> for SessionSupervisor {
    type Result = ();

    fn handle(&mut self, message: EndSessions, _ctx: &mut Context<Self>) {
        self.parts.registry.tell_all(|| EndSession(message.0));
    }
}

impl Handler<EndMaildrop> for SessionSupervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, message: EndMaildrop, _ctx: &mut Context<Self>) -> Self::Result {
        let mut ending = self.parts.registry.all();
        ending.retain(|session| session.opened.is(message.0));
        for session in &ending {
            let _ = session.addr.try_send(EndSession(Ending::Restart));
        }
        let patience = self.parts.limits.closing;
        Box::pin(async move {
            let gone = async {
                for session in &ending {
                    session.child.gone.cancelled().await;
                }
            };
            if tokio::time::timeout(patience, gone).await.is_err() {
                for session in &ending {
                    session.child.end().await;
                }
            }
        })
    }
}

impl Handler<TimerRestarted> for SessionSupervisor {
    type Result = ();

    fn handle(&mut self, _: TimerRestarted, _ctx: &mut Context<Self>) {
        self.parts.registry.tell_all(|| ArmAgain);
    }
}

impl Handler<Crash> for SessionSupervisor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("the session supervisor was told to crash");
    }
}
