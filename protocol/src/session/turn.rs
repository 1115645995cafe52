//! What passes between the session's loop and the states: what a verb may look at, and what it
//! leads to. A verb writes its reply and never owns the loop.

use super::trail::Trail;
use super::{CloseReason, Effect, Link, State, Step, Summary};
use crate::command::{Command, CommandError};
use crate::policy::OverlongCommand;
use crate::reply::ReplyWriter;
use crate::response_text::Text;
use crate::wire::line::{Line, LineDecoder};
use crate::{Policy, RefusalId};

/// What a verb may look at, and where its reply goes.
pub(super) struct Context<'a> {
    pub(super) policy: &'a Policy,
    pub(super) link: &'a Link,
    pub(super) summary: &'a mut Summary,
    /// What the next refusal is called.
    pub(super) refusal_id: &'a mut Option<Box<RefusalId>>,
    /// Where a record of the session is kept, if one is.
    pub(super) trail: Option<&'a mut Trail>,
    pub(super) reply: ReplyWriter<'a>,
}

/// What a turn of a state comes to.
#[derive(Debug)]
pub(super) enum Turn {
    /// Nothing can be done before something is received or an effect ends.
    Wait,
    /// A command was answered.
    Answered,
    /// This has to happen.
    Do(Step),
    /// A SASL exchange goes on, outside or with the client's next line. Until it ends it is
    /// neither right nor wrong: a client that begins one and cancels it, for ever, is counted.
    Exchange(Option<Effect>),
    /// A command was answered, or is not yet, and this is the state now.
    Enter(State),
}

/// A turn, or the client's error, which the loop answers and counts.
pub(super) type Verdict = Result<Turn, CommandError>;

/// Reads the next command and hands it to `answer`, with whether more input is there behind it.
pub(super) fn next_command<'l, 'c>(
    lines: &'l mut LineDecoder,
    context: &mut Context<'c>,
    answer: impl FnOnce(Command<'l>, bool, &mut Context<'c>) -> Verdict,
) -> Verdict {
    let Some(line) = lines.next_line(context.policy.command_octets_max) else {
        return Ok(Turn::Wait);
    };
    context.summary.commands += 1;
    let parsed = match &line {
        Line::Complete { octets, .. } => Command::parse(octets, context.policy.separators),
        Line::TooLong => Err(CommandError::TooLong),
    };
    if let Some(trail) = &mut context.trail {
        trail.line(&line, &parsed, context.link);
    }
    match line {
        Line::Complete { more, .. } => answer(parsed?, more, context),
        Line::TooLong => match context.policy.overlong_command {
            OverlongCommand::Refuse => Err(CommandError::TooLong),
            OverlongCommand::Close => {
                context.reply.err(None, Text::CommandTooLongClosing);
                Ok(Turn::Enter(State::Closed(CloseReason::CommandTooLong)))
            }
        },
    }
}
