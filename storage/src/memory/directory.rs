//! The directory in memory.

use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Maildrop, MemoryStore, State, now_secs};
use crate::{Directory, MaildropId, NewUser, StoreError, StoreErrorKind, User, UserName};

impl Directory for MemoryStore {
    fn find(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        Ok(self.lock_open()?.users.get(name).cloned())
    }

    fn resolve(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        let state = self.lock_open()?;
        let name = state.aliases.get(name).unwrap_or(name);
        Ok(state.users.get(name).cloned())
    }

    fn add(&self, new: NewUser) -> Result<User, StoreError> {
        let _changes = self.changes_users();
        let mut state = self.lock_open()?;
        state.check_free(&new.name, None)?;
        state.maildrops_made += 1;
        let maildrop = MaildropId(state.maildrops_made);
        let user = User::new(new, maildrop, now_secs());
        state.users.insert(user.name.clone(), user.clone());
        state.maildrops.insert(maildrop, Maildrop::new());
        Ok(user)
    }

    fn update(&self, user: &User) -> Result<(), StoreError> {
        let _changes = self.changes_users();
        self.lock_open()?.update(user)
    }

    fn update_if(&self, seen: &User, user: &User) -> Result<bool, StoreError> {
        let _changes = self.changes_users();
        let mut state = self.lock_open()?;
        let stored = state.users.get(&user.name);
        if stored.ok_or_else(|| no_user(&user.name))? != seen {
            return Ok(false);
        }
        state.update(user).map(|()| true)
    }

    fn remove(&self, name: &UserName) -> Result<User, StoreError> {
        let _changes = self.changes_users();
        let mut state = self.lock_open()?;
        let id = state.users.get(name).ok_or_else(|| no_user(name))?.maildrop;
        if state.maildrop(id)?.owned {
            let context = format!("maildrop {id} of user {name} has an owner");
            return Err(StoreError::new(StoreErrorKind::Busy, context));
        }
        state.maildrops.remove(&id);
        state.aliases.retain(|_, whose| whose != name);
        let user = state.users.remove(name).ok_or_else(|| no_user(name))?;
        for owner in state.users.values_mut() {
            owner.delegates.retain(|delegate| !user.is_called(delegate));
        }
        Ok(user)
    }

    fn revision(&self) -> Option<u64> {
        Some(self.directory_revision.load(Ordering::Acquire))
    }

    fn list(&self, after: Option<&UserName>, count: usize) -> Result<Vec<User>, StoreError> {
        let state = self.lock_open()?;
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let users = state.users.range::<UserName, _>((begin, Bound::Unbounded));
        Ok(users.map(|(_, user)| user.clone()).take(count).collect())
    }
}

/// Counts the revision up when it is dropped.
struct UserChange<'a>(&'a AtomicU64);

impl Drop for UserChange<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

impl MemoryStore {
    /// Held while users are changed.
    fn changes_users(&self) -> UserChange<'_> {
        UserChange(&self.directory_revision)
    }
}

impl State {
    fn update(&mut self, user: &User) -> Result<(), StoreError> {
        let stored = self.users.get(&user.name);
        let stored = stored.ok_or_else(|| no_user(&user.name))?;
        if stored.maildrop != user.maildrop {
            let context = format!(
                "user {} has maildrop {}, not {}",
                user.name, stored.maildrop, user.maildrop
            );
            return Err(StoreError::new(StoreErrorKind::Invalid, context));
        }
        user.check()?;
        for alias in &user.aliases {
            self.check_free(alias, Some(&user.name))?;
        }
        self.aliases.retain(|_, whose| *whose != user.name);
        let aliases = user.aliases.iter();
        let aliases = aliases.map(|alias| (alias.clone(), user.name.clone()));
        self.aliases.extend(aliases);
        self.users.insert(user.name.clone(), user.clone());
        Ok(())
    }

    /// # Errors
    /// `Duplicate` if somebody has that name or alias; `own` is not somebody.
    fn check_free(&self, name: &UserName, own: Option<&UserName>) -> Result<(), StoreError> {
        let taken = match self.aliases.get(name) {
            Some(whose) if Some(whose) != own => format!("{name} is an alias of user {whose}"),
            Some(_) | None if self.users.contains_key(name) => format!("user {name} exists"),
            Some(_) | None => return Ok(()),
        };
        Err(StoreError::new(StoreErrorKind::Duplicate, taken))
    }
}

fn no_user(name: &UserName) -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, format!("there is no user {name}"))
}
