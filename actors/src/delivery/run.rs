//! An LMTP connection's loop: octets in, octets out, effects in between.
//!
//! There are few of these connections and each is busy, so each keeps its own deadline.

use std::io;
use std::sync::Arc;

use mailroost_protocol::lmtp::{LmtpSession, LmtpStep};
use mailroost_protocol::{CloseReason, Ending};
use tokio::net::{TcpStream, UnixStream};

use super::effects::Effects;
use super::{DeliveryParts, DeliveryWire, Start};
use crate::clock;
use crate::session::{LINGER, LINGER_OCTETS_MAX, Signals, Stream};

/// How a connection ended.
enum End {
    /// The protocol closed it.
    Closed(CloseReason),
    /// The peer closed it, or it broke.
    Cut(String),
}

/// Serves one connection to its end.
pub(super) async fn run(parts: Arc<DeliveryParts>, start: Start, signals: Arc<Signals>) {
    let Start {
        number,
        wire,
        peer,
        rules,
        place,
    } = start;
    let label = peer.label();
    let log = parts
        .log
        .new(slog::o!("lmtp" => number, "peer" => label.clone()));
    let stream = match wire.into_stream() {
        Ok(stream) => stream,
        Err(error) => {
            slog::info!(log, "lmtp connection ended"; "reason" => format!("Cut: {error}"));
            return;
        }
    };
    let session = LmtpSession::new(Arc::clone(&rules.policy), label.into(), clock::now());
    let mut driver = Driver {
        effects: Effects::new(Arc::clone(&parts), number, log.clone()),
        parts,
        stream,
        session,
        signals,
        out: Vec::new(),
        sent: 0,
        received: 0,
        log,
        end: None,
    };
    driver.drive().await;
    driver.finish().await;
    drop(place);
}

struct Driver {
    parts: Arc<DeliveryParts>,
    stream: Stream,
    session: LmtpSession,
    effects: Effects,
    signals: Arc<Signals>,
    out: Vec<u8>,
    sent: u64,
    received: u64,
    log: slog::Logger,
    end: Option<End>,
}

impl Driver {
    async fn drive(&mut self) {
        self.end = Some(loop {
            let step = self.session.next(clock::now(), &mut self.out);
            let done = match step {
                LmtpStep::NeedInput => self.need_input().await,
                LmtpStep::Flush => self.write().await,
                LmtpStep::Effect(effect) => {
                    let sender = self.session.sender().to_owned();
                    let outcome = self.effects.carry_out(effect, &sender).await;
                    self.session.resume(outcome, clock::now(), &mut self.out);
                    Ok(())
                }
                LmtpStep::Close(reason) => {
                    // The peer may be gone already: the reason stays the same.
                    let _ = self.write().await;
                    break End::Closed(reason);
                }
            };
            if let Err(end) = done {
                break end;
            }
        });
    }

    /// Writes what was answered. A peer that takes nothing is cut.
    async fn write(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        let stall = self.parts.limits.write_stall;
        self.stream
            .write_all([&self.out], stall)
            .await
            .map_err(cut)?;
        self.stream.flush(stall).await.map_err(cut)?;
        self.sent += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }

    /// All that was received is answered: write it, then wait for more, or for a reason to end.
    async fn need_input(&mut self) -> Result<(), End> {
        if !self.session.message_is_open() {
            self.effects.give_up_message();
        }
        self.write().await?;
        let deadline = tokio::time::Instant::from_std(self.session.deadline());
        let (session, received) = (&mut self.session, &mut self.received);
        let read = tokio::select! {
            biased;
            () = self.signals.told() => None,
            read = self.stream.read(|octets| session.input(octets)) => Some(read),
            () = tokio::time::sleep_until(deadline) => {
                session.end(Ending::Autologout, &mut self.out);
                return Ok(());
            }
        };
        match read {
            Some(Ok(0)) => Err(End::Cut("the client closed the connection".to_owned())),
            Some(Ok(octets)) => {
                *received += octets as u64;
                Ok(())
            }
            Some(Err(error)) => Err(cut(error)),
            None => {
                self.told_to_end().await;
                Ok(())
            }
        }
    }

    async fn told_to_end(&mut self) {
        let Some(ending) = self.signals.take() else {
            return;
        };
        // Whatever arrived before we were told is still answered.
        let session = &mut self.session;
        let read = self.stream.read_now(|octets| session.input(octets)).await;
        match read {
            Some(Ok(octets)) if octets > 0 => {
                self.received += octets as u64;
                self.signals.raise(ending);
            }
            Some(_ended_or_broken) => self.session.end(ending, &mut self.out),
            None => self.session.end(ending, &mut self.out),
        }
    }

    /// Closes in order when the protocol did; a connection that broke is just dropped.
    async fn finish(mut self) {
        self.effects.give_up_message();
        let Some(End::Closed(reason)) = &self.end else {
            return;
        };
        // A socket that is closed with octets unread resets the connection, and what was said
        // last may be lost with it.
        let may_still_send = !matches!(reason, CloseReason::Quit);
        let shut = self.stream.shut_down(self.parts.limits.closing).await;
        if may_still_send && shut.is_ok() {
            let discard = self.stream.discard(LINGER_OCTETS_MAX);
            let _ = tokio::time::timeout(LINGER, discard).await;
        }
    }
}

/// Whatever ends the connection, a panic or the tree, the log has its line.
impl Drop for Driver {
    fn drop(&mut self) {
        let reason = match self.end.take() {
            Some(End::Closed(reason)) => format!("{reason:?}"),
            Some(End::Cut(why)) => format!("Cut: {why}"),
            None => "Cut: it had to end at once".to_owned(),
        };
        let summary = self.session.summary();
        slog::info!(self.log, "lmtp connection ended";
            "commands" => summary.commands, "messages" => summary.messages,
            "delivered" => summary.delivered, "refused" => summary.refused,
            "octets_in" => self.received, "octets_out" => self.sent, "reason" => reason);
    }
}

impl DeliveryWire {
    /// The stream, bound to the thread that calls.
    fn into_stream(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(tcp) => {
                // Replies are written whole; waiting for more of them helps nobody.
                tcp.set_nodelay(true)?;
                Stream::Tcp(TcpStream::from_std(tcp)?)
            }
            Self::Unix(unix) => Stream::Other(Box::new(UnixStream::from_std(unix)?)),
            Self::Other(other) => Stream::Other(other),
        })
    }
}

fn cut(error: io::Error) -> End {
    End::Cut(match error.kind() {
        io::ErrorKind::TimedOut => "the client takes nothing any more".to_owned(),
        _ => error.to_string(),
    })
}
