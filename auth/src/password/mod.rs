//! Passwords: how they are hashed for keeping, and which were proven a short time ago.

pub mod cache;
pub mod hash;
mod hash_memory;
pub mod imported;
mod recent;

pub use cache::{CacheLimits, PasswordCache, Proof};
pub use hash::{Argon2id, Cost, HashError, PasswordHasher};
pub use imported::AnyHash;
