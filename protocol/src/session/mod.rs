//! A session as a pure state machine (RFC 1939 s3):
//!
//! ```text
//! greeting ─► AUTHORIZATION ─(log-on)─► TRANSACTION ─(QUIT, marks)─► UPDATE ─► closed
//!               │      ▲  │                   │                                  ▲
//!             (STLS)   │  └───────(QUIT)──────┴──────(QUIT, no marks)────────────┤
//!               ▼      │                                                         │
//!            handshake ┘        an ending, too many errors: from everywhere ─────┘
//! ```
//!
//! A log-on can also lead to a session that is handed on: see `handed_on`.

mod authorization;
mod autologout;
mod capa;
mod effect;
mod handed_on;
mod refusal;
mod summary;
mod trail;
mod transaction;
mod transport;
mod turn;
mod update;

use std::sync::Arc;
use std::time::Instant;

pub use effect::{
    Blame, CloseReason, Effect, Ending, LogOnRefusal, NeededTls, Outcome, SaslAnswer, Step,
};
pub use refusal::{Refusal, refusal};
pub use summary::Summary;
pub use trail::{Answer, CLOSE_SESSION, CommandRecord, OPEN_SESSION, Parameters, UNKNOWN_COMMAND};
pub(crate) use transport::Link;
pub use transport::{MechanismOffer, TlsFacts, Transport};

use crate::command::CommandError;
use crate::reply::ReplyWriter;
use crate::response_text::Text;
use crate::wire::line::LineDecoder;
use crate::{Policy, RefusalId, Secret};
use authorization::Authorization;
use handed_on::HandedOn;
use trail::Trail;
use transaction::Transaction;
use turn::{Context, Turn};
use update::Update;

/// How many octets of replies may wait in `out` before they are to be written: one large write,
/// and little to hold for a client that sends commands and reads nothing.
pub const OUT_WATER_MARK: usize = 16 * 1024;

/// How many octets to hand to [`Session::input`] at once, at most, so that its memory stays as
/// small as it is meant to be.
pub const INPUT_OCTETS_MAX: usize = 16 * 1024;

/// One session. It is a value: it can be moved, dropped, and driven by anything.
///
/// ```text
/// loop {
///     match session.next(now, &mut out) {
///         NeedInput   => write out; read; session.input(octets)
///         Flush       => write out
///         Shared(b)   => write out, then b
///         Effect(e)   => (out may be written first) carry it out; session.resume(outcome, now, &mut out)
///         Relay(p)    => write out; pass octets both ways; session.resume(Outcome::RelayEnded, ..)
///         StartTls    => write out; handshake; session.resume(Outcome::TlsStarted(facts), ..)
///         StartLayer(p) => write out; put the security layer on the connection, p first
///         Close(why)  => write out; close
///     }
/// }
/// ```
///
/// While an effect is open, `next` answers `NeedInput` and does nothing.
#[derive(Debug)]
pub struct Session {
    policy: Arc<Policy>,
    link: Link,
    lines: LineDecoder,
    state: State,
    summary: Summary,
    /// Unknown or malformed commands, one after the other.
    protocol_errors: u32,
    /// What the next refusal is called. Boxed: few sessions have one.
    refusal_id: Option<Box<RefusalId>>,
    /// A log-on was refused because TLS is needed first, and nobody has taken note yet.
    needed_tls: Option<NeededTls>,
    /// When the client was last heard, or had its answer.
    heard_at: Instant,
    /// The record of the commands, if somebody wants one.
    trail: Option<Box<Trail>>,
    /// A security layer is to begin; what the client sent already is for it.
    layer_pending: Option<Secret>,
}

/// The states of RFC 1939 s3, and what lies between them.
#[derive(Debug)]
enum State {
    /// Nothing is sent yet.
    Greeting,
    Authorization(Authorization),
    /// STLS was answered, and no octet of the client is to be taken before the handshake.
    StartingTls,
    Transaction(Transaction),
    Update(Update),
    /// The octets go to another server and come from there.
    HandedOn(HandedOn),
    Closed(CloseReason),
}

impl Session {
    /// A session on a connection that was just made. The first `next` writes the greeting.
    pub fn new(policy: Arc<Policy>, transport: Transport, now: Instant) -> Self {
        let mut link = Link {
            tls: false,
            channel_binding: false,
            client_certificate: false,
            stls: transport.stls,
            mechanisms: transport.mechanisms,
        };
        if let Some(facts) = &transport.tls {
            link.secured(facts);
        }
        Self {
            policy,
            link,
            lines: LineDecoder::default(),
            state: State::Greeting,
            summary: Summary {
                tls: transport.tls,
                ..Summary::default()
            },
            protocol_errors: 0,
            refusal_id: None,
            needed_tls: None,
            heard_at: now,
            trail: None,
            layer_pending: None,
        }
    }

    /// Takes what the client sent. Call it only after `NeedInput`, and with
    /// [`INPUT_OCTETS_MAX`] at most: what does not yet make a line is kept, within the limits of
    /// the policy; what is over them is swallowed.
    ///
    /// Octets that come between STLS and the handshake end the session (RFC 2595 s4 has none).
    pub fn input(&mut self, octets: &[u8]) {
        match self.state {
            State::StartingTls if !octets.is_empty() => {
                self.state = State::Closed(CloseReason::InputBeforeTls);
            }
            State::StartingTls | State::Update(_) | State::HandedOn(_) | State::Closed(_) => {}
            State::Greeting | State::Authorization(_) | State::Transaction(_) => {
                self.lines.input(octets);
            }
        }
    }

    /// Goes on as far as possible: all complete commands that were received are answered into
    /// `out`, until something else has to happen first.
    pub fn next(&mut self, now: Instant, out: &mut Vec<u8>) -> Step {
        self.trail_at(now);
        if let Some(pending) = self.layer_pending.take() {
            let step = Step::StartLayer { pending };
            self.trail_turn(&[], Some(&step));
            return step;
        }
        loop {
            let written = out.len();
            let mut context = Context {
                policy: &self.policy,
                link: &self.link,
                summary: &mut self.summary,
                refusal_id: &mut self.refusal_id,
                trail: self.trail.as_deref_mut(),
                reply: ReplyWriter::new(out, &self.policy),
            };
            let turn = match &mut self.state {
                State::Greeting => {
                    context.reply.ok(Text::Greeting);
                    Ok(Turn::Enter(State::Authorization(Authorization::Fresh)))
                }
                State::Authorization(state) => state.next(&mut self.lines, &mut context),
                State::StartingTls => return Step::StartTls,
                State::Transaction(state) => state.next(&mut self.lines, &mut context),
                State::Update(state) => Ok(state.next()),
                State::HandedOn(state) => Ok(state.next()),
                State::Closed(reason) => return Step::Close(*reason),
            };
            let step = self.take(turn, now, out);
            self.trail_turn(&out[written..], step.as_ref());
            match step {
                Some(step) => return step,
                None if out.len() >= OUT_WATER_MARK => return Step::Flush,
                None => {}
            }
        }
    }

    /// Reports how an effect ended. An outcome that comes after the session was ended is
    /// ignored.
    pub fn resume(&mut self, outcome: Outcome, now: Instant, out: &mut Vec<u8>) {
        self.heard_at = now;
        self.trail_at(now);
        let layered = outcome.brings_a_layer();
        let written = out.len();
        let mut context = Context {
            policy: &self.policy,
            link: &self.link,
            summary: &mut self.summary,
            refusal_id: &mut self.refusal_id,
            trail: self.trail.as_deref_mut(),
            reply: ReplyWriter::new(out, &self.policy),
        };
        let entered = match &mut self.state {
            State::Authorization(state) => state.resume(outcome, &mut self.lines, &mut context),
            State::StartingTls => Some(self.handshake_ended(outcome)),
            State::Transaction(state) => state.resume(outcome, &mut context),
            State::Update(state) => Some(state.resume(outcome, &mut context)),
            State::HandedOn(state) => Some(state.resume(&outcome)),
            State::Greeting => Some(State::Closed(CloseReason::UnexpectedOutcome)),
            State::Closed(_) => None,
        };
        if let Some(state) = entered {
            self.enter(state);
        }
        if layered && matches!(self.state, State::Transaction(_)) {
            self.layer_pending = Some(self.lines.take_rest().into());
        }
        self.trail_turn(&out[written..], None);
    }

    /// What the log says of the session.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The next refusal of a log-on is called `id`, at the end of its reply where the policy
    /// wants that. It counts for one refusal.
    pub fn name_refusal(&mut self, id: RefusalId) {
        self.refusal_id = Some(Box::new(id));
    }

    /// Whether a log-on was refused without an effect, because TLS is needed first; asked once
    /// for each such refusal, after `next`.
    pub fn take_needed_tls(&mut self) -> Option<NeededTls> {
        self.needed_tls.take()
    }

    /// Whether a SASL exchange has begun and not ended. When it is not, an exchange that is
    /// still kept outside can be dropped.
    pub fn sasl_exchange_is_open(&self) -> bool {
        match &self.state {
            State::Authorization(state) => state.exchange_is_open(),
            State::Greeting
            | State::StartingTls
            | State::Transaction(_)
            | State::Update(_)
            | State::HandedOn(_)
            | State::Closed(_) => false,
        }
    }

    /// Does what a state's turn comes to. `None` means: go on.
    fn take(
        &mut self,
        turn: Result<Turn, CommandError>,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Option<Step> {
        if !matches!(turn, Ok(Turn::Wait)) {
            self.heard_at = now;
        }
        match turn {
            Ok(Turn::Wait) => Some(Step::NeedInput),
            Ok(Turn::Answered) => {
                self.protocol_errors = 0;
                None
            }
            Ok(Turn::Do(step)) => {
                self.protocol_errors = 0;
                Some(step)
            }
            Ok(Turn::Exchange(effect)) => effect.map(Step::Effect),
            Ok(Turn::Enter(state)) => {
                self.protocol_errors = 0;
                self.enter(state);
                None
            }
            Err(error) => {
                self.refuse(error, out);
                None
            }
        }
    }

    /// Answers what is wrong, and ends the session when that was too often (MS-STANXPOP3
    /// C0005).
    fn refuse(&mut self, error: CommandError, out: &mut Vec<u8>) {
        let mut reply = ReplyWriter::new(out, &self.policy);
        if error == CommandError::NeedsTls {
            let id = self.refusal_id.take().map(|id| *id);
            self.needed_tls = Some(NeededTls { id });
            reply.err_naming(None, error.text(), id);
        } else {
            reply.err(None, error.text());
        }
        if error.is_protocol_error() {
            self.protocol_errors += 1;
            if self.protocol_errors >= self.policy.protocol_errors_max {
                reply.err(None, Text::TooManyErrors);
                self.enter(State::Closed(CloseReason::TooManyErrors));
            }
        }
    }

    fn enter(&mut self, state: State) {
        match &state {
            // What is behind the last command is not looked at, nor kept.
            State::Update(_) | State::HandedOn(_) | State::Closed(_) => self.lines.clear(),
            State::Greeting
            | State::Authorization(_)
            | State::StartingTls
            | State::Transaction(_) => {}
        }
        self.state = state;
    }
}

impl State {
    /// Whether a command was taken up and is not yet answered.
    fn is_amid_command(&self) -> bool {
        match self {
            Self::Authorization(state) => state.is_amid_log_on(),
            Self::Transaction(state) => state.is_amid_command(),
            Self::Update(_) => true,
            Self::Greeting | Self::StartingTls | Self::HandedOn(_) | Self::Closed(_) => false,
        }
    }
}

#[cfg(test)]
mod tests;
