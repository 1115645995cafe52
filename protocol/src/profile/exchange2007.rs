//! The profile of Exchange 2007.

use crate::Policy;
use crate::policy::{ForeignSite, OverlongCommand};
use crate::response_text::{Text, Texts};

impl Policy {
    /// What Exchange 2007 does where a choice is left.
    pub fn exchange2007() -> Self {
        Self {
            // MS-STANXPOP3 E0006; less than RFC 2449 s4 wants.
            command_octets_max: 47,
            // An honest command can pass so short a limit, and nothing is known of a close.
            overlong_command: OverlongCommand::Refuse,
            // MS-STANXPOP3 C0010; the later ones find the right server themselves.
            foreign_site: ForeignSite::Refuse,
            texts: Texts::of_profile(&[
                (
                    Text::Greeting,
                    "Microsoft Exchange Server 2007 POP3 service ready",
                ),
                (
                    Text::SigningOff,
                    "Microsoft Exchange Server 2007 POP3 server signing off.",
                ),
            ]),
            ..Self::exchange2013()
        }
    }
}
