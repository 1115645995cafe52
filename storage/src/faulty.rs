//! A disk that fails on purpose: at a chosen operation, when its room is used up, by seed, or because
//! its power goes. For tests; an operation that does not fail is done on the real disk.

mod power;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use power::Volatile;

use crate::sled_store::files::{DiskFiles, Files};

/// What can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A new file.
    Create,
    /// Opening a file.
    Open,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Making a file durable.
    Sync,
    /// Renaming.
    Rename,
    /// A second name for a file.
    Link,
    /// Unlinking.
    Unlink,
    /// Making all of the file system durable.
    SyncFileSystem,
    /// Making a folder durable.
    SyncFolder,
    /// A new folder.
    CreateFolder,
}

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No space is left (ENOSPC).
    Full,
    /// The device does not answer (EIO).
    Io,
    /// A write that stops half way, with no space left; elsewhere the same as [`Self::Full`].
    Torn,
    /// The file has as many names as it can have (EMLINK).
    Links,
}

/// The disk.
#[derive(Debug, Default)]
pub struct FaultyFiles {
    disk: DiskFiles,
    plan: Mutex<Plan>,
    /// What a loss of power would undo, if that is played.
    volatile: Mutex<Option<Volatile>>,
}

#[derive(Debug, Default)]
struct Plan {
    /// The operation, how many of its kind still succeed, and how the next one fails.
    planned: Vec<(Operation, u32, Fault)>,
    /// Octets that can still be written.
    room: Option<u64>,
    /// The state of the random sequence, and one operation in how many fails.
    random: Option<(u64, u32)>,
    /// How many operations failed.
    failed: u64,
    /// How many operations there are until the power goes.
    power: Option<u64>,
}

impl FaultyFiles {
    /// A disk that works, until told otherwise.
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk that works, and whose power can go. `aside` is a folder of its own on the same file
    /// system, for what that would bring back.
    pub fn with_power(aside: &Path) -> Self {
        let disk = Self::default();
        *disk.volatile() = Some(Volatile::new(aside));
        disk
    }

    /// Has the power go after so many operations that change something.
    pub fn power_off_after(&self, operations: u64) {
        self.plan().power = Some(operations);
    }

    /// Whether it went.
    pub fn is_off(&self) -> bool {
        self.plan().power == Some(0)
    }

    /// What was not made durable is lost in part, as the seed says. Whoever used the disk is gone.
    pub fn lose_what_is_volatile(&self, seed: u64) -> io::Result<()> {
        match &mut *self.volatile() {
            Some(volatile) => volatile.cut(seed),
            None => Ok(()),
        }
    }

    /// Has one operation of that kind fail, after `others` of its kind that succeed.
    pub fn fail_after(&self, others: u32, operation: Operation, fault: Fault) {
        self.plan().planned.push((operation, others, fault));
    }

    /// Has the disk run full after that many octets; `None` is room without end.
    pub fn set_room(&self, octets: Option<u64>) {
        self.plan().room = octets;
    }

    /// Has one operation in `one_in` fail, as the seed says; 0 ends that.
    pub fn fail_at_random(&self, seed: u64, one_in: u32) {
        self.plan().random = (one_in > 0).then_some((seed, one_in));
    }

    /// How many operations failed so far.
    pub fn failed(&self) -> u64 {
        self.plan().failed
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn volatile(&self) -> MutexGuard<'_, Option<Volatile>> {
        self.volatile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what is about to be done, or was, if that is played.
    fn remember(&self, act: impl FnOnce(&mut Volatile) -> io::Result<()>) -> io::Result<()> {
        self.volatile().as_mut().map_or(Ok(()), act)
    }

    fn meet(&self, operation: Operation) -> io::Result<()> {
        match self.plan().fault(operation) {
            None => Ok(()),
            Some(fault) => Err(fault.error()),
        }
    }
}

impl Plan {
    fn fault(&mut self, operation: Operation) -> Option<Fault> {
        if !matches!(operation, Operation::Open | Operation::Read) {
            match &mut self.power {
                Some(0) => return Some(Fault::Io),
                Some(left) => *left -= 1,
                None => {}
            }
        }
        let fault = self
            .planned_fault(operation)
            .or_else(|| self.random_fault());
        self.failed += u64::from(fault.is_some());
        fault
    }

    fn planned_fault(&mut self, operation: Operation) -> Option<Fault> {
        let place = self
            .planned
            .iter()
            .position(|(planned, ..)| *planned == operation)?;
        let (_, others, fault) = &mut self.planned[place];
        if *others > 0 {
            *others -= 1;
            return None;
        }
        let fault = *fault;
        self.planned.remove(place);
        Some(fault)
    }

    fn random_fault(&mut self) -> Option<Fault> {
        let (state, one_in) = self.random.as_mut()?;
        let number = split_mix(state);
        if !number.is_multiple_of(u64::from(*one_in)) {
            return None;
        }
        Some(match (number >> 32) % 3 {
            0 => Fault::Full,
            1 => Fault::Io,
            _ => Fault::Torn,
        })
    }
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::Full | Self::Torn => io::Error::new(ErrorKind::StorageFull, "played: no space"),
            Self::Io => io::Error::other("played: no answer"),
            Self::Links => io::Error::new(ErrorKind::TooManyLinks, "played: no more names"),
        }
    }
}

/// The next number of a random sequence (splitmix64).
pub fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Files for FaultyFiles {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.meet(Operation::Create)?;
        let file = self.disk.create(path)?;
        self.remember(|volatile| {
            volatile.created(path);
            Ok(())
        })?;
        Ok(file)
    }

    fn open(&self, path: &Path, writing: bool) -> io::Result<File> {
        self.meet(Operation::Open)?;
        self.disk.open(path, writing)
    }

    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.meet(Operation::Read)?;
        self.disk.read_at(file, buffer, offset)
    }

    fn write_at(&self, file: &File, octets: &[u8], offset: u64) -> io::Result<()> {
        let mut plan = self.plan();
        if plan.power != Some(0) {
            self.remember(|volatile| volatile.writing(file, offset, octets.len()))?;
        }
        match plan.fault(Operation::Write) {
            None => {}
            Some(Fault::Torn) => {
                self.disk
                    .write_at(file, &octets[..octets.len() / 2], offset)?;
                return Err(Fault::Torn.error());
            }
            Some(fault @ (Fault::Full | Fault::Io | Fault::Links)) => return Err(fault.error()),
        }
        if let Some(room) = &mut plan.room {
            let fitting = usize::try_from(*room).map_or(octets.len(), |it| it.min(octets.len()));
            *room -= fitting as u64;
            self.disk.write_at(file, &octets[..fitting], offset)?;
            if fitting < octets.len() {
                plan.failed += 1;
                return Err(Fault::Full.error());
            }
            return Ok(());
        }
        drop(plan);
        self.disk.write_at(file, octets, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.meet(Operation::Sync)?;
        self.disk.sync(file)?;
        self.remember(|volatile| volatile.synced(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.meet(Operation::Rename)?;
        self.remember(|volatile| volatile.renaming(from, to))?;
        self.disk.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.meet(Operation::Link)?;
        self.disk.link(from, to)?;
        self.remember(|volatile| {
            volatile.created(to);
            Ok(())
        })
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.meet(Operation::Unlink)?;
        self.remember(|volatile| volatile.unlinking(path))?;
        self.disk.unlink(path)
    }

    fn sync_file_system(&self, folder: &File) -> io::Result<()> {
        self.meet(Operation::SyncFileSystem)?;
        self.disk.sync_file_system(folder)?;
        self.remember(Volatile::all_synced)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.meet(Operation::SyncFolder)?;
        self.disk.sync_folder(path)?;
        self.remember(|volatile| {
            volatile.folder_synced(path);
            Ok(())
        })
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.meet(Operation::CreateFolder)?;
        self.disk.create_folder(path)
    }

    fn free_octets(&self, path: &Path) -> io::Result<u64> {
        let free = self.disk.free_octets(path)?;
        Ok(self.plan().room.map_or(free, |room| room.min(free)))
    }
}
