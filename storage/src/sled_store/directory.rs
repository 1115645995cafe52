//! The directory: users in the index, and each as an owner file beside the messages.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::SledStore;
use super::committer::Purpose;
use super::high_water::write_file;
use super::index::{Change, Index, TreeName, journal_key, maildrop_key};
use super::open::{NEXT_MAILDROP_KEY, next_maildrop};
use super::owner_file;
use super::record::{JournalEntry, MaildropRow, encode_user};
use super::staging::now_secs;
use crate::numbering::Sequence;
use crate::{Directory, MaildropId, NewUser, StoreError, StoreErrorKind, User, UserName};

/// Parts of journal keys that tell the directory's entries from those of removals.
const ADDING: u32 = u32::MAX;
const CHANGING: u32 = u32::MAX - 1;
const REMOVING: u32 = u32::MAX - 2;

/// How many users are in memory while all are looked at.
const USERS_AT_ONCE: usize = 256;

impl Directory for SledStore {
    fn find(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        self.shared.index()?.user(name)
    }

    /// An alias is nobody's name, so that one look-up of each kind is enough.
    fn resolve(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        let index = self.shared.index()?;
        match index.alias(name)? {
            None => index.user(name),
            Some(whose) => index.user(&whose),
        }
    }

    fn add(&self, user: NewUser) -> Result<User, StoreError> {
        let shared = &self.shared;
        shared.poison.check()?;
        let _one_at_a_time = shared.directory();
        let index = shared.index()?;
        check_free(&index, &user.name, None)?;
        let number = next_maildrop(&index, &shared.high_water())?;
        let id = MaildropId(number);
        let after = number.checked_add(1).ok_or_else(|| {
            let context = "the store has given out all its maildrop numbers";
            StoreError::new(StoreErrorKind::Invalid, context)
        })?;
        let user = User::new(user, id, now_secs());
        shared.set_mark(id, Sequence::NEW)?;
        let key = journal_key(id, 0, ADDING);
        let entry = JournalEntry::Folder;
        let intent = vec![
            Change::put(TreeName::Journal, key.clone(), entry.encode()),
            Change::put(
                TreeName::Meta,
                NEXT_MAILDROP_KEY.to_vec(),
                after.to_be_bytes().to_vec(),
            ),
        ];
        shared.committer.commit(intent, Purpose::Growth)?;
        let made = self.make_folder(&user).and_then(|()| {
            let changes = vec![
                put_user(&user),
                Change::put(
                    TreeName::Maildrops,
                    maildrop_key(id),
                    MaildropRow::NEW.encode(),
                ),
                Change::drop(TreeName::Journal, key.clone()),
            ];
            Ok(shared.committer.commit(changes, Purpose::Growth)?)
        });
        if let Err(error) = made {
            if shared.poison.check().is_ok() {
                shared.finish(key, id, entry);
            }
            return Err(error);
        }
        Ok(user)
    }

    fn update(&self, user: &User) -> Result<(), StoreError> {
        let shared = &self.shared;
        shared.poison.check()?;
        let _one_at_a_time = shared.directory();
        let index = shared.index()?;
        let stored = find_known(&index, &user.name)?;
        self.change(&index, &stored, user, Purpose::Growth)
    }

    fn update_if(&self, seen: &User, user: &User) -> Result<bool, StoreError> {
        let shared = &self.shared;
        shared.poison.check()?;
        let _one_at_a_time = shared.directory();
        let index = shared.index()?;
        let stored = find_known(&index, &user.name)?;
        if stored != *seen {
            return Ok(false);
        }
        self.change(&index, &stored, user, Purpose::Growth)?;
        Ok(true)
    }

    fn remove(&self, name: &UserName) -> Result<User, StoreError> {
        let shared = &self.shared;
        shared.poison.check()?;
        let _one_at_a_time = shared.directory();
        let index = shared.index()?;
        let user = find_known(&index, name)?;
        let id = user.maildrop;
        let ownership = shared.own(id)?;
        self.take_rights_from(&index, &user)?;
        let mut changes = vec![
            Change::drop(TreeName::Users, name.as_str().as_bytes().to_vec()),
            Change::drop(TreeName::Maildrops, maildrop_key(id)),
        ];
        changes.extend(user.aliases.iter().map(drop_alias));
        for tree in [TreeName::Segments, TreeName::Deleted] {
            index.scan(tree, &maildrop_key(id), &mut |key, _| {
                changes.push(Change::drop(tree, key.to_vec()));
                true
            })?;
        }
        let key = journal_key(id, u64::MAX, REMOVING);
        let entry = JournalEntry::Folder;
        changes.push(Change::put(TreeName::Journal, key.clone(), entry.encode()));
        shared.committer.commit(changes, Purpose::Removal)?;
        shared.finish(key, id, entry);
        shared.forget(id);
        drop(ownership);
        Ok(user)
    }

    fn list(&self, after: Option<&UserName>, count: usize) -> Result<Vec<User>, StoreError> {
        self.shared.index()?.users(after, count)
    }

    fn revision(&self) -> Option<u64> {
        Some(self.shared.directory_revision.load(Ordering::Acquire))
    }
}

impl SledStore {
    /// Replaces what is stored, in the index and in the owner file. Nobody else changes the
    /// directory meanwhile.
    fn change(
        &self,
        index: &Index,
        stored: &User,
        user: &User,
        purpose: Purpose,
    ) -> Result<(), StoreError> {
        let shared = &self.shared;
        if stored.maildrop != user.maildrop {
            let context = format!(
                "user {} has maildrop {}, not {}",
                user.name, stored.maildrop, user.maildrop
            );
            return Err(StoreError::new(StoreErrorKind::Invalid, context));
        }
        user.check()?;
        for alias in &user.aliases {
            check_free(index, alias, Some(&user.name))?;
        }
        let id = user.maildrop;
        let key = journal_key(id, u64::MAX, CHANGING);
        let entry = JournalEntry::Owner(user.name.clone());
        // If anything fails from here on, the journal has the file written from the index again.
        let intent = vec![Change::put(TreeName::Journal, key.clone(), entry.encode())];
        shared.committer.commit(intent, purpose)?;
        let path = shared.layout.owner(id);
        let changed = write_file(&*shared.options.files, &path, &owner_file::encode(user))
            .and_then(|()| {
                let mut changes =
                    vec![put_user(user), Change::drop(TreeName::Journal, key.clone())];
                let gone = stored.aliases.iter();
                let gone = gone.filter(|alias| !user.aliases.contains(alias));
                changes.extend(gone.map(drop_alias));
                changes.extend(put_aliases(user));
                Ok(shared.committer.commit(changes, purpose)?)
            });
        if let Err(error) = changed {
            if shared.poison.check().is_ok() {
                shared.finish(key, id, entry);
            }
            return Err(error);
        }
        Ok(())
    }

    /// Takes a user out of everybody's delegates, also in the owner files, from which an index is
    /// built again.
    fn take_rights_from(&self, index: &Index, user: &User) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = index.users(after.as_ref(), USERS_AT_ONCE)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.name.clone());
            for owner in page {
                let mut changed = owner.clone();
                changed.delegates.retain(|name| !user.is_called(name));
                if changed != owner {
                    self.change(index, &owner, &changed, Purpose::Removal)?;
                }
            }
        }
    }

    fn make_folder(&self, user: &User) -> Result<(), StoreError> {
        let shared = &self.shared;
        let files = &*shared.options.files;
        let id = user.maildrop;
        let fan = shared.layout.fan(id);
        let make = |folder: &Path, above: &Path| {
            files.create_folder(folder)?;
            files.sync_folder(above)
        };
        make(&fan, &shared.layout.bodies())
            .and_then(|()| make(&shared.layout.maildrop(id), &fan))
            .map_err(|error| {
                StoreError::io(format!("cannot make the folder of maildrop {id}"), error)
            })?;
        write_file(files, &shared.layout.owner(id), &owner_file::encode(user))
    }
}

pub(super) fn put_user(user: &User) -> Change {
    Change::put(
        TreeName::Users,
        user.name.as_str().as_bytes().to_vec(),
        encode_user(user),
    )
}

/// The records of the user's aliases.
pub(super) fn put_aliases(user: &User) -> impl Iterator<Item = Change> {
    user.aliases.iter().map(|alias| {
        let key = alias.as_str().as_bytes().to_vec();
        let whose = user.name.as_str().as_bytes().to_vec();
        Change::put(TreeName::Aliases, key, whose)
    })
}

fn drop_alias(alias: &UserName) -> Change {
    Change::drop(TreeName::Aliases, alias.as_str().as_bytes().to_vec())
}

/// # Errors
/// `Duplicate` if somebody has that name or alias; `own` is not somebody.
fn check_free(index: &Index, name: &UserName, own: Option<&UserName>) -> Result<(), StoreError> {
    let taken = match index.alias(name)? {
        Some(whose) if Some(&whose) != own => format!("{name} is an alias of user {whose}"),
        Some(_) => return Ok(()),
        None if index.user(name)?.is_some() => format!("user {name} exists"),
        None => return Ok(()),
    };
    Err(StoreError::new(StoreErrorKind::Duplicate, taken))
}

fn find_known(index: &Index, name: &UserName) -> Result<User, StoreError> {
    index.user(name)?.ok_or_else(|| {
        StoreError::new(StoreErrorKind::NotFound, format!("there is no user {name}"))
    })
}
