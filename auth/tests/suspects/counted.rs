//! A hasher, a directory and a foreign source that count how often they are asked.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mailroost_auth::{
    AuthError, Claim, ForeignAccount, ForeignPasswords, HashError, PasswordHasher, Secret,
};
use mailroost_storage::{Directory, NewUser, StoreError, User, UserName};
use secrecy::ExposeSecret;
use sha2::Sha256;

/// What one refusal came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Password hashes that were computed.
    pub hashes: usize,
    /// Names that were looked up in the directory.
    pub look_ups: usize,
    /// How often a server elsewhere was asked.
    pub asked: usize,
}

/// The counters behind [`Counts`].
#[derive(Clone, Default)]
pub struct Counters {
    hashes: Arc<AtomicUsize>,
    look_ups: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl Counters {
    /// What was counted since this was last called.
    pub fn take(&self) -> Counts {
        let take = |counter: &AtomicUsize| counter.swap(0, Ordering::Relaxed);
        Counts {
            hashes: take(&self.hashes),
            look_ups: take(&self.look_ups),
            asked: take(&self.asked),
        }
    }
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Counts the checks of another hasher.
pub struct CountedHasher<H> {
    pub inner: H,
    pub counters: Counters,
}

impl<H: PasswordHasher> PasswordHasher for CountedHasher<H> {
    fn hash(&self, password: &Secret) -> Result<String, HashError> {
        self.inner.hash(password)
    }

    fn matches(&self, password: &Secret, stored: &str) -> Result<bool, HashError> {
        count(&self.counters.hashes);
        self.inner.matches(password, stored)
    }

    fn dummy(&self) -> &str {
        self.inner.dummy()
    }

    fn recognise(&self, stored: &str) -> Result<(), HashError> {
        self.inner.recognise(stored)
    }

    fn is_own(&self, stored: &str) -> bool {
        self.inner.is_own(stored)
    }
}

/// A hash of a hundred microseconds or so, where Argon2id would make a test of thousands of
/// samples take minutes.
pub struct QuickHash;

const QUICK_ROUNDS: u32 = 200;

impl QuickHash {
    fn compute(password: &Secret) -> String {
        let mut output = [0; 32];
        let octets = password.expose_secret();
        pbkdf2::pbkdf2_hmac::<Sha256>(octets, b"no secret", QUICK_ROUNDS, &mut output);
        format!("{output:?}")
    }
}

impl PasswordHasher for QuickHash {
    fn hash(&self, password: &Secret) -> Result<String, HashError> {
        Ok(Self::compute(password))
    }

    fn matches(&self, password: &Secret, stored: &str) -> Result<bool, HashError> {
        Ok(Self::compute(password) == stored)
    }

    /// As long as another, and never equal to one.
    fn dummy(&self) -> &str {
        "[256, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"
    }
}

/// Counts the names that are looked up in another directory.
pub struct CountedDirectory<D> {
    pub inner: D,
    pub counters: Counters,
}

impl<D: Directory> Directory for CountedDirectory<D> {
    fn find(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        count(&self.counters.look_ups);
        self.inner.find(name)
    }

    fn resolve(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        count(&self.counters.look_ups);
        self.inner.resolve(name)
    }

    fn add(&self, user: NewUser) -> Result<User, StoreError> {
        self.inner.add(user)
    }

    fn update(&self, user: &User) -> Result<(), StoreError> {
        self.inner.update(user)
    }

    fn update_if(&self, seen: &User, user: &User) -> Result<bool, StoreError> {
        self.inner.update_if(seen, user)
    }

    fn remove(&self, name: &UserName) -> Result<User, StoreError> {
        self.inner.remove(name)
    }

    fn list(&self, after: Option<&UserName>, count: usize) -> Result<Vec<User>, StoreError> {
        self.inner.list(after, count)
    }
}

/// Stands in for LDAP and PAM, which answer in the time of a server and not of this process: the
/// same work for everybody, erin's and frank's password is "right".
pub struct Elsewhere {
    pub counters: Counters,
}

impl Elsewhere {
    fn work(&self, password: &Secret) {
        count(&self.counters.asked);
        std::hint::black_box(QuickHash::compute(password));
    }
}

impl ForeignPasswords for Elsewhere {
    fn check(&self, claim: &Claim<'_>, password: &Secret) -> Result<ForeignAccount, AuthError> {
        self.work(password);
        let known = |name: &UserName| ["erin", "frank"].contains(&name.as_str());
        match claim.candidates.iter().any(known) {
            false => Err(AuthError::UnknownUser),
            true if password.expose_secret() == b"right" => Ok(ForeignAccount::default()),
            true => Err(AuthError::WrongPassword),
        }
    }

    fn feign(&self, password: &Secret) {
        self.work(password);
    }
}
