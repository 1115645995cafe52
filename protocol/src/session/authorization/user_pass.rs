//! USER and PASS (RFC 1939 s7).

use super::Authorization;
use crate::capability::plaintext_allowed;
use crate::command::{Arguments, CommandError};
use crate::response_text::Text;
use crate::session::effect::{Effect, Step};
use crate::session::turn::{Context, Turn, Verdict};

/// The answer depends on the connection and never on the name (MS-STANXPOP3 V0008, V0010). An
/// earlier name is forgotten either way.
pub(super) fn user(
    state: &mut Authorization,
    arguments: Arguments<'_>,
    context: &mut Context<'_>,
) -> Verdict {
    *state = Authorization::Fresh;
    if !plaintext_allowed(context.policy, context.link) {
        return Err(CommandError::NeedsTls);
    }
    let name = arguments.remainder().map_err(|error| match error {
        CommandError::ArgumentMissing => CommandError::Malformed,
        other => other,
    })?;
    if name.iter().any(u8::is_ascii_control) {
        return Err(CommandError::Malformed);
    }
    *state = Authorization::UserNamed(name.into());
    context.reply.ok(Text::UserAccepted);
    Ok(Turn::Answered)
}

/// Valid once after each USER. Commands that lie between and do not concern the log-on do no
/// harm, though RFC 1939 s7 wants PASS at once.
pub(super) fn pass(state: &mut Authorization, arguments: Arguments<'_>) -> Verdict {
    let Authorization::UserNamed(user) = state else {
        return Err(CommandError::WrongState);
    };
    let password = arguments.verbatim()?.to_vec().into();
    let user = std::mem::take(user).into_vec();
    *state = Authorization::LoggingOn;
    Ok(Turn::Do(Step::Effect(Effect::LogOn { user, password })))
}
