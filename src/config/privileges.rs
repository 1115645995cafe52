//! The section `[privileges]`: what the daemon gives up before it serves.

use std::path::PathBuf;

use super::lmtp::SystemName;
use super::section::section;
use super::value::choice;

section! {
    /// What the daemon gives up once its sockets are bound and its certificates are read.
    pub struct PrivilegeSettings {
        /// Whom a daemon that is started by root becomes. It does not go on as root unless this
        /// is "root". Not set: whoever starts it, who must not be root.
        user: Option<SystemName> = None,
        /// The group of the process. Not set: that of the user.
        group: Option<SystemName> = None,
        /// Further groups of the process, such as one that may read keys. A daemon that becomes
        /// somebody else is in no others.
        supplementary_groups: Vec<SystemName> = Vec::new(),
        /// No program that the daemon runs gains rights by set-user-ID or file capabilities.
        /// "when_possible": not with a source of kind "pam", whose modules may need it.
        no_new_privileges: Restriction = Restriction::WhenPossible,
        /// Landlock: the daemon opens nothing but the store and what its settings name.
        /// "when_possible": not where a helper runs (PAM, auth.ntlm.helper), whose files are not
        /// known here.
        landlock: Restriction = Restriction::WhenPossible,
        /// What may be read beside that: files, or folders with all that is in them.
        readable: Vec<PathBuf> = Vec::new(),
        /// What may be read and written beside that.
        writable: Vec<PathBuf> = Vec::new(),
        /// seccomp: once it is ready, the daemon runs no program, traces no process, and has no
        /// use for system calls that change the machine; such calls fail. "when_possible": where
        /// a helper runs, it may be started.
        seccomp: Restriction = Restriction::WhenPossible,
        /// Whether a crash may leave an image of the memory, in which passwords and keys are.
        core_dumps: bool = false,
    }
}

choice! {
    /// Whether a restriction is put on.
    pub enum Restriction {
        /// Unless kernel or settings do not allow it, which the log says.
        WhenPossible = "when_possible",
        /// The daemon does not start without it.
        Required = "required",
        /// It is left out.
        Off = "off",
    }
}
