//! The name of one refusal: the same in the log, at the end of the reply (by setting) and in
//! `mailroost why`.

use std::fmt;
use std::str::FromStr;

/// Crockford's base 32, lower-case: no letters that are taken for digits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters of an id: 9 for the time, 7 for chance.
const CHARACTERS: usize = 16;
const RANDOM_BITS: u32 = 35;
const MILLIS_BITS: u32 = 45;

/// 45 bits of milliseconds since 1970-01-01 UTC, then 35 bits that nobody can guess, as 16
/// characters of `0-9a-z` without `i`, `l`, `o` and `u`. Texts sort as the times do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefusalId(u128);

/// A text that is no id of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id of a refusal has 16 of 0-9 and a-z without i, l, o and u")]
pub struct RefusalIdError;

impl RefusalId {
    /// Of the numbers so many bits count, the lowest ones.
    pub fn new(millis: u64, random: u64) -> Self {
        let (millis, random) = (u128::from(millis), u128::from(random));
        let low = |bits: u32| (1_u128 << bits) - 1;
        Self((millis & low(MILLIS_BITS)) << RANDOM_BITS | random & low(RANDOM_BITS))
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub fn millis(self) -> u64 {
        u64::try_from(self.0 >> RANDOM_BITS).expect("45 bits fit into 64")
    }
}

impl fmt::Display for RefusalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in (0..CHARACTERS).rev() {
            let digit = (self.0 >> (5 * place)) & 31;
            let octet = ALPHABET[usize::try_from(digit).expect("it is below 32")];
            fmt::Write::write_char(f, char::from(octet))?;
        }
        Ok(())
    }
}

impl fmt::Debug for RefusalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RefusalId {
    type Err = RefusalIdError;

    fn from_str(text: &str) -> Result<Self, RefusalIdError> {
        if text.len() != CHARACTERS {
            return Err(RefusalIdError);
        }
        let digits = text.bytes().map(|octet| {
            let octet = octet.to_ascii_lowercase();
            ALPHABET.iter().position(|known| *known == octet)
        });
        digits
            .into_iter()
            .try_fold(0, |sum, digit| Some(sum << 5 | digit? as u128))
            .map(Self)
            .ok_or(RefusalIdError)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_read_back_and_tells_its_time() {
        let id = RefusalId::new(1_793_000_000_123, 77);
        assert_eq!(id.to_string(), "1m5vj1jkv000002d");
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        assert_eq!(id.millis(), 1_793_000_000_123);
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "1m5vj1jkv000002",
            "1m5vj1jkv000002dd",
            "1m5vj1jkv00000il",
            "\u{e9}m5t6yh0v00000",
        ] {
            assert_eq!(text.parse::<RefusalId>(), Err(RefusalIdError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn ids_sort_by_time(a in 0..1_u64 << 45, b in 0..1_u64 << 45, c: u64, d: u64) {
            prop_assume!(a < b);
            let (a, b) = (RefusalId::new(a, c), RefusalId::new(b, d));
            prop_assert!(a < b && a.to_string() < b.to_string());
            prop_assert_eq!(a.to_string().parse(), Ok(a));
        }
    }
}
