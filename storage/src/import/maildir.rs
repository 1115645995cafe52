//! Reads a Maildir: one file for each message, in `new` and `cur`.
//!
//! Only plain files directly in these two folders are opened, and no link is followed there; the
//! Maildir itself may be named by a link. What is passed over is told. Messages come in the
//! order of the time of their delivery, which begins their names, then of their names.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use super::notes::Notes;

/// The folders that hold messages.
const FOLDERS: [&str; 2] = ["new", "cur"];

/// The messages of a Maildir, listed at one time. Takes memory for each name.
#[derive(Debug)]
pub struct Maildir {
    root: PathBuf,
    folders: [OwnedFd; 2],
    messages: Vec<MaildirMessage>,
}

/// A message's file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaildirMessage {
    /// When it was delivered, in seconds since 1970-01-01 UTC: from its name, else from the time of
    /// the file's last change.
    pub delivered_secs: u64,
    /// The file's name, flags included.
    pub name: OsString,
    folder: usize,
    /// As listed.
    pub octets: u64,
}

impl Maildir {
    /// Lists the messages; `notes` gets what is passed over.
    ///
    /// # Errors
    /// If it is not a Maildir, or cannot be read. The text names the folder.
    pub fn open(root: &Path, notes: &mut Notes) -> Result<Self, MaildirError> {
        let error = |source| MaildirError {
            path: root.to_owned(),
            source,
        };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root_folder = open(root, flags, Mode::empty()).map_err(|e| error(e.into()))?;
        let open_folder = |name| {
            openat(&root_folder, name, flags | OFlag::O_NOFOLLOW, Mode::empty()).map_err(|e| {
                MaildirError {
                    path: root.join(name),
                    source: e.into(),
                }
            })
        };
        let folders = [open_folder(FOLDERS[0])?, open_folder(FOLDERS[1])?];
        let mut maildir = Self {
            root: root.to_owned(),
            folders,
            messages: Vec::new(),
        };
        for (folder, name) in FOLDERS.iter().enumerate() {
            let path = root.join(name);
            maildir
                .list_folder(folder, &path, notes)
                .map_err(|source| MaildirError { path, source })?;
        }
        note_sub_folders(root, notes).map_err(error)?;
        maildir.messages.sort_unstable();
        Ok(maildir)
    }

    /// The messages in their order.
    pub fn messages(&self) -> &[MaildirMessage] {
        &self.messages
    }

    /// Where a message is, for people.
    pub fn path(&self, message: &MaildirMessage) -> PathBuf {
        self.root.join(FOLDERS[message.folder]).join(&message.name)
    }

    /// Opens a message for reading.
    ///
    /// # Errors
    /// `NotFound` if it was moved or removed since it was listed.
    pub fn open_message(&self, message: &MaildirMessage) -> io::Result<File> {
        // It was a plain file when it was listed. If it is a FIFO now, the open does not wait.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let folder = &self.folders[message.folder];
        let file = File::from(openat(
            folder,
            message.name.as_os_str(),
            flags,
            Mode::empty(),
        )?);
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::new(
                ErrorKind::InvalidInput,
                "it is not a plain file any more",
            ))
        }
    }

    fn list_folder(&mut self, folder: usize, path: &Path, notes: &mut Notes) -> io::Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            let mut pass_over = |what| notes.add(format!("{}: {what}", shown(&entry.path())));
            if name.as_bytes().starts_with(b".") {
                pass_over("its name begins with a dot");
                continue;
            }
            // Of the entry itself: links are not followed.
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if !metadata.is_file() {
                pass_over(kind(metadata.file_type()));
                continue;
            }
            let changed = metadata
                .modified()
                .ok()
                .and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            let changed_secs = changed.map_or(0, |time| time.as_secs());
            let delivered_secs = delivery_secs(&name).unwrap_or(changed_secs);
            let octets = metadata.len();
            self.messages.push(MaildirMessage {
                delivered_secs,
                name,
                folder,
                octets,
            });
        }
        Ok(())
    }
}

/// The seconds that begin a Maildir name: digits up to a dot, of this era of file systems.
fn delivery_secs(name: &OsStr) -> Option<u64> {
    const SECS_MAX: u64 = u32::MAX as u64;
    let name = name.as_bytes();
    let dot = memchr::memchr(b'.', name)?;
    let digits = std::str::from_utf8(&name[..dot]).ok()?;
    let decimal = digits.bytes().all(|octet| octet.is_ascii_digit());
    if decimal {
        digits.parse().ok().filter(|secs| *secs <= SECS_MAX)
    } else {
        None
    }
}

fn kind(file_type: fs::FileType) -> &'static str {
    if file_type.is_symlink() {
        "a link, which is not followed"
    } else if file_type.is_dir() {
        "a folder"
    } else {
        "not a plain file"
    }
}

/// Folders of Maildir++ stand beside `new` and `cur`; POP3 has only the one.
fn note_sub_folders(root: &Path, notes: &mut Notes) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().as_bytes().starts_with(b".") && entry.path().join("cur").is_dir() {
            notes.add(format!(
                "{}: a sub-folder, import it by itself",
                shown(&entry.path())
            ));
        }
    }
    Ok(())
}

/// A path on one line.
pub(crate) fn shown(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .flat_map(escape_control)
        .collect()
}

fn escape_control(character: char) -> Vec<char> {
    if character.is_control() {
        character.escape_default().collect()
    } else {
        vec![character]
    }
}

/// Why a folder is not a Maildir that can be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {} as a Maildir: {source}", shown(path))]
pub struct MaildirError {
    /// The Maildir or the folder in it.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn empty() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in ["new", "cur", "tmp"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        root
    }

    #[test]
    fn messages_come_in_order_of_their_delivery() {
        let root = empty();
        let names = [
            "new/900.b.h",
            "cur/1000.a.h:2,S",
            "cur/900.a.h:2,RS",
            "new/1000.b.h,S=3",
            "new/5.x",
        ];
        for name in names {
            fs::write(root.path().join(name), "x").unwrap();
        }
        let maildir = Maildir::open(root.path(), &mut Notes::default()).unwrap();
        let order: Vec<_> = maildir
            .messages()
            .iter()
            .map(|m| m.name.to_str().unwrap())
            .collect();
        let expected = [
            "5.x",
            "900.a.h:2,RS",
            "900.b.h",
            "1000.a.h:2,S",
            "1000.b.h,S=3",
        ];
        assert_eq!(order, expected);
        assert!(maildir.open_message(&maildir.messages()[1]).is_ok());
    }

    #[test]
    fn a_name_without_a_time_takes_the_files() {
        let root = empty();
        let path = root.path().join("new/odd name");
        let file = File::create(&path).unwrap();
        file.set_modified(UNIX_EPOCH + std::time::Duration::from_secs(77))
            .unwrap();
        let maildir = Maildir::open(root.path(), &mut Notes::default()).unwrap();
        assert_eq!(maildir.messages()[0].delivered_secs, 77);
    }

    #[test]
    fn what_is_no_plain_file_is_passed_over_and_told() {
        let root = empty();
        let outside = tempfile::NamedTempFile::new().unwrap();
        symlink(outside.path(), root.path().join("new/1.link")).unwrap();
        fs::create_dir(root.path().join("cur/2.folder")).unwrap();
        nix::unistd::mkfifo(&root.path().join("new/3.fifo"), Mode::S_IRUSR).unwrap();
        fs::write(root.path().join("cur/.nfs1"), "").unwrap();
        fs::create_dir_all(root.path().join(".Sent/cur")).unwrap();
        let mut notes = Notes::default();
        let maildir = Maildir::open(root.path(), &mut notes).unwrap();
        assert_eq!(maildir.messages(), []);
        let notes = notes.listed().join("\n");
        for part in [
            "new/1.link: a link",
            "cur/2.folder: a folder",
            "new/3.fifo: not a plain file",
            "cur/.nfs1: its name",
            ".Sent: a sub-folder",
        ] {
            assert!(notes.contains(part), "{notes}");
        }
    }

    #[test]
    fn a_folder_that_is_a_link_is_refused() {
        let root = empty();
        let other = empty();
        fs::remove_dir(root.path().join("cur")).unwrap();
        symlink(other.path().join("cur"), root.path().join("cur")).unwrap();
        let error = Maildir::open(root.path(), &mut Notes::default()).unwrap_err();
        assert!(error.to_string().contains("cur as a Maildir"), "{error}");
    }

    #[test]
    fn a_file_that_became_a_link_or_a_fifo_is_not_read() {
        let root = empty();
        let path = root.path().join("new/1.x");
        fs::write(&path, "x").unwrap();
        let maildir = Maildir::open(root.path(), &mut Notes::default()).unwrap();
        let message = &maildir.messages()[0];
        fs::remove_file(&path).unwrap();
        assert_eq!(
            maildir.open_message(message).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        symlink("/dev/null", &path).unwrap();
        assert!(maildir.open_message(message).is_err());
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, Mode::S_IRUSR).unwrap();
        assert!(maildir.open_message(message).is_err());
    }
}
