//! Where things are in a store's folder. Names are made of numbers only, never of user names.
//!
//! ```text
//! STORE/store.lock                      who has the store: the lock and a process number
//! STORE/index/                          sled
//! STORE/log/0, STORE/log/1              what is not durable in files and index yet
//! STORE/log.damaged-N/                  a log that was set aside
//! STORE/index.damaged-N/                an index that was set aside
//! STORE/bodies/FF/MAILDROP/MESSAGE      a message; FF is the maildrop's number modulo 256
//! STORE/bodies/FF/MAILDROP/MESSAGE.deleted-SECONDS-REVISION[-SESSION]
//!                                       a message that was removed and can be brought back; its
//!                                       session in hexadecimal digits
//! STORE/bodies/FF/MAILDROP/MESSAGE.body the octets of a message whose file has a header and trace
//!                                       lines only; other messages may have the same file
//! STORE/bodies/FF/MAILDROP/owner        the user of the maildrop
//! STORE/staging/N                       messages on their way in
//! STORE/set_aside/MAILDROP-MESSAGE-N    message files that could not be used
//! STORE/high_water                      what was ever given out (can be in another folder)
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::record::Deletion;
use crate::{MaildropId, MessageId, Removal};

/// How many folders the maildrops are spread over: a million maildrops are 4,000 in each.
const FAN_OUT: u64 = 256;

/// The largest number that a name of ours has: beyond the largest carried decimal unique-id there
/// is room for 2^62 messages. A larger name is somebody else's, and must not use all numbers up.
const NUMBER_MAX: u64 = u64::MAX - (1 << 62);

/// The paths of one store.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: PathBuf,
    high_water_folder: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path, high_water_folder: Option<&Path>) -> Self {
        Self {
            root: root.to_owned(),
            high_water_folder: high_water_folder.unwrap_or(root).to_owned(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("store.lock")
    }

    pub(super) fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(super) fn log_segment(&self, number: usize) -> PathBuf {
        self.log().join(number.to_string())
    }

    /// A name for a damaged log that is not taken.
    pub(super) fn log_damaged(&self) -> PathBuf {
        first_free(|n| self.root.join(format!("log.damaged-{n}")))
    }

    /// Where a new index is made before it takes its place.
    pub(super) fn index_in_making(&self) -> PathBuf {
        self.root.join("index.in_making")
    }

    /// Where the index is while a thread examines it: see [`super::probe`].
    pub(super) fn index_under_probe(&self, nonce: u64) -> PathBuf {
        self.root.join(format!("index.probe-{nonce:016x}"))
    }

    /// A name for a damaged index that is not taken.
    pub(super) fn index_damaged(&self) -> PathBuf {
        first_free(|n| self.root.join(format!("index.damaged-{n}")))
    }

    /// Indexes that a probe was looking at when the process ended.
    pub(super) fn indexes_under_probe(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry
                .file_name()
                .to_string_lossy()
                .starts_with("index.probe-")
            {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    pub(super) fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    pub(super) fn bodies(&self) -> PathBuf {
        self.root.join("bodies")
    }

    pub(super) fn set_aside(&self) -> PathBuf {
        self.root.join("set_aside")
    }

    /// A name for a message file that could not be used.
    pub(super) fn set_aside_body(&self, maildrop: MaildropId, name: &str) -> PathBuf {
        let folder = self.set_aside();
        first_free(|n| folder.join(format!("{maildrop}-{name}-{n}")))
    }

    pub(super) fn high_water_folder(&self) -> &Path {
        &self.high_water_folder
    }

    pub(super) fn high_water(&self) -> PathBuf {
        self.high_water_folder.join("high_water")
    }

    /// The folder above the maildrop's.
    pub(super) fn fan(&self, maildrop: MaildropId) -> PathBuf {
        self.bodies().join(format!("{:02x}", maildrop.0 % FAN_OUT))
    }

    pub(super) fn maildrop(&self, maildrop: MaildropId) -> PathBuf {
        self.fan(maildrop).join(maildrop.to_string())
    }

    pub(super) fn body(&self, maildrop: MaildropId, message: MessageId) -> PathBuf {
        self.maildrop(maildrop).join(message.to_string())
    }

    /// Where the message is after it was deleted so.
    pub(super) fn deleted(
        &self,
        maildrop: MaildropId,
        message: MessageId,
        deletion: &Deletion,
    ) -> PathBuf {
        let name = deleted_name(message, deletion);
        self.maildrop(maildrop).join(name)
    }

    /// Where the message's octets are, if not in its own file.
    pub(super) fn body_apart(&self, maildrop: MaildropId, message: MessageId) -> PathBuf {
        self.maildrop(maildrop).join(body_name(message))
    }

    pub(super) fn owner(&self, maildrop: MaildropId) -> PathBuf {
        self.maildrop(maildrop).join("owner")
    }

    /// The maildrops that have a folder, in order.
    pub(super) fn maildrops_on_disk(&self) -> io::Result<Vec<MaildropId>> {
        let mut found = Vec::new();
        for fan in read_dir_if_there(&self.bodies())? {
            for entry in read_dir_if_there(&fan.path())? {
                let number = number_in_use(&entry.file_name().to_string_lossy());
                found.extend(
                    number
                        .map(MaildropId)
                        .filter(|id| self.maildrop(*id) == entry.path()),
                );
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// What is in the maildrop's folder.
    pub(super) fn files_on_disk(&self, maildrop: MaildropId) -> io::Result<FilesOnDisk> {
        let mut found = FilesOnDisk::default();
        for entry in read_dir_if_there(&self.maildrop(maildrop))? {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if let Some(number) = number_in_use(&name) {
                found.messages.push(MessageId(number));
            } else if let Some(number) = name.strip_suffix(BODY).and_then(number_in_use) {
                found.bodies.push(MessageId(number));
            } else {
                found.deleted.extend(deleted_in(&name));
            }
        }
        found.messages.sort_unstable();
        found.bodies.sort_unstable();
        let key = |(message, deletion): &(MessageId, Deletion)| (*message, deletion.revision);
        found.deleted.sort_unstable_by_key(key);
        Ok(found)
    }
}

/// The messages that have files in a maildrop's folder, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FilesOnDisk {
    pub(super) messages: Vec<MessageId>,
    pub(super) deleted: Vec<(MessageId, Deletion)>,
    /// Those whose octets are apart.
    pub(super) bodies: Vec<MessageId>,
}

impl FilesOnDisk {
    /// The highest number that a name tells.
    pub(super) fn highest(&self) -> Option<MessageId> {
        let deleted = self.deleted.last().map(|(message, _)| *message);
        let highest = self.messages.last().copied().max(deleted);
        highest.max(self.bodies.last().copied())
    }

    /// Octets that no live message and no deleted one has.
    pub(super) fn orphans(&self) -> impl Iterator<Item = MessageId> {
        self.bodies.iter().copied().filter(|id| {
            let is_deleted = self.deleted.binary_search_by_key(id, |it| it.0).is_ok();
            !is_deleted && self.messages.binary_search(id).is_err()
        })
    }
}

/// The entries of a folder; none if it is not there or is none.
pub(super) fn read_dir_if_there(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// The number that a name says, if it says it in the only form that we write.
fn number_of(name: &str) -> Option<u64> {
    name.parse::<u64>()
        .ok()
        .filter(|number| number.to_string() == name)
}

fn number_in_use(name: &str) -> Option<u64> {
    number_of(name).filter(|number| *number <= NUMBER_MAX)
}

/// What stands between number and deletion in the name of a deleted message's file.
const DELETED: &str = ".deleted-";

/// What the name of a body apart ends with.
const BODY: &str = ".body";

pub(super) fn body_name(message: MessageId) -> String {
    format!("{message}{BODY}")
}

pub(super) fn deleted_name(message: MessageId, deletion: &Deletion) -> String {
    use std::fmt::Write;
    let Deletion {
        secs,
        revision,
        session,
    } = deletion;
    let mut name = format!("{message}{DELETED}{secs}-{revision}");
    if let Some(session) = session {
        name.push('-');
        for octet in session.bytes() {
            // A string takes all that is written to it.
            let _ = write!(name, "{octet:02x}");
        }
    }
    name
}

/// The reverse, if the name is one that we write.
fn deleted_in(name: &str) -> Option<(MessageId, Deletion)> {
    let (number, deletion) = name.split_once(DELETED)?;
    let message = MessageId(number_in_use(number)?);
    let mut parts = deletion.split('-');
    let deletion = Deletion {
        secs: number_of(parts.next()?)?,
        revision: number_of(parts.next()?)?,
        session: match parts.next() {
            None => None,
            Some(digits) => Some(session_in(digits)?),
        },
    };
    (deleted_name(message, &deletion) == name).then_some((message, deletion))
}

fn session_in(digits: &str) -> Option<Box<str>> {
    if !digits.is_ascii() {
        return None;
    }
    let octets = (0..digits.len()).step_by(2).map(|at| {
        let digits = digits.get(at..at + 2)?;
        u8::from_str_radix(digits, 16).ok()
    });
    let octets: Vec<u8> = octets.collect::<Option<_>>()?;
    let session = String::from_utf8(octets).ok()?.into_boxed_str();
    Removal::check_session(&session).is_ok().then_some(session)
}

fn first_free(path: impl Fn(u64) -> PathBuf) -> PathBuf {
    let mut number = 1;
    while fs::symlink_metadata(path(number)).is_ok() {
        number += 1;
    }
    path(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_numbers() {
        for (name, number) in [("1", Some(1)), ("01", None), ("+1", None), ("", None)] {
            assert_eq!(number_of(name), number, "{name:?}");
        }
        assert_eq!(number_of("owner"), None);
        assert_eq!(number_of("18446744073709551615"), Some(u64::MAX));
        assert_eq!(number_of("18446744073709551616"), None);
    }

    #[test]
    fn the_name_of_a_deleted_message_tells_all_of_its_deletion() {
        for session in [None, Some("s"), Some("7f-3a/..~"), Some(&*"x".repeat(64))] {
            let deletion = Deletion {
                secs: u64::MAX,
                revision: 12,
                session: session.map(Box::from),
            };
            let name = deleted_name(MessageId(7), &deletion);
            assert!(name.len() <= 255 && !name.contains('/'), "{name}");
            assert_eq!(number_of(&name), None);
            assert_eq!(deleted_in(&name), Some((MessageId(7), deletion)));
        }
        for other in [
            "7.deleted-",
            "7.deleted-1",
            "7.deleted-01-2",
            "07.deleted-1-2",
            "7.deleted-1-2-",
            "7.deleted-1-2-6",
            "7.deleted-1-2-6A",
            "7.deleted-1-2-ü",
            "7.deleted-1-2-61-61",
            ".deleted-1-2",
            "7",
        ] {
            assert_eq!(deleted_in(other), None, "{other}");
        }
    }

    #[test]
    fn folders_are_found_only_where_they_belong() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path(), None);
        assert!(layout.maildrops_on_disk().unwrap().is_empty());
        for id in [7, 256, 1] {
            fs::create_dir_all(layout.maildrop(MaildropId(id))).unwrap();
        }
        fs::create_dir_all(layout.bodies().join("00/9")).unwrap();
        fs::write(layout.bodies().join("stray"), b"").unwrap();
        assert_eq!(
            layout.maildrops_on_disk().unwrap(),
            [1, 7, 256].map(MaildropId)
        );
        for name in ["10", "9", "owner", "09"] {
            fs::write(layout.maildrop(MaildropId(7)).join(name), b"").unwrap();
        }
        assert_eq!(
            layout.files_on_disk(MaildropId(7)).unwrap().messages,
            [9, 10].map(MessageId)
        );
    }
}
