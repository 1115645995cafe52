//! RETR and TOP (RFC 1939 s5 and s7): open the message, then send it. A message that somebody
//! else removed is an error (MS-STANXPOP3 C0004), and the numbers stay.

use super::{Activity, Transaction, response_code};
use crate::MessageNumber;
use crate::command::Arguments;
use crate::response_text::Text;
use crate::session::State;
use crate::session::effect::{Blame, CloseReason, Effect, Outcome, Step};
use crate::session::turn::{Context, Turn, Verdict};

/// The messages that were found gone. A client that asks for them again and again ends its
/// session.
#[derive(Debug, Default)]
pub(super) struct Vanished {
    last: Option<MessageNumber>,
    /// How often the last one was asked for in vain.
    repeats: u32,
    total: u64,
}

impl Vanished {
    /// Counts one; returns whether that is too often: more than `repeats_max` times the same
    /// message, or more than TOP and RETR of every message.
    fn is_too_often(&mut self, number: MessageNumber, messages: u32, repeats_max: u32) -> bool {
        self.repeats = if self.last == Some(number) {
            self.repeats + 1
        } else {
            1
        };
        self.last = Some(number);
        self.total += 1;
        self.repeats > repeats_max || self.total > 2 * u64::from(messages) + u64::from(repeats_max)
    }
}

impl Transaction {
    pub(super) fn retr(&mut self, arguments: Arguments<'_>) -> Verdict {
        let number = arguments.message_number()?;
        self.open_message(number, None)
    }

    pub(super) fn top(&mut self, arguments: Arguments<'_>) -> Verdict {
        let (number, lines) = arguments.message_number_and_lines()?;
        self.open_message(number, Some(lines))
    }

    fn open_message(&mut self, number: MessageNumber, lines: Option<u64>) -> Verdict {
        let id = self.visible(number)?.id;
        self.activity = Activity::Opening { number, lines };
        Ok(Turn::Do(Step::Effect(Effect::OpenMessage { number, id })))
    }

    /// Only a message that can be sent is answered with `+OK`.
    pub(super) fn message_opened(
        &mut self,
        number: MessageNumber,
        lines: Option<u64>,
        outcome: Outcome,
        context: &mut Context<'_>,
    ) -> Option<State> {
        self.activity = Activity::Idle;
        match outcome {
            Outcome::MessageOpened => {
                context.reply.ok(Text::MessageFollows);
                self.activity = Activity::Opened { lines };
                None
            }
            Outcome::MessageGone => {
                context.reply.err(None, Text::MessageGone);
                let repeats_max = context.policy.protocol_errors_max;
                if !self
                    .vanished
                    .is_too_often(number, self.maildrop.messages(), repeats_max)
                {
                    return None;
                }
                context.reply.err(None, Text::TooManyErrors);
                Some(State::Closed(CloseReason::TooManyErrors))
            }
            Outcome::Failed(blame) => {
                let text = match blame {
                    Blame::Temporary => Text::ServerUnavailable,
                    Blame::Permanent => Text::ServerBroken,
                };
                context.reply.err(Some(response_code(blame)), text);
                None
            }
            Outcome::LoggedOn { .. }
            | Outcome::HandedOn { .. }
            | Outcome::RelayEnded
            | Outcome::LogOnRefused(_)
            | Outcome::Challenge(_)
            | Outcome::MessageSent
            | Outcome::Committed
            | Outcome::TlsStarted(_) => Some(State::Closed(CloseReason::UnexpectedOutcome)),
        }
    }

    pub(super) fn send_message(&mut self, lines: Option<u64>) -> Step {
        self.activity = Activity::Sending { lines };
        Step::Effect(Effect::SendMessage { lines })
    }

    pub(super) fn message_sent(
        &mut self,
        lines: Option<u64>,
        outcome: &Outcome,
        context: &mut Context<'_>,
    ) -> Option<State> {
        self.activity = Activity::Idle;
        match outcome {
            Outcome::MessageSent => {
                match lines {
                    None => context.summary.retrieved += 1,
                    Some(_) => context.summary.topped += 1,
                }
                None
            }
            // Nothing can be said in the midst of a message.
            Outcome::Failed(_) => Some(State::Closed(CloseReason::MessageBroken)),
            Outcome::LoggedOn { .. }
            | Outcome::HandedOn { .. }
            | Outcome::RelayEnded
            | Outcome::LogOnRefused(_)
            | Outcome::Challenge(_)
            | Outcome::MessageOpened
            | Outcome::MessageGone
            | Outcome::Committed
            | Outcome::TlsStarted(_) => Some(State::Closed(CloseReason::UnexpectedOutcome)),
        }
    }
}
