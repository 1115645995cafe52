//! Whom the daemon becomes.

use std::fmt;
use std::io;

use nix::unistd::{
    Gid, Group, Uid, User, geteuid, getuid, setgroups, setresgid, setresuid, setuid,
};

use super::PrivilegesError;
use super::measure::{Measure, Outcome};
use crate::config::{PrivilegeSettings, SystemName};

/// Whom, and from whom.
#[derive(Debug)]
pub(super) enum Identity {
    /// Started by root, who is to be left.
    Become(Account),
    /// Started by root, who is not to be left.
    StayRoot,
    /// Started by root, and nobody said what to do.
    RootUnasked,
    /// Started by the right one, or nobody else was named.
    Stay { name: Option<String> },
    /// Only root could become whom the settings name.
    CannotBecome { name: String },
}

/// A user as the process will be.
#[derive(Debug)]
pub(super) struct Account {
    pub name: String,
    pub uid: Uid,
    pub gid: Gid,
    /// All others.
    pub groups: Vec<Gid>,
}

impl Identity {
    pub(super) fn of(settings: &PrivilegeSettings) -> Result<Self, PrivilegesError> {
        let own = geteuid();
        let Some(name) = &settings.user else {
            return Ok(match own.is_root() {
                true => Self::RootUnasked,
                false => Self::Stay { name: None },
            });
        };
        let user = User::from_name(name.as_str()).ok().flatten();
        let user = user.ok_or_else(|| unknown("user", name, "user"))?;
        let name = name.as_str().to_owned();
        if user.uid == own {
            return Ok(match own.is_root() {
                true => Self::StayRoot,
                false => Self::Stay { name: Some(name) },
            });
        }
        if !own.is_root() {
            return Ok(Self::CannotBecome { name });
        }
        let gid = match &settings.group {
            Some(group) => gid_of("group", group)?,
            None => user.gid,
        };
        let further = settings.supplementary_groups.iter();
        let groups = further.map(|group| gid_of("supplementary_groups", group));
        Ok(Self::Become(Account {
            name,
            uid: user.uid,
            gid,
            groups: groups.collect::<Result<_, _>>()?,
        }))
    }

    pub(super) fn is_root_unasked(&self) -> bool {
        matches!(self, Self::RootUnasked)
    }

    /// Whom files have to belong to, if that changes.
    pub(super) fn account(&self) -> Option<&Account> {
        match self {
            Self::Become(account) => Some(account),
            Self::StayRoot | Self::RootUnasked | Self::Stay { .. } | Self::CannotBecome { .. } => {
                None
            }
        }
    }

    /// Becomes that user for good, in all threads, and keeps no capability.
    pub(super) fn assume(&self) -> Result<Measure, PrivilegesError> {
        let outcome = match self {
            Self::Become(account) => {
                account.assume().map_err(|source| PrivilegesError::Become {
                    name: account.name.clone(),
                    source,
                })?;
                Outcome::Done
            }
            Self::Stay { .. } => {
                without_capabilities().map_err(|source| PrivilegesError::Refused {
                    key: "user",
                    source,
                })?;
                Outcome::Done
            }
            Self::StayRoot => Outcome::Off,
            Self::RootUnasked | Self::CannotBecome { .. } => Outcome::Prevented,
        };
        Ok(Measure {
            name: "user",
            outcome,
            detail: self.to_string(),
        })
    }
}

impl Account {
    /// Groups first: whoever is no longer root can not change them. In the end it is tried
    /// whether there is a way back.
    fn assume(&self) -> io::Result<()> {
        setgroups(&self.groups)?;
        setresgid(self.gid, self.gid, self.gid)?;
        setresuid(self.uid, self.uid, self.uid)?;
        if setuid(Uid::from_raw(0)).is_ok() || getuid() != self.uid {
            return Err(io::Error::other("root could be had back"));
        }
        without_capabilities()
    }
}

/// What a service manager may have given for the sockets (CAP_NET_BIND_SERVICE) has done its work.
fn without_capabilities() -> io::Result<()> {
    use caps::CapSet::{Ambient, Effective, Inheritable, Permitted};
    for set in [Ambient, Inheritable, Effective, Permitted] {
        caps::clear(None, set).map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(())
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Become(Account {
                name,
                uid,
                gid,
                groups,
            }) => {
                write!(f, "{name}, uid {uid}, gid {gid}, ")?;
                match groups.as_slice() {
                    [] => f.write_str("no other groups"),
                    groups => {
                        let groups: Vec<_> = groups.iter().map(Gid::to_string).collect();
                        write!(f, "groups {}", groups.join(", "))
                    }
                }
            }
            Self::StayRoot => f.write_str("root, as the settings say"),
            Self::RootUnasked => f.write_str("not set: root would not get further than this"),
            Self::Stay { name: Some(name) } => write!(f, "{name}, without capabilities"),
            Self::Stay { name: None } => f.write_str("whoever starts it, without capabilities"),
            Self::CannotBecome { name } => {
                write!(f, "only root could become {name}; it stays who started it")
            }
        }
    }
}

fn gid_of(key: &'static str, name: &SystemName) -> Result<Gid, PrivilegesError> {
    let group = Group::from_name(name.as_str()).ok().flatten();
    let group = group.ok_or_else(|| unknown(key, name, "group"))?;
    Ok(group.gid)
}

fn unknown(key: &'static str, name: &SystemName, what: &'static str) -> PrivilegesError {
    PrivilegesError::Unknown {
        key,
        name: name.as_str().to_owned(),
        what,
    }
}
