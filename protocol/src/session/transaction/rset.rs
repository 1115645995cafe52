//! RSET: takes all marks off (RFC 1939 s5).

use super::Transaction;
use crate::command::Arguments;
use crate::response_text::Text;
use crate::session::turn::{Context, Turn, Verdict};

impl Transaction {
    pub(super) fn rset(&mut self, arguments: Arguments<'_>, context: &mut Context<'_>) -> Verdict {
        arguments.none()?;
        self.marks
            .unmark_all(self.maildrop.drop_listing(self.sizes));
        context.summary.marked = 0;
        context.reply.ok(Text::MarksRemoved);
        Ok(Turn::Answered)
    }
}
