//! Users with passwords in the clear, for tests: a hash would cost each log-on tens of
//! milliseconds.

use std::sync::{Arc, RwLock};

use mailroost_auth::ntlm::nt_hash;
use mailroost_auth::{AuthError, CredentialKind, Identity, PasswordSource, Secret};
use mailroost_storage::{Directory, MaildropId, NewUser, StoreError, UserName};
use secrecy::ExposeSecret as _;

/// A fixed or growing list of users.
#[derive(Default)]
pub struct Accounts {
    known: RwLock<Vec<Account>>,
    /// Where maildrops for those who are not known are made, if they are let in.
    on_demand: Option<Arc<dyn Directory>>,
}

/// A user, the password, and the maildrop.
#[derive(Clone)]
pub struct Account {
    /// As the client has to write it, but for upper and lower case.
    pub name: UserName,
    /// Any octets.
    pub password: Vec<u8>,
    /// What is opened.
    pub maildrop: MaildropId,
    /// Whether POP3 is switched off for the user.
    pub disabled: bool,
    /// The site that they belong to, if it matters.
    pub site: Option<Box<str>>,
}

/// The password is not shown.
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            name,
            maildrop,
            disabled,
            ..
        } = self;
        write!(f, "{name} (maildrop {maildrop}, disabled {disabled})")
    }
}

impl Accounts {
    /// Whoever is not known gets a maildrop with the first password that is given.
    pub fn on_demand(directory: Arc<dyn Directory>) -> Self {
        Self {
            on_demand: Some(directory),
            ..Self::default()
        }
    }

    /// The user of that name, with a new maildrop of the directory if there is none.
    ///
    /// # Errors
    /// What the directory says.
    pub fn make(
        &self,
        directory: &dyn Directory,
        name: UserName,
        password: &[u8],
    ) -> Result<Account, StoreError> {
        let maildrop = match directory.find(&name)? {
            Some(user) => user.maildrop,
            None => {
                let password_hash = None;
                let user = NewUser {
                    name: name.clone(),
                    password_hash,
                };
                directory.add(user)?.maildrop
            }
        };
        let account = Account {
            name,
            password: password.to_vec(),
            maildrop,
            disabled: false,
            site: None,
        };
        self.add(account.clone());
        Ok(account)
    }

    /// Adds a user, or replaces the one of that name.
    pub fn add(&self, account: Account) {
        let mut known = self
            .known
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        known.retain(|other| other.name != account.name);
        known.push(account);
    }

    /// The user of that name.
    pub fn find(&self, name: &UserName) -> Option<Account> {
        let known = self
            .known
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        known.iter().find(|account| account.name == *name).cloned()
    }
}

impl PasswordSource for Accounts {
    fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError> {
        let name = UserName::new(name).map_err(|_| AuthError::UnknownUser)?;
        let account = match (self.find(&name), &self.on_demand) {
            (Some(account), _) => account,
            (None, None) => return Err(AuthError::UnknownUser),
            (None, Some(directory)) => self
                .make(directory.as_ref(), name, password.expose_secret())
                .map_err(|error| AuthError::Unavailable(error.to_string()))?,
        };
        if account.password != password.expose_secret() {
            return Err(AuthError::WrongPassword);
        }
        account.open()
    }

    fn credential(&self, name: &str, kind: CredentialKind) -> Result<Option<Secret>, AuthError> {
        let account = UserName::new(name).ok().and_then(|name| self.find(&name));
        Ok(match kind {
            CredentialKind::NtHash => account.and_then(|account| {
                let password = str::from_utf8(&account.password).ok()?;
                Some(Secret::from(nt_hash(password).to_vec()))
            }),
            _ => None,
        })
    }

    fn keeps(&self, kind: CredentialKind) -> bool {
        kind == CredentialKind::NtHash
    }

    fn admit(&self, name: &str, authorization: Option<&str>) -> Result<Identity, AuthError> {
        let name = UserName::new(name).map_err(|_| AuthError::UnknownUser)?;
        let account = self.find(&name).ok_or(AuthError::UnknownUser)?;
        match authorization.is_none_or(|wanted| wanted == name.as_str()) {
            true => account.open(),
            false => Err(AuthError::NotPermitted("it is somebody else's maildrop")),
        }
    }
}

impl Account {
    fn open(self) -> Result<Identity, AuthError> {
        if self.disabled {
            return Err(AuthError::NotPermitted("POP3 is switched off"));
        }
        let Self {
            name,
            maildrop,
            site,
            ..
        } = self;
        Ok(Identity {
            delegate: None,
            user: name,
            maildrop,
            exact_rfc822_size: None,
            site,
        })
    }
}
