//! Passwords that were proven a short time ago, so that a client that polls does not cost a
//! hash each time. Kept in memory only, and forgotten.
//!
//! What is kept is no password but a proof: HMAC-SHA-256 over user, stored hash and password,
//! under a key that this process made for itself. Without the key a proof helps nobody to
//! guess; with another password or stored hash it is another proof. HMAC with SHA-2 rather
//! than a newer MAC, because SCRAM-SHA-256 is made of the same two.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use mailroost_storage::UserName;
use secrecy::ExposeSecret;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::HashError;
use super::recent::RecentLogOns;
use crate::Secret;
use crate::limits::{CACHE_AGE_MAX, CACHE_USERS_MAX};

const KEY_OCTETS: usize = 32;
const PROOF_OCTETS: usize = 32;

/// How much is remembered, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// The most users; beyond it the one who was proven longest ago is forgotten. 0: none.
    pub users_max: usize,
    /// How long a proof counts after the hash was computed; being used does not prolong it.
    pub age_max: Duration,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            users_max: CACHE_USERS_MAX,
            age_max: CACHE_AGE_MAX,
        }
    }
}

/// Remembers which users proved which password. Wrong passwords are not remembered.
pub struct PasswordCache {
    key: Zeroizing<[u8; KEY_OCTETS]>,
    limits: CacheLimits,
    entries: Mutex<Entries>,
    recent: Box<RecentLogOns>,
}

impl PasswordCache {
    /// An empty cache with a key of its own.
    ///
    /// # Errors
    /// [`HashError::Unavailable`] if there is no randomness.
    pub fn new(limits: CacheLimits) -> Result<Self, HashError> {
        let mut key = Zeroizing::new([0; KEY_OCTETS]);
        getrandom::fill(key.as_mut()).map_err(|e| HashError::Unavailable(e.to_string()))?;
        Ok(Self {
            key,
            limits,
            entries: Mutex::default(),
            recent: Box::new(RecentLogOns::new(limits)?),
        })
    }

    /// What would prove that `password` is the user's while `stored` is the stored hash.
    pub fn proof(&self, user: &UserName, stored: &str, password: &Secret) -> Proof {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_ref())
            .expect("HMAC takes a key of any length");
        for part in [
            user.as_str().as_bytes(),
            stored.as_bytes(),
            password.expose_secret(),
        ] {
            // The length first: no two triples read the same.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Proof(Zeroizing::new(mac.finalize().into_bytes().into()))
    }

    /// When exactly this was proven, if it was remembered for the user and is not too old at
    /// `now`.
    pub fn proven_at(&self, user: &UserName, proof: &Proof, now: Instant) -> Option<Instant> {
        let mut entries = self.entries();
        entries.forget_expired(self.limits.age_max, now);
        let place = entries.matching(user, proof)?.place;
        entries.order.get(&place).map(|(proven, _)| *proven)
    }

    /// For a name under which somebody else's source knows the user: the name that was
    /// remembered with the proof.
    pub fn recall(&self, name: &UserName, proof: &Proof, now: Instant) -> Option<UserName> {
        let mut entries = self.entries();
        entries.forget_expired(self.limits.age_max, now);
        Some(entries.matching(name, proof)?.user.clone())
    }

    /// Whole log-ons of a short time ago.
    pub(crate) fn recent(&self) -> &RecentLogOns {
        &self.recent
    }

    /// Remembers a password that was just proven against the stored hash, in place of what was
    /// remembered for the user before.
    pub fn remember(&self, user: &UserName, proof: Proof, now: Instant) {
        self.remember_as(user, user, proof, now);
    }

    /// The same for a name that stands for `opens`.
    pub fn remember_as(&self, user: &UserName, opens: &UserName, proof: Proof, now: Instant) {
        let mut entries = self.entries();
        entries.forget_expired(self.limits.age_max, now);
        entries.forget(user);
        while !entries.order.is_empty() && entries.by_user.len() >= self.limits.users_max {
            entries.forget_oldest();
        }
        if self.limits.users_max > 0 {
            entries.add(user, opens, proof, now);
        }
    }

    /// Forgets what is remembered for a user.
    pub fn forget(&self, user: &UserName) {
        self.entries().forget(user);
        self.recent.forget(user);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.entries() = Entries::default();
        self.recent.clear();
    }

    /// How many users are remembered, those included who are too old but not yet swept.
    pub fn len(&self) -> usize {
        self.entries().by_user.len()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Held for map operations only, never while a hash is computed. If a thread died with it,
    /// the two maps may disagree: then everything is forgotten, which costs a few hashes.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(|poisoned| {
            let mut entries = poisoned.into_inner();
            *entries = Entries::default();
            self.entries.clear_poison();
            entries
        })
    }
}

/// Neither the key nor who is in it.
impl fmt::Debug for PasswordCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordCache")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A keyed digest of user, stored hash and password. Wiped when dropped.
pub struct Proof(Zeroizing<[u8; PROOF_OCTETS]>);

impl Proof {
    fn matches(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof([REDACTED])")
    }
}

/// One proof for each user, and the order in which they were proven.
#[derive(Default)]
struct Entries {
    by_user: HashMap<UserName, Entry>,
    order: BTreeMap<u64, (Instant, UserName)>,
    next: u64,
}

struct Entry {
    proof: Proof,
    user: UserName,
    place: u64,
}

impl Entries {
    fn matching(&self, name: &UserName, proof: &Proof) -> Option<&Entry> {
        let entry = self.by_user.get(name)?;
        entry.proof.matches(proof).then_some(entry)
    }

    fn add(&mut self, name: &UserName, user: &UserName, proof: Proof, now: Instant) {
        let place = self.next;
        self.next += 1;
        self.order.insert(place, (now, name.clone()));
        let user = user.clone();
        self.by_user
            .insert(name.clone(), Entry { proof, user, place });
    }

    fn forget(&mut self, user: &UserName) {
        if let Some(entry) = self.by_user.remove(user) {
            self.order.remove(&entry.place);
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, (_, user))) = self.order.pop_first() {
            self.by_user.remove(&user);
        }
    }

    fn forget_expired(&mut self, age_max: Duration, now: Instant) {
        while let Some((_, (proven, _))) = self.order.first_key_value()
            && now.saturating_duration_since(*proven) >= age_max
        {
            self.forget_oldest();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = "$argon2id$one";

    fn name(name: &str) -> UserName {
        UserName::new(name).unwrap()
    }

    fn secret(password: &str) -> Secret {
        Secret::from(password.as_bytes().to_vec())
    }

    fn cache(users_max: usize, secs: u64) -> PasswordCache {
        let age_max = Duration::from_secs(secs);
        PasswordCache::new(CacheLimits { users_max, age_max }).unwrap()
    }

    fn remember(cache: &PasswordCache, user: &str, now: Instant) {
        let proof = cache.proof(&name(user), STORED, &secret("open"));
        cache.remember(&name(user), proof, now);
    }

    fn holds(
        cache: &PasswordCache,
        user: &str,
        stored: &str,
        password: &str,
        now: Instant,
    ) -> bool {
        let proof = cache.proof(&name(user), stored, &secret(password));
        cache.proven_at(&name(user), &proof, now).is_some()
    }

    #[test]
    fn only_the_same_user_hash_and_password_hit() {
        let (cache, now) = (cache(10, 60), Instant::now());
        remember(&cache, "alice", now);
        assert!(holds(&cache, "alice", STORED, "open", now));
        assert!(!holds(&cache, "alice", STORED, "Open", now));
        assert!(!holds(&cache, "alice", "$argon2id$two", "open", now));
        assert!(!holds(&cache, "bob", STORED, "open", now));
        // Octets that move from one part to the next make another proof.
        assert!(!holds(&cache, "alice", "$argon2id$on", "eopen", now));
    }

    #[test]
    fn a_proof_is_of_no_use_in_another_process() {
        let (here, there, now) = (cache(10, 60), cache(10, 60), Instant::now());
        there.remember(
            &name("a"),
            here.proof(&name("a"), STORED, &secret("open")),
            now,
        );
        assert!(!holds(&there, "a", STORED, "open", now));
    }

    #[test]
    fn a_proof_is_forgotten_when_its_age_is_reached_used_or_not() {
        let (cache, start) = (cache(10, 60), Instant::now());
        remember(&cache, "alice", start);
        let before = start + Duration::from_millis(59_999);
        assert!(holds(&cache, "alice", STORED, "open", before));
        assert!(!holds(
            &cache,
            "alice",
            STORED,
            "open",
            start + Duration::from_secs(60)
        ));
        assert!(cache.is_empty());
    }

    #[test]
    fn the_one_proven_longest_ago_makes_room() {
        let (cache, now) = (cache(2, 60), Instant::now());
        remember(&cache, "alice", now);
        remember(&cache, "bob", now);
        remember(&cache, "alice", now);
        remember(&cache, "carol", now);
        assert_eq!(cache.len(), 2);
        assert!(holds(&cache, "alice", STORED, "open", now));
        assert!(!holds(&cache, "bob", STORED, "open", now));
        assert!(holds(&cache, "carol", STORED, "open", now));
    }

    #[test]
    fn a_cache_for_no_users_remembers_nobody() {
        let (cache, now) = (cache(0, 60), Instant::now());
        remember(&cache, "alice", now);
        assert!(cache.is_empty());
    }

    #[test]
    fn forget_and_clear_forget() {
        let (cache, now) = (cache(10, 60), Instant::now());
        remember(&cache, "alice", now);
        remember(&cache, "bob", now);
        cache.forget(&name("alice"));
        assert!(!holds(&cache, "alice", STORED, "open", now));
        assert!(holds(&cache, "bob", STORED, "open", now));
        cache.clear();
        assert!(cache.is_empty());
    }

    #[test]
    fn a_thread_that_dies_in_it_empties_it_and_no_more() {
        let (cache, now) = (cache(10, 60), Instant::now());
        remember(&cache, "alice", now);
        std::thread::scope(|scope| {
            let dies = scope.spawn(|| {
                let _held = cache.entries();
                panic!("while the lock is held");
            });
            assert!(dies.join().is_err());
        });
        assert!(!holds(&cache, "alice", STORED, "open", now));
        remember(&cache, "alice", now);
        assert!(holds(&cache, "alice", STORED, "open", now));
    }

    #[test]
    fn debug_shows_no_key_no_proof_and_no_name() {
        let (cache, now) = (cache(10, 60), Instant::now());
        remember(&cache, "alice", now);
        let text = format!(
            "{cache:?} {:?}",
            cache.proof(&name("alice"), STORED, &secret("open"))
        );
        assert_eq!(
            text,
            "PasswordCache { limits: CacheLimits { users_max: 10, age_max: 60s }, .. } \
             Proof([REDACTED])"
        );
    }
}
