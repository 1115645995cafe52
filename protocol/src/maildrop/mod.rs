//! The maildrop as one session sees it: a view that is frozen at log-on (MS-STANXPOP3 C0004).

mod deletion_marks;
mod listing;
mod message_number;
mod unique_id;

use std::sync::OnceLock;

use bytes::Bytes;

pub(crate) use deletion_marks::DeletionMarks;
pub(crate) use listing::{ListingKind, RestOfListing, push_entry};
pub use message_number::MessageNumber;
pub use unique_id::{UNIQUE_ID_OCTETS_MAX, UniqueId};

/// A number of octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Octets(pub u64);

/// Which size STAT and LIST report (MS-STANXPOP3 2.1.4, 2.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SizeKind {
    /// What the message occupies in storage.
    #[default]
    Stored,
    /// What RETR sends: CRLF counted as two, transparency not counted.
    Exact,
}

/// One message of the view. The view costs 24 octets for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanEntry {
    /// The store's number of the message; its decimal form is the unique-id unless one was
    /// carried over (MS-STANXPOP3 C0007).
    pub id: u64,
    /// Octets occupied in storage.
    pub stored: Octets,
    /// Octets that RETR sends.
    pub exact: Octets,
}

impl ScanEntry {
    /// Its size, as STAT and LIST report it.
    pub fn octets(&self, sizes: SizeKind) -> Octets {
        match sizes {
            SizeKind::Stored => self.stored,
            SizeKind::Exact => self.exact,
        }
    }
}

/// What STAT reports (RFC 1939 s5): how many messages, and their octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DropListing {
    /// How many messages.
    pub messages: u32,
    /// All their octets.
    pub octets: Octets,
}

/// The frozen view. It is shared by all sessions that opened the maildrop at one revision.
#[derive(Debug)]
pub struct Maildrop {
    entries: Vec<ScanEntry>,
    carried: Vec<(u32, Box<str>)>,
    stored: Octets,
    exact: Octets,
    stored_listing: OnceLock<Bytes>,
    exact_listing: OnceLock<Bytes>,
    unique_ids: OnceLock<Bytes>,
}

impl Maildrop {
    /// A view of `entries`, numbered from 1 in the order given. `carried` has the unique-ids
    /// that came from another server, as (position in `entries`, unique-id), positions growing
    /// (MS-STANXPOP3 C0009).
    ///
    /// What can not be shown is left out: messages behind number 2^32 - 1, and carried
    /// unique-ids that are not valid ([`UniqueId::is_valid`]; they could forge lines of the
    /// listing). That all unique-ids differ is the store's promise.
    pub fn new(mut entries: Vec<ScanEntry>, mut carried: Vec<(u32, Box<str>)>) -> Self {
        entries.truncate(u32::MAX as usize);
        carried.retain(|(_, unique_id)| UniqueId::is_valid(unique_id));
        let sum = |sizes| {
            let octets = entries.iter().map(|entry| entry.octets(sizes).0);
            Octets(octets.fold(0, u64::saturating_add))
        };
        Self {
            stored: sum(SizeKind::Stored),
            exact: sum(SizeKind::Exact),
            entries,
            carried,
            stored_listing: OnceLock::new(),
            exact_listing: OnceLock::new(),
            unique_ids: OnceLock::new(),
        }
    }

    /// How many messages it has.
    pub fn messages(&self) -> u32 {
        // `new` saw to it that it fits.
        self.entries.len() as u32
    }

    /// All messages together.
    pub fn drop_listing(&self, sizes: SizeKind) -> DropListing {
        let octets = match sizes {
            SizeKind::Stored => self.stored,
            SizeKind::Exact => self.exact,
        };
        DropListing {
            messages: self.messages(),
            octets,
        }
    }

    /// The message of that number, if there is one.
    pub fn entry(&self, number: MessageNumber) -> Option<&ScanEntry> {
        self.entries.get(number.position())
    }

    /// The unique-id of the message of that number, if there is one.
    pub fn unique_id(&self, number: MessageNumber) -> Option<UniqueId<'_>> {
        self.entry(number)
            .map(|entry| self.unique_id_of(entry, number))
    }

    /// All LIST lines and the termination octet line, rendered on first use and then shared.
    pub fn scan_listing(&self, kind: SizeKind) -> Bytes {
        let cell = match kind {
            SizeKind::Stored => &self.stored_listing,
            SizeKind::Exact => &self.exact_listing,
        };
        self.rendered(cell, ListingKind::Scan(kind))
    }

    /// All UIDL lines and the termination octet line, likewise.
    pub fn unique_id_listing(&self) -> Bytes {
        self.rendered(&self.unique_ids, ListingKind::UniqueId)
    }

    fn rendered(&self, cell: &OnceLock<Bytes>, kind: ListingKind) -> Bytes {
        cell.get_or_init(|| {
            let mut lines = listing::render(self, kind);
            lines.shrink_to_fit();
            Bytes::from(lines)
        })
        .clone()
    }

    fn has(&self, number: MessageNumber) -> bool {
        number.position() < self.entries.len()
    }

    fn unique_id_of<'a>(&'a self, entry: &ScanEntry, number: MessageNumber) -> UniqueId<'a> {
        let position = number.value() - 1;
        match self
            .carried
            .binary_search_by_key(&position, |(carried, _)| *carried)
        {
            Ok(found) => UniqueId::Carried(&self.carried[found].1),
            Err(_) => UniqueId::Decimal(entry.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u64, stored: u64, exact: u64) -> ScanEntry {
        ScanEntry {
            id,
            stored: Octets(stored),
            exact: Octets(exact),
        }
    }

    #[test]
    fn an_entry_costs_24_octets() {
        assert_eq!(size_of::<ScanEntry>(), 24);
    }

    #[test]
    fn known_listings() {
        let maildrop = Maildrop::new(
            vec![entry(6499, 600, 512), entry(6502, 10, 3), entry(6505, 7, 7)],
            vec![(1, "AAADadKA+".into()), (2, "forged\r\n.".into())],
        );
        assert_eq!(
            maildrop.scan_listing(SizeKind::Stored),
            "1 600\r\n2 10\r\n3 7\r\n.\r\n"
        );
        assert_eq!(
            maildrop.scan_listing(SizeKind::Exact),
            "1 512\r\n2 3\r\n3 7\r\n.\r\n"
        );
        assert_eq!(
            maildrop.unique_id_listing(),
            "1 6499\r\n2 AAADadKA+\r\n3 6505\r\n.\r\n"
        );
        assert_eq!(
            maildrop.drop_listing(SizeKind::Exact),
            DropListing {
                messages: 3,
                octets: Octets(522)
            }
        );
        let second = MessageNumber::new(2).unwrap();
        assert_eq!(
            maildrop.unique_id(second),
            Some(UniqueId::Carried("AAADadKA+"))
        );
        assert_eq!(maildrop.unique_id(MessageNumber::new(4).unwrap()), None);
    }

    #[test]
    fn an_empty_maildrop_lists_nothing() {
        let maildrop = Maildrop::new(Vec::new(), Vec::new());
        assert_eq!(maildrop.scan_listing(SizeKind::Stored), ".\r\n");
        assert_eq!(maildrop.unique_id_listing(), ".\r\n");
        assert_eq!(
            maildrop.drop_listing(SizeKind::Stored),
            DropListing::default()
        );
    }

    #[test]
    fn a_listing_is_rendered_once() {
        let maildrop = Maildrop::new((1..=100_000).map(|id| entry(id, id, id)).collect(), vec![]);
        let first = maildrop.unique_id_listing();
        assert_eq!(
            first.len(),
            (1..=100_000)
                .map(|n: u32| 2 * n.to_string().len() + 3)
                .sum::<usize>()
                + 3
        );
        assert!(std::ptr::eq(
            first.as_ptr(),
            maildrop.unique_id_listing().as_ptr()
        ));
    }

    #[test]
    fn totals_pass_four_gibioctets() {
        let maildrop = Maildrop::new(vec![entry(1, 5 << 30, 5 << 30); 3], vec![]);
        assert_eq!(
            maildrop.drop_listing(SizeKind::Stored).octets,
            Octets(15 << 30)
        );
    }
}
