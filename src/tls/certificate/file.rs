//! Small files with secrets in them, read with a limit and wiped afterwards.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::CertificateError;

/// The most octets of a file: a chain has some 10,000; a device file has no end.
pub(super) const FILE_OCTETS_MAX: usize = 1024 * 1024;

/// The most octets of a password: OpenSSL's buffer for one has 1024 with a NUL at the end.
pub(super) const PASSWORD_OCTETS_MAX: usize = 1023;

/// What was in a file.
pub(super) struct Contents {
    pub(super) octets: Zeroizing<Vec<u8>>,
    /// Whether everybody on this machine may read or change it.
    pub(super) open_to_others: bool,
}

/// A password and where it came from.
pub(super) struct Password {
    pub(super) path: PathBuf,
    pub(super) text: Zeroizing<String>,
    pub(super) open_to_others: bool,
}

pub(super) fn read(path: &Path) -> Result<Contents, CertificateError> {
    let unreadable = |source| CertificateError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    let mut octets = Zeroizing::new(Vec::new());
    file.take(FILE_OCTETS_MAX as u64 + 1)
        .read_to_end(&mut octets)
        .map_err(unreadable)?;
    if octets.len() > FILE_OCTETS_MAX {
        return Err(CertificateError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(Contents {
        octets,
        open_to_others: mode & 0o007 != 0,
    })
}

/// The first line of a file, without its end.
pub(super) fn read_password(path: &Path) -> Result<Password, CertificateError> {
    let contents = read(path)?;
    let line = contents.octets.split(|octet| *octet == b'\n').next();
    let line = line.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let text = line
        .filter(|line| (1..=PASSWORD_OCTETS_MAX).contains(&line.len()) && !line.contains(&0))
        .and_then(|line| std::str::from_utf8(line).ok())
        .ok_or_else(|| CertificateError::UnusablePassword {
            path: path.to_owned(),
        })?;
    Ok(Password {
        path: path.to_owned(),
        text: Zeroizing::new(text.to_owned()),
        open_to_others: contents.open_to_others,
    })
}
