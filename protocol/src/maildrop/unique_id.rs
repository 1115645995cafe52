//! Unique-ids (RFC 1939 s7, MS-STANXPOP3 C0007 to C0009).

use std::fmt;

use crate::wire::number::push_decimal;

/// The most octets of a unique-id (RFC 1939 s7).
pub const UNIQUE_ID_OCTETS_MAX: usize = 70;

/// What stays with a message for ever, unlike its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UniqueId<'a> {
    /// The store's number of the message (MS-STANXPOP3 C0007).
    Decimal(u64),
    /// What the message had on the server that it came from (MS-STANXPOP3 C0009).
    Carried(&'a str),
}

impl UniqueId<'_> {
    /// Whether RFC 1939 s7 allows it: 1 to 70 octets, each 0x21 to 0x7E.
    pub fn is_valid(unique_id: &str) -> bool {
        (1..=UNIQUE_ID_OCTETS_MAX).contains(&unique_id.len())
            && unique_id.bytes().all(|octet| octet.is_ascii_graphic())
    }

    /// Appends it to `out`.
    pub(crate) fn push(self, out: &mut Vec<u8>) {
        match self {
            Self::Decimal(id) => push_decimal(out, id),
            Self::Carried(unique_id) => out.extend_from_slice(unique_id.as_bytes()),
        }
    }
}

impl fmt::Display for UniqueId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal(id) => id.fmt(f),
            Self::Carried(unique_id) => f.write_str(unique_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_seventy_visible_octets() {
        let longest = "~".repeat(70);
        let too_long = "~".repeat(71);
        let table = [
            ("1", true),
            ("AAADadKAAAQz+HlExtz3sqU2uoxlY1qf", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("", false),
            ("a b", false),
            ("a\r\n.", false),
            ("\u{e9}", false),
        ];
        for (unique_id, valid) in table {
            assert_eq!(UniqueId::is_valid(unique_id), valid, "{unique_id:?}");
        }
    }
}
