//! Journal entries that are committed and not done yet, and those that are done and not durable.
//!
//! An entry is done in memory of the file system first; the next checkpoint makes that durable.
//! Only then may the index, and so the log, forget the entry.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use super::record::JournalEntry;
use crate::{MaildropId, MessageId};

/// See the file's first lines.
#[derive(Default)]
pub(super) struct Unfinished {
    entries: RwLock<HashMap<MaildropId, HashMap<Vec<u8>, JournalEntry>>>,
    /// How many entries there are: mostly none, and then nobody needs the lock.
    count: AtomicUsize,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    keys: Vec<Vec<u8>>,
    durable: Vec<Vec<u8>>,
}

impl Unfinished {
    pub(super) fn add(&self, key: Vec<u8>, id: MaildropId, entry: JournalEntry) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let before = entries.entry(id).or_default().insert(key, entry);
        if before.is_none() {
            self.count.fetch_add(1, Ordering::Release);
        }
    }

    /// It was done.
    pub(super) fn done(&self, id: MaildropId, key: Vec<u8>) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_maildrop) = entries.get_mut(&id) {
            if of_maildrop.remove(&key).is_some() {
                self.count.fetch_sub(1, Ordering::Release);
            }
            if of_maildrop.is_empty() {
                entries.remove(&id);
            }
        }
        drop(entries);
        self.lock_done().keys.push(key);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Those of one maildrop.
    pub(super) fn of(&self, id: MaildropId) -> Vec<(Vec<u8>, JournalEntry)> {
        if self.is_empty() {
            return Vec::new();
        }
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let of_maildrop = entries.get(&id).into_iter().flatten();
        of_maildrop
            .map(|(key, entry)| (key.clone(), entry.clone()))
            .collect()
    }

    pub(super) fn all(&self) -> Vec<(Vec<u8>, MaildropId, JournalEntry)> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let all = entries.iter().flat_map(|(id, of_maildrop)| {
            let entries = of_maildrop.iter();
            entries.map(|(key, entry)| (key.clone(), *id, entry.clone()))
        });
        all.collect()
    }

    /// Whether the message was removed and still has its file under its name.
    pub(super) fn removes(&self, id: MaildropId, message: MessageId) -> bool {
        if self.is_empty() {
            return false;
        }
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let mut of_maildrop = entries.get(&id).into_iter().flatten();
        of_maildrop.any(|(_, entry)| match entry {
            JournalEntry::Unlink(removed) | JournalEntry::Keep(removed, _) => {
                removed.binary_search(&message).is_ok()
            }
            JournalEntry::Forget(_) | JournalEntry::Folder | JournalEntry::Owner(_) => false,
        })
    }

    /// The keys of what is done so far, for [`Self::end_checkpoint`].
    pub(super) fn begin_checkpoint(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.lock_done().keys)
    }

    /// What these wanted is durable.
    pub(super) fn end_checkpoint(&self, keys: Vec<Vec<u8>>) {
        self.lock_done().durable.extend(keys);
    }

    /// The keys of entries that may be forgotten.
    pub(super) fn take_durable(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.lock_done().durable)
    }

    /// Lists of keys: a panic elsewhere leaves them whole.
    fn lock_done(&self) -> std::sync::MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
