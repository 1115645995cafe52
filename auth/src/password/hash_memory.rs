//! The memory that hashes are computed in, kept from one to the next.
//!
//! Argon2 wants tens of megabytes for tens of milliseconds. An allocator that is asked for them
//! and gets them back from one thread after another keeps much of it for each; a few pieces that
//! go from hand to hand stay a few.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use argon2::{Block, Params};

use super::HashError;
use crate::limits::HASH_MEMORIES_KEPT_MAX;

/// See the file's first lines.
#[derive(Default)]
pub(super) struct HashMemory(Mutex<Vec<Vec<Block>>>);

impl HashMemory {
    /// Runs `compute` in memory for `params`. What is in it before does not matter: the first
    /// pass writes every block before it is read.
    ///
    /// # Errors
    /// `Unavailable` if there is no memory, or what `compute` says.
    pub(super) fn lend<T>(
        &self,
        params: &Params,
        compute: impl FnOnce(&mut [Block]) -> argon2::Result<T>,
    ) -> Result<T, HashError> {
        let count = params.block_count();
        let mut blocks = self.kept().pop().unwrap_or_default();
        if blocks.len() < count {
            blocks
                .try_reserve_exact(count - blocks.len())
                .map_err(|error| HashError::Unavailable(error.to_string()))?;
            blocks.resize(count, Block::new());
        }
        let outcome = compute(&mut blocks[..count]);
        let mut kept = self.kept();
        if kept.len() < HASH_MEMORIES_KEPT_MAX {
            kept.push(blocks);
        }
        outcome.map_err(|error| HashError::Unavailable(error.to_string()))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was computed in it is not shown.
impl fmt::Debug for HashMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashMemory")
            .field("kept", &self.kept().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use argon2::{Algorithm, Argon2, Version};

    use super::*;

    fn params(memory_kib: u32) -> Params {
        Params::new(memory_kib, 2, 1, Some(32)).expect("a cost that Argon2 has")
    }

    fn hash(memory: &HashMemory, memory_kib: u32) -> [u8; 32] {
        let params = params(memory_kib);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let mut output = [0; 32];
        let computed = memory.lend(&params, |blocks| {
            argon2.hash_password_into_with_memory(
                b"secret",
                b"salt of 16 octets",
                &mut output,
                blocks,
            )
        });
        computed.expect("memory");
        output
    }

    #[test]
    fn what_was_computed_before_does_not_show() {
        let memory = HashMemory::default();
        let fresh = hash(&HashMemory::default(), 64);
        // More, the same, and less than what lies there.
        for _ in 0..2 {
            assert_eq!(hash(&memory, 64), fresh);
            assert_ne!(hash(&memory, 256), fresh);
        }
        assert_eq!(hash(&memory, 64), fresh);
    }

    #[test]
    fn one_hash_after_the_other_takes_one_piece_of_memory() {
        let memory = HashMemory::default();
        for _ in 0..5 {
            hash(&memory, 64);
        }
        assert_eq!(memory.kept().len(), 1);
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let memory = HashMemory::default();
        let begin = std::sync::Barrier::new(HASH_MEMORIES_KEPT_MAX + 2);
        std::thread::scope(|scope| {
            for _ in 0..HASH_MEMORIES_KEPT_MAX + 2 {
                scope.spawn(|| {
                    let lent = memory.lend(&params(64), |_| {
                        begin.wait();
                        Ok(())
                    });
                    assert!(lent.is_ok());
                });
            }
        });
        assert_eq!(memory.kept().len(), HASH_MEMORIES_KEPT_MAX);
    }
}
