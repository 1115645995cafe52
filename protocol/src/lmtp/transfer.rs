//! A message on its way in: DATA (RFC 5321 s4.1.1.4) or BDAT (RFC 3030 s2).
//!
//! A message that is refused while it comes (too large, not conforming, the store failed) is
//! swallowed to its end, and then each recipient is told, as RFC 2033 s4.2 has it for every
//! other message, too. A chunk that is not the last is answered once.

use std::sync::Arc;
use std::time::Instant;

use super::conformity::Conformity;
use super::data::DataDecoder;
use super::effect::{LmtpEffect, LmtpStep};
use super::reply::Reply;
use super::trace::Trace;
use super::{LmtpSession, State};

/// How the octets of a message travel.
#[derive(Debug)]
pub(super) struct Transfer {
    wire: Wire,
    /// All of it was received.
    ended: bool,
    /// The chunk came at the wrong time: it is swallowed, and this is the answer.
    refusal: Option<Reply>,
}

#[derive(Debug)]
enum Wire {
    Data(DataDecoder),
    Chunk { left: u64, last: bool },
}

/// A message as far as it was received.
#[derive(Debug)]
pub(super) struct Message {
    octets: u64,
    conformity: Conformity,
    /// Why nobody will get it.
    fault: Option<Reply>,
}

impl Message {
    /// Whether it may still be delivered.
    pub(super) fn is_wanted(&self) -> bool {
        self.fault.is_none()
    }
}

impl Transfer {
    /// The message has its place.
    pub(super) fn begun(self, out: &mut Vec<u8>) -> State {
        match self.wire {
            Wire::Data(_) => Reply::StartMail.write(out),
            Wire::Chunk { .. } => {}
        }
        State::Receiving(self)
    }
}

impl LmtpSession {
    /// DATA.
    pub(super) fn data(&mut self, out: &mut Vec<u8>) -> Option<LmtpStep> {
        if let Err(reply) = self.may_begin() {
            return self.object(reply, out);
        }
        if self.is_amid_chunks() {
            return self.object(Reply::AmidChunks, out);
        }
        Some(self.begin(Wire::Data(DataDecoder::default()), false))
    }

    /// BDAT. Its octets come whatever is thought of it.
    pub(super) fn bdat(&mut self, octets: u64, last: bool) -> Option<LmtpStep> {
        let wire = Wire::Chunk { left: octets, last };
        let ended = octets == 0;
        let refusal = self.may_begin().err();
        if refusal.is_none() && !self.is_amid_chunks() {
            return Some(self.begin(wire, ended));
        }
        self.state = State::Receiving(Transfer {
            wire,
            ended,
            refusal,
        });
        None
    }

    fn may_begin(&self) -> Result<(), Reply> {
        if self.client.is_none() {
            return Err(Reply::LhloFirst);
        }
        let envelope = self.envelope.as_ref().ok_or(Reply::MailFirst)?;
        if envelope.recipients.is_empty() {
            return Err(Reply::NoRecipients);
        }
        Ok(())
    }

    fn is_amid_chunks(&self) -> bool {
        let envelope = self.envelope.as_ref();
        envelope.is_some_and(|envelope| envelope.message.is_some())
    }

    fn begin(&mut self, wire: Wire, ended: bool) -> LmtpStep {
        if let Some(envelope) = &mut self.envelope {
            envelope.message = Some(Message {
                octets: 0,
                conformity: Conformity::new(self.policy.nonconforming),
                fault: None,
            });
        }
        self.state = State::Beginning(Transfer {
            wire,
            ended,
            refusal: None,
        });
        LmtpStep::Effect(LmtpEffect::Begin)
    }

    /// There is no place for the message.
    pub(super) fn not_begun(&mut self, transfer: Transfer, why: Reply, out: &mut Vec<u8>) -> State {
        match transfer.wire {
            Wire::Data(_) => {
                why.write(out);
                if let Some(envelope) = &mut self.envelope {
                    envelope.message = None;
                }
                State::Commands
            }
            Wire::Chunk { .. } => {
                self.spoil(why);
                State::Receiving(transfer)
            }
        }
    }

    /// Nobody will get the message at hand. The first reason counts.
    pub(super) fn spoil(&mut self, why: Reply) {
        let message = self
            .envelope
            .as_mut()
            .and_then(|open| open.message.as_mut());
        if let Some(message) = message {
            message.fault.get_or_insert(why);
        }
    }

    /// Takes what is there of the message.
    pub(super) fn receive(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<LmtpStep> {
        let State::Receiving(transfer) = &mut self.state else {
            return None;
        };
        if transfer.ended {
            return self.received(out);
        }
        let octets = self.input.octets();
        if octets.is_empty() {
            return Some(LmtpStep::NeedInput);
        }
        self.heard_at = now;
        let mut taken = Vec::new();
        let used = match &mut transfer.wire {
            Wire::Data(decoder) => {
                taken.reserve(octets.len() + 1);
                let decoded = decoder.decode(octets, &mut taken);
                transfer.ended = decoded.ended;
                decoded.used
            }
            Wire::Chunk { left, .. } => {
                let used = usize::try_from(*left).map_or(octets.len(), |l| l.min(octets.len()));
                taken.extend_from_slice(&octets[..used]);
                *left -= used as u64;
                transfer.ended = *left == 0;
                used
            }
        };
        self.input.consume(used);
        let wanted = transfer.refusal.is_none();
        let taken = if wanted { self.examine(taken) } else { None };
        self.store(taken?)
    }

    /// Counts the next octets of the message and repairs them. None if they are not wanted.
    fn examine(&mut self, taken: Vec<u8>) -> Option<Vec<u8>> {
        let message = self.envelope.as_mut()?.message.as_mut()?;
        message.octets = message.octets.saturating_add(taken.len() as u64);
        if message.octets > self.policy.message_octets_max {
            message.fault.get_or_insert(Reply::TooLarge);
        }
        if message.fault.is_some() {
            return None;
        }
        let repaired = message.conformity.pass(taken);
        message.fault = message.conformity.refusal();
        (message.fault.is_none() && !repaired.is_empty()).then_some(repaired)
    }

    fn store(&mut self, octets: Vec<u8>) -> Option<LmtpStep> {
        self.state = match std::mem::replace(&mut self.state, State::Commands) {
            State::Receiving(transfer) => State::Writing(transfer),
            other => other,
        };
        Some(LmtpStep::Effect(LmtpEffect::Write(octets)))
    }

    /// All octets of DATA or of a chunk are there.
    fn received(&mut self, out: &mut Vec<u8>) -> Option<LmtpStep> {
        let State::Receiving(transfer) = std::mem::replace(&mut self.state, State::Commands) else {
            return None;
        };
        if let Some(refusal) = transfer.refusal {
            return self.object(refusal, out);
        }
        self.protocol_errors = 0;
        if let Wire::Chunk { last: false, .. } = transfer.wire {
            let message = self
                .envelope
                .as_ref()
                .and_then(|open| open.message.as_ref());
            let fault = message.and_then(|message| message.fault);
            fault.unwrap_or(Reply::ChunkTaken).write(out);
            return None;
        }
        // The transaction ends with its message, whatever becomes of it.
        let envelope = self.envelope.take()?;
        let mut message = envelope.message?;
        message.conformity.finish();
        let recipients: Arc<[_]> = envelope.recipients.into();
        let trace = Trace {
            reverse_path: envelope.reverse_path,
            client: self.client.clone().unwrap_or_default(),
            peer: Arc::clone(&self.peer),
            host: self.policy.host.clone(),
            smtputf8: envelope.smtputf8,
        };
        let effect = match message.fault.or_else(|| message.conformity.refusal()) {
            None => {
                self.summary.messages += 1;
                self.state = State::Delivering(Arc::clone(&recipients));
                LmtpEffect::Deliver { recipients, trace }
            }
            Some(reply) => {
                self.state = State::Refusing(Arc::clone(&recipients), reply);
                let why = reply.text();
                LmtpEffect::Refuse {
                    recipients,
                    trace,
                    why,
                }
            }
        };
        Some(LmtpStep::Effect(effect))
    }
}
