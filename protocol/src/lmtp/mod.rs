//! LMTP (RFC 2033) as a pure state machine: how an MTA hands messages over.
//!
//! ```text
//! greeting ─► LHLO ─► commands ─(MAIL)─► transaction ─(RCPT: resolve)─► recipients
//!                        ▲                                                 │
//!                        │                    ┌─(DATA, or BDAT by chunks)──┘
//!                        │                    ▼
//!                        └─(a reply each)─ deliver ◄─(CRLF.CRLF, or LAST)─ receiving
//! ```
//!
//! What is offered: PIPELINING, 8BITMIME, SMTPUTF8, CHUNKING (RFC 3030), SIZE (RFC 1870),
//! ENHANCEDSTATUSCODES (RFC 2034). As in [`crate::session`], nothing here waits, opens a socket
//! or asks for the time, and memory stays flat whatever comes.

mod command;
mod conformity;
mod data;
mod effect;
mod ending;
mod input;
mod path;
mod policy;
mod reply;
mod trace;
mod transfer;

use std::sync::Arc;
use std::time::Instant;

pub use effect::{Addressee, DeliveryRefusal, LmtpEffect, LmtpOutcome, LmtpStep, Recipient};
pub use ending::{LmtpRefusal, lmtp_refusal};
pub use path::Path;
pub use policy::{
    COMMAND_OCTETS_MAX, LINE_OCTETS_MAX, LmtpPolicy, Nonconforming, OverQuota, PATH_OCTETS_MAX,
};
pub use trace::Trace;

use crate::session::OUT_WATER_MARK;
use crate::{CloseReason, Ending};
use command::{Command, Mail};
use input::{CommandLine, Input, is_chunk};
use reply::Reply;
use transfer::{Message, Transfer};

/// One LMTP session. It is a value, and is driven like [`crate::Session`]:
///
/// ```text
/// loop {
///     match session.next(now, &mut out) {
///         NeedInput => write out; read; session.input(octets)
///         Flush     => write out
///         Effect(e) => carry it out; session.resume(outcome, now, &mut out)
///         Close(w)  => write out; close
///     }
/// }
/// ```
///
/// While an effect is open, `next` answers `NeedInput` and does nothing.
#[derive(Debug)]
pub struct LmtpSession {
    policy: Arc<LmtpPolicy>,
    peer: Arc<str>,
    input: Input,
    state: State,
    /// What LHLO said, once it was said.
    client: Option<Box<str>>,
    envelope: Option<Envelope>,
    summary: LmtpSummary,
    /// Unknown or malformed commands, one after the other.
    protocol_errors: u32,
    /// When the client was last heard, or had its answer.
    heard_at: Instant,
    /// The session ends when the message at hand is answered.
    ending: Option<Ending>,
}

/// What the log says of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LmtpSummary {
    /// Command lines, good or not.
    pub commands: u64,
    /// Messages that were received whole and not refused.
    pub messages: u64,
    /// Recipients of messages that were told it is delivered.
    pub delivered: u64,
    /// Recipients that were refused, at RCPT or after the message.
    pub refused: u64,
}

#[derive(Debug)]
enum State {
    /// Nothing is sent yet.
    Greeting,
    /// The next octets are a command.
    Commands,
    /// Whose maildrop this is, is being asked.
    Resolving(Path),
    /// The message is being given a place.
    Beginning(Transfer),
    /// The next octets are the message's.
    Receiving(Transfer),
    /// Octets of the message are being written.
    Writing(Transfer),
    /// The message is complete; whether it is delivered is being seen to.
    Delivering(Arc<[Recipient]>),
    /// The message is complete, and this is why it is refused.
    Refusing(Arc<[Recipient]>, Reply),
    Closed(CloseReason),
}

/// A transaction (RFC 5321 s3.3).
#[derive(Debug)]
struct Envelope {
    reverse_path: Option<Path>,
    smtputf8: bool,
    recipients: Vec<Recipient>,
    /// The message, from DATA or the first BDAT on.
    message: Option<Message>,
}

impl LmtpSession {
    /// A session on a connection that was just made. `peer` is what the trace says of where it
    /// comes from. The first `next` writes the greeting.
    pub fn new(policy: Arc<LmtpPolicy>, peer: Arc<str>, now: Instant) -> Self {
        Self {
            policy,
            peer,
            input: Input::default(),
            state: State::Greeting,
            client: None,
            envelope: None,
            summary: LmtpSummary::default(),
            protocol_errors: 0,
            heard_at: now,
            ending: None,
        }
    }

    /// Takes what the client sent. Call it only after `NeedInput`, with
    /// [`crate::session::INPUT_OCTETS_MAX`] at most.
    pub fn input(&mut self, octets: &[u8]) {
        if !matches!(self.state, State::Closed(_)) {
            self.input.take_in(octets);
        }
    }

    /// Goes on as far as possible: what was received is answered into `out`, until something
    /// else has to happen first.
    pub fn next(&mut self, now: Instant, out: &mut Vec<u8>) -> LmtpStep {
        loop {
            let step = match &self.state {
                State::Greeting => {
                    reply::greeting(&self.policy.host, out);
                    self.state = State::Commands;
                    None
                }
                State::Commands => self.next_command(now, out),
                State::Receiving(_) => self.receive(now, out),
                State::Resolving(_)
                | State::Beginning(_)
                | State::Writing(_)
                | State::Delivering(_)
                | State::Refusing(..) => Some(LmtpStep::NeedInput),
                State::Closed(reason) => return LmtpStep::Close(*reason),
            };
            match step {
                Some(step) => return step,
                None if out.len() >= OUT_WATER_MARK => return LmtpStep::Flush,
                None => {}
            }
        }
    }

    /// Reports how an effect ended.
    pub fn resume(&mut self, outcome: LmtpOutcome, now: Instant, out: &mut Vec<u8>) {
        self.heard_at = now;
        let state = std::mem::replace(&mut self.state, State::Commands);
        self.state = match (state, outcome) {
            (State::Resolving(path), LmtpOutcome::Recipient(addressee)) => {
                if let Some(envelope) = &mut self.envelope {
                    envelope.recipients.push(Recipient { path, addressee });
                }
                Reply::RecipientTaken.write(out);
                State::Commands
            }
            (State::Resolving(_), LmtpOutcome::RecipientRefused(refusal)) => {
                self.summary.refused += 1;
                self.refusal(refusal).write(out);
                State::Commands
            }
            (State::Beginning(transfer), LmtpOutcome::Done) => transfer.begun(out),
            (State::Beginning(transfer), LmtpOutcome::Failed(refusal)) => {
                self.not_begun(transfer, self.refusal(refusal), out)
            }
            (State::Writing(transfer), LmtpOutcome::Done) => State::Receiving(transfer),
            (State::Writing(transfer), LmtpOutcome::Failed(refusal)) => {
                self.spoil(self.refusal(refusal));
                State::Receiving(transfer)
            }
            (State::Delivering(recipients), LmtpOutcome::Delivered(answers))
                if answers.len() == recipients.len() =>
            {
                self.answer(&recipients, &answers, out);
                State::Commands
            }
            (State::Refusing(recipients, why), LmtpOutcome::Done) => {
                self.summary.refused += recipients.len() as u64;
                for recipient in &*recipients {
                    why.write_for(recipient.path.as_str(), out);
                }
                State::Commands
            }
            (State::Closed(reason), _) => State::Closed(reason),
            _ => State::Closed(CloseReason::UnexpectedOutcome),
        };
    }

    /// Whether octets that were given to `Write` are wanted still. When they are not, the place
    /// that was made for them can be given up.
    pub fn message_is_open(&self) -> bool {
        let message = self
            .envelope
            .as_ref()
            .and_then(|open| open.message.as_ref());
        matches!(self.state, State::Delivering(_)) || message.is_some_and(Message::is_wanted)
    }

    /// The sender of the transaction at hand, for the log; empty if it is `<>` or there is none.
    pub fn sender(&self) -> &str {
        let path = self
            .envelope
            .as_ref()
            .and_then(|open| open.reverse_path.as_ref());
        path.map_or("", Path::as_str)
    }

    /// What the log says of the session.
    pub fn summary(&self) -> &LmtpSummary {
        &self.summary
    }

    fn next_command(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<LmtpStep> {
        let command = match self.input.next_line(COMMAND_OCTETS_MAX) {
            None => {
                let Some(ending) = self.ending.take() else {
                    return Some(LmtpStep::NeedInput);
                };
                self.end(ending, out);
                return None;
            }
            // Nobody knows how many octets of a message follow a chunk's line that is no good.
            Some(CommandLine::Complete(line)) => Command::parse(line).map_err(|reply| {
                let chunk = is_chunk(line);
                (reply, chunk.then_some(CloseReason::UnknownChunk))
            }),
            Some(CommandLine::TooLong { chunk }) => Err((
                Reply::LineTooLong,
                chunk.then_some(CloseReason::UnknownChunk),
            )),
            Some(CommandLine::BareLineFeed) => {
                Err((Reply::BareLineFeed, Some(CloseReason::BareLineFeed)))
            }
        };
        self.heard_at = now;
        self.summary.commands += 1;
        match command {
            Ok(command) => return self.carry_out(command, out),
            Err((reply, Some(reason))) => {
                reply.write(out);
                self.close(reason);
            }
            Err((reply, None)) => drop(self.object(reply, out)),
        }
        None
    }

    fn carry_out(&mut self, command: Command, out: &mut Vec<u8>) -> Option<LmtpStep> {
        let reply = match command {
            Command::Lhlo { client } => {
                self.client = Some(client);
                self.envelope = None;
                reply::extensions(&self.policy.host, self.policy.message_octets_max, out);
                self.protocol_errors = 0;
                return None;
            }
            Command::Mail(mail) => match self.mail(mail) {
                Ok(reply) => reply,
                Err(reply) => return self.object(reply, out),
            },
            Command::Rcpt { path } => return self.rcpt(path, out),
            Command::Data => return self.data(out),
            Command::Bdat { octets, last } => return self.bdat(octets, last),
            Command::Rset => {
                self.envelope = None;
                Reply::Done
            }
            Command::Noop => Reply::Done,
            Command::Vrfy => Reply::NotVerified,
            Command::Help => Reply::Help,
            Command::Quit => {
                self.close(CloseReason::Quit);
                Reply::Goodbye
            }
        };
        self.protocol_errors = 0;
        reply.write(out);
        None
    }

    fn mail(&mut self, mail: Mail) -> Result<Reply, Reply> {
        if self.client.is_none() {
            return Err(Reply::LhloFirst);
        }
        if self.envelope.is_some() {
            return Err(Reply::NestedMail);
        }
        if mail
            .octets
            .is_some_and(|octets| octets > self.policy.message_octets_max)
        {
            return Ok(Reply::TooLarge);
        }
        self.envelope = Some(Envelope {
            reverse_path: mail.reverse_path,
            smtputf8: mail.smtputf8,
            recipients: Vec::new(),
            message: None,
        });
        Ok(Reply::SenderTaken)
    }

    fn rcpt(&mut self, path: Path, out: &mut Vec<u8>) -> Option<LmtpStep> {
        let Some(envelope) = &self.envelope else {
            return self.object(Reply::MailFirst, out);
        };
        if envelope.message.is_some() {
            return self.object(Reply::AmidChunks, out);
        }
        if !envelope.smtputf8 && !path.as_str().is_ascii() {
            return self.object(Reply::NeedsSmtputf8, out);
        }
        self.protocol_errors = 0;
        if envelope.recipients.len() >= self.policy.recipients_max {
            self.summary.refused += 1;
            Reply::TooManyRecipients.write(out);
            return None;
        }
        let names = path.names(&self.policy);
        self.state = State::Resolving(path.clone());
        Some(LmtpStep::Effect(LmtpEffect::Resolve { path, names }))
    }

    fn answer(
        &mut self,
        recipients: &[Recipient],
        answers: &[Result<(), DeliveryRefusal>],
        out: &mut Vec<u8>,
    ) {
        for (recipient, answer) in recipients.iter().zip(answers) {
            let reply = match answer {
                Ok(()) => {
                    self.summary.delivered += 1;
                    Reply::Delivered
                }
                Err(refusal) => {
                    self.summary.refused += 1;
                    self.refusal(*refusal)
                }
            };
            reply.write_for(recipient.path.as_str(), out);
        }
    }

    fn refusal(&self, refusal: DeliveryRefusal) -> Reply {
        match (refusal, self.policy.over_quota) {
            (DeliveryRefusal::UnknownUser, _) => Reply::UnknownUser,
            (DeliveryRefusal::OverQuota, OverQuota::Temporary) => Reply::OverQuotaForNow,
            (DeliveryRefusal::OverQuota, OverQuota::Permanent) => Reply::OverQuota,
            (DeliveryRefusal::Full, _) => Reply::SystemFull,
            (DeliveryRefusal::Trouble, _) => Reply::StoreTrouble,
        }
    }

    /// Answers what is wrong, and ends the session when that was too often.
    fn object(&mut self, reply: Reply, out: &mut Vec<u8>) -> Option<LmtpStep> {
        reply.write(out);
        self.protocol_errors += 1;
        if self.protocol_errors >= self.policy.protocol_errors_max {
            Reply::TooManyErrors.write(out);
            self.close(CloseReason::TooManyErrors);
        }
        None
    }

    fn close(&mut self, reason: CloseReason) {
        self.input.clear();
        self.envelope = None;
        self.state = State::Closed(reason);
    }
}

#[cfg(test)]
mod tests;
