//! Several password sources, one after the other.
//!
//! Who is unknown to one source is looked for at the next. A refusal costs one hash wherever it
//! came from, and the sources that were not asked are put to the same trouble, so that the time
//! does not tell who has whose password. A source that does not answer ends the search:
//! whether the password was wrong, nobody knows then.

use std::fmt;
use std::sync::Arc;

use mailroost_storage::{NewUser, StoreErrorKind, User, UserName};
use secrecy::ExposeSecret;

use super::store::{Toll, parse, unavailable};
use super::{Claim, DirectoryPasswords, ForeignAccount, ForeignPasswords, PasswordSource};
use crate::password::PasswordCache;
use crate::user_name::{AccountName, LogOnName};
use crate::{AuthError, CredentialKind, Identity, Secret};

/// Sources in the order in which they are asked. The users are those of one directory, whose
/// own passwords are one of the sources, or none.
pub struct PasswordChain {
    directory: Arc<DirectoryPasswords>,
    links: Vec<ChainLink>,
}

/// A source in its place.
pub struct ChainLink {
    /// Who is asked.
    pub source: LinkedSource,
    /// Whether a wrong password ends the search, or the next source may know a better one.
    pub on_wrong_password: OnWrongPassword,
}

/// A source of a chain.
pub enum LinkedSource {
    /// The passwords that are kept in the directory.
    Directory,
    /// Somebody else's.
    Foreign(ForeignLink),
}

/// A source that knows passwords and has no maildrops.
pub struct ForeignLink {
    /// Usually a [`super::Guarded`].
    pub source: Arc<dyn ForeignPasswords>,
    /// Who was proven a short time ago.
    pub cache: PasswordCache,
    /// Whether somebody whom the directory does not know gets an empty maildrop when they first
    /// log on; if not, they are refused.
    pub provision: bool,
    /// What messages call it.
    pub name: Box<str>,
}

/// What a wrong password means for those that come after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnWrongPassword {
    /// Nobody else is asked.
    #[default]
    Stop,
    /// The next source is.
    Next,
}

impl PasswordChain {
    /// Asks `links` in this order; the users are those of `directory`.
    pub fn new(directory: Arc<DirectoryPasswords>, links: Vec<ChainLink>) -> Self {
        Self { directory, links }
    }

    fn ask(&self, name: &str, password: &Secret, toll: &mut Toll) -> Result<Identity, AuthError> {
        let name = match parse(name) {
            Ok(name) => name,
            Err(why) => {
                self.feign(self.links.iter(), &[], password);
                return Err(why);
            }
        };
        let candidates = name.account.candidates(self.directory.domains());
        let claim = Claim {
            account: name.account,
            candidates: &candidates,
            at_home: self.is_at_home(&name.account),
        };
        let mut refusal = AuthError::UnknownUser;
        let mut links = self.links.iter();
        for link in links.by_ref() {
            match self.ask_one(link, &name, &claim, password, toll) {
                Ok(identity) => return Ok(identity),
                Err(AuthError::UnknownUser) => {}
                Err(why) => {
                    let wrong = why == AuthError::WrongPassword;
                    refusal = why;
                    if !wrong || link.on_wrong_password == OnWrongPassword::Stop {
                        break;
                    }
                }
            }
        }
        if !matches!(refusal, AuthError::Unavailable(_)) {
            self.feign(links, &candidates, password);
        }
        Err(refusal)
    }

    /// Puts sources that were not asked to the trouble that it would have been.
    fn feign<'a>(
        &self,
        links: impl Iterator<Item = &'a ChainLink>,
        candidates: &[UserName],
        password: &Secret,
    ) {
        for link in links {
            match &link.source {
                LinkedSource::Directory => self.directory.feign(candidates, password),
                // Nobody is asked about an empty password.
                LinkedSource::Foreign(_) if password.expose_secret().is_empty() => {}
                LinkedSource::Foreign(link) => {
                    // What comes of it is of no interest.
                    drop(self.directory.first_of(candidates));
                    link.source.feign(password);
                }
            }
        }
    }

    fn ask_one(
        &self,
        link: &ChainLink,
        name: &LogOnName<'_>,
        claim: &Claim<'_>,
        password: &Secret,
        toll: &mut Toll,
    ) -> Result<Identity, AuthError> {
        match &link.source {
            LinkedSource::Directory => {
                match self.directory.attempt(name, password, toll) {
                    // Somebody whose password is elsewhere.
                    Err(AuthError::WrongPassword) if !toll.has_password => {
                        Err(AuthError::UnknownUser)
                    }
                    outcome => outcome,
                }
            }
            // An empty password would be an anonymous bind of LDAP, which succeeds.
            LinkedSource::Foreign(_) if password.expose_secret().is_empty() => {
                Err(AuthError::WrongPassword)
            }
            LinkedSource::Foreign(link) => {
                let user = self.prove(link, claim, password)?;
                self.directory.open(user, name.mailbox)
            }
        }
    }

    /// The user of the directory whom a source has proven, now or a short time ago.
    fn prove(
        &self,
        link: &ForeignLink,
        claim: &Claim<'_>,
        password: &Secret,
    ) -> Result<User, AuthError> {
        let whole = claim.candidates.first().ok_or(AuthError::UnknownUser)?;
        let proof = link
            .cache
            .proof(whole, &link.source.stored(claim), password);
        if let Some(user) = link.cache.recall(whole, &proof, self.directory.now())
            && let Some(user) = self.directory.first_of(&[user])?
        {
            return Ok(user);
        }
        // Looked up before the answer is known: it takes the same time for a wrong password.
        let known = self.directory.first_of(claim.candidates)?;
        let checked = link
            .source
            .check(claim, password)
            .map_err(|error| match error {
                AuthError::Unavailable(why) => {
                    AuthError::Unavailable(format!("{}: {why}", link.name))
                }
                error => error,
            });
        let user = self.user_of(link, claim, checked?, known)?;
        link.cache
            .remember_as(whole, &user.name, proof, self.directory.now());
        Ok(user)
    }

    /// The user whose account it is (`known` has the name that was given), brought up to date with what the source says.
    fn user_of(
        &self,
        link: &ForeignLink,
        claim: &Claim<'_>,
        account: ForeignAccount,
        known: Option<User>,
    ) -> Result<User, AuthError> {
        let found = match &account.maildrop {
            Some(name) if known.as_ref().is_none_or(|user| user.name != *name) => {
                self.directory.first_of(std::slice::from_ref(name))?
            }
            Some(_) | None => known,
        };
        if let Some(user) = found {
            return self.bring_up_to_date(user, &account);
        }
        if !link.provision {
            return Err(AuthError::NotPermitted(
                "the password is right, but the user has no maildrop here",
            ));
        }
        let name = account
            .maildrop
            .clone()
            .or_else(|| claim.canonical().cloned());
        let name = name.ok_or(AuthError::UnknownUser)?;
        let user = self.provision(name)?;
        self.bring_up_to_date(user, &account)
    }

    /// Adds a user with an empty maildrop. Two that log on at the same moment get the same.
    fn provision(&self, name: UserName) -> Result<User, AuthError> {
        let added = self.directory.directory().add(NewUser {
            name: name.clone(),
            password_hash: None,
        });
        match added {
            Ok(user) => Ok(user),
            Err(error) if error.kind() == StoreErrorKind::Duplicate => self
                .directory
                .first_of(&[name])?
                .ok_or_else(|| unavailable("a new user was removed at once")),
            Err(error) => Err(unavailable(error)),
        }
    }

    fn bring_up_to_date(&self, user: User, account: &ForeignAccount) -> Result<User, AuthError> {
        let mut changed = user.clone();
        if account.site.is_some() {
            changed.site.clone_from(&account.site);
        }
        if account.quota_octets.is_some() {
            changed.quota.octets = account.quota_octets;
        }
        if changed == user {
            return Ok(user);
        }
        let updated = self.directory.directory().update_if(&user, &changed);
        match updated.map_err(unavailable)? {
            true => Ok(changed),
            // What somebody else changed meanwhile counts; the rest is made up for next time.
            false => {
                let current = self.directory.first_of(&[user.name])?;
                current.ok_or(AuthError::UnknownUser)
            }
        }
    }

    fn is_at_home(&self, account: &AccountName<'_>) -> bool {
        match account {
            AccountName::Alias(_) => true,
            AccountName::Domain { domain, .. } | AccountName::Upn { domain, .. } => {
                self.directory.domains().accepts(domain)
            }
        }
    }
}

impl PasswordSource for PasswordChain {
    fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError> {
        let mut toll = Toll::default();
        let outcome = self.ask(name, password, &mut toll);
        self.directory.settle(outcome, password, &toll)
    }

    fn credential(&self, name: &str, kind: CredentialKind) -> Result<Option<Secret>, AuthError> {
        self.directory.credential(name, kind)
    }

    fn canonical_name(&self, name: &str) -> String {
        self.directory.canonical_name(name)
    }

    fn keeps(&self, kind: CredentialKind) -> bool {
        self.directory.keeps(kind)
    }

    fn admit(&self, name: &str, authorization: Option<&str>) -> Result<Identity, AuthError> {
        self.directory.admit(name, authorization)
    }
}

impl fmt::Debug for PasswordChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |link: &ChainLink| match &link.source {
            LinkedSource::Directory => "directory".to_owned(),
            LinkedSource::Foreign(link) => link.name.to_string(),
        };
        f.debug_list().entries(self.links.iter().map(name)).finish()
    }
}

#[cfg(test)]
mod tests;
