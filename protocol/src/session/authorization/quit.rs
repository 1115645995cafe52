//! QUIT before log-on: no UPDATE state (RFC 1939 s4).

use crate::command::Arguments;
use crate::response_text::Text;
use crate::session::State;
use crate::session::effect::CloseReason;
use crate::session::turn::{Context, Turn, Verdict};

pub(super) fn quit(arguments: Arguments<'_>, context: &mut Context<'_>) -> Verdict {
    arguments.none()?;
    context.reply.ok(Text::SigningOff);
    Ok(Turn::Enter(State::Closed(CloseReason::Quit)))
}
