//! The lines of LIST and UIDL (RFC 1939 s5 and s7). Nothing follows the size (MS-STANXPOP3
//! V0005).

use super::{Maildrop, MessageNumber, SizeKind};
use crate::wire::number::push_decimal;
use crate::wire::{CRLF, TERMINATION_LINE};

/// Which listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListingKind {
    /// LIST: numbers and sizes.
    Scan(SizeKind),
    /// UIDL: numbers and unique-ids.
    UniqueId,
}

/// Appends number and size, or number and unique-id, without a line end.
pub(crate) fn push_entry(
    maildrop: &Maildrop,
    kind: ListingKind,
    number: MessageNumber,
    out: &mut Vec<u8>,
) {
    let Some(entry) = maildrop.entry(number) else {
        return;
    };
    push_decimal(out, u64::from(number.value()));
    out.push(b' ');
    match kind {
        ListingKind::Scan(sizes) => push_decimal(out, entry.octets(sizes).0),
        ListingKind::UniqueId => maildrop.unique_id_of(entry, number).push(out),
    }
}

/// The whole listing, termination line included.
pub(super) fn render(maildrop: &Maildrop, kind: ListingKind) -> Vec<u8> {
    // Most lines are shorter.
    let mut out = Vec::with_capacity(16 * maildrop.messages() as usize + TERMINATION_LINE.len());
    let mut rest = RestOfListing::new(kind);
    rest.push(maildrop, |_| false, usize::MAX, &mut out);
    out
}

/// A listing that is written in pieces.
#[derive(Debug)]
pub(crate) struct RestOfListing {
    kind: ListingKind,
    position: usize,
}

impl RestOfListing {
    /// All of it.
    pub(crate) fn new(kind: ListingKind) -> Self {
        Self { kind, position: 0 }
    }

    /// Appends lines, and the termination line at the end, until `out` has `octets_max` octets
    /// or there is no more. Leaves out what `is_marked` (it takes a position). Returns whether
    /// the listing ended.
    pub(crate) fn push(
        &mut self,
        maildrop: &Maildrop,
        is_marked: impl Fn(usize) -> bool,
        octets_max: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        while let Some(number) = MessageNumber::at(self.position).filter(|n| maildrop.has(*n)) {
            if out.len() >= octets_max {
                return false;
            }
            if !is_marked(self.position) {
                push_entry(maildrop, self.kind, number, out);
                out.extend_from_slice(CRLF);
            }
            self.position += 1;
        }
        out.extend_from_slice(TERMINATION_LINE);
        true
    }
}
