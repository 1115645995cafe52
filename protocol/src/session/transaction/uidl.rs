//! UIDL: the unique-id listing (RFC 1939 s7).

use super::Transaction;
use crate::command::Arguments;
use crate::maildrop::ListingKind;
use crate::session::turn::{Context, Verdict};

impl Transaction {
    pub(super) fn uidl(&mut self, arguments: Arguments<'_>, context: &mut Context<'_>) -> Verdict {
        match arguments.optional_message_number()? {
            Some(number) => self.entry_reply(ListingKind::UniqueId, number, context),
            None => Ok(self.listing_reply(ListingKind::UniqueId, context)),
        }
    }
}
