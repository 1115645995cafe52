//! The file of the key that NT hashes are sealed with: read, or made with mode 0600.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use mailroost_auth::{SealingError, SealingKey};
use zeroize::Zeroizing;

/// The most octets of the file: a line of base64, and blanks.
const FILE_OCTETS_MAX: u64 = 1024;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It cannot be read or made.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others than its owner and group may read it, or others than its owner change it.
    #[error("{}: its mode is {mode:04o}, accepted is 0600 or 0640", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is no key in it, or none can be made.
    #[error("{}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: SealingError,
    },
}

/// The key in a file that is there.
///
/// # Errors
/// See [`KeyFileError`].
pub fn read(path: &Path) -> Result<SealingKey, KeyFileError> {
    let io = |source| KeyFileError::Io {
        path: path.to_owned(),
        source,
    };
    // A pipe with nobody at its other end would keep us waiting.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o7777;
    if mode & 0o137 != 0 {
        let path = path.to_owned();
        return Err(KeyFileError::OpenToOthers { path, mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_OCTETS_MAX)
        .read_to_string(&mut text)
        .map_err(io)?;
    SealingKey::parse(&text).map_err(|source| KeyFileError::Key {
        path: path.to_owned(),
        source,
    })
}

/// The key in a file; a file that is not there is made, and its folder, too. It then belongs to
/// whom `like` belongs to, as far as that can be had: the command line may be run by root, and
/// the daemon by somebody else.
///
/// # Errors
/// See [`KeyFileError`].
pub fn read_or_make(path: &Path, like: &Path) -> Result<SealingKey, KeyFileError> {
    match read(path) {
        Err(KeyFileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
        read => return read,
    }
    let key = SealingKey::generate().map_err(|source| KeyFileError::Key {
        path: path.to_owned(),
        source,
    })?;
    match make(path, like, &key) {
        Ok(()) => Ok(key),
        // Somebody else made it meanwhile.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => read(path),
        Err(source) => Err(KeyFileError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Makes the file whole under another name first: nobody ever reads half a key.
fn make(path: &Path, like: &Path, key: &SealingKey) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mut file = tempfile::Builder::new().tempfile_in(folder)?;
    file.write_all(key.to_text().as_bytes())?;
    if let Ok(owner) = std::fs::metadata(like) {
        let ours = file.as_file().metadata()?;
        if (ours.uid(), ours.gid()) != (owner.uid(), owner.gid()) && ours.uid() == 0 {
            fchown(file.as_file(), Some(owner.uid()), Some(owner.gid()))?;
        }
    }
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, metadata, set_permissions, write};

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/ntlm");
        let made = read_or_make(&path, folder.path()).unwrap();
        assert_eq!(
            metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        let again = read_or_make(&path, folder.path()).unwrap();
        assert_eq!(again.to_text(), made.to_text());
        assert_eq!(read(&path).unwrap().to_text(), made.to_text());
    }

    #[test]
    fn a_key_that_others_can_read_or_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        read_or_make(&path, folder.path()).unwrap();
        for (mode, accepted) in [
            (0o600, true),
            (0o640, true),
            (0o400, true),
            (0o644, false),
            (0o660, false),
            (0o604, false),
            (0o602, false),
        ] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let outcome = read(&path);
            assert_eq!(outcome.is_ok(), accepted, "{mode:o}: {outcome:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write(&path, "half a k").unwrap();
        set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let error = read_or_make(&path, folder.path()).unwrap_err();
        assert!(matches!(error, KeyFileError::Key { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"half a k");
        assert!(matches!(
            read(&folder.path().join("none")),
            Err(KeyFileError::Io { .. })
        ));
    }
}
