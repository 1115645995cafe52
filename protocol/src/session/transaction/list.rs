//! LIST: the scan listing (RFC 1939 s5).

use super::Transaction;
use crate::command::Arguments;
use crate::maildrop::ListingKind;
use crate::session::turn::{Context, Verdict};

impl Transaction {
    pub(super) fn list(&mut self, arguments: Arguments<'_>, context: &mut Context<'_>) -> Verdict {
        let kind = ListingKind::Scan(self.sizes);
        match arguments.optional_message_number()? {
            Some(number) => self.entry_reply(kind, number, context),
            None => Ok(self.listing_reply(kind, context)),
        }
    }
}
