//! STAT: the drop listing (RFC 1939 s5). Marked messages do not count, and nothing follows the
//! size (MS-STANXPOP3 V0004).

use super::Transaction;
use crate::command::Arguments;
use crate::session::turn::{Context, Turn, Verdict};

impl Transaction {
    pub(super) fn stat(&self, arguments: Arguments<'_>, context: &mut Context<'_>) -> Verdict {
        arguments.none()?;
        let visible = self.marks.visible();
        context
            .reply
            .ok_numbers(u64::from(visible.messages), visible.octets.0);
        Ok(Turn::Answered)
    }
}
