//! The keys of an authorization server, fetched when they are needed, kept for a while, and
//! fetched again when a token names one that is not known: servers change their keys.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::TokenError;
use super::key::{self, Algorithm, Key};
use crate::limits::{KEY_FETCH_INTERVAL_MIN, KEYS_STALE_MAX};

type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// Where a JWK set is. Calls may block; they have a time limit of their own.
pub trait KeyDocument: Send + Sync + 'static {
    /// The octets of the set.
    ///
    /// # Errors
    /// Why they cannot be had, for the log.
    fn read(&self) -> Result<Vec<u8>, String>;
}

/// Keeps the keys.
pub struct KeyRing {
    document: Box<dyn KeyDocument>,
    age_max: Duration,
    state: Mutex<State>,
    /// Held by the one who fetches.
    fetching: Mutex<()>,
    clock: Clock,
}

#[derive(Default)]
struct State {
    keys: Arc<Vec<Key>>,
    /// When they were fetched.
    fetched: Option<Instant>,
    /// When somebody last tried to.
    tried: Option<Instant>,
    why_not: String,
}

impl KeyRing {
    /// Keys are fetched again after `age_max`; if that fails, the old ones are good for
    /// [`KEYS_STALE_MAX`] nevertheless.
    pub fn new(document: Box<dyn KeyDocument>, age_max: Duration) -> Self {
        Self {
            document,
            age_max,
            state: Mutex::default(),
            fetching: Mutex::default(),
            clock: Box::new(Instant::now),
        }
    }

    /// Whether these octets are a JWK set with keys that can be used.
    ///
    /// # Errors
    /// Why not.
    pub fn check(document: &[u8]) -> Result<(), String> {
        key::parse_set(document).map(drop)
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Whether a key of the server signed these octets. `id` is what the token says of the key:
    /// it is compared with what the keys are called and used for nothing else. A token that says
    /// nothing must fit the only key of its kind.
    pub(super) fn signed(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        octets: &[u8],
        signature: &[u8],
    ) -> Result<bool, TokenError> {
        if self.age().is_none_or(|age| age >= self.age_max) {
            self.fetch();
        }
        let mut keys = self.keys()?;
        let mut found = find(&keys, id, algorithm);
        if found.is_none() && self.fetch() {
            keys = self.keys()?;
            found = find(&keys, id, algorithm);
        }
        let key = found.and_then(|place| keys.get(place));
        let key = key.ok_or(TokenError::Refused(
            "the token's key is not one of the issuer's",
        ))?;
        Ok(key.signed(algorithm, octets, signature))
    }

    /// How old the keys are.
    fn age(&self) -> Option<Duration> {
        let fetched = self.lock().fetched?;
        Some((self.clock)().saturating_duration_since(fetched))
    }

    fn keys(&self) -> Result<Arc<Vec<Key>>, TokenError> {
        let usable = self
            .age()
            .is_some_and(|age| age < self.age_max + KEYS_STALE_MAX);
        let state = self.lock();
        match usable {
            true => Ok(Arc::clone(&state.keys)),
            false => Err(TokenError::Unavailable(state.why_not.clone())),
        }
    }

    /// Fetches, unless somebody tried a moment ago; says whether there may be others now. While
    /// one fetches, those who have old keys go on with them, and those who have none wait.
    fn fetch(&self) -> bool {
        let _fetching = match self.fetching.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            Err(TryLockError::WouldBlock) if self.lock().fetched.is_some() => return false,
            Err(TryLockError::WouldBlock) => {
                self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
            }
        };
        let now = (self.clock)();
        {
            let mut state = self.lock();
            let of_late = |tried| now.saturating_duration_since(tried) < KEY_FETCH_INTERVAL_MIN;
            if state.tried.is_some_and(of_late) {
                return state.fetched == state.tried;
            }
            state.tried = Some(now);
        }
        let parsed = self
            .document
            .read()
            .and_then(|octets| key::parse_set(&octets));
        let mut state = self.lock();
        match parsed {
            Ok(keys) => {
                state.keys = Arc::new(keys);
                state.fetched = Some(now);
                true
            }
            Err(why) => {
                state.why_not = why;
                false
            }
        }
    }

    /// Never held while anything is fetched or computed; each change is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(keys: &[Key], id: Option<&str>, algorithm: Algorithm) -> Option<usize> {
    let mut fitting = keys
        .iter()
        .enumerate()
        .filter(|(_, key)| key.is_for(algorithm) && (id.is_none() || key.id.as_deref() == id));
    let (place, _) = fitting.next()?;
    fitting.next().is_none().then_some(place)
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("age_max", &self.age_max)
            .finish_non_exhaustive()
    }
}
