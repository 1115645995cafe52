//! The session's loop: octets in, octets out, effects in between.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mailroost_auth::{Link, Secret};
use mailroost_protocol::{CloseReason, Ending, Outcome, Session, Step, TlsFacts, Transport};
use secrecy::ExposeSecret;

use super::account::{Account, End, Facts, Relayed};
use super::effects::Effects;
use super::layer::LayeredIo;
use super::stream::Stream;
use super::{SessionParts, Signals, Start, Wire};
use crate::protocol_log::Recorder;
use crate::timer::Activity;
use crate::tls::{BoxedIo, TlsAcceptor, TlsConnection};
use crate::{Machine, Security, clock};

/// After which an idle session's output buffer is given back: most replies fit into it.
const KEPT_OCTETS: usize = 512;

/// A part of a message up to this size is copied behind what is in the output buffer already.
const COPIED_OCTETS_MAX: usize = 16 * 1024;

/// What the output buffer holds of messages, at most.
const GATHERED_OCTETS_MAX: usize = 64 * 1024;

/// A session that writes so much lets the others of its thread have their turn: what this takes
/// is what they may have to wait for each large message that is on its way.
const TURN_OCTETS: usize = 256 * 1024;

/// How long, and how much, is still taken from a client that was closed amid its sending.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
pub(crate) const LINGER_OCTETS_MAX: usize = 1024 * 1024;

/// Serves one connection to its end.
pub(super) async fn run(
    number: u64,
    parts: Arc<SessionParts>,
    start: Start,
    signals: Arc<Signals>,
    activity: Arc<Activity>,
) {
    let Start {
        connection,
        policy,
        opened,
        account,
        place,
    } = start;
    let log = parts.log.new(slog::o!(
        "session" => number,
        "peer" => connection.peer.to_string(),
    ));
    let (wire, security) = (connection.wire, connection.security);
    let recorder = parts.protocol_log.as_ref().map(|log| {
        let recorder = Recorder::new(log, number, wire.local(), connection.peer);
        Box::new(recorder)
    });
    // Boxed: a handshake is large and short, a session is long.
    let begun = Box::pin(begin(&parts, wire, security, connection.tls.as_ref()));
    let (line, started) = match begun.await {
        Ok(begun) => begun,
        Err(why) => {
            account.close(Facts {
                end: Some(End::Cut(why)),
                ..Facts::default()
            });
            return;
        }
    };
    let mut effects = Effects::new(
        Arc::clone(&parts),
        Arc::clone(&policy),
        opened,
        Arc::clone(&signals),
        (number, connection.peer),
        log.clone(),
    );
    let transport = Transport {
        tls: started.as_ref().map(|started| started.facts.clone()),
        stls: connection.tls.is_some(),
        mechanisms: Arc::clone(&parts.offers),
    };
    if let Some(started) = started {
        effects.tls_started(started.link);
    }
    let mut session = Session::new(policy, transport, clock::now());
    if recorder.is_some() {
        session.keep_log(clock::now());
    }
    let mut driver = Driver {
        line,
        deadline: session.deadline(),
        deadline_heard: session.deadline(),
        session,
        effects,
        tls: connection.tls,
        signals,
        activity,
        account,
        recorder,
        relayed: None,
        end: None,
    };
    driver.drive().await;
    let retrieved = driver.effects.take_retrieved();
    driver.finish().await;
    if let Some(retrieved) = retrieved {
        // The client has left: it does not wait for this.
        retrieved.mark(&parts.mailboxes, &log).await;
    }
    drop(place);
}

/// Binds the connection to this thread; where TLS is implicit, its handshake comes first.
async fn begin<'a>(
    parts: &'a SessionParts,
    wire: Wire,
    security: Security,
    tls: Option<&Arc<dyn TlsAcceptor>>,
) -> Result<(Line<'a>, Option<Started>), String> {
    let stream = wire
        .into_stream()
        .map_err(|error| format!("it was lost before its greeting: {error}"))?;
    let mut line = Line {
        parts,
        stream,
        out: Vec::new(),
        sent: 0,
        received: 0,
        in_turn: 0,
    };
    let started = match (security, tls) {
        (Security::Stls, _) => None,
        (Security::ImplicitTls, Some(acceptor)) => Some(line.start_tls(&**acceptor).await?),
        (Security::ImplicitTls, None) => {
            return Err("implicit TLS without a certificate".to_owned());
        }
    };
    Ok((line, started))
}

/// The connection and what is to be written to it.
pub(super) struct Line<'a> {
    parts: &'a SessionParts,
    pub(super) stream: Stream,
    pub(super) out: Vec<u8>,
    pub(super) sent: u64,
    pub(super) received: u64,
    /// Octets since others had their turn.
    in_turn: usize,
}

/// What TLS brought.
struct Started {
    facts: TlsFacts,
    link: Link,
}

impl Line<'_> {
    /// All octets to the client, those that wait included.
    fn octets_out(&self) -> u64 {
        self.sent + self.out.len() as u64
    }

    /// What the session runs on.
    pub(super) fn machine(&self) -> &Machine {
        &self.parts.machine
    }

    /// Adds a part of a message, and what ends it: little waits in `out`, so that the replies to
    /// pipelined commands leave together; much is written at once, and never copied.
    pub(super) async fn put(&mut self, octets: &[u8], end: &[u8]) -> std::io::Result<()> {
        let gathered = self.out.len() + octets.len();
        if octets.len() > COPIED_OCTETS_MAX || gathered > GATHERED_OCTETS_MAX {
            return self.write_both(octets, end).await;
        }
        self.out.reserve(octets.len() + end.len());
        self.out.extend_from_slice(octets);
        self.out.extend_from_slice(end);
        Ok(())
    }

    /// Writes `out`, then `after`.
    pub(super) async fn write(&mut self, after: &[u8]) -> std::io::Result<()> {
        self.write_both(after, &[]).await
    }

    /// Writes `out` and these, and lets go of a large buffer. Whoever writes much lets others
    /// have their turn, also where the peer takes all of it at once.
    async fn write_both(&mut self, after: &[u8], end: &[u8]) -> std::io::Result<()> {
        let octets = self.out.len() + after.len() + end.len();
        if octets == 0 {
            return Ok(());
        }
        let stall = self.parts.limits.write_stall;
        let parts = [&self.out, after, end];
        self.stream.write_all(parts, stall).await?;
        self.stream.flush(stall).await?;
        self.sent += octets as u64;
        self.out.clear();
        if self.out.capacity() > KEPT_OCTETS {
            self.out = Vec::new();
        }
        self.in_turn += octets;
        if self.in_turn >= TURN_OCTETS {
            self.in_turn = 0;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// The stream, to be put back under another layer.
    pub(super) fn take_stream(&mut self) -> BoxedIo {
        // What stands here meanwhile is never read or written.
        let placeholder = Stream::Other(Box::new(tokio::io::empty()));
        std::mem::replace(&mut self.stream, placeholder).into_boxed()
    }

    /// Puts TLS on the connection.
    async fn start_tls(&mut self, acceptor: &dyn TlsAcceptor) -> Result<Started, String> {
        let plain = self.take_stream();
        let deadline = self.parts.limits.tls_handshake;
        match tokio::time::timeout(deadline, acceptor.accept(plain)).await {
            Ok(Ok(TlsConnection { io, facts, link })) => {
                self.stream = Stream::Other(io);
                let facts = TlsFacts {
                    channel_binding: link.binds(),
                    client_certificate: link.client_certificate.is_some(),
                    ..facts
                };
                Ok(Started { facts, link })
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_elapsed) => Err(format!("TLS handshake: not done within {deadline:?}")),
        }
    }
}

pub(super) struct Driver<'a> {
    pub(super) line: Line<'a>,
    pub(super) session: Session,
    pub(super) effects: Effects,
    tls: Option<Arc<dyn TlsAcceptor>>,
    pub(super) signals: Arc<Signals>,
    pub(super) activity: Arc<Activity>,
    account: Arc<Account>,
    /// Where the record of every command goes, if one is kept.
    recorder: Option<Box<Recorder>>,
    /// Where it was handed on to, if it was.
    pub(super) relayed: Option<Relayed>,
    /// When the client will have been inactive for too long.
    deadline: Instant,
    /// The same without the time in which it took its last answer.
    deadline_heard: Instant,
    end: Option<End>,
}

impl Driver<'_> {
    async fn drive(&mut self) {
        self.name_next_refusal();
        self.end = Some(loop {
            let step = self.session.next(clock::now(), &mut self.line.out);
            if let Some(recorder) = &mut self.recorder {
                recorder.pass_on(&mut self.session);
            }
            if let Some(needed) = self.session.take_needed_tls() {
                self.effects.note_needed_tls(needed);
                self.name_next_refusal();
            }
            let done = match step {
                Step::NeedInput => self.need_input().await,
                Step::Flush => self.write().await,
                Step::Shared(listing) => self.line.write(&listing).await.map_err(cut),
                Step::Effect(effect) => {
                    self.activity.at_work();
                    let before = self.line.octets_out();
                    match self.effects.carry_out(effect, &mut self.line).await {
                        Ok(outcome) => {
                            self.session.log_sent(self.line.octets_out() - before);
                            if let Some(id) = self.effects.refusal_id.take() {
                                self.session.name_refusal(id);
                            }
                            self.session
                                .resume(outcome, clock::now(), &mut self.line.out);
                            self.name_next_refusal();
                            Ok(())
                        }
                        Err(error) => Err(cut(error)),
                    }
                }
                Step::StartTls => self.start_tls().await,
                Step::StartLayer { pending } => self.start_layer(pending).await,
                Step::Relay { pending } => Box::pin(self.relay(pending)).await,
                Step::Close(reason) => {
                    self.effects.note_close(reason);
                    // A client that logs on again at once must not find itself in the way.
                    self.effects.put_down();
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

    /// Writes what is in the output buffer.
    async fn write(&mut self) -> Result<(), End> {
        self.line.write(&[]).await.map_err(cut)?;
        self.effects.flushed();
        Ok(())
    }

    /// A refusal that the protocol decides by itself needs a name beforehand.
    fn name_next_refusal(&mut self) {
        if self.effects.policy.refusal_ids && !self.effects.link.tls {
            let id = self.effects.parts.refusals.fresh_id();
            self.session.name_refusal(id);
        }
    }

    /// All that was received is answered: write it, then wait for more, or for a reason to end.
    async fn need_input(&mut self) -> Result<(), End> {
        let answered = clock::now();
        self.write().await?;
        // A client that takes its answer slowly is not inactive meanwhile. What it was given for
        // that stays its own when the first octets of its next command come.
        if self.session.deadline() != self.deadline_heard {
            self.deadline_heard = self.session.deadline();
            self.deadline = self.deadline_heard;
        }
        self.deadline += clock::now().duration_since(answered);
        self.activity.set(self.deadline);
        if self.effects.exchange.is_some() && !self.session.sasl_exchange_is_open() {
            // The client cancelled it.
            self.effects.exchange = None;
        }
        let (session, received) = (&mut self.session, &mut self.line.received);
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
        let session = &mut self.session;
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
        if ending == Ending::Autologout && clock::now() < self.deadline {
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
        self.effects.tls_started(started.link);
        let outcome = Outcome::TlsStarted(started.facts);
        self.session
            .resume(outcome, clock::now(), &mut self.line.out);
        Ok(())
    }

    /// Everything behind the reply that is waiting to be written passes through the layer.
    async fn start_layer(&mut self, pending: Secret) -> Result<(), End> {
        self.line.write(&[]).await.map_err(cut)?;
        let Some(layer) = self.effects.layer.take() else {
            return Err(End::Cut("no security layer was negotiated".to_owned()));
        };
        let below = self.line.take_stream();
        let layered = LayeredIo::new(below, layer, pending.expose_secret());
        self.line.stream = Stream::Other(Box::new(layered));
        Ok(())
    }

    /// Closes in order when the protocol did; a connection that broke is just dropped.
    async fn finish(mut self) {
        let Some(End::Closed(reason)) = &self.end else {
            return;
        };
        // A socket that is closed with octets unread resets the connection, and what was said
        // last may be lost with it.
        let may_still_send = matches!(
            reason,
            CloseReason::CommandTooLong | CloseReason::TooManyErrors | CloseReason::TooManyFailures
        );
        let stream = &mut self.line.stream;
        if !may_still_send && stream.is_socket() {
            // Its last octets are under way; closing it says the same as shutting it down first.
            return;
        }
        let shut = stream.shut_down(self.line.parts.limits.closing).await;
        if may_still_send && shut.is_ok() {
            let discard = stream.discard(LINGER_OCTETS_MAX);
            let _ = tokio::time::timeout(LINGER, discard).await;
        }
    }
}

/// Whatever ends the session, a panic or the tree, its facts are left for the report.
impl Drop for Driver<'_> {
    fn drop(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            let why = match &self.end {
                Some(End::Closed(reason)) => format!("{reason:?}"),
                Some(End::Cut(why)) => why.clone(),
                None => "it was cut".to_owned(),
            };
            recorder.close(&mut self.session, &why, clock::now());
        }
        self.account.close(Facts {
            summary: self.session.summary().clone(),
            received: self.line.received,
            sent: self.line.sent,
            relayed: self.relayed.take(),
            end: self.end.take(),
        });
    }
}

pub(super) fn cut(error: std::io::Error) -> End {
    End::Cut(match error.kind() {
        std::io::ErrorKind::TimedOut => "the client takes nothing any more".to_owned(),
        _ => error.to_string(),
    })
}
