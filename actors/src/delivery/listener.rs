//! A listener of LMTP: accepts on one bound socket, TCP or Unix, and hands each connection to
//! the delivery supervisor. As for sessions, the socket lives one level up.

use std::io;
use std::sync::Arc;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Supervised, WrapFuture};

use super::{AdmitDelivery, DeliverySupervisor, DeliveryWire, LmtpAddress, LmtpPeer, LmtpSocket};
use crate::listener::{Weather, concerns_one_peer};
use crate::supervise::Crash;

/// A socket, held by its listener and by the tree.
pub(crate) type SharedSocket = Arc<LmtpSocket>;

/// What a listener is made of.
#[derive(Clone)]
pub(crate) struct LmtpListenerParts {
    pub(crate) socket: SharedSocket,
    pub(crate) address: LmtpAddress,
    pub(crate) deliveries: Addr<DeliverySupervisor>,
    pub(crate) log: slog::Logger,
}

/// See the file's first lines.
pub(crate) struct LmtpListenerActor {
    parts: LmtpListenerParts,
}

impl LmtpListenerActor {
    pub(crate) fn new(parts: LmtpListenerParts) -> Self {
        Self { parts }
    }
}

impl Actor for LmtpListenerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.spawn(accept_all(self.parts.clone()).into_actor(self));
    }
}

impl Supervised for LmtpListenerActor {
    // The accept loop is begun anew by `started`.
}

async fn accept_all(parts: LmtpListenerParts) {
    let mut weather = Weather::new(&parts.log, parts.address.to_string());
    let socket = loop {
        match Accepting::register(&parts.socket) {
            Ok(socket) => break socket,
            Err(error) => weather.sit_out(&error).await,
        }
    };
    loop {
        match socket.accept().await {
            Ok(admit) => {
                weather.is_fair();
                // Waiting for the answer is the back-pressure, as for sessions.
                let _ = parts.deliveries.send(admit).await;
            }
            Err(error) if concerns_one_peer(&error) => {}
            Err(error) => weather.sit_out(&error).await,
        }
    }
}

/// The bound socket as this thread's.
enum Accepting {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Accepting {
    fn register(socket: &LmtpSocket) -> io::Result<Self> {
        match socket {
            LmtpSocket::Tcp(socket) => {
                let socket = socket.try_clone()?;
                socket.set_nonblocking(true)?;
                tokio::net::TcpListener::from_std(socket).map(Self::Tcp)
            }
            LmtpSocket::Unix(socket, _) => {
                let socket = socket.try_clone()?;
                socket.set_nonblocking(true)?;
                tokio::net::UnixListener::from_std(socket).map(Self::Unix)
            }
        }
    }

    async fn accept(&self) -> io::Result<AdmitDelivery> {
        Ok(match self {
            Self::Tcp(socket) => {
                let (tcp, peer) = socket.accept().await?;
                AdmitDelivery {
                    wire: DeliveryWire::Tcp(tcp.into_std()?),
                    peer: LmtpPeer::Address(peer),
                }
            }
            Self::Unix(socket) => {
                let (unix, _unnamed) = socket.accept().await?;
                AdmitDelivery {
                    wire: DeliveryWire::Unix(unix.into_std()?),
                    peer: LmtpPeer::Local,
                }
            }
        })
    }
}

impl Handler<Crash> for LmtpListenerActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("the LMTP listener was told to crash");
    }
}
