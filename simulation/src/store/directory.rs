//! The users, who cannot always be asked; and their passwords.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use mailroost_auth::{AuthError, Identity, PasswordSource, Secret};
use mailroost_storage::{Directory, MaildropId, NewUser, StoreError, User, UserName};
use secrecy::ExposeSecret;

use super::WatchedStore;

impl Directory for WatchedStore {
    fn find(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        self.world.call(false, || self.inner.find(name))
    }

    fn resolve(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        self.world.call(false, || self.inner.resolve(name))
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
        Directory::remove(&*self.inner, name)
    }

    fn list(&self, after: Option<&UserName>, count: usize) -> Result<Vec<User>, StoreError> {
        self.world.call(false, || self.inner.list(after, count))
    }
}

/// Every user's password is the user's name.
impl PasswordSource for WatchedStore {
    fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError> {
        let user = UserName::new(name).map_err(|_| AuthError::UnknownUser)?;
        let found = Directory::find(self, &user)
            .map_err(|error| AuthError::Unavailable(error.to_string()))?;
        let maildrop = found.ok_or(AuthError::UnknownUser)?.maildrop;
        if password.expose_secret() != name.as_bytes() {
            return Err(AuthError::WrongPassword);
        }
        self.proven().insert(name.as_bytes().to_vec());
        Ok(identity(user, maildrop))
    }

    fn recall(&self, name: &[u8], password: &Secret) -> Option<Identity> {
        if !self.proven().contains(name) || password.expose_secret() != name {
            return None;
        }
        let user = UserName::new(std::str::from_utf8(name).ok()?).ok()?;
        let maildrop = self.inner.find(&user).ok()??.maildrop;
        Some(identity(user, maildrop))
    }
}

fn identity(user: UserName, maildrop: MaildropId) -> Identity {
    Identity {
        delegate: None,
        user,
        maildrop,
        exact_rfc822_size: None,
        site: None,
    }
}

impl WatchedStore {
    /// Names are whole whenever the lock is free, so poison means nothing.
    fn proven(&self) -> MutexGuard<'_, BTreeSet<Vec<u8>>> {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As the tree wants its parts.
    pub(crate) fn parts<T: ?Sized>(&self, part: impl FnOnce(Arc<Self>) -> Arc<T>) -> Arc<T> {
        part(Arc::new(self.clone()))
    }
}
