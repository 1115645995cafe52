//! What is known of a message's body, as it travels over the control socket.

use mailroost_storage::BodyFacts;
use serde::{Deserialize, Serialize};

/// [`BodyFacts`] in a frame.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct FactsRow {
    octets: u64,
    header_octets: u64,
    dot_lines: bool,
}

impl From<BodyFacts> for FactsRow {
    fn from(facts: BodyFacts) -> Self {
        let BodyFacts {
            octets,
            header_octets,
            dot_lines,
        } = facts;
        Self {
            octets,
            header_octets,
            dot_lines,
        }
    }
}

impl From<FactsRow> for BodyFacts {
    fn from(row: FactsRow) -> Self {
        let FactsRow {
            octets,
            header_octets,
            dot_lines,
        } = row;
        Self {
            octets,
            header_octets,
            dot_lines,
        }
    }
}
