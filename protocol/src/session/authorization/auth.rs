//! AUTH (RFC 5034): SASL's framing. What is inside the messages is the mechanism's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Authorization;
use crate::Secret;
use crate::capability::{offered, offers};
use crate::command::{Arguments, CommandError};
use crate::response_text::Text;
use crate::session::effect::{Effect, SaslAnswer};
use crate::session::turn::{Context, Turn, Verdict};
use crate::wire::line::Line;

/// An empty initial response (RFC 5034 s4).
const EMPTY_INITIAL_RESPONSE: &[u8] = b"=";

/// What a client sends to give an exchange up (RFC 5034 s4).
const CANCEL: &[u8] = b"*";

pub(super) fn auth(
    state: &mut Authorization,
    arguments: Arguments<'_>,
    context: &mut Context<'_>,
) -> Verdict {
    *state = Authorization::Fresh;
    if arguments.is_blank() {
        return list(context);
    }
    let (name, initial_response) = match arguments.up_to_two()? {
        [Some(name), initial_response] => (name, initial_response),
        [None, _] => return Err(CommandError::ArgumentMissing),
    };
    let mechanism = context
        .link
        .mechanisms
        .iter()
        .find(|mechanism| name.eq_ignore_ascii_case(mechanism.name.as_bytes()))
        .ok_or(CommandError::Unknown)?;
    if !offered(context.policy, context.link, mechanism) {
        return Err(CommandError::NeedsTls);
    }
    let answer = match initial_response {
        Some(_) if !mechanism.client_first => return Err(CommandError::InitialResponse),
        Some(EMPTY_INITIAL_RESPONSE) => SaslAnswer::StartWith(Vec::new().into()),
        Some(response) => SaslAnswer::StartWith(decode(response)?),
        None if mechanism.client_first => {
            context.reply.challenge(b"");
            *state = Authorization::ExpectAnswer {
                mechanism: mechanism.name,
                begun: false,
            };
            return Ok(Turn::Exchange(None));
        }
        None => SaslAnswer::Start,
    };
    Ok(exchange(state, mechanism.name, answer))
}

/// A line of the client within an exchange. Whatever is wrong with it ends the exchange, and
/// leaves the session as if AUTH had never been there.
pub(super) fn continuation(
    state: &mut Authorization,
    mechanism: &'static str,
    begun: bool,
    line: Line<'_>,
) -> Verdict {
    *state = Authorization::Fresh;
    let octets = match line {
        Line::Complete { octets, .. } => octets,
        Line::TooLong => return Err(CommandError::ContinuationTooLong),
    };
    if octets == CANCEL {
        return Err(CommandError::Cancelled);
    }
    let response = decode(octets)?;
    let answer = if begun {
        SaslAnswer::Continue(response)
    } else {
        SaslAnswer::StartWith(response)
    };
    Ok(exchange(state, mechanism, answer))
}

/// AUTH without a mechanism lists them, as MS-POP3 s2.2.1 has it and old clients ask.
fn list(context: &mut Context<'_>) -> Verdict {
    let mut mechanisms = offers(context.policy, context.link).peekable();
    if mechanisms.peek().is_none() {
        return Err(CommandError::WrongState);
    }
    context.reply.ok(Text::Mechanisms);
    for mechanism in mechanisms {
        context.reply.line([mechanism.name]);
    }
    context.reply.end_lines();
    Ok(Turn::Answered)
}

fn exchange(state: &mut Authorization, mechanism: &'static str, answer: SaslAnswer) -> Turn {
    *state = Authorization::Exchanging { mechanism };
    Turn::Exchange(Some(Effect::Sasl { mechanism, answer }))
}

fn decode(octets: &[u8]) -> Result<Secret, CommandError> {
    STANDARD
        .decode(octets)
        .map(Secret::from)
        .map_err(|_| CommandError::NotBase64)
}
