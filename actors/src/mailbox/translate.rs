//! From the store's words to the protocol's.

use mailroost_protocol::{Blame, Maildrop, Octets, ScanEntry, SortOrder};
use mailroost_storage::{MessageRecord, StoreErrorKind};

/// The store's list, which is in the order of its numbers, as a frozen view.
pub(crate) fn view_of(messages: &[MessageRecord], order: SortOrder) -> Maildrop {
    match order {
        SortOrder::Ascending => numbered(messages.iter()),
        SortOrder::Descending => numbered(messages.iter().rev()),
    }
}

/// A view of these, numbered as they come.
fn numbered<'a>(messages: impl Iterator<Item = &'a MessageRecord>) -> Maildrop {
    let mut carried = Vec::new();
    let entries = messages
        .zip(0u32..)
        .map(|(message, position)| {
            if let Some(unique_id) = &message.carried_unique_id {
                carried.push((position, unique_id.clone()));
            }
            ScanEntry {
                id: message.id.0,
                stored: Octets(message.stored_octets),
                exact: Octets(message.exact_octets),
            }
        })
        .collect();
    Maildrop::new(entries, carried)
}

/// Whether it helps to try again later.
pub(crate) fn blame_of(kind: StoreErrorKind) -> Blame {
    match kind {
        StoreErrorKind::Corrupt | StoreErrorKind::NotFound | StoreErrorKind::Invalid => {
            Blame::Permanent
        }
        // Kinds that later versions add are weather until proven otherwise.
        _ => Blame::Temporary,
    }
}
