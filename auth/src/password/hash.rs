//! Password hashes: Argon2id (RFC 9106) in PHC string form.
//!
//! A hash that is stored says itself what it costs to check. That is bounded here: a string
//! that asks for gigabytes is refused and not run.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

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
        Ok(Self { params, dummy })
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
        Argon2::new(stored.algorithm, Version::V0x13, stored.params)
            .hash_password_into(password.expose_secret(), &stored.salt, output)
            .map_err(|error| HashError::Unavailable(error.to_string()))?;
        Ok(output.ct_eq(expected).into())
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
        run(&self.params, password, &salt, &mut output)?;
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

fn run(params: &Params, password: &[u8], salt: &[u8], out: &mut [u8]) -> Result<(), HashError> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into(password, salt, out)
        .map_err(|error| HashError::Unavailable(error.to_string()))
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
mod tests {
    use super::*;

    fn secret(octets: &[u8]) -> Secret {
        Secret::from(octets.to_vec())
    }

    fn cheap() -> Argon2id {
        Argon2id::new(Cost::new(HASH_MEMORY_KIB_MIN, 1, 1).unwrap()).unwrap()
    }

    #[test]
    fn a_hash_matches_its_password_and_no_other() {
        let hasher = cheap();
        let stored = hasher.hash(&secret(b" a\0b \xff")).unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=7168,t=1,p=1$"),
            "{stored}"
        );
        assert_eq!(hasher.matches(&secret(b" a\0b \xff"), &stored), Ok(true));
        for other in [&b" a\0b "[..], b" a", b"", b" a\0b \xff "] {
            assert_eq!(hasher.matches(&secret(other), &stored), Ok(false));
        }
    }

    #[test]
    fn two_hashes_of_one_password_differ() {
        let hasher = cheap();
        assert_ne!(hasher.hash(&secret(b"x")), hasher.hash(&secret(b"x")));
    }

    #[test]
    fn the_default_is_19_mib_and_two_passes() {
        let hasher = Argon2id::new(Cost::default()).unwrap();
        assert!(
            hasher
                .dummy()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
    }

    #[test]
    fn the_dummy_has_the_form_of_a_hash_and_matches_nothing() {
        let hasher = cheap();
        let stored = hasher.hash(&secret(b"x")).unwrap();
        assert_eq!(hasher.dummy().len(), stored.len());
        assert_eq!(hasher.matches(&secret(b""), hasher.dummy()), Ok(false));
        assert_eq!(hasher.matches(&secret(b"x"), hasher.dummy()), Ok(false));
    }

    /// Made with the reference implementation (the command `argon2` of Debian's package).
    #[test]
    fn a_hash_from_elsewhere_matches() {
        let stored = "$argon2id$v=19$m=4096,t=3,p=1$c29tZXNhbHRzb21lc2FsdA\
                      $BvuA7SfebsIC3f4gSy7/Ei1s6+hsEfaOuCZMbl/y/Sg";
        assert_eq!(cheap().matches(&secret(b"password"), stored), Ok(true));
    }

    #[test]
    fn a_stored_hash_that_costs_too_much_is_refused_not_run() {
        let tail = "c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for cost in [
            "m=4194304,t=1,p=1",
            "m=4294967295,t=1,p=1",
            "m=19456,t=4294967295,p=1",
            "m=19456,t=33,p=1",
            "m=262144,t=5,p=1",
            "m=19456,t=2,p=17",
        ] {
            assert_eq!(
                cheap().matches(&secret(b"x"), &format!("$argon2id$v=19${cost}${tail}")),
                Err(HashError::Stored("its cost is outside the accepted range")),
                "{cost}"
            );
        }
    }

    #[test]
    fn what_is_no_argon2id_hash_is_refused() {
        let tail = "m=8192,t=1,p=1$c29tZXNhbHRzb21lc2FsdA";
        let result = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for stored in [
            String::new(),
            "password".to_owned(),
            "$6$abcdefgh$ABCDEFGH".to_owned(),
            format!("$argon2i$v=19${tail}${result}"),
            format!("$argon2d$v=19${tail}${result}"),
            format!("$argon2id$v=16${tail}${result}"),
            format!("$argon2id${tail}${result}"),
            format!("$argon2id$v=19${tail}"),
            format!("$argon2id$v=19${tail}$AAAAAAAAAAAAAAA"),
            "$argon2id$v=19$m=8192,t=1,p=1".to_owned(),
            "$argon2id$v=19$m=8192,t=0,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA"
                .to_owned(),
        ] {
            let outcome = cheap().matches(&secret(b"x"), &stored);
            assert!(
                matches!(outcome, Err(HashError::Stored(_))),
                "{stored}: {outcome:?}"
            );
        }
    }

    #[test]
    fn passwords_that_are_empty_or_too_long_are_not_hashed() {
        let hasher = cheap();
        for octets in [0, PASSWORD_OCTETS_MAX + 1] {
            let outcome = hasher.hash(&secret(&vec![b'x'; octets]));
            assert_eq!(outcome, Err(HashError::Password { octets }));
        }
        assert!(
            hasher
                .hash(&secret(&vec![b'x'; PASSWORD_OCTETS_MAX]))
                .is_ok()
        );
    }

    #[test]
    fn a_cost_names_what_is_outside_its_range() {
        let error = Cost::new(1024, 2, 1).unwrap_err().to_string();
        assert_eq!(
            error,
            "the cost of a password hash: memory in KiB is 1024, accepted is 7168 to 262144"
        );
        assert!(Cost::new(19456, 0, 1).is_err());
        assert!(Cost::new(19456, 2, 0).is_err());
        assert!(Cost::new(262_144, 4, 16).is_ok());
    }
}
