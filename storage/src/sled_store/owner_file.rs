//! The owner file in a maildrop's folder: its user, so that the directory can be made anew.

use std::io::{self, Read};
use std::path::Path;

use super::files::{DiskFiles, Files};
use super::record::{decode_user, encode_user, seal, unseal};
use crate::{MaildropId, StoreError, StoreErrorKind, User};

/// What the file begins with; the last octet is the version of the format.
const MAGIC: [u8; 8] = *b"MROWNER\x01";

/// The most octets of an owner file that are read: a thousand times a user's. It keeps a file that
/// is none out of memory.
const OWNER_OCTETS_MAX: u64 = 1 << 20;

pub(super) fn encode(user: &User) -> Vec<u8> {
    let mut octets = MAGIC.to_vec();
    octets.extend_from_slice(&seal(&MAGIC, encode_user(user)));
    octets
}

/// # Errors
/// `Corrupt` or `Io`.
pub(super) fn read(path: &Path, maildrop: MaildropId) -> Result<User, StoreError> {
    let octets = read_bounded(path).map_err(|error| {
        StoreError::io(
            format!("cannot read the owner file of maildrop {maildrop}"),
            error,
        )
    })?;
    let user = octets
        .strip_prefix(&MAGIC)
        .and_then(|rest| unseal(&MAGIC, rest));
    match user.and_then(decode_user) {
        Some(user) if user.maildrop == maildrop => Ok(user),
        Some(_) | None => Err(StoreError::new(
            StoreErrorKind::Corrupt,
            format!("the owner file of maildrop {maildrop} is damaged"),
        )),
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = DiskFiles.open(path, false)?;
    let mut octets = Vec::new();
    file.take(OWNER_OCTETS_MAX).read_to_end(&mut octets)?;
    Ok(octets)
}
