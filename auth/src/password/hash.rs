//! Password hashes: Argon2id (RFC 9106) in PHC string form.
//!
//! A hash that is stored says itself what it costs to check. That is bounded here: a string
//! that asks for gigabytes is refused and not run.

use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::hash_memory::HashMemory;
use crate::Secret;
use crate::limits::{
    HASH_LANES_MAX, HASH_MEMORY_KIB_MAX, HASH_MEMORY_KIB_MIN, HASH_PASSES_MAX, HASH_WORK_KIB_MAX,
    PASSWORD_OCTETS_MAX,
};

/// Octets of a new hash and of the salt it is made with.
const HASH_OCTETS: usize = 32;
const SALT_OCTETS: usize = 16;

/// Makes and checks password hashes. Both take long on purpose: they block.
pub trait PasswordHasher: Send + Sync + 'static {
    /// A hash of a new password, in PHC string form, with a salt of its own.
    ///
    /// # Errors
    /// [`HashError::Password`] if it is empty or too long, [`HashError::Unavailable`] if there
    /// is no randomness or memory.
    fn hash(&self, password: &Secret) -> Result<String, HashError>;

    /// Whether `password` is the one that `stored` was made of; compared in constant time.
    ///
    /// # Errors
    /// [`HashError::Stored`] if `stored` is none of this hasher's, or costs too much; then
    /// nothing was computed.
    fn matches(&self, password: &Secret, stored: &str) -> Result<bool, HashError>;

    /// A stored hash of no password at all, that costs as much to check as one made by `hash`.
    /// It stands in for users who do not exist.
    fn dummy(&self) -> &str;

    /// Whether `matches` could check this, without doing so.
    ///
    /// # Errors
    /// As `matches`, except for what only the computation finds out.
    fn recognise(&self, stored: &str) -> Result<(), HashError> {
        let _ = stored;
        Ok(())
    }

    /// Whether a stored hash is of the kind that `hash` makes. One that is not is replaced when
    /// its password is next proven, and a password that does not match it costs the dummy as
    /// well, as it may be checked in no time.
    fn is_own(&self, stored: &str) -> bool {
        let _ = stored;
        true
    }
}

/// Why a password was not hashed or checked. Never holds either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// A password that nobody should have.
    #[error("a password has 1 to {max} octets, not {octets}", max = PASSWORD_OCTETS_MAX)]
    Password {
        /// How many octets it had.
        octets: usize,
    },
    /// Costs that are too low to protect anything, or too high to be paid.
    #[error("the cost of a password hash: {name} is {value}, accepted is {min} to {max}")]
    Cost {
        /// Which cost.
        name: &'static str,
        /// What was asked for.
        value: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A stored hash that cannot be checked.
    #[error("the stored password hash is unusable: {0}")]
    Stored(&'static str),
    /// The operating system gave no randomness or memory.
    #[error("a password cannot be hashed now: {0}")]
    Unavailable(String),
}

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// `memory_kib` KiB of memory, gone over `passes` times, in `lanes` lanes (which this
    /// implementation runs one after the other).
    ///
    /// # Errors
    /// [`HashError::Cost`] if one is outside its range (see [`crate::limits`]).
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, HashError> {
        let cost = Self {
            memory_kib,
            passes,
            lanes,
        };
        cost.check(HASH_MEMORY_KIB_MIN)?;
        Ok(cost)
    }

    fn check(self, memory_kib_min: u32) -> Result<(), HashError> {
        let work = u64::from(self.memory_kib) * u64::from(self.passes);
        let memory_min = memory_kib_min.max(self.lanes.saturating_mul(8));
        for (name, value, min, max) in [
            ("lanes", self.lanes.into(), 1, HASH_LANES_MAX.into()),
            ("passes", self.passes.into(), 1, HASH_PASSES_MAX.into()),
            (
                "memory in KiB",
                self.memory_kib.into(),
                memory_min.into(),
                HASH_MEMORY_KIB_MAX.into(),
            ),
            ("memory in KiB times passes", work, 1, HASH_WORK_KIB_MAX),
        ] {
            if value < min || value > max {
                return Err(HashError::Cost {
                    name,
                    value,
                    min,
                    max,
                });
            }
        }
        Ok(())
    }

    fn params(self) -> Result<Params, HashError> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(HASH_OCTETS))
            .map_err(|error| HashError::Unavailable(error.to_string()))
    }
}

/// 19 MiB, two passes, one lane: OWASP's figure, about 40 ms of one core.
impl Default for Cost {
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            passes: 2,
            lanes: 1,
        }
    }
}

/// Argon2id, version 19 (0x13).
#[derive(Debug)]
pub struct Argon2id {
    params: Params,
    dummy: String,
    /// KiB times passes of the costliest hash that was checked so far, and at least those of a
    /// new one. Every check takes as long as that one, so that neither an older hash nor a user
    /// who does not exist shows in the time.
    heaviest: AtomicU64,
    memory: HashMemory,
}

impl Argon2id {
    /// Makes new hashes at this cost.
    ///
    /// # Errors
    /// [`HashError::Unavailable`] if there is no randomness.
    pub fn new(cost: Cost) -> Result<Self, HashError> {
        let params = cost.params()?;
        // Random octets in place of a result: no password leads to them.
        let dummy = phc(
            &params,
            &random::<SALT_OCTETS>()?,
            &random::<HASH_OCTETS>()?,
        )?;
        let heaviest = AtomicU64::new(work_of(&params));
        Ok(Self {
            params,
            dummy,
            heaviest,
            memory: HashMemory::default(),
        })
    }

    /// As `matches`, also for Argon2i, which others make.
    pub(super) fn matches_any_variant(
        &self,
        password: &Secret,
        stored: &str,
    ) -> Result<bool, HashError> {
        self.matches_one_of(&[Algorithm::Argon2id, Algorithm::Argon2i], password, stored)
    }

    fn matches_one_of(
        &self,
        accepted: &[Algorithm],
        password: &Secret,
        stored: &str,
    ) -> Result<bool, HashError> {
        let stored = Stored::parse(stored, accepted)?;
        let expected = stored.output.as_bytes();
        let mut output = Zeroizing::new([0; Output::MAX_LENGTH]);
        let output = &mut output[..expected.len()];
        let work = work_of(&stored.params);
        let (algorithm, password) = (stored.algorithm, password.expose_secret());
        self.run(algorithm, &stored.params, password, &stored.salt, output)?;
        let matches = output.ct_eq(expected).into();
        self.fill_up(work)?;
        Ok(matches)
    }
}

impl PasswordHasher for Argon2id {
    fn hash(&self, password: &Secret) -> Result<String, HashError> {
        let password = password.expose_secret();
        if password.is_empty() || password.len() > PASSWORD_OCTETS_MAX {
            return Err(HashError::Password {
                octets: password.len(),
            });
        }
        let salt = random::<SALT_OCTETS>()?;
        let mut output = [0; HASH_OCTETS];
        let algorithm = Algorithm::Argon2id;
        self.run(algorithm, &self.params, password, &salt, &mut output)?;
        phc(&self.params, &salt, &output)
    }

    fn matches(&self, password: &Secret, stored: &str) -> Result<bool, HashError> {
        self.matches_one_of(&[Algorithm::Argon2id], password, stored)
    }

    fn recognise(&self, stored: &str) -> Result<(), HashError> {
        Stored::parse(stored, &[Algorithm::Argon2id]).map(drop)
    }

    fn is_own(&self, stored: &str) -> bool {
        stored.starts_with("$argon2id$")
    }

    fn dummy(&self) -> &str {
        &self.dummy
    }
}

/// A hash that costs more than so many new ones is not matched by the others: it would make every
/// refusal that dear.
const HEAVIEST_FACTOR: u64 = 4;

/// Of the whole, this part is not worth filling up: it is lost in what a check varies by anyhow.
const FILLED_UP_SHARE: u64 = 16;

impl Argon2id {
    /// Works on after `done` KiB times passes, until it is as much as the costliest hash takes.
    fn fill_up(&self, done: u64) -> Result<(), HashError> {
        let seen = done.min(HEAVIEST_FACTOR * work_of(&self.params));
        let heaviest = self.heaviest.fetch_max(seen, Ordering::Relaxed).max(seen);
        let left = heaviest.saturating_sub(done);
        if left < heaviest / FILLED_UP_SHARE {
            return Ok(());
        }
        // The memory of a new hash, as often as it takes; less of it for less than one pass.
        let memory = left.min(self.params.m_cost().into());
        let passes = ((left + memory / 2) / memory).max(1);
        let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let memory = narrow(memory).max(Params::MIN_M_COST);
        let params = Params::new(memory, narrow(passes), 1, None)
            .map_err(|error| HashError::Unavailable(error.to_string()))?;
        let mut unused = Zeroizing::new([0; HASH_OCTETS]);
        let (algorithm, salt) = (Algorithm::Argon2id, [0; SALT_OCTETS]);
        self.run(algorithm, &params, &[], &salt, unused.as_mut())
    }

    fn run(
        &self,
        algorithm: Algorithm,
        params: &Params,
        password: &[u8],
        salt: &[u8],
        out: &mut [u8],
    ) -> Result<(), HashError> {
        let argon2 = Argon2::new(algorithm, Version::V0x13, params.clone());
        self.memory.lend(params, |blocks| {
            argon2.hash_password_into_with_memory(password, salt, out, blocks)
        })
    }
}

fn work_of(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

/// A stored hash that is worth running.
struct Stored {
    algorithm: Algorithm,
    params: Params,
    salt: Salt,
    output: Output,
}

impl Stored {
    fn parse(text: &str, accepted: &[Algorithm]) -> Result<Self, HashError> {
        let hash = PasswordHash::new(text).map_err(|_| HashError::Stored("it is no PHC string"))?;
        let algorithm = accepted
            .iter()
            .find(|algorithm| algorithm.as_str() == hash.algorithm.as_str())
            .ok_or(HashError::Stored("its algorithm is not an accepted one"))?;
        if hash.version != Some(Version::V0x13.into()) {
            return Err(HashError::Stored("its version is not 19"));
        }
        let params =
            Params::try_from(&hash).map_err(|_| HashError::Stored("its parameters are invalid"))?;
        let cost = Cost {
            memory_kib: params.m_cost(),
            passes: params.t_cost(),
            lanes: params.p_cost(),
        };
        // A cheap hash from elsewhere is checked nevertheless: refusing it protects nobody.
        cost.check(Params::MIN_M_COST)
            .map_err(|_| HashError::Stored("its cost is outside the accepted range"))?;
        let (Some(salt), Some(output)) = (hash.salt, hash.hash) else {
            return Err(HashError::Stored("it has no salt or no result"));
        };
        if output.len() < SALT_OCTETS {
            return Err(HashError::Stored("its result is shorter than 16 octets"));
        }
        Ok(Self {
            algorithm: *algorithm,
            params,
            salt,
            output,
        })
    }
}

fn phc(params: &Params, salt: &[u8], output: &[u8]) -> Result<String, HashError> {
    let unavailable = |what: &str| HashError::Unavailable(what.to_owned());
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|_| unavailable("parameters"))?,
        salt: Some(Salt::new(salt).map_err(|_| unavailable("salt"))?),
        hash: Some(Output::new(output).map_err(|_| unavailable("result"))?),
    };
    Ok(hash.to_string())
}

fn random<const OCTETS: usize>() -> Result<[u8; OCTETS], HashError> {
    let mut octets = [0; OCTETS];
    getrandom::fill(&mut octets).map_err(|error| HashError::Unavailable(error.to_string()))?;
    Ok(octets)
}

#[cfg(test)]
mod tests;
