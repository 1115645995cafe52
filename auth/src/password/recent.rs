//! Log-ons that succeeded a short time ago, whole: who came in under which name and password. A
//! client that polls is answered from here without a look-up, on the thread that asks.
//!
//! What is known is found by a digest: HMAC-SHA-256 over name and password, under a key that
//! this process made for itself. The digest of a wrong password or of nobody's name is as good
//! as a random number, so that the search takes the same time for all of them and finds nothing.
//! An entry counts as long as the proof that it was made from, and only at the revision of the
//! directory at which its user was looked up: whatever is changed of any user, all is looked up
//! again.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use mailroost_storage::UserName;
use secrecy::ExposeSecret;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{CacheLimits, HashError};
use crate::{Identity, Secret};

const DIGEST_OCTETS: usize = 32;

/// See the file's first lines. Wrong passwords are not remembered.
pub(crate) struct RecentLogOns {
    key: Zeroizing<[u8; DIGEST_OCTETS]>,
    limits: CacheLimits,
    entries: RwLock<HashMap<[u8; DIGEST_OCTETS], LogOn>>,
}

struct LogOn {
    identity: Identity,
    revision: u64,
    proven: Instant,
}

impl RecentLogOns {
    /// Remembers nobody yet.
    ///
    /// # Errors
    /// [`HashError::Unavailable`] if there is no randomness.
    pub(crate) fn new(limits: CacheLimits) -> Result<Self, HashError> {
        let mut key = Zeroizing::new([0; DIGEST_OCTETS]);
        getrandom::fill(key.as_mut()).map_err(|e| HashError::Unavailable(e.to_string()))?;
        Ok(Self {
            key,
            limits,
            entries: RwLock::default(),
        })
    }

    /// Who came in under this name (as the client wrote it) with this password, if that still
    /// counts at `now` and at this revision of the directory.
    pub(crate) fn recall(
        &self,
        name: &[u8],
        password: &Secret,
        revision: u64,
        now: Instant,
    ) -> Option<Identity> {
        let digest = self.digest(name, password);
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let known = entries.get(&digest)?;
        known
            .counts(revision, self.limits.age_max, now)
            .then(|| known.identity.clone())
    }

    /// Remembers a log-on whose password was proven at `proven` and whose user was looked up at
    /// `revision` or later.
    pub(crate) fn remember(
        &self,
        (name, password): (&[u8], &Secret),
        identity: &Identity,
        revision: u64,
        proven: Instant,
    ) {
        let digest = self.digest(name, password);
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.limits.users_max && !entries.contains_key(&digest) {
            // Those that count no more make room; without any, all do, which costs look-ups.
            entries.retain(|_, known| known.counts(revision, self.limits.age_max, proven));
            if entries.len() >= self.limits.users_max {
                entries.clear();
            }
        }
        if self.limits.users_max > 0 {
            let identity = identity.clone();
            entries.insert(
                digest,
                LogOn {
                    identity,
                    revision,
                    proven,
                },
            );
        }
    }

    /// Forgets whoever proved themselves as this user.
    pub(crate) fn forget(&self, user: &UserName) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, known| known.identity.who() != user);
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.clear();
    }

    fn digest(&self, name: &[u8], password: &Secret) -> [u8; DIGEST_OCTETS] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_ref())
            .expect("HMAC takes a key of any length");
        // The length first: no two pairs read the same.
        mac.update(&(name.len() as u64).to_be_bytes());
        mac.update(name);
        mac.update(password.expose_secret());
        mac.finalize().into_bytes().into()
    }
}

impl LogOn {
    fn counts(&self, revision: u64, age_max: Duration, now: Instant) -> bool {
        self.revision == revision && now.saturating_duration_since(self.proven) < age_max
    }
}

/// Neither the key nor who is in it.
impl fmt::Debug for RecentLogOns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentLogOns")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use mailroost_storage::MaildropId;

    use super::*;

    fn recent(users_max: usize) -> RecentLogOns {
        let age_max = Duration::from_secs(60);
        RecentLogOns::new(CacheLimits { users_max, age_max }).unwrap()
    }

    fn identity(name: &str) -> Identity {
        Identity {
            user: UserName::new(name).unwrap(),
            delegate: None,
            maildrop: MaildropId(1),
            exact_rfc822_size: None,
            site: None,
        }
    }

    fn secret(password: &str) -> Secret {
        Secret::from(password.as_bytes().to_vec())
    }

    fn remember(recent: &RecentLogOns, name: &str, now: Instant) {
        recent.remember((name.as_bytes(), &secret("open")), &identity(name), 7, now);
    }

    #[test]
    fn only_the_same_name_and_password_at_the_same_revision_are_known() {
        let (recent, now) = (recent(10), Instant::now());
        remember(&recent, "ann", now);
        let recall = |name: &str, password, revision| {
            let found = recent.recall(name.as_bytes(), &secret(password), revision, now);
            found.map(|identity| identity.user.to_string())
        };
        assert_eq!(recall("ann", "open", 7).as_deref(), Some("ann"));
        assert_eq!(recall("ann", "Open", 7), None);
        assert_eq!(recall("Ann", "open", 7), None, "as the client wrote it");
        assert_eq!(recall("ann", "open", 8), None);
        assert_eq!(recall("annopen", "", 7), None);
        recent.clear();
        assert_eq!(recall("ann", "open", 7), None);
    }

    #[test]
    fn it_counts_until_the_age_of_the_proof_and_use_does_not_prolong_that() {
        let (recent, start) = (recent(10), Instant::now());
        remember(&recent, "ann", start);
        let counts = |secs| {
            let now = start + Duration::from_secs(secs);
            recent.recall(b"ann", &secret("open"), 7, now).is_some()
        };
        assert!(counts(59));
        assert!(!counts(60));
    }

    #[test]
    fn no_more_than_so_many_are_kept_and_those_that_count_stay() {
        let (recent, start) = (recent(2), Instant::now());
        let later = start + Duration::from_secs(60);
        remember(&recent, "ann", start);
        remember(&recent, "ben", later);
        remember(&recent, "cid", later);
        let known = |name: &str| {
            let found = recent.recall(name.as_bytes(), &secret("open"), 7, later);
            found.is_some()
        };
        assert!(known("ben") && known("cid") && !known("ann"));
        recent.forget(&UserName::new("cid").unwrap());
        assert!(known("ben") && !known("cid"));
        remember(&recent, "cid", later);
        remember(&recent, "dan", later);
        assert!(known("dan") && !known("ben"));
    }

    #[test]
    fn for_no_users_nobody_is_kept() {
        let (recent, now) = (recent(0), Instant::now());
        remember(&recent, "ann", now);
        assert!(recent.recall(b"ann", &secret("open"), 7, now).is_none());
    }

    #[test]
    fn debug_shows_no_key_and_no_name() {
        let recent = recent(2);
        remember(&recent, "ann", Instant::now());
        let text = "RecentLogOns { limits: CacheLimits { users_max: 2, age_max: 60s }, .. }";
        assert_eq!(format!("{recent:?}"), text);
    }
}
