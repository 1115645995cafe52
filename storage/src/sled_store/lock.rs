//! The lock of a store's folder: one process has it, and another is told which one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::{StoreError, StoreErrorKind};

/// Held as long as the value lives; the operating system takes it back when the process ends.
/// The file itself stays: removing it would let two processes lock two files of one name.
#[derive(Debug)]
pub(super) struct StoreLock {
    _file: File,
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
        Ok(Self { _file: file })
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
}
