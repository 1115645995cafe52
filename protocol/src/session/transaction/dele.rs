//! DELE: marks a message (RFC 1939 s5). Whether it is still there is not asked: a message that
//! somebody else removed is gone, as it should be, and clients stop at an error here.

use super::Transaction;
use crate::command::Arguments;
use crate::response_text::Text;
use crate::session::turn::{Context, Turn, Verdict};

impl Transaction {
    pub(super) fn dele(&mut self, arguments: Arguments<'_>, context: &mut Context<'_>) -> Verdict {
        let number = arguments.message_number()?;
        let octets = self.visible(number)?.octets(self.sizes);
        self.marks.mark_deleted(number.position(), octets);
        context.summary.marked = u64::from(self.marks.marked());
        context.reply.ok(Text::MarkedDeleted);
        Ok(Turn::Answered)
    }
}
