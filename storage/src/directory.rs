//! The contract of a directory: who has a maildrop here.

use std::fmt;

use crate::{Credential, MaildropId, StoreError, StoreErrorKind};

/// Keeps users. All calls may block on a disk.
pub trait Directory: Send + Sync + 'static {
    /// The user of that name, if there is one.
    fn find(&self, name: &UserName) -> Result<Option<User>, StoreError>;

    /// The user of that name, or else the one who has it as an alias. It makes one look-up of
    /// each kind, whatever there is.
    fn resolve(&self, name: &UserName) -> Result<Option<User>, StoreError>;

    /// Adds a user with a new, empty maildrop; durable when it returns.
    ///
    /// # Errors
    /// `Duplicate` if the name is taken, as a name or as an alias.
    fn add(&self, user: NewUser) -> Result<User, StoreError>;

    /// Replaces what is stored of a user (all but name and maildrop); durable when it returns.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` if the maildrop differs or [`User::check`] says so; `Duplicate`, which
    /// names the alias, if one is the name or alias of somebody.
    fn update(&self, user: &User) -> Result<(), StoreError>;

    /// The same if the user still is what `seen` says, in one step; says whether. Of two who read
    /// a user, change it and write it back, neither undoes what the other did.
    ///
    /// # Errors
    /// As `update`.
    fn update_if(&self, seen: &User, user: &User) -> Result<bool, StoreError>;

    /// Removes a user and the maildrop with all its messages; durable when it returns. Before, the
    /// name and the aliases are taken out of everybody's delegates: whoever has them later inherits
    /// no right. That looks at each user.
    ///
    /// # Errors
    /// `NotFound`, or `Busy` while the maildrop has an owner. Rights may be gone nevertheless if
    /// it ended half way.
    fn remove(&self, name: &UserName) -> Result<User, StoreError>;

    /// Up to `count` users in order of their names, after `after`.
    fn list(&self, after: Option<&UserName>, count: usize) -> Result<Vec<User>, StoreError>;

    /// A number that is another after each call that may have changed a user, from before that
    /// call returns: what was looked up at one revision holds for as long as it lasts. Does not
    /// block. The default has none, and nothing that is looked up can be kept.
    fn revision(&self) -> Option<u64> {
        None
    }
}

/// A user to be added.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The name.
    pub name: UserName,
    /// A password hash in PHC string form; `None` means that no password will do.
    pub password_hash: Option<String>,
}

/// A user, as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: UserName,
    /// The maildrop.
    pub maildrop: MaildropId,
    /// A password hash in PHC string form; `None` means that no password will do.
    pub password_hash: Option<String>,
    /// Whether the user may log on over POP3 (Exchange's `PopEnabled`).
    pub pop_enabled: bool,
    /// The overrides below are kept but do not act (Exchange's `PopUseProtocolDefaults`).
    /// `pop_enabled` acts either way.
    pub use_protocol_defaults: bool,
    /// Overrides `exact_rfc822_size` for this user (Exchange's `PopEnableExactRFC822Size`).
    pub exact_rfc822_size: Option<bool>,
    /// The site that has the user's maildrop, if it need not be the one of the server that is
    /// asked (MS-STANXPOP3 C0010).
    pub site: Option<Box<str>>,
    /// Seconds since 1970-01-01 UTC.
    pub created_secs: u64,
    /// Other names and addresses of the user. None of them is the name or an alias of anybody
    /// else in the directory.
    pub aliases: Vec<UserName>,
    /// Who else may open the user's maildrop. The names need not be there (yet); those that are
    /// removed go from here, too.
    pub delegates: Vec<UserName>,
    /// What the user can prove an identity with, other than by the password.
    pub credentials: Vec<Credential>,
    /// How much the maildrop may hold, where the default does not act.
    pub quota: QuotaOverride,
    /// How long messages live, where the default does not act.
    pub retention: RetentionOverride,
}

impl User {
    /// The most aliases of a user: every spelling of an address of one person.
    pub const ALIASES_MAX: usize = 256;
    /// The most delegates of a user: a large department.
    pub const DELEGATES_MAX: usize = 256;
    /// The most credentials of a user: an application password for each device, and then some.
    pub const CREDENTIALS_MAX: usize = 64;

    /// A user who has nothing but a name, a maildrop and perhaps a password.
    pub fn new(new: NewUser, maildrop: MaildropId, created_secs: u64) -> Self {
        Self {
            name: new.name,
            maildrop,
            password_hash: new.password_hash,
            pop_enabled: true,
            use_protocol_defaults: true,
            exact_rfc822_size: None,
            site: None,
            created_secs,
            aliases: Vec::new(),
            delegates: Vec::new(),
            credentials: Vec::new(),
            quota: QuotaOverride::default(),
            retention: RetentionOverride::default(),
        }
    }

    /// Whether it can be stored, as far as that concerns nobody else.
    ///
    /// # Errors
    /// `Invalid` for too many aliases, delegates or credentials, or a credential that is none;
    /// `Duplicate` for an alias that is there twice or is the name.
    pub fn check(&self) -> Result<(), StoreError> {
        let counts = [
            ("aliases", self.aliases.len(), Self::ALIASES_MAX),
            ("delegates", self.delegates.len(), Self::DELEGATES_MAX),
            ("credentials", self.credentials.len(), Self::CREDENTIALS_MAX),
        ];
        for (what, count, max) in counts {
            if count > max {
                let context = format!("user {} has {count} {what}, {max} at most", self.name);
                return Err(StoreError::new(StoreErrorKind::Invalid, context));
            }
        }
        self.credentials.iter().try_for_each(Credential::check)?;
        for (place, alias) in self.aliases.iter().enumerate() {
            if *alias == self.name || self.aliases[..place].contains(alias) {
                let context = format!("alias {alias} is there already");
                return Err(StoreError::new(StoreErrorKind::Duplicate, context));
            }
        }
        Ok(())
    }

    /// Whether that is the user's name or an alias.
    pub fn is_called(&self, name: &UserName) -> bool {
        self.name == *name || self.aliases.contains(name)
    }

    /// The override of `exact_rfc822_size` that acts, if one does.
    pub fn exact_rfc822_size_in_effect(&self) -> Option<bool> {
        self.exact_rfc822_size
            .filter(|_| !self.use_protocol_defaults)
    }
}

/// The hash is not shown, nor is what credentials are made of.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("maildrop", &self.maildrop)
            .field("pop_enabled", &self.pop_enabled)
            .field("use_protocol_defaults", &self.use_protocol_defaults)
            .field("exact_rfc822_size", &self.exact_rfc822_size)
            .field("site", &self.site)
            .field("created_secs", &self.created_secs)
            .field("aliases", &self.aliases)
            .field("delegates", &self.delegates)
            .field("credentials", &self.credentials)
            .field("quota", &self.quota)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// How much a maildrop may hold. `None`: the default acts; `u64::MAX`: there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuotaOverride {
    /// Octets.
    pub octets: Option<u64>,
    /// Messages.
    pub messages: Option<u64>,
}

/// How long messages live, in seconds since they were received. `None`: the default acts;
/// `u64::MAX`: for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetentionOverride {
    /// Messages that were retrieved.
    pub read_secs: Option<u64>,
    /// Messages that were not.
    pub unread_secs: Option<u64>,
}

/// A user name in its canonical form: 1 to 255 octets of UTF-8, lower-case, without white
/// space and control characters. Never a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(Box<str>);

impl UserName {
    /// The most octets a name can have.
    pub const OCTETS_MAX: usize = 255;

    /// Folds the case and checks the rest.
    pub fn new(name: &str) -> Result<Self, UserNameError> {
        if name.is_empty() || name.len() > Self::OCTETS_MAX {
            return Err(UserNameError::Length { octets: name.len() });
        }
        if let Some(character) = name.chars().find(|c| c.is_control() || c.is_whitespace()) {
            return Err(UserNameError::Character { character });
        }
        let folded = name.to_lowercase();
        if folded.len() > Self::OCTETS_MAX {
            return Err(UserNameError::Length {
                octets: folded.len(),
            });
        }
        Ok(Self(folded.into_boxed_str()))
    }

    /// The canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserNameError {
    /// Too short or too long.
    #[error("a user name has 1 to 255 octets, not {octets}")]
    Length {
        /// How many octets it had.
        octets: usize,
    },
    /// A character that no user name has.
    #[error("a user name has no white space or control characters, but this one has {character:?}")]
    Character {
        /// The first one.
        character: char,
    },
}
