//! The UPDATE state (RFC 1939 s6): the marked messages are removed, and only then is QUIT
//! answered. Here it is all or nothing, which is better than MS-STANXPOP3 V0006 asks.

use super::effect::{Blame, CloseReason, Effect, Outcome, Step};
use super::turn::{Context, Turn};
use super::{State, transaction};
use crate::response_text::Text;

/// A session whose client said QUIT.
#[derive(Debug)]
pub(super) struct Update {
    /// What is to be removed; `None` once it was asked for.
    ids: Option<Vec<u64>>,
    messages: u64,
}

impl Update {
    /// `ids`: the store's numbers of the marked messages.
    pub(super) fn new(mut ids: Vec<u64>) -> Self {
        ids.sort_unstable();
        Self {
            messages: ids.len() as u64,
            ids: Some(ids),
        }
    }

    pub(super) fn next(&mut self) -> Turn {
        match self.ids.take() {
            Some(ids) => Turn::Do(Step::Effect(Effect::Commit { ids })),
            None => Turn::Wait,
        }
    }

    pub(super) fn resume(&mut self, outcome: Outcome, context: &mut Context<'_>) -> State {
        match outcome {
            Outcome::Committed => {
                context.summary.removed = self.messages;
                context.reply.ok(Text::SigningOff);
                State::Closed(CloseReason::Quit)
            }
            Outcome::Failed(blame) => {
                not_removed(blame, context);
                State::Closed(CloseReason::QuitFailed)
            }
            Outcome::LoggedOn { .. }
            | Outcome::HandedOn { .. }
            | Outcome::RelayEnded
            | Outcome::LogOnRefused(_)
            | Outcome::Challenge(_)
            | Outcome::MessageOpened
            | Outcome::MessageGone
            | Outcome::MessageSent
            | Outcome::TlsStarted(_) => State::Closed(CloseReason::UnexpectedOutcome),
        }
    }
}

fn not_removed(blame: Blame, context: &mut Context<'_>) {
    context
        .reply
        .err(Some(transaction::response_code(blame)), Text::NotRemoved);
}
