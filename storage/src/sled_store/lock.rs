//! The lock of a store's folder: one process has it, and another is told which one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use crate::{StoreError, StoreErrorKind};

/// Held as long as the value lives; the operating system takes it back when the process ends.
/// The file itself stays: removing it would let two processes lock two files of one name.
#[derive(Debug)]
pub(super) struct StoreLock {
    file: File,
}

/// Closing would not be enough: a process that is being started by another thread has a copy of
/// the descriptor for a moment, and the lock with it.
impl Drop for StoreLock {
    fn drop(&mut self) {
        // If it fails, closing does it.
        let _ = self.file.unlock();
    }
}

impl StoreLock {
    /// # Errors
    /// `Locked`, with the number of the process that has it, or `Io`.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let context = || format!("cannot lock {}", path.display());
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut file = options
            .open(path)
            .map_err(|error| StoreError::io(context(), error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(path, &mut file)),
            Err(TryLockError::Error(error)) => return Err(StoreError::io(context(), error)),
        }
        // The number is for people. The lock holds without it, even on a full disk.
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let _ = writeln!(file, "{}", std::process::id());
        Ok(Self { file })
    }
}

fn locked(path: &Path, file: &mut File) -> StoreError {
    let mut text = String::new();
    let holder = match file.read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => format!("process {}", text.trim()),
        Ok(_) | Err(_) => "another process".to_owned(),
    };
    let context = format!("the store is in use by {holder} ({})", path.display());
    StoreError::new(StoreErrorKind::Locked, context)
}

/// Waits until nobody has the file locked: sled's lock outlives sled for as long as a process
/// that is being started has a copy of the descriptor (see above).
///
/// # Errors
/// `WouldBlock` if it stays locked. A file that is not there is not locked.
pub(super) fn wait_until_unlocked(path: &Path, deadline: Duration) -> io::Result<()> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        outcome => outcome?,
    };
    match file.try_lock() {
        Ok(()) => return file.unlock(),
        Err(TryLockError::Error(error)) => return Err(error),
        Err(TryLockError::WouldBlock) => {}
    }
    let (unlocked, heard) = sync_channel(1);
    std::thread::Builder::new()
        .name("store-lock".to_owned())
        .spawn(move || {
            let outcome = file.lock().and_then(|()| file.unlock());
            // Nobody listens any more after the deadline.
            let _ = unlocked.send(outcome);
        })?;
    let late = || {
        let text = format!("{} is locked by another process", path.display());
        Err(io::Error::new(io::ErrorKind::WouldBlock, text))
    };
    heard.recv_timeout(deadline).unwrap_or_else(|_| late())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.lock");
        let held = StoreLock::take(&path).unwrap();
        let error = StoreLock::take(&path).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Locked);
        let expected = format!("in use by process {} ", std::process::id());
        assert!(error.to_string().contains(&expected), "{error}");
        drop(held);
        StoreLock::take(&path).unwrap();
    }

    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.lock");
        let held = StoreLock::take(&path).unwrap();
        let copy = held.file.try_clone().unwrap();
        drop(held);
        StoreLock::take(&path).unwrap();
        drop(copy);
    }

    #[test]
    fn a_lock_is_waited_for_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let wait = |millis| wait_until_unlocked(&path, Duration::from_millis(millis));
        wait(1).unwrap();
        let file = File::create(&path).unwrap();
        wait(1).unwrap();
        file.lock().unwrap();
        assert_eq!(wait(1).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let waiting = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| wait(60_000));
            file.unlock().unwrap();
            waiting.join().unwrap()
        });
        waiting.unwrap();
    }
}
