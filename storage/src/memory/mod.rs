//! The in-memory store: both contracts without a disk, for tests and for embedding.

mod bodies;
mod directory;
mod maildrop;
mod staged;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bodies::StoredBody;
use maildrop::MemoryMaildrop;
use staged::MemoryStaged;

use crate::numbering::{Numbering, Sequence, check_unique_id};
use crate::{
    DeletedRecord, Housekeeping, MaildropId, MaildropStore, MessageId, MessageRecord,
    OwnedMaildrop, StagedBody, Staging, StoreError, StoreErrorKind, User, UserName,
};

/// Keeps everything in memory; what is durable lives as long as the value and its clones. A
/// message occupies as many octets as RETR sends.
#[derive(Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    directory_revision: Arc<AtomicU64>,
}

#[derive(Default)]
struct State {
    closed: bool,
    maildrops_made: u64,
    users: BTreeMap<UserName, User>,
    /// Whose alias it is.
    aliases: BTreeMap<UserName, UserName>,
    maildrops: HashMap<MaildropId, Maildrop>,
}

struct Maildrop {
    owned: bool,
    revision: u64,
    numbering: Numbering,
    messages: Vec<MessageRecord>,
    bodies: HashMap<MessageId, StoredBody>,
    deleted: BTreeMap<MessageId, (DeletedRecord, StoredBody)>,
    quota_warned: bool,
}

impl Maildrop {
    fn new() -> Self {
        Self {
            owned: false,
            revision: 0,
            numbering: Numbering::new(Sequence::NEW, std::iter::empty()),
            messages: Vec::new(),
            bodies: HashMap::new(),
            deleted: BTreeMap::new(),
            quota_warned: false,
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only plain data is behind the lock: a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_open(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.lock();
        if state.closed {
            return Err(StoreError::new(StoreErrorKind::Io, "the store is closed"));
        }
        Ok(state)
    }
}

impl State {
    fn maildrop(&mut self, id: MaildropId) -> Result<&mut Maildrop, StoreError> {
        self.maildrops.get_mut(&id).ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::NotFound,
                format!("there is no maildrop {id}"),
            )
        })
    }
}

impl MaildropStore for MemoryStore {
    fn open_maildrop(&self, id: MaildropId) -> Result<Box<dyn OwnedMaildrop>, StoreError> {
        let mut state = self.lock_open()?;
        let maildrop = state.maildrop(id)?;
        if maildrop.owned {
            let context = format!("maildrop {id} has an owner");
            return Err(StoreError::new(StoreErrorKind::Busy, context));
        }
        maildrop.owned = true;
        Ok(Box::new(MemoryMaildrop::new(id, maildrop, self.clone())))
    }

    fn stage(&self, staging: Staging) -> Result<Box<dyn StagedBody>, StoreError> {
        drop(self.lock_open()?);
        if let Some(unique_id) = &staging.carried_unique_id {
            check_unique_id(unique_id)?;
        }
        Ok(Box::new(MemoryStaged::new(staging)))
    }

    fn housekeeping(&self) -> Result<Housekeeping, StoreError> {
        drop(self.lock_open()?);
        Ok(Housekeeping::default())
    }

    fn close(&self) -> Result<(), StoreError> {
        self.lock().closed = true;
        Ok(())
    }
}

fn now_secs() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
