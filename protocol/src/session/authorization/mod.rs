//! The AUTHORIZATION state (RFC 1939 s4, RFC 5034, RFC 2595 s4). Nothing but USER, PASS, AUTH,
//! STLS, CAPA and QUIT is valid here (MS-STANXPOP3 C0002, C0003).

mod auth;
mod quit;
mod stls;
mod user_pass;

use super::effect::{Blame, CloseReason, LogOnRefusal, Outcome};
use super::handed_on::HandedOn;
use super::transaction::{self, Transaction};
use super::turn::{Context, Turn, Verdict, next_command};
use super::{State, capa};
use crate::command::{AuthorizationVerb, Command, CommandError, EitherVerb, Verb};
use crate::reply::ResponseCode;
use crate::response_text::Text;
use crate::wire::line::LineDecoder;

/// What the client has said of itself.
#[derive(Debug)]
pub(super) enum Authorization {
    /// Nothing.
    Fresh,
    /// USER, with this name: PASS is valid.
    UserNamed(Box<[u8]>),
    /// AUTH: the next line is the client's answer. `begun` tells whether the mechanism has seen
    /// anything yet.
    ExpectAnswer {
        mechanism: &'static str,
        begun: bool,
    },
    /// PASS: the log-on is under way.
    LoggingOn,
    /// AUTH: the mechanism works on an answer.
    Exchanging { mechanism: &'static str },
}

impl Authorization {
    pub(super) fn next(&mut self, lines: &mut LineDecoder, context: &mut Context<'_>) -> Verdict {
        match *self {
            Self::Fresh | Self::UserNamed(_) => {
                next_command(lines, context, |command, more, context| {
                    self.command(command, more, context)
                })
            }
            Self::ExpectAnswer { mechanism, begun } => {
                let limit = context.policy.continuation_octets_max;
                match lines.next_line(limit) {
                    Some(line) => {
                        if let Some(trail) = &mut context.trail {
                            trail.answer_to_challenge(&line);
                        }
                        auth::continuation(self, mechanism, begun, line)
                    }
                    None => Ok(Turn::Wait),
                }
            }
            Self::LoggingOn | Self::Exchanging { .. } => Ok(Turn::Wait),
        }
    }

    fn command(&mut self, command: Command<'_>, more: bool, context: &mut Context<'_>) -> Verdict {
        let Command { verb, arguments } = command;
        match verb {
            Verb::Authorization(AuthorizationVerb::User) => {
                user_pass::user(self, arguments, context)
            }
            Verb::Authorization(AuthorizationVerb::Pass) => user_pass::pass(self, arguments),
            Verb::Authorization(AuthorizationVerb::Auth) => auth::auth(self, arguments, context),
            Verb::Authorization(AuthorizationVerb::Stls) => stls::stls(arguments, more, context),
            Verb::Either(EitherVerb::Capa) => capa::capa(arguments, false, context),
            Verb::Either(EitherVerb::Quit) => quit::quit(arguments, context),
            Verb::Transaction(_) => Err(CommandError::WrongState),
        }
    }

    /// Takes the outcome of a log-on; returns the state that follows, if it is another.
    pub(super) fn resume(
        &mut self,
        outcome: Outcome,
        lines: &mut LineDecoder,
        context: &mut Context<'_>,
    ) -> Option<State> {
        let exchange = match *self {
            Self::Exchanging { mechanism } => Some(mechanism),
            Self::LoggingOn => None,
            Self::Fresh | Self::UserNamed(_) | Self::ExpectAnswer { .. } => return unexpected(),
        };
        match outcome {
            Outcome::LoggedOn {
                user,
                maildrop,
                sizes,
                security_layer: _,
            } => {
                context.summary.user = Some(user);
                context.reply.ok(Text::LoggedOn);
                let sizes = sizes.unwrap_or(context.policy.sizes);
                Some(State::Transaction(Transaction::new(maildrop, sizes)))
            }
            Outcome::HandedOn { user } => {
                context.summary.user = Some(user);
                context.reply.ok(Text::LoggedOn);
                Some(State::HandedOn(HandedOn::new(lines.take_rest())))
            }
            Outcome::LogOnRefused(refusal) => self.refused(refusal, context),
            Outcome::Failed(blame) => self.refused(LogOnRefusal::Failed(blame), context),
            Outcome::Challenge(challenge) => {
                let Some(mechanism) = exchange else {
                    return unexpected();
                };
                context.reply.challenge(&challenge);
                *self = Self::ExpectAnswer {
                    mechanism,
                    begun: true,
                };
                None
            }
            Outcome::RelayEnded
            | Outcome::MessageOpened
            | Outcome::MessageGone
            | Outcome::MessageSent
            | Outcome::Committed
            | Outcome::TlsStarted(_) => unexpected(),
        }
    }

    /// Whether a log-on has begun and not ended.
    pub(super) fn is_amid_log_on(&self) -> bool {
        match self {
            Self::ExpectAnswer { .. } | Self::LoggingOn | Self::Exchanging { .. } => true,
            Self::Fresh | Self::UserNamed(_) => false,
        }
    }

    pub(super) fn exchange_is_open(&self) -> bool {
        match self {
            Self::Exchanging { .. } => true,
            Self::ExpectAnswer { begun, .. } => *begun,
            Self::Fresh | Self::UserNamed(_) | Self::LoggingOn => false,
        }
    }

    /// Says why, the same for all that has to do with credentials (MS-STANXPOP3 V0009). The
    /// client may try again, but not for ever (C0005).
    fn refused(&mut self, refusal: LogOnRefusal, context: &mut Context<'_>) -> Option<State> {
        *self = Self::Fresh;
        let (code, text) = match refusal {
            LogOnRefusal::Credentials => (Some(ResponseCode::Auth), Text::LogOnFailure),
            LogOnRefusal::Malformed => (None, Text::ProtocolError),
            LogOnRefusal::TooManySessions => (Some(ResponseCode::SysTemp), Text::TooManySessions),
            LogOnRefusal::InUse => (Some(ResponseCode::InUse), Text::InUse),
            LogOnRefusal::Failed(blame) => {
                let text = match blame {
                    Blame::Temporary => Text::ServerUnavailable,
                    Blame::Permanent => Text::ServerBroken,
                };
                (Some(transaction::response_code(blame)), text)
            }
        };
        let id = context.refusal_id.take().map(|id| *id);
        context.reply.err_naming(code, text, id);
        context.summary.auth_failures += 1;
        if context.summary.auth_failures < u64::from(context.policy.auth_failures_max) {
            return None;
        }
        context.reply.err(None, Text::TooManyFailures);
        Some(State::Closed(CloseReason::TooManyFailures))
    }
}

fn unexpected() -> Option<State> {
    Some(State::Closed(CloseReason::UnexpectedOutcome))
}
