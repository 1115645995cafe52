//! App passwords over the control socket. They are made where the user can read them; what comes
//! here is only what is kept.

use std::time::{SystemTime, UNIX_EPOCH};

use mailroost_auth::app_password;
use mailroost_storage::{Credential, StoredCredential, User};
use serde::{Deserialize, Serialize};

use super::client::{Client, ClientError, unexpected};
use super::directory::replace;
use super::protocol::{Fault, FaultKind, Reply, Request};
use crate::server::ServerHandle;

/// What is wanted of a user's app passwords. It may hold a digest, so it cannot be shown.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AppPasswordAction {
    /// One more.
    Add { label: String, stored: String },
    /// All that are there.
    List,
    /// One less, by its label or its id.
    Remove { which: String },
}

/// An app password in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppPasswordRow {
    /// What it begins with.
    pub id: String,
    /// What its user calls it.
    pub label: String,
    /// Seconds since 1970-01-01 UTC.
    pub created_secs: u64,
}

/// Carries one out; the answer is what is there afterwards.
pub(super) async fn app_passwords(
    server: &ServerHandle,
    user: &str,
    action: AppPasswordAction,
) -> Result<Reply, Fault> {
    let seen = server.user(user).await?;
    let mut user = seen.clone();
    match action {
        AppPasswordAction::List => {}
        AppPasswordAction::Add { label, stored } => {
            add(&mut user, label, stored)?;
            user = replace(server, seen, user).await?;
        }
        AppPasswordAction::Remove { which } => {
            remove(&mut user, &which)?;
            user = replace(server, seen, user).await?;
        }
    }
    Ok(Reply::AppPasswords {
        rows: rows(&user).collect(),
    })
}

fn add(user: &mut User, label: String, stored: String) -> Result<(), Fault> {
    if app_password::id(&stored).is_none() {
        return Err(Fault::new(FaultKind::Invalid, "it is no app password"));
    }
    if rows(user).any(|row| row.label == label) {
        let message = format!("there is an app password {label:?} already");
        return Err(Fault::new(FaultKind::Duplicate, message));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    user.credentials.push(Credential {
        kind: StoredCredential::AppPassword,
        label: label.into(),
        value: stored,
        created_secs: now.map_or(0, |since| since.as_secs()),
    });
    Ok(())
}

fn remove(user: &mut User, which: &str) -> Result<(), Fault> {
    let before = user.credentials.len();
    user.credentials.retain(|credential| match row(credential) {
        Some(row) => row.label != which && row.id != which,
        None => true,
    });
    if user.credentials.len() == before {
        let message = format!("there is no app password {which:?}");
        return Err(Fault::new(FaultKind::NotFound, message));
    }
    Ok(())
}

fn rows(user: &User) -> impl Iterator<Item = AppPasswordRow> {
    user.credentials.iter().filter_map(row)
}

fn row(credential: &Credential) -> Option<AppPasswordRow> {
    match credential.kind {
        StoredCredential::AppPassword => Some(AppPasswordRow {
            id: app_password::id(&credential.value).unwrap_or_default(),
            label: credential.label.to_string(),
            created_secs: credential.created_secs,
        }),
        StoredCredential::ScramSha256 | StoredCredential::NtHash => None,
    }
}

impl Client {
    /// Keeps one more app password of a user.
    ///
    /// # Errors
    /// `NoSuchUser`; `Duplicate` for a label that is there; `Invalid`.
    pub fn add_app_password(
        &mut self,
        user: &str,
        label: String,
        stored: String,
    ) -> Result<Vec<AppPasswordRow>, ClientError> {
        self.ask_app_passwords(user, AppPasswordAction::Add { label, stored })
    }

    /// The app passwords of a user.
    ///
    /// # Errors
    /// `NoSuchUser`.
    pub fn app_passwords(&mut self, user: &str) -> Result<Vec<AppPasswordRow>, ClientError> {
        self.ask_app_passwords(user, AppPasswordAction::List)
    }

    /// Removes one by label or id; sessions that were begun with it go on.
    ///
    /// # Errors
    /// `NoSuchUser`, `NotFound`.
    pub fn remove_app_password(
        &mut self,
        user: &str,
        which: String,
    ) -> Result<Vec<AppPasswordRow>, ClientError> {
        self.ask_app_passwords(user, AppPasswordAction::Remove { which })
    }

    fn ask_app_passwords(
        &mut self,
        user: &str,
        action: AppPasswordAction,
    ) -> Result<Vec<AppPasswordRow>, ClientError> {
        let user = user.to_owned();
        match self.ask(&Request::AppPasswords { user, action })? {
            Reply::AppPasswords { rows } => Ok(rows),
            _ => Err(unexpected()),
        }
    }
}
