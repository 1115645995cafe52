//! The users, who cannot always be asked; and their passwords.

use std::sync::Arc;

use mailroost_auth::{AuthError, Identity, PasswordSource, Secret};
use mailroost_storage::{Directory, NewUser, StoreError, User, UserName};
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
        Ok(Identity {
            delegate: None,
            user,
            maildrop,
            exact_rfc822_size: None,
            site: None,
        })
    }
}

impl WatchedStore {
    /// As the tree wants its parts.
    pub(crate) fn parts<T: ?Sized>(&self, part: impl FnOnce(Arc<Self>) -> Arc<T>) -> Arc<T> {
        part(Arc::new(self.clone()))
    }
}
