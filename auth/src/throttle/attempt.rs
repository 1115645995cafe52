//! One attempt to log on, from its first octet to its answer: whoever it names stands as the
//! throttle says, also where only the mechanism learns the name.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Ban, Standing, Throttle, counts};
use crate::limits::IDENTITY_OCTETS_MAX;
use crate::{AuthError, CredentialKind, Identity, PasswordSource, Secret};

/// What is known of an attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    address: IpAddr,
    /// As the client wrote it.
    name: Option<Box<str>>,
    user: Option<Box<str>>,
    guess: Option<u64>,
    standing: Standing,
}

impl Attempt {
    /// Where it comes from.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The name that the client gave, as it wrote it, if any was heard yet.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// How long the answer is held back, and whether it is no already.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The ban that it falls under.
    pub fn ban(&self) -> Option<&Ban> {
        self.standing.ban.as_ref()
    }
}

impl Throttle {
    /// An attempt begins; who it is for is not known yet.
    pub fn attempt(&self, address: IpAddr, now: Instant) -> Attempt {
        Attempt {
            address,
            name: None,
            user: None,
            guess: None,
            standing: self.standing(address, None, now),
        }
    }

    /// The attempt ended. Says which bans begin with it. One that fell under a ban, or whose end
    /// says nothing of the secret, is not counted.
    pub fn settle(
        &self,
        attempt: &Attempt,
        outcome: Result<(), &AuthError>,
        now: Instant,
    ) -> Vec<Ban> {
        let user = attempt.user.as_deref();
        match (outcome, user) {
            (_, _) if attempt.ban().is_some() => Vec::new(),
            (Ok(()), Some(user)) => {
                self.succeeded(attempt.address, user, now);
                Vec::new()
            }
            (Err(error), _) if counts(error) => {
                self.failed(attempt.address, user, attempt.guess, now)
            }
            (Ok(()), None) | (Err(_), _) => Vec::new(),
        }
    }
}

/// A password source as one attempt sees it (each method of the contract is passed on, none left
/// to its default): it hears whom the attempt names, and is not asked
/// for anybody who is banned.
pub struct Watched {
    source: Arc<dyn PasswordSource>,
    throttle: Arc<Throttle>,
    now: Instant,
    attempt: Mutex<Attempt>,
}

impl Watched {
    /// Watches `source` for `attempt`.
    pub fn new(
        source: Arc<dyn PasswordSource>,
        throttle: Arc<Throttle>,
        attempt: Attempt,
        now: Instant,
    ) -> Self {
        Self {
            source,
            throttle,
            now,
            attempt: Mutex::new(attempt),
        }
    }

    /// What the attempt has become.
    pub fn into_attempt(self) -> Attempt {
        self.attempt
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears whom a failed attempt was about, if it asked about nobody.
    pub fn hears_claim(&self, name: &str) {
        if self.lock().name.is_none() {
            self.hears(name, None);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Attempt> {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears a name, and the password that goes with it if there is one. Says whether the source
    /// may be asked.
    fn hears(&self, name: &str, password: Option<&Secret>) -> bool {
        let mut attempt = self.lock();
        let user = self.throttle.account(name);
        attempt.guess = password.map(|password| self.throttle.guess(&user, password));
        let standing = self
            .throttle
            .standing(attempt.address, Some(&user), self.now);
        // A mechanism can ask more than once: the sternest answer counts.
        attempt.standing.delay = attempt.standing.delay.max(standing.delay);
        attempt.standing.ban = attempt.standing.ban.take().or(standing.ban);
        // It is kept until the exchange ends, and mechanisms have longer messages than names.
        let name = &name[..name.floor_char_boundary(IDENTITY_OCTETS_MAX)];
        (attempt.name, attempt.user) = (Some(name.into()), Some(user));
        attempt.standing.ban.is_none()
    }

    /// What a banned attempt is told; the client cannot tell it from a wrong password.
    fn banned<T>() -> Result<T, AuthError> {
        Err(AuthError::NotPermitted("banned after too many failures"))
    }
}

impl PasswordSource for Watched {
    fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError> {
        if self.hears(name, Some(password)) {
            self.source.verify(name, password)
        } else {
            Self::banned()
        }
    }

    fn verify_octets(&self, name: &[u8], password: &Secret) -> Result<Identity, AuthError> {
        if self.hears(&String::from_utf8_lossy(name), Some(password)) {
            self.source.verify_octets(name, password)
        } else {
            Self::banned()
        }
    }

    fn recall(&self, name: &[u8], password: &Secret) -> Option<Identity> {
        let may_be_asked = self.hears(&String::from_utf8_lossy(name), Some(password));
        may_be_asked
            .then(|| self.source.recall(name, password))
            .flatten()
    }

    /// Also for a banned user, who is refused when they are to be admitted: another salt than
    /// before the ban would tell that there is such a user.
    fn credential(&self, name: &str, kind: CredentialKind) -> Result<Option<Secret>, AuthError> {
        self.hears(name, None);
        self.source.credential(name, kind)
    }

    fn canonical_name(&self, name: &str) -> String {
        self.source.canonical_name(name)
    }

    fn keeps(&self, kind: CredentialKind) -> bool {
        self.source.keeps(kind)
    }

    fn admit(&self, name: &str, authorization: Option<&str>) -> Result<Identity, AuthError> {
        if self.hears(name, None) {
            self.source.admit(name, authorization)
        } else {
            Self::banned()
        }
    }
}
