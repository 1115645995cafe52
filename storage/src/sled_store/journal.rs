//! What remains to be done after a commit: unlinking, a folder, an owner file. It is written in
//! the commit itself, done behind it, and done again at the next start if nobody knows. What is done
//! here is not durable by itself: until a checkpoint has made it so, the log has the entry.

use std::io;
use std::path::{Path, PathBuf};

use super::Shared;
use super::event::StoreEvent;
use super::files::Files;
use super::high_water::write_file;
use super::index::Index;
use super::layout::{Layout, read_dir_if_there};
use super::options::SledStoreOptions;
use super::owner_file;
use super::record::{Deletion, JournalEntry};
use super::unfinished::Unfinished;
use crate::{MaildropId, MessageId, StoreError};

/// What could not be finished.
pub(super) struct Undone {
    message: Option<MessageId>,
    error: StoreError,
}

/// Does what an entry says; what is done already is right. Returns how many files went.
pub(super) fn finish_entry(
    files: &dyn Files,
    layout: &Layout,
    index: &Index,
    id: MaildropId,
    entry: &JournalEntry,
) -> Result<u64, Undone> {
    let whole = |error| Undone {
        message: None,
        error,
    };
    match entry {
        JournalEntry::Unlink(_) | JournalEntry::Keep(..) | JournalEntry::Forget(_) => {
            finish_files(files, layout, id, entry)
        }
        JournalEntry::Folder => match index.maildrop_row(id) {
            Ok(None) => remove_folder(files, layout, id).map_err(|error| {
                whole(StoreError::io(
                    format!("cannot remove the folder of maildrop {id}"),
                    error,
                ))
            }),
            // It is in use, or nobody knows: then it stays.
            Ok(Some(_)) => Ok(0),
            Err(error) => Err(whole(error)),
        },
        JournalEntry::Owner(name) => match index.user(name) {
            Ok(Some(user)) if user.maildrop == id => {
                write_file(files, &layout.owner(id), &owner_file::encode(&user))
                    .map(|()| 0)
                    .map_err(whole)
            }
            Ok(_) => Ok(0),
            Err(error) => Err(whole(error)),
        },
    }
}

/// The same for entries that need no index; the others are none of these.
pub(super) fn finish_files(
    files: &dyn Files,
    layout: &Layout,
    id: MaildropId,
    entry: &JournalEntry,
) -> Result<u64, Undone> {
    match entry {
        JournalEntry::Unlink(messages) => {
            let headers = messages.iter().map(|it| (*it, [layout.body(id, *it)]));
            unlink(files, layout, id, headers)
        }
        JournalEntry::Keep(messages, deletion) => keep(files, layout, id, messages, deletion),
        JournalEntry::Forget(deleted) => {
            // One that could not be renamed yet has its first name: that goes before the other,
            // so that who renames it at this moment does not get past both.
            let names = |(it, how): &(MessageId, Deletion)| {
                let names = [layout.body(id, *it), layout.deleted(id, *it, how)];
                (*it, names)
            };
            unlink(files, layout, id, deleted.iter().map(names))
        }
        JournalEntry::Folder | JournalEntry::Owner(_) => Ok(0),
    }
}

/// Unlinks messages, whose own files can have these names: those first, then what they have apart.
/// Returns how many messages there were.
fn unlink<const NAMES: usize>(
    files: &dyn Files,
    layout: &Layout,
    id: MaildropId,
    own_files: impl Iterator<Item = (MessageId, [PathBuf; NAMES])>,
) -> Result<u64, Undone> {
    let mut unlinked = 0;
    for (message, names) in own_files {
        let failed = failed(id, Some(message), "unlink");
        for name in &names {
            unlinked += u64::from(unlink_if_there(files, name).map_err(&failed)?);
        }
        unlink_if_there(files, &layout.body_apart(id, message)).map_err(&failed)?;
    }
    Ok(unlinked)
}

pub(super) fn unlink_if_there(files: &dyn Files, path: &Path) -> io::Result<bool> {
    match files.unlink(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The names of the files tell from now on that their messages were deleted. What they have apart
/// stays as it is.
fn keep(
    files: &dyn Files,
    layout: &Layout,
    id: MaildropId,
    messages: &[MessageId],
    deletion: &Deletion,
) -> Result<u64, Undone> {
    for message in messages {
        let from = layout.body(id, *message);
        match files.rename(&from, &layout.deleted(id, *message, deletion)) {
            // After a crash both can be names of one file: then a rename does nothing.
            Ok(()) if std::fs::symlink_metadata(&from).is_ok() => {
                unlink_if_there(files, &from).map_err(failed(id, Some(*message), "rename"))?;
            }
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(id, Some(*message), "rename")(error)),
        }
    }
    Ok(0)
}

fn failed(id: MaildropId, message: Option<MessageId>, act: &str) -> impl Fn(io::Error) -> Undone {
    move |error| Undone {
        message,
        error: StoreError::io(format!("cannot {act} in maildrop {id}"), error),
    }
}

/// The owner file goes first: without it nobody takes the rest for a user's maildrop.
fn remove_folder(files: &dyn Files, layout: &Layout, id: MaildropId) -> io::Result<u64> {
    let folder = layout.maildrop(id);
    if !folder.is_dir() {
        return Ok(0);
    }
    match files.unlink(&layout.owner(id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => files.sync_folder(&folder)?,
    }
    let mut unlinked = 0;
    for entry in read_dir_if_there(&folder)? {
        // A removed message's file may be getting its other name at this moment.
        unlinked += u64::from(unlink_if_there(files, &entry.path())?);
    }
    std::fs::remove_dir(&folder)?;
    files.sync_folder(&layout.fan(id))?;
    Ok(unlinked)
}

/// Does what a committed entry says. What cannot be done is tried again by housekeeping and at the
/// next start. Returns how many files went.
pub(super) fn finish(
    options: &SledStoreOptions,
    layout: &Layout,
    index: &Index,
    unfinished: &Unfinished,
    (key, id, entry): (Vec<u8>, MaildropId, JournalEntry),
) -> u64 {
    match finish_entry(&*options.files, layout, index, id, &entry) {
        Ok(unlinked) => {
            unfinished.done(id, key);
            unlinked
        }
        Err(undone) => {
            (options.events)(&undone.event(id));
            unfinished.add(key, id, entry);
            0
        }
    }
}

impl Shared {
    /// See [`finish`].
    pub(super) fn finish(&self, key: Vec<u8>, id: MaildropId, entry: JournalEntry) -> u64 {
        let (options, unfinished) = (&self.options, &self.unfinished);
        match self.index() {
            Ok(index) => finish(options, &self.layout, &index, unfinished, (key, id, entry)),
            Err(error) => {
                let message = None;
                (options.events)(&Undone { message, error }.event(id));
                unfinished.add(key, id, entry);
                0
            }
        }
    }

    /// Does what the maildrop's removals have left to be done.
    pub(super) fn settle(&self, id: MaildropId) {
        for (key, entry) in self.unfinished.of(id) {
            self.finish(key, id, entry);
        }
    }

    /// Tries again what could not be finished. Entries stay known until they are done: whoever
    /// looks for unclaimed files meanwhile must not take a removed message for one.
    pub(super) fn finish_the_unfinished(&self) -> u64 {
        self.committer.wait_for_background();
        let entries = self.unfinished.all().into_iter();
        entries
            .map(|(key, id, entry)| self.finish(key, id, entry))
            .sum()
    }
}

impl From<Undone> for StoreError {
    fn from(undone: Undone) -> Self {
        undone.error
    }
}

impl Undone {
    /// What is told of it.
    pub(super) fn event(self, maildrop: MaildropId) -> StoreEvent {
        let Self { message, error } = self;
        StoreEvent::UnlinkFailed {
            maildrop,
            message,
            reason: error.to_string(),
        }
    }
}
