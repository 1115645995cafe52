//! The deletion marks of one session, and what is left to see: STAT's drop listing. A marked
//! message leaves the visible pair, so STAT is right by construction.

use super::{DropListing, Octets};

/// The bits of a word.
const WORD_BITS: usize = u64::BITS as usize;

/// Which messages of the view this session marked as deleted. It costs nothing until the first
/// mark, then a bit for each message.
#[derive(Debug)]
pub(crate) struct DeletionMarks {
    words: Vec<u64>,
    visible: DropListing,
    marked: u32,
}

impl DeletionMarks {
    /// No marks on a maildrop of `total`.
    pub(crate) fn none(total: DropListing) -> Self {
        Self {
            words: Vec::new(),
            visible: total,
            marked: 0,
        }
    }

    /// The messages that are not marked.
    pub(crate) fn visible(&self) -> DropListing {
        self.visible
    }

    /// How many are marked.
    pub(crate) fn marked(&self) -> u32 {
        self.marked
    }

    /// Whether the message at `position` is marked.
    pub(crate) fn is_marked(&self, position: usize) -> bool {
        self.words
            .get(position / WORD_BITS)
            .is_some_and(|word| word >> (position % WORD_BITS) & 1 == 1)
    }

    /// Marks the message at `position`, of `octets`; `false` if it was marked already.
    pub(crate) fn mark_deleted(&mut self, position: usize, octets: Octets) -> bool {
        if self.is_marked(position) {
            return false;
        }
        if self.words.is_empty() {
            // Nothing is marked, so the visible messages are all messages.
            self.words = vec![0; (self.visible.messages as usize).div_ceil(WORD_BITS)];
        }
        let Some(word) = self.words.get_mut(position / WORD_BITS) else {
            return false;
        };
        *word |= 1 << (position % WORD_BITS);
        self.marked += 1;
        self.visible.messages -= 1;
        self.visible.octets = Octets(self.visible.octets.0.saturating_sub(octets.0));
        true
    }

    /// Takes all marks off a maildrop of `total` (RSET).
    pub(crate) fn unmark_all(&mut self, total: DropListing) {
        *self = Self::none(total);
    }

    /// The positions of the marked messages, growing.
    pub(crate) fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            (0..WORD_BITS)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| index * WORD_BITS + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(messages: u32) -> DropListing {
        DropListing {
            messages,
            octets: Octets(u64::from(messages) * 10),
        }
    }

    #[test]
    fn a_mark_leaves_the_visible_pair_once() {
        let mut marks = DeletionMarks::none(total(130));
        for position in [0, 63, 64, 129] {
            assert!(marks.mark_deleted(position, Octets(10)));
            assert!(!marks.mark_deleted(position, Octets(10)));
            assert!(marks.is_marked(position));
        }
        assert_eq!(marks.visible(), total(126));
        assert_eq!(marks.marked(), 4);
        assert_eq!(marks.positions().collect::<Vec<_>>(), [0, 63, 64, 129]);
        marks.unmark_all(total(130));
        assert_eq!(marks.visible(), total(130));
        assert_eq!(marks.marked(), 0);
        assert!(!marks.is_marked(64));
    }

    #[test]
    fn no_mark_costs_no_memory() {
        let marks = DeletionMarks::none(total(1_000_000));
        assert_eq!(marks.words.capacity(), 0);
        assert!(!marks.is_marked(999_999));
    }

    #[test]
    fn every_message_can_be_marked() {
        let mut marks = DeletionMarks::none(total(128));
        for position in 0..128 {
            assert!(marks.mark_deleted(position, Octets(10)));
        }
        assert_eq!(marks.visible(), total(0));
        assert!(!marks.mark_deleted(5, Octets(10)));
    }
}
