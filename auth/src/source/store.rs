//! Passwords of the users in a [`Directory`].
//!
//! Every refusal costs exactly one hash: no such user, no password, wrong password, POP3
//! switched off, a name that cannot be one. Only a password that was proven a short time ago
//! is answered without.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use mailroost_storage::{Directory, User};
use secrecy::ExposeSecret;

use crate::password::{HashError, PasswordCache, PasswordHasher};
use crate::user_name::{AcceptedDomains, AccountName, LogOnName};
use crate::{AuthError, Identity, PasswordSource, Secret};

type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// A [`PasswordSource`] over a directory. Calls block on the directory and on the hasher.
pub struct DirectoryPasswords {
    directory: Arc<dyn Directory>,
    hasher: Arc<dyn PasswordHasher>,
    cache: PasswordCache,
    domains: AcceptedDomains,
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
            clock,
        }
    }

    /// With these domains taken for the directory's own.
    #[must_use]
    pub fn accepting(mut self, domains: AcceptedDomains) -> Self {
        self.domains = domains;
        self
    }

    /// With another clock for the age of what is remembered.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// What is remembered, so that it can be made to forget.
    pub fn cache(&self) -> &PasswordCache {
        &self.cache
    }

    /// The user that an account's name means. All its candidates are looked up, so that the
    /// time does not tell which of them there is.
    fn find(&self, account: &AccountName<'_>) -> Result<Option<User>, AuthError> {
        let mut found = None;
        for candidate in account.candidates(&self.domains) {
            let user = self.directory.find(&candidate);
            let user = user.map_err(|error| AuthError::Unavailable(error.to_string()))?;
            found = found.or(user);
        }
        Ok(found)
    }

    /// Whether the password is the user's. Computes one hash, or none if it is remembered.
    fn prove(&self, user: &User, password: &Secret) -> Result<bool, AuthError> {
        let Some(stored) = user.password_hash.as_deref() else {
            return self.refuse(password, AuthError::WrongPassword);
        };
        let proof = self.cache.proof(&user.name, stored, password);
        // Whoever may not log on is not answered quicker for having the right password.
        let may_be_remembered = user.pop_enabled && !password.expose_secret().is_empty();
        if may_be_remembered && self.cache.holds(&user.name, &proof, (self.clock)()) {
            return Ok(true);
        }
        match self.hasher.matches(password, stored) {
            Ok(matches) => {
                if matches && may_be_remembered {
                    self.cache.remember(&user.name, proof, (self.clock)());
                }
                Ok(matches && !password.expose_secret().is_empty())
            }
            Err(HashError::Stored(_)) => {
                let reason = "the stored password hash is unusable";
                self.refuse(password, AuthError::NotPermitted(reason))
            }
            Err(error) => Err(AuthError::Unavailable(error.to_string())),
        }
    }

    /// Refuses after one hash.
    fn refuse<T>(&self, password: &Secret, why: AuthError) -> Result<T, AuthError> {
        match self.hasher.matches(password, self.hasher.dummy()) {
            Ok(_) | Err(HashError::Stored(_)) => Err(why),
            Err(error) => Err(AuthError::Unavailable(error.to_string())),
        }
    }
}

impl PasswordSource for DirectoryPasswords {
    fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError> {
        let Some(name) = LogOnName::parse(name) else {
            return self.refuse(password, AuthError::UnknownUser);
        };
        if name.account.is_blocked() {
            let reason = "Anonymous and Guest open no maildrop";
            return self.refuse(password, AuthError::NotPermitted(reason));
        }
        let Some(user) = self.find(&name.account)? else {
            return self.refuse(password, AuthError::UnknownUser);
        };
        if !self.prove(&user, password)? {
            return Err(AuthError::WrongPassword);
        }
        if !user.pop_enabled {
            return Err(AuthError::NotPermitted(
                "POP3 is switched off for this user",
            ));
        }
        // A delegate form that names the account's own maildrop asks for nothing special.
        let own = |mailbox: AccountName<'_>| mailbox.candidates(&self.domains).contains(&user.name);
        if !name.mailbox.is_none_or(own) {
            return Err(AuthError::NotPermitted(
                "the maildrop asked for is somebody else's",
            ));
        }
        Ok(Identity {
            exact_rfc822_size: user.exact_rfc822_size_in_effect(),
            user: user.name,
            maildrop: user.maildrop,
            site: user.site,
        })
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
