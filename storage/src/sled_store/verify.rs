//! Verification of a stopped store: every body against its header, index against files, users
//! against owner files. It changes nothing but the staging folder, which it empties, and does what
//! the next start would do with the log.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use super::body_file::BodyHeader;
use super::high_water::HighWater;
use super::index::{Index, TreeName};
use super::layout::{FilesOnDisk, Layout};
use super::message_file::{KnownSums, MessageFile};
use super::open::{files_from_log, prepare_folders};
use super::options::{Durability, SledStoreOptions};
use super::owner_file;
use super::probe::{Refused, examine};
use super::record::{Deletion, JournalEntry, MaildropRow};
use crate::{
    DeletedRecord, MaildropId, MessageId, MessageRecord, StoreError, StoreErrorKind, UserName,
};

/// Users read at a time.
const USERS_AT_ONCE: usize = 1_000;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The next start sees to it; nothing is lost.
    Note,
    /// Something is damaged or missing.
    Damage,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The maildrop, if it is about one.
    pub maildrop: Option<MaildropId>,
    /// The message, if it is about one.
    pub message: Option<MessageId>,
    /// What it is, in one line that names the place.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Note => "note",
            Severity::Damage => "damage",
        };
        write!(f, "{word}: {}", self.text)
    }
}

/// What was looked at and found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Maildrops in the index.
    pub maildrops: u64,
    /// Messages in the index.
    pub messages: u64,
    /// Deleted messages in the index that can be brought back.
    pub deleted: u64,
    /// Octets of bodies that were read and compared.
    pub octets: u64,
    /// Findings of severity [`Severity::Note`].
    pub notes: u64,
    /// Findings of severity [`Severity::Damage`].
    pub damages: u64,
}

/// Examines the store in `folder`; each finding is told when it is made.
///
/// # Errors
/// `Locked` if a process has the store, `NotFound` if there is none, `Io` if it cannot be read
/// at all. Damage is not an error: see [`Verified::damages`].
pub fn verify(
    folder: &Path,
    options: &SledStoreOptions,
    on_finding: &mut dyn FnMut(&Finding),
) -> Result<Verified, StoreError> {
    let layout = Layout::new(folder, options.high_water_folder.as_deref());
    if !layout.bodies().is_dir() {
        let context = format!("there is no store in {}", folder.display());
        return Err(StoreError::new(StoreErrorKind::NotFound, context));
    }
    let _lock = prepare_folders(&layout, options)?;
    let sync = options.durability == Durability::Full;
    let (high_water, complaint) = HighWater::open(&options.files, &layout.high_water(), sync)?;
    let mut verification = Verification {
        layout: &layout,
        options,
        high_water: &high_water,
        on_finding,
        verified: Verified::default(),
        sums: KnownSums::default(),
    };
    if let Some(complaint) = complaint {
        let text = format!("the high-water marks: {complaint}");
        verification.find(Severity::Damage, None, None, text);
    }
    let log = files_from_log(&layout, options, &high_water)?;
    if let Some(why) = log.damage() {
        verification.find(Severity::Damage, None, None, format!("the log: {why}"));
    }
    if !layout.index().join("db").exists() {
        let text = "there is no index; the next start makes it anew from the files";
        verification.find(Severity::Damage, None, None, text.to_owned());
        verification.files_alone()?;
        return Ok(verification.verified);
    }
    let opened = examine(&layout, options).and_then(|()| {
        let index = Index::open(&layout.index(), options.cache_octets, None)?;
        log.redo_index(&index)?;
        Ok(index)
    });
    match opened {
        Ok(index) => verification.everything(&index)?,
        Err(Refused::Unexamined(error)) => return Err(error),
        Err(Refused::Damaged(reason)) => {
            let text = format!("the index cannot be used: {reason}");
            verification.find(Severity::Damage, None, None, text);
            verification.files_alone()?;
        }
    }
    Ok(verification.verified)
}

struct Verification<'a> {
    layout: &'a Layout,
    options: &'a SledStoreOptions,
    high_water: &'a HighWater,
    on_finding: &'a mut dyn FnMut(&Finding),
    verified: Verified,
    sums: KnownSums,
}

impl Verification<'_> {
    fn find(
        &mut self,
        severity: Severity,
        maildrop: Option<MaildropId>,
        message: Option<MessageId>,
        text: String,
    ) {
        match severity {
            Severity::Note => self.verified.notes += 1,
            Severity::Damage => self.verified.damages += 1,
        }
        (self.on_finding)(&Finding {
            severity,
            maildrop,
            message,
            text,
        });
    }

    fn damage(&mut self, maildrop: MaildropId, message: Option<MessageId>, text: String) {
        self.find(Severity::Damage, Some(maildrop), message, text);
    }

    /// Without an index: every file by itself.
    fn files_alone(&mut self) -> Result<(), StoreError> {
        for id in self.maildrops_on_disk()? {
            let found = self.files_on_disk(id)?;
            let live = found.messages.iter().map(|message| (*message, None));
            let deleted = found
                .deleted
                .iter()
                .map(|(message, how)| (*message, Some(how)));
            for (message, how) in live.chain(deleted) {
                if let Err(error) = self.read(id, message, how) {
                    self.damage(id, Some(message), error.to_string());
                }
            }
            for orphan in found.orphans() {
                self.orphan(id, orphan);
            }
            if let Err(error) = owner_file::read(&self.layout.owner(id), id) {
                self.damage(id, None, error.to_string());
            }
        }
        Ok(())
    }

    fn everything(&mut self, index: &Index) -> Result<(), StoreError> {
        let mut pending: HashMap<MaildropId, Vec<JournalEntry>> = HashMap::new();
        for (_, id, entry) in index.journal()? {
            pending.entry(id).or_default().push(entry);
        }
        let mut rows = Vec::new();
        index.maildrops(&mut |id, row| rows.push((id, row)))?;
        for (id, row) in &rows {
            let pending = pending.get(id).map(Vec::as_slice).unwrap_or_default();
            match row {
                Some(row) => self.maildrop(index, *id, row, pending)?,
                None => {
                    let text = format!("the index record of maildrop {id} is damaged");
                    self.damage(*id, None, text);
                }
            }
        }
        for id in self.maildrops_on_disk()? {
            if rows.binary_search_by_key(&id, |(id, _)| *id).is_err() {
                let due = pending
                    .get(&id)
                    .is_some_and(|it| it.contains(&JournalEntry::Folder));
                let severity = if due {
                    Severity::Note
                } else {
                    Severity::Damage
                };
                let text = format!("the folder of maildrop {id} is there, but not in the index");
                self.find(severity, Some(id), None, text);
            }
        }
        self.aliases(index)?;
        self.users(index, &pending)
    }

    fn aliases(&mut self, index: &Index) -> Result<(), StoreError> {
        let mut aliases = Vec::new();
        index.scan(TreeName::Aliases, b"", &mut |key, _| {
            let alias = std::str::from_utf8(key).ok();
            aliases.extend(alias.and_then(|alias| UserName::new(alias).ok()));
            true
        })?;
        for alias in aliases {
            let user = index.alias(&alias).and_then(|whose| match whose {
                Some(whose) => index.user(&whose),
                None => Ok(None),
            });
            let text = match user {
                Ok(Some(user)) if user.aliases.contains(&alias) => continue,
                Ok(_) => format!("alias {alias} is in the index, but no user's"),
                Err(error) => error.to_string(),
            };
            self.find(Severity::Damage, None, None, text);
        }
        Ok(())
    }

    fn maildrop(
        &mut self,
        index: &Index,
        id: MaildropId,
        row: &MaildropRow,
        pending: &[JournalEntry],
    ) -> Result<(), StoreError> {
        self.verified.maildrops += 1;
        let records = match index.messages(id) {
            Ok(records) => records,
            Err(error) => {
                self.damage(id, None, error.to_string());
                return Ok(());
            }
        };
        if records.len() as u64 != row.messages {
            let text = format!(
                "the index of maildrop {id} has {} messages instead of {}",
                records.len(),
                row.messages
            );
            self.damage(id, None, text);
        }
        if row.sequence.next > 1
            && self
                .high_water
                .mark(id)
                .is_none_or(|mark| mark.next < row.sequence.next)
        {
            let text = format!("the high-water mark of maildrop {id} is behind its numbers");
            self.damage(id, None, text);
        }
        let deleted = match index.deleted(id) {
            Ok(deleted) => deleted,
            Err(error) => {
                self.damage(id, None, error.to_string());
                return Ok(());
            }
        };
        if deleted.len() as u64 != row.deleted {
            let text = format!(
                "the index of maildrop {id} has {} deleted messages instead of {}",
                deleted.len(),
                row.deleted
            );
            self.damage(id, None, text);
        }
        for record in &records {
            self.verified.messages += 1;
            self.message(id, row, record, None);
        }
        for record in &deleted {
            self.verified.deleted += 1;
            let deletion = Deletion::of(record);
            let waits = waits_for_its_name(pending, record.id, &deletion)
                && !self.layout.deleted(id, record.id, &deletion).exists();
            let deletion = Some(&deletion).filter(|_| !waits);
            self.message(id, row, &as_live(record), deletion);
        }
        self.unknown_files(id, &records, &deleted, pending)
    }

    /// What is in the folder and not in the index.
    fn unknown_files(
        &mut self,
        id: MaildropId,
        records: &[MessageRecord],
        deleted: &[DeletedRecord],
        pending: &[JournalEntry],
    ) -> Result<(), StoreError> {
        let due = |message: MessageId| pending.iter().any(|entry| is_due(entry, message));
        let found = self.files_on_disk(id)?;
        let is_live = |it: MessageId| records.binary_search_by_key(&it, |it| it.id).is_ok();
        let is_deleted = |it: MessageId| deleted.binary_search_by_key(&it, |it| it.id).is_ok();
        let live = found.messages.iter().copied().filter(|it| !is_live(*it));
        let gone = found.deleted.iter().map(|(message, _)| *message);
        for message in live.chain(gone.filter(|it| !is_deleted(*it))) {
            let what = if due(message) {
                "was removed"
            } else {
                "is not in the index"
            };
            let text = format!("the file of message {message} of maildrop {id} {what}");
            self.find(Severity::Note, Some(id), Some(message), text);
        }
        // Those of messages that have lost their headers were told.
        for orphan in found
            .orphans()
            .filter(|it| !is_live(*it) && !is_deleted(*it))
        {
            self.orphan(id, orphan);
        }
        Ok(())
    }

    fn orphan(&mut self, id: MaildropId, message: MessageId) {
        let text = format!("there is a body, but no header of message {message} of maildrop {id}");
        self.find(Severity::Note, Some(id), Some(message), text);
    }

    fn message(
        &mut self,
        id: MaildropId,
        row: &MaildropRow,
        record: &MessageRecord,
        deletion: Option<&Deletion>,
    ) {
        if record.id.0 >= row.sequence.next {
            let text = format!("message {} of maildrop {id} has a future number", record.id);
            self.damage(id, Some(record.id), text);
        }
        match self.read(id, record.id, deletion) {
            Ok(header) => {
                let from_file = (
                    header.facts.octets,
                    header.carried_unique_id,
                    header.received_secs,
                );
                let from_index = (
                    record.exact_octets,
                    record.carried_unique_id.clone(),
                    record.received_secs,
                );
                if from_file != from_index {
                    let text = format!(
                        "message {} of maildrop {id} is another in the index than in its file",
                        record.id
                    );
                    self.damage(id, Some(record.id), text);
                }
            }
            Err(error) => self.damage(id, Some(record.id), error.to_string()),
        }
    }

    fn read(
        &mut self,
        id: MaildropId,
        message: MessageId,
        deletion: Option<&Deletion>,
    ) -> Result<BodyHeader, StoreError> {
        let files = &*self.options.files;
        let file = MessageFile::open(files, self.layout, id, message, deletion)?;
        self.verified.octets += file.check(files, &mut self.sums)?;
        Ok(file.header)
    }

    fn users(
        &mut self,
        index: &Index,
        pending: &HashMap<MaildropId, Vec<JournalEntry>>,
    ) -> Result<(), StoreError> {
        let mut last = None;
        loop {
            let users = match index.users(last.as_ref(), USERS_AT_ONCE) {
                Ok(users) => users,
                Err(error) => {
                    self.find(Severity::Damage, None, None, error.to_string());
                    return Ok(());
                }
            };
            let Some(user) = users.last() else {
                return Ok(());
            };
            last = Some(user.name.clone());
            for user in &users {
                let id = user.maildrop;
                if index.maildrop_row(id).is_ok_and(|row| row.is_none()) {
                    let text = format!("maildrop {id} of user {} is not in the index", user.name);
                    self.damage(id, None, text);
                }
                for alias in &user.aliases {
                    if !index
                        .alias(alias)
                        .is_ok_and(|it| it.as_ref() == Some(&user.name))
                    {
                        let text = format!("alias {alias} of user {} is missing", user.name);
                        self.damage(id, None, text);
                    }
                }
                let due = pending
                    .get(&id)
                    .into_iter()
                    .flatten()
                    .any(|entry| match entry {
                        JournalEntry::Owner(_) => true,
                        JournalEntry::Unlink(_)
                        | JournalEntry::Keep(..)
                        | JournalEntry::Forget(_)
                        | JournalEntry::Folder => false,
                    });
                let severity = if due {
                    Severity::Note
                } else {
                    Severity::Damage
                };
                match owner_file::read(&self.layout.owner(id), id) {
                    Ok(owner) if owner == *user => {}
                    Ok(_) => {
                        let text = format!("the owner file of maildrop {id} is out of date");
                        self.find(severity, Some(id), None, text);
                    }
                    Err(error) => self.find(severity, Some(id), None, error.to_string()),
                }
            }
        }
    }

    fn maildrops_on_disk(&self) -> Result<Vec<MaildropId>, StoreError> {
        let found = self.layout.maildrops_on_disk();
        found.map_err(|error| StoreError::io("cannot list the maildrops", error))
    }

    fn files_on_disk(&self, id: MaildropId) -> Result<FilesOnDisk, StoreError> {
        let found = self.layout.files_on_disk(id);
        found.map_err(|error| {
            StoreError::io(format!("cannot list the folder of maildrop {id}"), error)
        })
    }
}

/// Whether the entry will do away with a file of that message.
fn is_due(entry: &JournalEntry, message: MessageId) -> bool {
    match entry {
        JournalEntry::Unlink(messages) | JournalEntry::Keep(messages, _) => {
            messages.contains(&message)
        }
        JournalEntry::Forget(deleted) => deleted.iter().any(|(it, _)| *it == message),
        JournalEntry::Folder | JournalEntry::Owner(_) => false,
    }
}

/// Whether the next start renames the file of that deleted message, if nobody did yet.
fn waits_for_its_name(pending: &[JournalEntry], message: MessageId, deletion: &Deletion) -> bool {
    pending.iter().any(|entry| match entry {
        JournalEntry::Keep(messages, how) => how == deletion && messages.contains(&message),
        JournalEntry::Unlink(_)
        | JournalEntry::Forget(_)
        | JournalEntry::Folder
        | JournalEntry::Owner(_) => false,
    })
}

/// What a deleted message was in the index before.
fn as_live(record: &DeletedRecord) -> MessageRecord {
    MessageRecord {
        id: record.id,
        exact_octets: record.exact_octets,
        stored_octets: record.stored_octets,
        received_secs: record.received_secs,
        carried_unique_id: record.carried_unique_id.clone(),
        read: false,
    }
}
