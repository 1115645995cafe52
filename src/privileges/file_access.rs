//! Landlock: the files that this thread, and those that it begins, can still open.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, make_bitflags,
    path_beneath_rules,
};

use super::places::Places;
use crate::config::PrivilegeSettings;

/// What is known here of Landlock; later versions would refuse what we have not thought of.
const KNOWN: ABI = ABI::V6;

/// Programs and libraries: the one that examines the index is ours, and libraries load others.
const PROGRAMS: [&str; 3] = ["/usr", "/lib", "/lib64"];

/// What the runtime reads of the machine: processors, and limits of memory.
const MACHINE: [&str; 2] = ["/proc/self", "/sys/fs/cgroup"];

const NOWHERE: &str = "/dev/null";

/// What may be opened, by what may be done to it.
#[derive(Debug)]
pub(super) struct FileAccess {
    kept: Vec<PathBuf>,
    sockets: Vec<PathBuf>,
    made: Vec<PathBuf>,
    read: Vec<PathBuf>,
    run: Vec<PathBuf>,
    connects: bool,
}

impl FileAccess {
    pub(super) fn of(places: &Places, settings: &PrivilegeSettings) -> Self {
        let mut kept = places.kept.clone();
        kept.extend(settings.writable.clone());
        let mut read = places.read.clone();
        read.extend(settings.readable.clone());
        read.extend(MACHINE.map(PathBuf::from));
        let mut run: Vec<_> = PROGRAMS.map(PathBuf::from).into();
        run.extend(std::env::current_exe());
        Self {
            kept,
            sockets: places.sockets.clone(),
            made: places.made.clone(),
            read,
            run,
            connects: places.connects,
        }
    }

    /// Restricts this thread. Says what holds then, or why nothing does.
    pub(super) fn restrict(&self) -> Result<String, String> {
        let status = self.ruleset().map_err(|error| error.to_string())?;
        let abi = match status.landlock {
            LandlockStatus::NotEnabled => return Err("it is not enabled in this kernel".into()),
            LandlockStatus::NotImplemented => return Err("this kernel does not have it".into()),
            LandlockStatus::Available { effective_abi, .. } => effective_abi as i32,
        };
        let network = match (abi >= ABI::V4 as i32, self.connects) {
            (false, _) => "",
            (true, true) => ", no new listeners",
            (true, false) => ", no new listeners, no connections to others",
        };
        match status.ruleset {
            RulesetStatus::NotEnforced => Err(format!(
                "this kernel has version {abi}, which keeps files from being renamed across folders"
            )),
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(format!(
                "version {abi}{network}; written: {}; read: {}",
                listed(self.kept.iter().chain(&self.sockets).chain(&self.made)),
                listed(&self.read)
            )),
        }
    }

    fn ruleset(&self) -> Result<landlock::RestrictionStatus, RulesetError> {
        let reading = make_bitflags!(AccessFs::{ReadFile | ReadDir});
        let running = reading | AccessFs::Execute;
        let socket = make_bitflags!(AccessFs::{MakeSock | RemoveFile});
        let device = make_bitflags!(AccessFs::{ReadFile | WriteFile});
        let mut ruleset = Ruleset::default()
            // Before version 2 no file could be moved from one folder to another one: without it
            // there is no store, and it is better not to begin.
            .set_compatibility(CompatLevel::SoftRequirement)
            .handle_access(AccessFs::Refer)?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(KNOWN))?
            .handle_access(AccessNet::BindTcp)?
            .scope(Scope::from_all(KNOWN))?;
        if !self.connects {
            ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
        }
        ruleset
            .create()?
            .no_new_privs(false)
            .add_rules(path_beneath_rules(&self.kept, keeping()))?
            .add_rules(path_beneath_rules(&self.sockets, socket))?
            .add_rules(path_beneath_rules(&self.made, making()))?
            .add_rules(path_beneath_rules(&self.read, reading))?
            .add_rules(path_beneath_rules(&self.run, running))?
            .add_rules(path_beneath_rules([NOWHERE], device))?
            .restrict_self()
    }
}

/// Nothing that is written can be run, and there are no devices.
fn keeping() -> BitFlags<AccessFs> {
    let never = make_bitflags!(AccessFs::{Execute | MakeChar | MakeBlock | IoctlDev});
    AccessFs::from_all(KNOWN) & !never
}

fn making() -> BitFlags<AccessFs> {
    make_bitflags!(AccessFs::{ReadFile | WriteFile | Truncate | MakeReg | RemoveFile | Refer})
}

fn listed<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let mut names: Vec<_> = paths
        .into_iter()
        .filter(|path| path.exists())
        .map(|path| path.display().to_string())
        .collect();
    names.sort_unstable();
    names.dedup();
    names.join(" ")
}
