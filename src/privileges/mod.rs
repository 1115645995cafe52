//! What the daemon gives up before it serves: root, capabilities, files, system calls, core files.
//!
//! The order is what counts. Sockets are bound and certificates read with the rights that the
//! program was started with. Then, while the process has one thread, [`Plan::give_up`] changes the
//! user and puts on what a thread hands down to those that it begins (no new privileges,
//! Landlock). When all is running, [`GivenUp::seal`] puts the filter of system calls on every
//! thread: from then on nothing is executed.
//!
//! A program that embeds the server does none of this; it is the daemon's.

mod file_access;
mod identity;
mod measure;
mod places;
mod system_calls;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::prctl::{set_dumpable, set_no_new_privs};
use nix::sys::resource::{Resource, setrlimit};

use crate::config::{Config, MechanismName, PrivilegeSettings, Restriction, SourceKind};

pub use measure::{Measure, Outcome};

use file_access::FileAccess;
use identity::Identity;
use places::Places;

/// Why a daemon does not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivilegesError {
    /// Nobody said that root is meant.
    #[error(
        "started by root, and privileges.user is not set: name the user to become, or \"root\" to \
         stay"
    )]
    RootUnasked,
    /// A name that the system does not know.
    #[error("privileges.{key} = {name:?}: the system knows no such {what}")]
    Unknown {
        /// The key.
        key: &'static str,
        /// What it is called there.
        name: String,
        /// User or group.
        what: &'static str,
    },
    /// The user cannot be changed.
    #[error("cannot become {name}: {source}")]
    Become {
        /// Whom.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// A folder that the user needs is somebody else's.
    #[error(
        "{}: belongs to uid {owner}, and the daemon becomes {name}: chown -R {name} {}",
        path.display(), path.display()
    )]
    Owner {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who needs it.
        name: String,
    },
    /// A folder cannot be made.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What was required cannot be had.
    #[error("privileges.{key} is \"required\": {why}")]
    Required {
        /// The key.
        key: &'static str,
        /// One clause.
        why: String,
    },
    /// What always works did not.
    #[error("privileges.{key}: {source}")]
    Refused {
        /// The key.
        key: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// What a configuration asks to be given up.
#[derive(Debug)]
pub struct Plan {
    settings: PrivilegeSettings,
    identity: Identity,
    places: Places,
    /// PAM is asked by a program whose modules may have to gain rights.
    asks_pam: bool,
    /// A program runs beside the server.
    has_helper: bool,
}

/// What was given up, and what still will be.
#[derive(Debug)]
pub struct GivenUp {
    measures: Vec<Measure>,
    seccomp: Restriction,
    /// Why there can be no filter.
    no_filter: Option<&'static str>,
    helper_may_start: bool,
}

impl Plan {
    /// The plan for a configuration that came from `file`.
    ///
    /// # Errors
    /// A user or group that the system does not know.
    pub fn of(config: &Config, file: &Path) -> Result<Self, PrivilegesError> {
        let settings = config.privileges.clone();
        let pam = |kind: SourceKind| kind == SourceKind::Pam;
        let asks_pam = config.auth.source.iter().any(|source| pam(source.kind));
        let ntlm = config.auth.mechanisms.contains(&MechanismName::Ntlm);
        Ok(Self {
            identity: Identity::of(&settings)?,
            places: Places::of(config, file),
            asks_pam,
            has_helper: asks_pam || ntlm && config.auth.ntlm.helper.is_some(),
            settings,
        })
    }

    /// What will be done, a line for each measure.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("user: {}", self.identity)];
        for (name, restriction, why_not) in [
            (
                "no_new_privileges",
                self.settings.no_new_privileges,
                self.no_new_privileges_prevented(),
            ),
            (
                "landlock",
                self.settings.landlock,
                self.landlock_prevented(),
            ),
            ("seccomp", self.settings.seccomp, self.seccomp_prevented()),
        ] {
            lines.push(match (restriction, why_not) {
                (Restriction::Off, _) => format!("{name}: off"),
                (Restriction::WhenPossible, Some(why)) => format!("{name}: left out, as {why}"),
                (Restriction::WhenPossible, None) => format!("{name}: on, if the kernel can"),
                (Restriction::Required, _) => format!("{name}: on, or there is no start"),
            });
        }
        lines.push(format!("core_dumps: {}", on_off(self.settings.core_dumps)));
        lines
    }

    /// Gives up what a process with a single thread can. Threads that are there already keep
    /// their access to files.
    ///
    /// # Errors
    /// What an operator has to know before the daemon serves; it must not go on then.
    pub fn give_up(self) -> Result<GivenUp, PrivilegesError> {
        let mut measures = Vec::new();
        if self.identity.is_root_unasked() {
            return Err(PrivilegesError::RootUnasked);
        }
        self.prepare()?;
        measures.push(self.identity.assume()?);
        measures.push(core_dumps(self.settings.core_dumps)?);
        measures.push(self.no_new_privileges()?);
        measures.push(self.file_access()?);
        measures.extend(self.unreadable());
        Ok(GivenUp {
            measures,
            seccomp: self.settings.seccomp,
            no_filter: self.seccomp_prevented(),
            helper_may_start: self.has_helper,
        })
    }

    /// Makes the folders that are missing, for whom the daemon becomes.
    ///
    /// # Errors
    /// A folder that is not theirs, or cannot be made.
    pub fn prepare(&self) -> Result<(), PrivilegesError> {
        self.places.prepare(&self.identity)
    }

    /// Becomes the user of the daemon if root is to do that, and gives nothing else up: so that
    /// what a command leaves in a store is not root's.
    ///
    /// # Errors
    /// The system's word.
    pub fn assume_user(&self) -> Result<(), PrivilegesError> {
        match self.identity.account() {
            Some(_) => self.identity.assume().map(drop),
            None => Ok(()),
        }
    }

    fn no_new_privileges(&self) -> Result<Measure, PrivilegesError> {
        const KEY: &str = "no_new_privileges";
        let (wanted, why_not) = (
            self.settings.no_new_privileges,
            self.no_new_privileges_prevented(),
        );
        measure::carry_out(KEY, wanted, why_not, || match set_no_new_privs() {
            Ok(()) => Ok("programs that are run gain no rights".into()),
            Err(errno) => Err(errno.to_string()),
        })
    }

    fn file_access(&self) -> Result<Measure, PrivilegesError> {
        let (wanted, why_not) = (self.settings.landlock, self.landlock_prevented());
        let access = FileAccess::of(&self.places, &self.settings);
        measure::carry_out("landlock", wanted, why_not, || access.restrict())
    }

    /// A setting that says "required" is carried out where the operator knows better.
    fn no_new_privileges_prevented(&self) -> Option<&'static str> {
        self.asks_pam
            .then_some("PAM modules may have to gain rights")
    }

    fn landlock_prevented(&self) -> Option<&'static str> {
        self.has_helper
            .then_some("a helper needs files that are not known here")
            .or_else(|| self.seccomp_prevented())
    }

    /// The kernel lets a process restrict itself only if nothing that it runs gains rights.
    fn seccomp_prevented(&self) -> Option<&'static str> {
        let gains = match self.settings.no_new_privileges {
            Restriction::Off => true,
            Restriction::Required => false,
            Restriction::WhenPossible => self.asks_pam,
        };
        gains.then_some("programs that are run may gain rights (no_new_privileges)")
    }

    /// Files that a reload will want and can not have any more.
    fn unreadable(&self) -> impl Iterator<Item = Measure> {
        let refused = |path: &&PathBuf| {
            File::open(path).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        };
        self.places
            .read_again()
            .iter()
            .filter(refused)
            .map(|path| Measure {
                name: "reload",
                outcome: Outcome::Prevented,
                detail: format!("{} can not be read any more", path.display()),
            })
    }
}

impl GivenUp {
    /// Puts the filter of system calls on all threads, those to come included.
    ///
    /// # Errors
    /// When it was required and cannot be had.
    pub fn seal(&mut self) -> Result<(), PrivilegesError> {
        let helper = self.helper_may_start;
        let measure = measure::carry_out("seccomp", self.seccomp, self.no_filter, || {
            system_calls::refuse(helper).map(|()| match helper {
                true => "no tracing, no changes to the machine; helpers may be started".into(),
                false => "no programs, no processes, no tracing, no changes to the machine".into(),
            })
        })?;
        self.measures.push(measure);
        Ok(())
    }

    /// What was to be given up, and how it went.
    pub fn measures(&self) -> &[Measure] {
        &self.measures
    }
}

/// Neither a core file nor another process of the same user gets at the memory.
fn core_dumps(wanted: bool) -> Result<Measure, PrivilegesError> {
    let detail = match wanted {
        true => "a crash may leave passwords and keys in a file",
        false => {
            let refused = |errno: nix::Error| PrivilegesError::Refused {
                key: "core_dumps",
                source: errno.into(),
            };
            setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(refused)?;
            set_dumpable(false).map_err(refused)?;
            "no core files, and no other process of this user sees the memory"
        }
    };
    Ok(Measure {
        name: "core_dumps",
        outcome: if wanted { Outcome::Off } else { Outcome::Done },
        detail: detail.into(),
    })
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
