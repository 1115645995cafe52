//! NOOP (RFC 1939 s5). Like any command it sets the inactivity timer anew.

use crate::command::Arguments;
use crate::response_text::Text;
use crate::session::turn::{Context, Turn, Verdict};

pub(super) fn noop(arguments: Arguments<'_>, context: &mut Context<'_>) -> Verdict {
    arguments.none()?;
    context.reply.ok(Text::NothingDone);
    Ok(Turn::Answered)
}
