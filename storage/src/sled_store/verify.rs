//! Verification of a stopped store: every body against its header, index against files, users
//! against owner files. It changes nothing but the staging folder, which it empties.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use super::body_file::{BodyHeader, check_body, read_header};
use super::high_water::HighWater;
use super::index::Index;
use super::layout::Layout;
use super::open::prepare_folders;
use super::options::{Durability, SledStoreOptions};
use super::owner_file;
use super::probe::{Refused, examine};
use super::record::{JournalEntry, MaildropRow};
use crate::{MaildropId, MessageId, MessageRecord, StoreError, StoreErrorKind};

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
    };
    if let Some(complaint) = complaint {
        let text = format!("the high-water marks: {complaint}");
        verification.find(Severity::Damage, None, None, text);
    }
    if !layout.index().join("db").exists() {
        let text = "there is no index; the next start makes it anew from the files";
        verification.find(Severity::Damage, None, None, text.to_owned());
        verification.files_alone()?;
        return Ok(verification.verified);
    }
    let opened = examine(&layout, options)
        .and_then(|()| Ok(Index::open(&layout.index(), options.cache_octets, None)?));
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
            for message in self.messages_on_disk(id)? {
                if let Err(error) = self.read_body(id, message) {
                    self.damage(id, Some(message), error.to_string());
                }
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
        self.users(index, &pending)
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
        for record in &records {
            self.verified.messages += 1;
            if record.id.0 >= row.sequence.next {
                let text = format!("message {} of maildrop {id} has a future number", record.id);
                self.damage(id, Some(record.id), text);
            }
            self.message(id, record);
        }
        for message in self.messages_on_disk(id)? {
            if records
                .binary_search_by_key(&message, |record| record.id)
                .is_ok()
            {
                continue;
            }
            let due = pending.iter().any(|entry| match entry {
                JournalEntry::Unlink(messages) | JournalEntry::Keep(messages, _) => {
                    messages.contains(&message)
                }
                JournalEntry::Forget(_) | JournalEntry::Folder | JournalEntry::Owner(_) => false,
            });
            let what = if due {
                "was removed"
            } else {
                "is not in the index"
            };
            let text = format!("the file of message {message} of maildrop {id} {what}");
            self.find(Severity::Note, Some(id), Some(message), text);
        }
        Ok(())
    }

    fn message(&mut self, id: MaildropId, record: &MessageRecord) {
        match self.read_body(id, record.id) {
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

    fn read_body(&mut self, id: MaildropId, message: MessageId) -> Result<BodyHeader, StoreError> {
        let files = &*self.options.files;
        let file = files
            .open(&self.layout.body(id, message), false)
            .map_err(|error| {
                StoreError::io(
                    format!("cannot open message {message} of maildrop {id}"),
                    error,
                )
            })?;
        let header = read_header(files, &file, id, message)?;
        check_body(files, &file, &header)?;
        self.verified.octets += header.facts.octets;
        Ok(header)
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

    fn messages_on_disk(&self, id: MaildropId) -> Result<Vec<MessageId>, StoreError> {
        let found = self.layout.messages_on_disk(id);
        found.map_err(|error| {
            StoreError::io(format!("cannot list the folder of maildrop {id}"), error)
        })
    }
}
