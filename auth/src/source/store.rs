//! Passwords of the users in a [`Directory`].
//!
//! Every refusal costs exactly one hash for each form of the password (two if SASLprep makes
//! another of it): no such user, no password, wrong password, POP3
//! switched off, a name that cannot be one. Only a password that was proven a short time ago
//! is answered without.

mod delegate;
mod proven;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use mailroost_storage::{Directory, StoredCredential, User, UserName};
use secrecy::ExposeSecret;

use crate::app_password;
use crate::password::{HashError, PasswordCache, PasswordHasher};
use crate::prepared::password_forms;
use crate::user_name::{AcceptedDomains, LogOnName, canonical};
use crate::{
    AuthError, CredentialKind, Identity, PasswordSource, SealingError, SealingKey, Secret,
};
use proven::SealedHashes;

type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// A [`PasswordSource`] over a directory. Calls block on the directory and on the hasher.
pub struct DirectoryPasswords {
    directory: Arc<dyn Directory>,
    hasher: Arc<dyn PasswordHasher>,
    cache: PasswordCache,
    domains: AcceptedDomains,
    sealed: Option<SealedHashes>,
    scram_keys: bool,
    clock: Clock,
}

impl DirectoryPasswords {
    /// Looks users up in `directory`, checks with `hasher`, and remembers in `cache`. No
    /// domain is accepted yet.
    pub fn new(
        directory: Arc<dyn Directory>,
        hasher: Arc<dyn PasswordHasher>,
        cache: PasswordCache,
    ) -> Self {
        let (domains, clock) = (AcceptedDomains::default(), Box::new(Instant::now));
        Self {
            directory,
            hasher,
            cache,
            domains,
            sealed: None,
            scram_keys: false,
            clock,
        }
    }

    /// With these domains taken for the directory's own.
    #[must_use]
    pub fn accepting(mut self, domains: AcceptedDomains) -> Self {
        self.domains = domains;
        self
    }

    /// With the keys of SCRAM that its users have.
    #[must_use]
    pub fn keeping_scram_keys(mut self) -> Self {
        self.scram_keys = true;
        self
    }

    /// With the NT hashes of its users, which were sealed with this key.
    ///
    /// # Errors
    /// If there are no random numbers.
    pub fn unsealing(mut self, key: SealingKey) -> Result<Self, SealingError> {
        self.sealed = Some(SealedHashes::new(key)?);
        Ok(self)
    }

    /// With another clock for the age of what is remembered.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The domains that are taken for the directory's own.
    pub(super) fn domains(&self) -> &AcceptedDomains {
        &self.domains
    }

    /// The time that the age of what is remembered is counted by.
    pub(super) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// The users.
    pub(super) fn directory(&self) -> &dyn Directory {
        &*self.directory
    }

    /// What is remembered, so that it can be made to forget.
    pub fn cache(&self) -> &PasswordCache {
        &self.cache
    }

    /// The first of these names that somebody has, be it as an alias. All are looked up, so that the time does not
    /// tell which of them there is.
    pub(super) fn first_of(&self, names: &[UserName]) -> Result<Option<User>, AuthError> {
        let mut found = None;
        for name in names {
            let user = self.directory.resolve(name).map_err(unavailable)?;
            found = found.or(user);
        }
        Ok(found)
    }

    /// Checks a password, prepared and as it came, without the hash that the last refusal owes;
    /// [`Self::settle`] pays it.
    pub(super) fn attempt(
        &self,
        name: &LogOnName<'_>,
        password: &Secret,
        toll: &mut Toll,
    ) -> Result<Identity, AuthError> {
        let forms = password_forms(password);
        let Some((last, earlier)) = forms.split_last() else {
            return Err(AuthError::WrongPassword);
        };
        for form in earlier {
            let mut own = Toll::default();
            let outcome = self.attempt_form(name, form, &mut own);
            toll.proven = own.proven;
            match self.settle(outcome, form, &own) {
                Err(AuthError::UnknownUser | AuthError::WrongPassword) => {}
                Err(why @ AuthError::NotPermitted(_)) => {
                    // The other form costs the same look-ups for whoever is not permitted.
                    drop(self.first_of(&name.account.candidates(&self.domains)));
                    return Err(why);
                }
                outcome => return outcome,
            }
        }
        self.attempt_form(name, last, toll)
    }

    fn attempt_form(
        &self,
        name: &LogOnName<'_>,
        password: &Secret,
        toll: &mut Toll,
    ) -> Result<Identity, AuthError> {
        let candidates = name.account.candidates(&self.domains);
        let Some(user) = self.first_of(&candidates)? else {
            return Err(AuthError::UnknownUser);
        };
        let app_passwords = user.credentials.iter().filter_map(|c| match c.kind {
            StoredCredential::AppPassword => Some(c.value.as_str()),
            StoredCredential::ScramSha256 | StoredCredential::NtHash => None,
        });
        if app_password::is_one_of(password, app_passwords) {
            toll.proven = Some(self.now());
        } else if !self.prove(&user, password, toll)? {
            return Err(AuthError::WrongPassword);
        }
        self.open(user, name.mailbox)
    }

    /// Goes to the trouble of `attempt` for nobody: what a refusal costs that did not come to it.
    pub(super) fn feign(&self, candidates: &[UserName], password: &Secret) {
        for (later, form) in password_forms(password).iter().rev().enumerate() {
            // What comes of it is of no interest.
            drop(self.first_of(candidates));
            // The last form's hash is what `settle` pays.
            if later > 0 {
                drop(self.hasher.matches(form, self.hasher.dummy()));
            }
        }
    }

    /// Makes a refusal cost one hash, unless it did.
    pub(super) fn settle<T>(
        &self,
        outcome: Result<T, AuthError>,
        password: &Secret,
        toll: &Toll,
    ) -> Result<T, AuthError> {
        match outcome {
            Err(why) if !toll.hashed && !matches!(why, AuthError::Unavailable(_)) => {
                match self.hasher.matches(password, self.hasher.dummy()) {
                    Ok(_) | Err(HashError::Stored(_)) => Err(why),
                    Err(error) => Err(AuthError::Unavailable(error.to_string())),
                }
            }
            outcome => outcome,
        }
    }

    /// Whether the password is the user's. Computes one hash, or none if it is remembered.
    fn prove(&self, user: &User, password: &Secret, toll: &mut Toll) -> Result<bool, AuthError> {
        let Some(stored) = user.password_hash.as_deref() else {
            toll.has_password = false;
            return Ok(false);
        };
        let proof = self.cache.proof(&user.name, stored, password);
        // Whoever may not log on is not answered quicker for having the right password.
        let may_be_remembered = user.pop_enabled && !password.expose_secret().is_empty();
        if may_be_remembered {
            toll.proven = self.cache.proven_at(&user.name, &proof, self.now());
            if toll.proven.is_some() {
                return Ok(true);
            }
        }
        match self.hasher.matches(password, stored) {
            Ok(matches) => {
                // Hashes from elsewhere may be checked in no time.
                toll.hashed = self.hasher.is_own(stored);
                let proven = matches && !password.expose_secret().is_empty();
                if proven && user.pop_enabled {
                    if toll.hashed {
                        let now = self.now();
                        toll.proven = Some(now);
                        self.cache.remember(&user.name, proof, now);
                    } else {
                        self.replace_hash(user, password);
                    }
                }
                Ok(proven)
            }
            Err(HashError::Stored(_)) => Err(AuthError::NotPermitted(
                "the stored password hash is unusable",
            )),
            Err(error) => Err(AuthError::Unavailable(error.to_string())),
        }
    }

    /// Keeps a hash of our own in place of one that came from elsewhere. If that does not succeed,
    /// the next log-on tries again.
    fn replace_hash(&self, user: &User, password: &Secret) {
        let Ok(hash) = self.hasher.hash(password) else {
            return;
        };
        let proof = self.cache.proof(&user.name, &hash, password);
        let mut changed = user.clone();
        changed.password_hash = Some(hash);
        // What was changed meanwhile, perhaps this very password, is not undone.
        if let Ok(true) = self.directory.update_if(user, &changed) {
            self.cache.remember(&user.name, proof, self.now());
        }
    }
}

/// What the checks of one log-on came to so far.
pub(super) struct Toll {
    /// A hash was computed.
    pub(super) hashed: bool,
    /// The user has a password in the directory, or there is no such user.
    pub(super) has_password: bool,
    /// When the password was proven that is remembered now.
    pub(super) proven: Option<Instant>,
}

impl Default for Toll {
    fn default() -> Self {
        Self {
            hashed: false,
            has_password: true,
            proven: None,
        }
    }
}

/// Takes a name apart, and refuses those that open no maildrop whatever the directory says.
pub(super) fn parse(name: &str) -> Result<LogOnName<'_>, AuthError> {
    let name = LogOnName::parse(name).ok_or(AuthError::UnknownUser)?;
    if name.account.is_blocked() {
        let reason = "Anonymous and Guest open no maildrop";
        return Err(AuthError::NotPermitted(reason));
    }
    Ok(name)
}

pub(super) fn unavailable(error: impl fmt::Display) -> AuthError {
    AuthError::Unavailable(error.to_string())
}

impl PasswordSource for DirectoryPasswords {
    fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError> {
        // Before the look-ups: what changes meanwhile ends what is remembered of them.
        let revision = self.directory.revision();
        let mut toll = Toll::default();
        let outcome = match parse(name) {
            Ok(name) => self.attempt(&name, password, &mut toll),
            Err(why) => {
                self.feign(&[], password);
                Err(why)
            }
        };
        let outcome = self.settle(outcome, password, &toll);
        if let (Ok(identity), Some(revision), Some(proven)) = (&outcome, revision, toll.proven) {
            let shown = (name.as_bytes(), password);
            let recent = self.cache.recent();
            recent.remember(shown, identity, revision, proven);
        }
        outcome
    }

    fn recall(&self, name: &[u8], password: &Secret) -> Option<Identity> {
        let revision = self.directory.revision()?;
        let recent = self.cache.recent();
        recent.recall(name, password, revision, self.now())
    }

    fn credential(&self, name: &str, kind: CredentialKind) -> Result<Option<Secret>, AuthError> {
        // Names of delegates are for passwords; nobody else is told from somebody unknown.
        let account = parse(name).ok().filter(|name| name.mailbox.is_none());
        let user = match account {
            Some(name) => self.first_of(&name.account.candidates(&self.domains))?,
            None => None,
        };
        proven::credential(user.as_ref(), kind, self.sealed.as_ref())
    }

    fn keeps(&self, kind: CredentialKind) -> bool {
        match kind {
            CredentialKind::NtHash => self.sealed.is_some(),
            CredentialKind::ScramSha256 => self.scram_keys,
        }
    }

    fn canonical_name(&self, name: &str) -> String {
        canonical(name, &self.domains)
    }

    fn admit(&self, name: &str, authorization: Option<&str>) -> Result<Identity, AuthError> {
        let name = parse(name)?;
        let wanted = match authorization {
            Some(wanted) => Some(parse(wanted)?.account),
            None => name.mailbox,
        };
        let user = self.first_of(&name.account.candidates(&self.domains))?;
        self.open(user.ok_or(AuthError::UnknownUser)?, wanted)
    }
}

impl fmt::Debug for DirectoryPasswords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryPasswords")
            .field("domains", &self.domains)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
