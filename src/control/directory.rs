//! The directory over the control socket: users that are added, changed, listed and removed.

use std::time::SystemTime;

use mailroost_storage::{Credential, NewUser, StoredCredential, User, UserName};

use super::execute::PAGE_ROWS;
use super::protocol::{Fault, FaultKind, Reply, SiteChange, Sizes, UserChanges};
use super::upkeep;
use super::user::{DerivedSecrets, UserRow};
use crate::server::{ServerError, ServerHandle, blocking};

/// Adds a user.
pub(super) async fn add_user(
    server: &ServerHandle,
    name: &str,
    password_hash: Option<String>,
) -> Result<Reply, Fault> {
    let name = UserName::new(name).map_err(ServerError::from)?;
    check_hash(server, password_hash.clone()).await?;
    let directory = server.directory().clone();
    let new = NewUser {
        name,
        password_hash,
    };
    let user = blocking(move || directory.add(new)).await?;
    Ok(shown(server, user))
}

/// Replaces the hash of a user's password, and what else is made of it.
pub(super) async fn set_password(
    server: &ServerHandle,
    name: &str,
    password_hash: Option<String>,
    derived: DerivedSecrets,
) -> Result<Reply, Fault> {
    check_hash(server, password_hash.clone()).await?;
    update(server, name, |user| {
        replace_password(user, password_hash, derived);
        Ok(())
    })
    .await
}

/// Changes what else is kept of a user.
pub(super) async fn set_user(
    server: &ServerHandle,
    name: &str,
    mut changes: UserChanges,
) -> Result<Reply, Fault> {
    changes.delegate = upkeep::name_delegate(server, changes.delegate).await?;
    update(server, name, |user| change(user, changes)).await
}

/// Ends a user's sessions and removes user, maildrop and messages.
pub(super) async fn remove_user(server: &ServerHandle, name: &str) -> Result<Reply, Fault> {
    Ok(shown(server, server.remove_user(name).await?))
}

/// One user.
pub(super) async fn user(server: &ServerHandle, name: &str) -> Result<Reply, Fault> {
    Ok(shown(server, server.user(name).await?))
}

/// The next page of users, after a name.
pub(super) async fn users(server: &ServerHandle, after: Option<String>) -> Result<Reply, Fault> {
    let after = after
        .map(|name| UserName::new(&name))
        .transpose()
        .map_err(ServerError::from)?;
    let directory = server.directory().clone();
    let users = blocking(move || directory.list(after.as_ref(), PAGE_ROWS)).await?;
    let exact = server.exact_rfc822_size();
    let rows = users.into_iter().map(|user| UserRow::new(user, exact));
    Ok(Reply::Users {
        users: rows.collect(),
    })
}

/// A hash that cannot be checked would lock its user out. Trying it costs what a log-on costs.
async fn check_hash(server: &ServerHandle, password_hash: Option<String>) -> Result<(), Fault> {
    match password_hash {
        Some(stored) => Ok(server.check_password_hash(stored).await?),
        None => Ok(()),
    }
}

/// What was made of the old password proves nothing any more.
fn replace_password(user: &mut User, password_hash: Option<String>, derived: DerivedSecrets) {
    user.password_hash = password_hash;
    user.credentials.retain(|credential| match credential.kind {
        StoredCredential::ScramSha256 | StoredCredential::NtHash => false,
        StoredCredential::AppPassword => true,
    });
    let age = SystemTime::UNIX_EPOCH.elapsed();
    let created_secs = age.map_or(0, |age| age.as_secs());
    let DerivedSecrets {
        nt_hash,
        scram_keys,
    } = derived;
    let kept = [
        (StoredCredential::NtHash, nt_hash),
        (StoredCredential::ScramSha256, scram_keys),
    ];
    for (kind, value) in kept {
        user.credentials.extend(value.map(|value| Credential {
            kind,
            label: "password".into(),
            value,
            created_secs,
        }));
    }
}

async fn update(
    server: &ServerHandle,
    name: &str,
    change: impl FnOnce(&mut User) -> Result<(), Fault>,
) -> Result<Reply, Fault> {
    let seen = server.user(name).await?;
    let mut user = seen.clone();
    change(&mut user)?;
    let user = replace(server, seen, user).await?;
    Ok(shown(server, user))
}

/// Stores a changed user, unless somebody changed the user meanwhile: a log-on, perhaps.
pub(super) async fn replace(server: &ServerHandle, seen: User, user: User) -> Result<User, Fault> {
    let (directory, changed) = (server.directory().clone(), user.clone());
    match blocking(move || directory.update_if(&seen, &changed)).await? {
        true => Ok(user),
        false => {
            let message = format!("user {} was changed meanwhile: try again", user.name);
            Err(Fault::new(FaultKind::Busy, message))
        }
    }
}

fn shown(server: &ServerHandle, user: User) -> Reply {
    let user = UserRow::new(user, server.exact_rfc822_size());
    Reply::User { user }
}

fn change(user: &mut User, changes: UserChanges) -> Result<(), Fault> {
    if let Some(pop_enabled) = changes.pop_enabled {
        user.pop_enabled = pop_enabled;
    }
    if let Some(use_protocol_defaults) = changes.use_protocol_defaults {
        user.use_protocol_defaults = use_protocol_defaults;
    }
    match changes.sizes {
        Some(Sizes::Default) => user.exact_rfc822_size = None,
        Some(Sizes::Exact) => user.exact_rfc822_size = Some(true),
        Some(Sizes::Stored) => user.exact_rfc822_size = Some(false),
        None => {}
    }
    match changes.site {
        Some(SiteChange::Any) => user.site = None,
        Some(SiteChange::Of(site)) => user.site = Some(site.into()),
        None => {}
    }
    let (quota, retention) = (&mut user.quota, &mut user.retention);
    for (limit, place) in [
        (changes.quota_octets, &mut quota.octets),
        (changes.quota_messages, &mut quota.messages),
        (changes.retain_read_secs, &mut retention.read_secs),
        (changes.retain_unread_secs, &mut retention.unread_secs),
    ] {
        if let Some(limit) = limit {
            *place = limit.stored();
        }
    }
    if let Some(delegate) = changes.delegate {
        upkeep::change_delegate(user, delegate)?;
    }
    match changes.alias {
        Some(alias) => upkeep::change_alias(user, alias),
        None => Ok(()),
    }
}
