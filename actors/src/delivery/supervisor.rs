//! Lets LMTP connections in and gives each an actor on one of the threads. What it knows is kept
//! above it, so that its death ends no connection.

use std::io::Write;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, Supervised};
use mailroost_protocol::Ending;
use mailroost_protocol::lmtp::{LmtpRefusal, lmtp_refusal};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::connections::Entry;
use super::{DeliveryParts, DeliveryWire, LmtpActor, LmtpPeer, Start};
use crate::supervise::{
    Budget, ChildSpec, Crash, Exit, Place, Reports, Restart, cradle, start_child,
};

/// Messages that may wait for one connection: the supervisor's, and room.
const CONNECTION_QUEUE_MAX: usize = 4;

/// May this connection deliver?
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct AdmitDelivery {
    pub(crate) wire: DeliveryWire,
    pub(crate) peer: LmtpPeer,
}

/// All connections end at their next command boundary.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct EndDeliveries(pub(crate) Ending);

/// See the file's first lines.
pub(crate) struct DeliverySupervisor {
    parts: Arc<DeliveryParts>,
    places: Arc<[Place]>,
    tree: CancellationToken,
}

impl DeliverySupervisor {
    pub(crate) fn new(
        parts: Arc<DeliveryParts>,
        places: Arc<[Place]>,
        tree: CancellationToken,
    ) -> Self {
        Self {
            parts,
            places,
            tree,
        }
    }

    fn admit(&self, message: AdmitDelivery) {
        let AdmitDelivery { wire, peer } = message;
        let connections = &self.parts.connections;
        let rules = Arc::clone(&self.parts.rules.borrow());
        let refusal = if connections.is_closed() {
            LmtpRefusal::ShuttingDown
        } else if !rules.permit(&peer) {
            LmtpRefusal::NotPermitted
        } else {
            match connections.admit(self.parts.limits.lmtp_connections_max) {
                Some(place) => {
                    let number = connections.number();
                    return self.begin(Start {
                        number,
                        wire,
                        peer,
                        rules,
                        place,
                    });
                }
                None => LmtpRefusal::TooManyConnections,
            }
        };
        slog::warn!(self.parts.log, "lmtp connection refused";
            "peer" => peer.label(), "why" => format!("{refusal:?}"));
        refuse(wire, refusal);
    }

    fn begin(&self, start: Start) {
        let number = start.number;
        let thread = usize::try_from(number % self.places.len() as u64)
            .expect("the remainder of a usize fits into it");
        let reports = self.reports(number, start.peer);
        let spec = ChildSpec {
            name: String::new(),
            restart: Restart::Temporary,
            budget: Budget::none(),
        };
        let parts = Arc::clone(&self.parts);
        let make = move || LmtpActor::new(parts, start);
        let (addr, cradle) = cradle(CONNECTION_QUEUE_MAX);
        let child = start_child(
            cradle,
            &self.places[thread],
            spec,
            &self.tree,
            make,
            reports,
        );
        let gone = child.gone.clone();
        let connections = &self.parts.connections;
        connections.insert(number, Entry { addr, child });
        // It may have ended before it was booked in.
        if gone.is_cancelled() {
            connections.remove(number);
        }
    }

    fn reports(&self, number: u64, peer: LmtpPeer) -> Reports {
        let parts = Arc::clone(&self.parts);
        Reports {
            restarted: Box::new(|_never| {}),
            ended: Box::new(move |exit| {
                parts.connections.remove(number);
                if let Exit::Panicked(panic) | Exit::GaveUp(panic) = exit {
                    slog::error!(parts.log, "lmtp connection died";
                        "lmtp" => number, "peer" => peer.label(), "cause" => panic);
                }
            }),
        }
    }
}

/// Says in one line why, if that goes without waiting, and closes.
fn refuse(wire: DeliveryWire, why: LmtpRefusal) {
    let line = lmtp_refusal(why);
    match wire {
        // The socket's buffer is empty, so the line fits, or the peer is gone.
        DeliveryWire::Tcp(mut tcp) => drop(tcp.write(&line)),
        DeliveryWire::Unix(mut unix) => drop(unix.write(&line)),
        DeliveryWire::Other(mut other) => drop(actix_rt::spawn(async move {
            let _ = other.write(&line).await;
        })),
    }
}

impl Actor for DeliverySupervisor {
    type Context = Context<Self>;
}

impl Supervised for DeliverySupervisor {
    // All that it knows is kept above it.
}

impl Handler<AdmitDelivery> for DeliverySupervisor {
    type Result = ();

    fn handle(&mut self, message: AdmitDelivery, _ctx: &mut Context<Self>) {
        self.admit(message);
    }
}

impl Handler<EndDeliveries> for DeliverySupervisor {
    type Result = ();

    fn handle(&mut self, message: EndDeliveries, _ctx: &mut Context<Self>) {
        self.parts.connections.end_all(message.0);
    }
}

impl Handler<Crash> for DeliverySupervisor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("the delivery supervisor was told to crash");
    }
}
