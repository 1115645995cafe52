//! QUIT after log-on: the only way into UPDATE (RFC 1939 s6). Only what this session marked can
//! be named there.

use super::Transaction;
use crate::MessageNumber;
use crate::command::Arguments;
use crate::response_text::Text;
use crate::session::State;
use crate::session::effect::CloseReason;
use crate::session::turn::{Context, Turn, Verdict};
use crate::session::update::Update;

impl Transaction {
    pub(super) fn quit(&self, arguments: Arguments<'_>, context: &mut Context<'_>) -> Verdict {
        arguments.none()?;
        if self.marks.marked() == 0 {
            context.reply.ok(Text::SigningOff);
            return Ok(Turn::Enter(State::Closed(CloseReason::Quit)));
        }
        let marked = self.marks.positions().filter_map(MessageNumber::at);
        let ids = marked
            .filter_map(|number| self.maildrop.entry(number))
            .map(|entry| entry.id);
        let mut ids: Vec<u64> = ids.collect();
        // A view can be numbered from the newest message down.
        ids.sort_unstable();
        Ok(Turn::Enter(State::Update(Update::new(ids))))
    }
}
