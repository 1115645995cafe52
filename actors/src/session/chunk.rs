//! The buffers that messages are read into. A thread lends them, so that none is allocated and
//! cleared for each message.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Octets read at once. Larger chunks gain nothing measurable over loopback.
pub(super) const CHUNK_OCTETS: usize = 64 * 1024;

/// Buffers that a thread keeps: one serves all messages that leave at once, and a few more those
/// whose peers are slow.
const KEPT_MAX: usize = 4;

thread_local! {
    static KEPT: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A lent buffer of `CHUNK_OCTETS` octets, of which nobody knows what is in them. It goes back
/// to the thread that drops it.
pub(super) struct Chunk(Box<[u8]>);

impl Chunk {
    pub(super) fn lend() -> Self {
        let kept = KEPT.with_borrow_mut(Vec::pop);
        Self(kept.unwrap_or_else(|| vec![0; CHUNK_OCTETS].into()))
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        // A thread that ends keeps nothing.
        let _ = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < KEPT_MAX {
                kept.push(buffer);
            }
        });
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Chunk {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_was_given_back_is_lent_again() {
        let mut first = Chunk::lend();
        first[0] = 7;
        let second = Chunk::lend();
        assert_eq!(second[0], 0, "another one");
        drop(first);
        assert_eq!(Chunk::lend()[0], 7);
    }

    #[test]
    fn a_thread_keeps_a_few() {
        let many: Vec<Chunk> = (0..KEPT_MAX * 2).map(|_| Chunk::lend()).collect();
        drop(many);
        assert_eq!(KEPT.with_borrow(Vec::len), KEPT_MAX);
    }
}
