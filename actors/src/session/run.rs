//! The session's loop: octets in, octets out, effects in between.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mailroost_protocol::{CloseReason, Ending, Outcome, Session, Step, TlsFacts, Transport};

use super::effects::Effects;
use super::stream::Stream;
use super::{SessionParts, Signals, Start};
use crate::timer::Activity;
use crate::tls::{TlsAcceptor, TlsConnection};
use crate::{Security, clock};

/// After which an idle session's output buffer is given back: most replies fit into it.
const KEPT_OCTETS: usize = 512;
/// Far enough to mean that the timer leaves a session alone while it is at work.
const BUSY: Duration = Duration::from_secs(24 * 60 * 60);

/// How a connection ended, for the log.
#[derive(Debug)]
enum End {
    /// The protocol closed it.
    Closed(CloseReason),
    /// The peer closed it, or it broke.
    Cut(String),
}

/// Serves one connection to its end.
pub(super) async fn run(
    number: u64,
    parts: Arc<SessionParts>,
    start: Start,
    signals: Arc<Signals>,
    activity: Arc<Activity>,
) {
    let began = clock::now();
    let Start {
        connection,
        policy,
        opened,
        place,
    } = start;
    let log = parts.log.new(slog::o!(
        "session" => number,
        "peer" => connection.peer.to_string(),
    ));
    let tls = connection.tls;
    let stream = match connection.wire.into_stream() {
        Ok(stream) => stream,
        Err(error) => {
            slog::info!(log, "connection lost before its greeting"; "why" => %error);
            return;
        }
    };
    let mut line = Line {
        parts: &parts,
        stream,
        out: Vec::new(),
        sent: 0,
        received: 0,
    };
    let facts = match (connection.security, &tls) {
        (Security::Stls, _) => None,
        (Security::ImplicitTls, Some(acceptor)) => match line.start_tls(&**acceptor).await {
            Ok(connection) => Some(connection),
            Err(why) => {
                slog::info!(log, "no session"; "why" => why);
                return;
            }
        },
        (Security::ImplicitTls, None) => {
            slog::error!(log, "no session"; "why" => "implicit TLS without a certificate");
            return;
        }
    };
    let mut effects = Effects::new(Arc::clone(&parts), Arc::clone(&policy), opened, log.clone());
    let transport = Transport {
        tls: facts.as_ref().map(|started| started.facts.clone()),
        stls: tls.is_some(),
        mechanisms: Arc::clone(&parts.offers),
    };
    if let Some(started) = facts {
        effects.tls_started(started.binding);
    }
    let mut session = Session::new(policy, transport, clock::now());
    let mut driver = Driver {
        line,
        session: &mut session,
        effects,
        tls,
        signals,
        activity,
    };
    let end = driver.drive().await;
    let (sent, received) = (driver.line.sent, driver.line.received);
    driver.finish(&end).await;
    drop(place);
    report(&log, &session, &end, sent, received, began);
}

/// The connection and what is to be written to it.
pub(super) struct Line<'a> {
    parts: &'a SessionParts,
    pub(super) stream: Stream,
    pub(super) out: Vec<u8>,
    sent: u64,
    received: u64,
}

/// What TLS brought.
struct Started {
    facts: TlsFacts,
    binding: Binding,
}

/// Channel bindings, for mechanisms that want them.
#[derive(Debug, Default)]
pub(super) struct Binding {
    pub(super) server_end_point: Option<Vec<u8>>,
    pub(super) exporter: Option<Vec<u8>>,
}

impl Line<'_> {
    /// Writes `out`, then `after`, and lets go of a large buffer.
    pub(super) async fn write(&mut self, after: &[u8]) -> std::io::Result<()> {
        if self.out.is_empty() && after.is_empty() {
            return Ok(());
        }
        let stall = self.parts.limits.write_stall;
        self.stream.write_both(&self.out, after, stall).await?;
        self.stream.flush(stall).await?;
        self.sent += (self.out.len() + after.len()) as u64;
        self.out.clear();
        if self.out.capacity() > KEPT_OCTETS {
            self.out = Vec::new();
        }
        Ok(())
    }

    /// Puts TLS on the connection.
    async fn start_tls(&mut self, acceptor: &dyn TlsAcceptor) -> Result<Started, String> {
        // What stands here during the handshake is never read or written.
        let placeholder = Stream::Other(Box::new(tokio::io::empty()));
        let plain = std::mem::replace(&mut self.stream, placeholder).into_boxed();
        let deadline = self.parts.limits.tls_handshake;
        match tokio::time::timeout(deadline, acceptor.accept(plain)).await {
            Ok(Ok(TlsConnection {
                io,
                facts,
                server_end_point,
                exporter,
            })) => {
                self.stream = Stream::Other(io);
                Ok(Started {
                    facts,
                    binding: Binding {
                        server_end_point,
                        exporter,
                    },
                })
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_elapsed) => Err(format!("TLS handshake: not done within {deadline:?}")),
        }
    }
}

struct Driver<'a> {
    line: Line<'a>,
    session: &'a mut Session,
    effects: Effects,
    tls: Option<Arc<dyn TlsAcceptor>>,
    signals: Arc<Signals>,
    activity: Arc<Activity>,
}

impl Driver<'_> {
    async fn drive(&mut self) -> End {
        loop {
            let step = self.session.next(clock::now(), &mut self.line.out);
            let done = match step {
                Step::NeedInput => self.need_input().await,
                Step::Flush => self.line.write(&[]).await.map_err(cut),
                Step::Shared(listing) => self.line.write(&listing).await.map_err(cut),
                Step::Effect(effect) => {
                    self.activity.set(clock::now() + BUSY);
                    match self.effects.carry_out(effect, &mut self.line).await {
                        Ok(outcome) => {
                            self.session
                                .resume(outcome, clock::now(), &mut self.line.out);
                            Ok(())
                        }
                        Err(error) => Err(cut(error)),
                    }
                }
                Step::StartTls => self.start_tls().await,
                Step::Close(reason) => {
                    // The peer may be gone already: the reason stays the same.
                    drop(self.line.write(&[]).await);
                    return End::Closed(reason);
                }
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// All that was received is answered: write it, then wait for more, or for a reason to end.
    async fn need_input(&mut self) -> Result<(), End> {
        self.line.write(&[]).await.map_err(cut)?;
        self.activity.set(self.session.deadline());
        let (session, received) = (&mut *self.session, &mut self.line.received);
        let read = tokio::select! {
            biased;
            () = self.signals.told() => None,
            read = self.line.stream.read(|octets| session.input(octets)) => Some(read),
        };
        match read {
            Some(Ok(0)) => Err(End::Cut("the client closed the connection".to_owned())),
            Some(Ok(octets)) => {
                *received += octets as u64;
                Ok(())
            }
            Some(Err(error)) => Err(cut(error)),
            None => self.told_to_end().await,
        }
    }

    async fn told_to_end(&mut self) -> Result<(), End> {
        let Some(ending) = self.signals.take() else {
            return Ok(());
        };
        // Whatever arrived before we were told is still answered, QUIT above all.
        let session = &mut *self.session;
        match self
            .line
            .stream
            .read_now(|octets| session.input(octets))
            .await
        {
            Some(Ok(octets)) if octets > 0 => {
                self.line.received += octets as u64;
                self.signals.raise(ending);
                return Ok(());
            }
            Some(_ended_or_broken) => {
                return Err(End::Cut("the client closed the connection".to_owned()));
            }
            None => {}
        }
        // A command may have come in between the timer's look and this one.
        if ending == Ending::Autologout && clock::now() < self.session.deadline() {
            return Ok(());
        }
        self.session.end(ending, &mut self.line.out);
        Ok(())
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        self.line.write(&[]).await.map_err(cut)?;
        let Some(acceptor) = &self.tls else {
            return Err(End::Cut("TLS was offered without a certificate".to_owned()));
        };
        let started = self.line.start_tls(&**acceptor).await.map_err(End::Cut)?;
        self.effects.tls_started(started.binding);
        let outcome = Outcome::TlsStarted(started.facts);
        self.session
            .resume(outcome, clock::now(), &mut self.line.out);
        Ok(())
    }

    /// Closes in order when the protocol did; a connection that broke is just dropped.
    async fn finish(mut self, end: &End) {
        if matches!(end, End::Closed(_)) {
            drop(
                self.line
                    .stream
                    .shut_down(self.line.parts.limits.closing)
                    .await,
            );
        }
    }
}

fn cut(error: std::io::Error) -> End {
    End::Cut(match error.kind() {
        std::io::ErrorKind::TimedOut => "the client takes nothing any more".to_owned(),
        _ => error.to_string(),
    })
}

/// The one line that the log has of every session.
fn report(
    log: &slog::Logger,
    session: &Session,
    end: &End,
    sent: u64,
    received: u64,
    began: Instant,
) {
    let summary = session.summary();
    let (tls, cipher) = match &summary.tls {
        Some(facts) => (facts.version.as_str(), facts.cipher.as_str()),
        None => ("none", "none"),
    };
    let reason = match end {
        End::Closed(reason) => format!("{reason:?}"),
        End::Cut(why) => format!("Cut: {why}"),
    };
    slog::info!(log, "session ended";
        "user" => summary.user.as_deref().unwrap_or("-"),
        "tls" => tls,
        "cipher" => cipher,
        "commands" => summary.commands,
        "octets_in" => received,
        "octets_out" => sent,
        "retrieved" => summary.retrieved,
        "marked" => summary.marked,
        "removed" => summary.removed,
        "auth_failures" => summary.auth_failures,
        "milliseconds" => u64::try_from(clock::now().duration_since(began).as_millis())
            .unwrap_or(u64::MAX),
        "reason" => reason,
    );
}
