//! How one maildrop gives out message numbers and unique-ids (MS-STANXPOP3 C0007, C0008, C0009).
//!
//! A number is its own unique-id unless one is carried over. What is carried over may itself be
//! a decimal number; it must then be neither one that the maildrop gave out (whether or not that
//! message still exists), nor one that it will give out.

use std::collections::HashSet;

use crate::{MessageId, StoreError, StoreErrorKind};

/// The most octets of a unique-id (RFC 1939 s7).
pub const UNIQUE_ID_OCTETS_MAX: usize = 70;

/// The largest decimal unique-id that can be carried over, if it fits 64 bits at all. Numbers
/// given out later are larger than it, so half of the range is kept for them.
pub const CARRIED_DECIMAL_MAX: u64 = u64::MAX / 2;

/// The state that must survive: kept with the maildrop, and committed with its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// The number that the next message gets. The first is 1.
    pub next: u64,
    /// The lowest number that was a unique-id by itself; 0 if there was none yet.
    pub first_own: u64,
}

impl Sequence {
    /// Of a new maildrop.
    pub const NEW: Self = Self {
        next: 1,
        first_own: 0,
    };

    /// The one that repeats neither's unique-ids.
    pub fn or_later(self, other: Self) -> Self {
        let first_own = match (self.first_own, other.first_own) {
            (0, first) | (first, 0) => first,
            (one, two) => one.min(two),
        };
        Self {
            next: self.next.max(other.next),
            first_own,
        }
    }
}

/// A maildrop's sequence and the carried unique-ids of its messages: of the live ones, and as far
/// as they were told of deleted ones.
#[derive(Debug, Clone)]
pub struct Numbering {
    sequence: Sequence,
    carried: HashSet<Box<str>>,
    /// Carried decimals below `next` that nobody ever saw: their delivery failed.
    unseen: HashSet<u64>,
}

impl Numbering {
    /// Goes on after `sequence`; `carried` are those of the live messages.
    pub fn new<'a>(sequence: Sequence, carried: impl Iterator<Item = &'a str>) -> Self {
        Self {
            sequence,
            carried: carried.map(Box::from).collect(),
            unseen: HashSet::new(),
        }
    }

    /// What is to be kept.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Gives a number to each new message, in order; on an error to none of them.
    ///
    /// # Errors
    /// `Invalid` or `Duplicate` for a carried unique-id that cannot be taken.
    pub fn admit_all<'a>(
        &mut self,
        messages: impl Iterator<Item = Option<&'a str>>,
    ) -> Result<Vec<MessageId>, StoreError> {
        let (before, unseen) = (self.sequence, self.unseen.clone());
        let mut added = Vec::new();
        let mut numbers = Vec::new();
        for carried in messages {
            match self.admit(carried) {
                Ok(number) => {
                    numbers.push(number);
                    added.extend(carried);
                }
                Err(error) => {
                    (self.sequence, self.unseen) = (before, unseen);
                    self.forget(added.into_iter());
                    return Err(error);
                }
            }
        }
        Ok(numbers)
    }

    /// Carried unique-ids of messages that were not delivered after all. Their numbers are used;
    /// but nobody saw them, so that they can be carried over yet, as long as this value lives.
    pub fn take_back<'a>(&mut self, carried: impl Iterator<Item = &'a str>) {
        for unique_id in carried {
            self.carried.remove(unique_id);
            self.unseen.extend(decimal_in(unique_id));
        }
    }

    /// Carried unique-ids of deleted messages: they stay taken while these can be brought back.
    pub fn keep_taken<'a>(&mut self, carried: impl Iterator<Item = &'a str>) {
        self.carried.extend(carried.map(Box::from));
    }

    /// The carried unique-ids of the live messages; no others are taken any more.
    pub fn take_only<'a>(&mut self, carried: impl Iterator<Item = &'a str>) {
        self.carried = carried.map(Box::from).collect();
    }

    /// Carried unique-ids of messages that are gone.
    pub fn forget<'a>(&mut self, carried: impl Iterator<Item = &'a str>) {
        for unique_id in carried {
            self.carried.remove(unique_id);
        }
    }

    fn admit(&mut self, carried: Option<&str>) -> Result<MessageId, StoreError> {
        let number = self.sequence.next;
        let mut next = number.checked_add(1).ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::Invalid,
                "the maildrop has given out all its numbers",
            )
        })?;
        match carried {
            None if self.sequence.first_own == 0 => self.sequence.first_own = number,
            None => {}
            Some(unique_id) => {
                if let Some(decimal) = self.check(unique_id)? {
                    next = next.max(decimal + 1);
                    self.unseen.remove(&decimal);
                }
                self.carried.insert(unique_id.into());
            }
        }
        self.sequence.next = next;
        Ok(MessageId(number))
    }

    /// Whether it can be carried over, and its value if the sequence could reach it.
    fn check(&self, unique_id: &str) -> Result<Option<u64>, StoreError> {
        check_unique_id(unique_id)?;
        let taken = || {
            let context = format!("unique-id {unique_id} is taken in this maildrop");
            Err(StoreError::new(StoreErrorKind::Duplicate, context))
        };
        if self.carried.contains(unique_id) {
            return taken();
        }
        let Some(decimal) = decimal_in(unique_id) else {
            return Ok(None);
        };
        if decimal > CARRIED_DECIMAL_MAX {
            return Err(StoreError::new(
                StoreErrorKind::Invalid,
                format!(
                    "unique-id {unique_id} cannot be carried over: the largest decimal one is {CARRIED_DECIMAL_MAX}"
                ),
            ));
        }
        let Sequence { next, first_own } = self.sequence;
        let given_out = first_own != 0 && (first_own..next).contains(&decimal);
        if given_out && !self.unseen.contains(&decimal) {
            return taken();
        }
        Ok(Some(decimal))
    }
}

/// 1 to 70 octets of 0x21 to 0x7E (RFC 1939 s7).
///
/// # Errors
/// `Invalid`.
pub fn check_unique_id(unique_id: &str) -> Result<(), StoreError> {
    let octets = unique_id.as_bytes();
    let length_is_right = (1..=UNIQUE_ID_OCTETS_MAX).contains(&octets.len());
    if length_is_right && octets.iter().all(|octet| (0x21..=0x7E).contains(octet)) {
        return Ok(());
    }
    Err(StoreError::new(
        StoreErrorKind::Invalid,
        format!(
            "unique-id {:?} has {} octets; 1 to {UNIQUE_ID_OCTETS_MAX} of 0x21 to 0x7E are accepted",
            unique_id
                .chars()
                .take(UNIQUE_ID_OCTETS_MAX)
                .collect::<String>(),
            octets.len()
        ),
    ))
}

/// The value of a unique-id that looks like a number of ours: no sign, no leading zero.
pub fn decimal_in(text: &str) -> Option<u64> {
    let decimal = !text.starts_with('0') && text.bytes().all(|octet| octet.is_ascii_digit());
    if decimal { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> Numbering {
        Numbering::new(Sequence::NEW, std::iter::empty())
    }

    fn one(numbering: &mut Numbering, carried: Option<&str>) -> Result<u64, StoreErrorKind> {
        match numbering.admit_all(std::iter::once(carried)) {
            Ok(numbers) => Ok(numbers[0].0),
            Err(error) => Err(error.kind()),
        }
    }

    #[test]
    fn numbers_grow_from_one() {
        let mut numbering = new();
        assert_eq!(one(&mut numbering, None), Ok(1));
        assert_eq!(one(&mut numbering, None), Ok(2));
        assert_eq!(
            numbering.sequence(),
            Sequence {
                next: 3,
                first_own: 1
            }
        );
    }

    #[test]
    fn a_carried_decimal_pushes_the_sequence_past_itself() {
        let mut numbering = new();
        assert_eq!(one(&mut numbering, Some("500")), Ok(1));
        assert_eq!(
            one(&mut numbering, Some("3")),
            Ok(501),
            "nobody ever saw a 3"
        );
        assert_eq!(
            one(&mut numbering, Some("500")),
            Err(StoreErrorKind::Duplicate)
        );
        assert_eq!(one(&mut numbering, None), Ok(502));
        assert_eq!(
            one(&mut numbering, Some("502")),
            Err(StoreErrorKind::Duplicate)
        );
        assert_eq!(
            one(&mut numbering, Some("0502")),
            Ok(503),
            "another text, another unique-id"
        );
        assert_eq!(one(&mut numbering, Some("7")), Ok(504));
    }

    #[test]
    fn a_refused_batch_leaves_no_trace() {
        let mut numbering = new();
        let before = numbering.sequence();
        let batch = [Some("a"), None, Some("a")];
        assert!(numbering.admit_all(batch.into_iter()).is_err());
        assert_eq!(numbering.sequence(), before);
        assert_eq!(one(&mut numbering, Some("a")), Ok(1));
    }

    #[test]
    fn what_was_not_delivered_after_all_can_be_tried_again() {
        let mut numbering = new();
        assert_eq!(one(&mut numbering, None), Ok(1));
        assert_eq!(one(&mut numbering, Some("500")), Ok(2));
        numbering.take_back(["500"].into_iter());
        let batch = [Some("500"), Some("1")];
        assert!(
            numbering.admit_all(batch.into_iter()).is_err(),
            "1 was seen"
        );
        assert_eq!(one(&mut numbering, Some("500")), Ok(501));
        let again = one(&mut numbering, Some("500"));
        assert_eq!(
            again,
            Err(StoreErrorKind::Duplicate),
            "now it was delivered"
        );
        numbering.forget(["500"].into_iter());
        let again = one(&mut numbering, Some("500"));
        assert_eq!(again, Err(StoreErrorKind::Duplicate), "and seen");
    }

    #[test]
    fn the_range_of_unique_ids_is_checked() {
        let mut numbering = new();
        for bad in ["", " ", "a b", "é", &"x".repeat(71), "9223372036854775808"] {
            assert_eq!(
                one(&mut numbering, Some(bad)),
                Err(StoreErrorKind::Invalid),
                "{bad:?}"
            );
        }
        for good in [
            "!",
            "~",
            &"x".repeat(70),
            "9223372036854775807",
            "18446744073709551616",
        ] {
            assert!(one(&mut numbering, Some(good)).is_ok(), "{good:?}");
        }
        assert_eq!(one(&mut numbering, None), Ok(9_223_372_036_854_775_809));
    }

    #[test]
    fn the_later_of_two_sequences_repeats_neither() {
        let one = Sequence {
            next: 9,
            first_own: 4,
        };
        assert_eq!(one.or_later(Sequence::NEW), one);
        assert_eq!(
            one.or_later(Sequence {
                next: 12,
                first_own: 2
            }),
            Sequence {
                next: 12,
                first_own: 2
            }
        );
    }
}
