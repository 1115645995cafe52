//! Message-numbers (RFC 1939 s4).

use std::fmt;
use std::num::NonZeroU32;

/// A message-number: 1 to the number of messages in the view (RFC 1939 s4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageNumber(NonZeroU32);

impl MessageNumber {
    /// The message-number `value`; there is no message-number 0.
    pub fn new(value: u32) -> Option<Self> {
        NonZeroU32::new(value).map(Self)
    }

    /// As a number, from 1.
    pub fn value(self) -> u32 {
        self.0.get()
    }

    /// Where the message stands in the view, from 0.
    pub fn position(self) -> usize {
        self.0.get() as usize - 1
    }

    /// The number of the message at `position`, which is counted from 0.
    pub(crate) fn at(position: usize) -> Option<Self> {
        u32::try_from(position)
            .ok()?
            .checked_add(1)
            .and_then(Self::new)
    }
}

impl fmt::Display for MessageNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_at_one() {
        assert_eq!(MessageNumber::new(0), None);
        assert_eq!(MessageNumber::at(0), MessageNumber::new(1));
        assert_eq!(MessageNumber::new(1).map(MessageNumber::position), Some(0));
        assert_eq!(MessageNumber::at(u32::MAX as usize), None);
        assert_eq!(
            MessageNumber::at(u32::MAX as usize - 1),
            MessageNumber::new(u32::MAX)
        );
    }
}
