//! The profile of Exchange 2010.

use crate::Policy;
use crate::response_text::{Text, Texts};

impl Policy {
    /// What Exchange 2010 does where a choice is left.
    pub fn exchange2010() -> Self {
        Self {
            texts: Texts::of_profile(&[(
                Text::SigningOff,
                "Microsoft Exchange Server 2010 POP3 server signing off.",
            )]),
            ..Self::exchange2013()
        }
    }
}
