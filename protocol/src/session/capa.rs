//! CAPA, in both states (RFC 2449 s5).

use super::turn::{Context, Turn, Verdict};
use crate::capability;
use crate::command::Arguments;

pub(super) fn capa(
    arguments: Arguments<'_>,
    logged_on: bool,
    context: &mut Context<'_>,
) -> Verdict {
    arguments.none()?;
    capability::reply(context.policy, context.link, logged_on, &mut context.reply);
    Ok(Turn::Answered)
}
