//! A listener: accepts on one bound socket and hands each connection to the session supervisor.
//! The socket lives one level up, so the port does not close while a listener is restarted.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Supervised, WrapFuture};

use crate::Security;
use crate::session::{Admit, Connection, SessionSupervisor, Wire};
use crate::supervise::Crash;
use crate::tls::TlsAcceptor;

/// The first wait after the system could not give us a connection.
const WEATHER_FIRST: Duration = Duration::from_millis(5);
/// The longest: descriptors come back when sessions end, so looking is cheap.
const WEATHER_LONGEST: Duration = Duration::from_millis(500);

/// What a listener is made of.
#[derive(Clone)]
pub(crate) struct ListenerParts {
    pub(crate) socket: Arc<TcpListener>,
    pub(crate) address: SocketAddr,
    pub(crate) security: Security,
    pub(crate) tls: Option<Arc<dyn TlsAcceptor>>,
    pub(crate) sessions: Addr<SessionSupervisor>,
    pub(crate) log: slog::Logger,
}

/// See the file's first lines.
pub(crate) struct ListenerActor {
    parts: ListenerParts,
}

impl ListenerActor {
    pub(crate) fn new(parts: ListenerParts) -> Self {
        Self { parts }
    }
}

impl Actor for ListenerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.spawn(accept_all(self.parts.clone()).into_actor(self));
    }
}

impl Supervised for ListenerActor {
    // The accept loop is begun anew by `started`.
}

async fn accept_all(parts: ListenerParts) {
    let mut weather = Weather::new(&parts.log, parts.address.to_string());
    let socket = loop {
        match register(&parts.socket) {
            Ok(socket) => break socket,
            Err(error) => weather.sit_out(&error).await,
        }
    };
    loop {
        match socket.accept().await {
            Ok((tcp, peer)) => {
                weather.is_fair();
                let Ok(tcp) = tcp.into_std() else { continue };
                let connection = Connection {
                    wire: Wire::Tcp(tcp),
                    peer,
                    security: parts.security,
                    tls: parts.tls.clone(),
                };
                // Waiting for the answer is the back-pressure: who is not admitted yet waits in
                // the system's queue. A supervisor that died under it closed the connection.
                let _ = parts.sessions.send(Admit(connection)).await;
            }
            Err(error) if concerns_one_peer(&error) => {}
            Err(error) => weather.sit_out(&error).await,
        }
    }
}

/// The bound socket as this thread's.
fn register(socket: &TcpListener) -> io::Result<tokio::net::TcpListener> {
    let socket = socket.try_clone()?;
    socket.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(socket)
}

/// What the system refuses a listener, most likely a file descriptor, passes by itself.
pub(crate) struct Weather {
    log: slog::Logger,
    listener: String,
    wait: Duration,
}

impl Weather {
    pub(crate) fn new(log: &slog::Logger, listener: String) -> Self {
        Self {
            log: log.clone(),
            listener,
            wait: WEATHER_FIRST,
        }
    }

    /// Something could be had.
    pub(crate) fn is_fair(&mut self) {
        self.wait = WEATHER_FIRST;
    }

    /// Nothing could: waits, longer each time.
    pub(crate) async fn sit_out(&mut self, error: &io::Error) {
        slog::warn!(self.log, "cannot accept connections";
            "listener" => &self.listener, "why" => %error);
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(WEATHER_LONGEST);
    }
}

/// Whether the peer went away before we took the connection.
pub(crate) fn concerns_one_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

impl Handler<Crash> for ListenerActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("the listener was told to crash");
    }
}
