//! The in-memory store: both contracts without a disk, for tests and for embedding.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::body::normalise::Normaliser;
use crate::numbering::{Numbering, Sequence, check_unique_id};
use crate::{
    Body, BodyFacts, BodySource, Delivery, Directory, Housekeeping, MaildropId, MaildropStore,
    MessageId, MessageRecord, NewUser, OwnedMaildrop, StagedBody, Staging, StoreError,
    StoreErrorKind, User, UserName,
};

/// Keeps everything in memory; what is durable lives as long as the value and its clones. A
/// message occupies as many octets as RETR sends.
#[derive(Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    closed: bool,
    maildrops_made: u64,
    users: BTreeMap<UserName, User>,
    maildrops: HashMap<MaildropId, Maildrop>,
}

struct Maildrop {
    owned: bool,
    revision: u64,
    numbering: Numbering,
    messages: Vec<MessageRecord>,
    bodies: HashMap<MessageId, StoredBody>,
}

#[derive(Clone)]
struct StoredBody {
    facts: BodyFacts,
    octets: Arc<[u8]>,
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
        Ok(Box::new(MemoryMaildrop {
            id,
            revision: maildrop.revision,
            messages: maildrop.messages.clone(),
            store: self.clone(),
        }))
    }

    fn stage(&self, staging: Staging) -> Result<Box<dyn StagedBody>, StoreError> {
        drop(self.lock_open()?);
        if let Some(unique_id) = &staging.carried_unique_id {
            check_unique_id(unique_id)?;
        }
        Ok(Box::new(MemoryStaged {
            staging,
            normaliser: Normaliser::new(),
            octets: Vec::new(),
            taken: 0,
        }))
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

struct MemoryStaged {
    staging: Staging,
    normaliser: Normaliser,
    octets: Vec<u8>,
    taken: u64,
}

impl MemoryStaged {
    fn check_limit(&self) -> Result<(), StoreError> {
        match self.staging.octets_max {
            Some(max) if self.taken > max => Err(StoreError::new(
                StoreErrorKind::Invalid,
                format!("the message has more than the {max} octets that are accepted"),
            )),
            Some(_) | None => Ok(()),
        }
    }
}

impl Write for MemoryStaged {
    fn write(&mut self, input: &[u8]) -> io::Result<usize> {
        self.taken += input.len() as u64;
        self.check_limit()
            .map_err(|error| io::Error::new(io::ErrorKind::FileTooLarge, error))?;
        self.normaliser.push(input, &mut self.octets);
        Ok(input.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StagedBody for MemoryStaged {
    fn finish(mut self: Box<Self>) -> Result<Delivery, StoreError> {
        self.check_limit()?;
        self.normaliser.finish(&mut self.octets);
        let facts = BodyFacts {
            octets: self.normaliser.octets(),
            header_octets: self.normaliser.header_octets(),
            dot_lines: self.normaliser.dot_lines(),
        };
        let octets = Arc::from(self.octets);
        Ok(Delivery {
            facts,
            received_secs: self.staging.received_secs.unwrap_or_else(now_secs),
            carried_unique_id: self.staging.carried_unique_id,
            material: Box::new(StoredBody { facts, octets }),
        })
    }
}

struct MemoryMaildrop {
    id: MaildropId,
    revision: u64,
    messages: Vec<MessageRecord>,
    store: MemoryStore,
}

impl Drop for MemoryMaildrop {
    fn drop(&mut self) {
        if let Some(maildrop) = self.store.lock().maildrops.get_mut(&self.id) {
            maildrop.owned = false;
        }
    }
}

impl OwnedMaildrop for MemoryMaildrop {
    fn id(&self) -> MaildropId {
        self.id
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn messages(&self) -> &[MessageRecord] {
        &self.messages
    }

    fn bodies(&self) -> Arc<dyn BodySource> {
        Arc::new(MemoryBodies {
            id: self.id,
            store: self.store.clone(),
        })
    }

    fn deliver(&mut self, deliveries: Vec<Delivery>) -> Result<Vec<MessageId>, StoreError> {
        let mut bodies = Vec::with_capacity(deliveries.len());
        for delivery in &deliveries {
            let Some(body) = delivery.material.downcast_ref::<StoredBody>() else {
                let context = "the delivery was staged by another store";
                return Err(StoreError::new(StoreErrorKind::Invalid, context));
            };
            bodies.push(body.clone());
        }
        let mut state = self.store.lock_open()?;
        let maildrop = state.maildrop(self.id)?;
        let carried = deliveries
            .iter()
            .map(|delivery| delivery.carried_unique_id.as_deref());
        let numbers = maildrop.numbering.admit_all(carried)?;
        for ((delivery, body), &id) in deliveries.into_iter().zip(bodies).zip(&numbers) {
            maildrop.messages.push(MessageRecord {
                id,
                exact_octets: body.facts.octets,
                stored_octets: body.facts.octets,
                received_secs: delivery.received_secs,
                carried_unique_id: delivery.carried_unique_id,
            });
            maildrop.bodies.insert(id, body);
        }
        if !numbers.is_empty() {
            maildrop.revision += 1;
        }
        self.revision = maildrop.revision;
        self.messages
            .extend_from_slice(&maildrop.messages[self.messages.len()..]);
        Ok(numbers)
    }

    fn remove(&mut self, messages: &[MessageId]) -> Result<usize, StoreError> {
        let mut state = self.store.lock_open()?;
        let maildrop = state.maildrop(self.id)?;
        let mut removed = 0;
        for id in messages {
            removed += usize::from(maildrop.bodies.remove(id).is_some());
        }
        if removed == 0 {
            return Ok(0);
        }
        let Maildrop {
            messages,
            bodies,
            numbering,
            ..
        } = maildrop;
        messages.retain(|record| {
            let stays = bodies.contains_key(&record.id);
            if !stays {
                numbering.forget(record.carried_unique_id.as_deref().into_iter());
            }
            stays
        });
        maildrop.revision += 1;
        self.revision = maildrop.revision;
        self.messages.clone_from(&maildrop.messages);
        Ok(removed)
    }
}

struct MemoryBodies {
    id: MaildropId,
    store: MemoryStore,
}

impl BodySource for MemoryBodies {
    fn open(&self, message: MessageId) -> Result<Box<dyn Body>, StoreError> {
        let state = self.store.lock();
        let maildrop = state.maildrops.get(&self.id);
        match maildrop.and_then(|maildrop| maildrop.bodies.get(&message)) {
            Some(body) => Ok(Box::new(MemoryBody {
                body: body.clone(),
                position: 0,
            })),
            None => Err(StoreError::new(
                StoreErrorKind::Gone,
                format!("message {message} of maildrop {} was removed", self.id),
            )),
        }
    }
}

struct MemoryBody {
    body: StoredBody,
    position: usize,
}

impl Body for MemoryBody {
    fn facts(&self) -> BodyFacts {
        self.body.facts
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let rest = &self.body.octets[self.position..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        Ok(count)
    }
}

impl Directory for MemoryStore {
    fn find(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        Ok(self.lock_open()?.users.get(name).cloned())
    }

    fn add(&self, user: NewUser) -> Result<User, StoreError> {
        let mut state = self.lock_open()?;
        if state.users.contains_key(&user.name) {
            let context = format!("user {} exists", user.name);
            return Err(StoreError::new(StoreErrorKind::Duplicate, context));
        }
        state.maildrops_made += 1;
        let maildrop = MaildropId(state.maildrops_made);
        let user = User {
            name: user.name,
            maildrop,
            password_hash: user.password_hash,
            pop_enabled: true,
            use_protocol_defaults: true,
            site: None,
            exact_rfc822_size: None,
            created_secs: now_secs(),
        };
        state.users.insert(user.name.clone(), user.clone());
        state.maildrops.insert(
            maildrop,
            Maildrop {
                owned: false,
                revision: 0,
                numbering: Numbering::new(Sequence::NEW, std::iter::empty()),
                messages: Vec::new(),
                bodies: HashMap::new(),
            },
        );
        Ok(user)
    }

    fn update(&self, user: &User) -> Result<(), StoreError> {
        let mut state = self.lock_open()?;
        let stored = state
            .users
            .get_mut(&user.name)
            .ok_or_else(|| no_user(&user.name))?;
        if stored.maildrop != user.maildrop {
            let context = format!(
                "user {} has maildrop {}, not {}",
                user.name, stored.maildrop, user.maildrop
            );
            return Err(StoreError::new(StoreErrorKind::Invalid, context));
        }
        stored.clone_from(user);
        Ok(())
    }

    fn remove(&self, name: &UserName) -> Result<User, StoreError> {
        let mut state = self.lock_open()?;
        let id = state.users.get(name).ok_or_else(|| no_user(name))?.maildrop;
        if state.maildrop(id)?.owned {
            let context = format!("maildrop {id} of user {name} has an owner");
            return Err(StoreError::new(StoreErrorKind::Busy, context));
        }
        state.maildrops.remove(&id);
        state.users.remove(name).ok_or_else(|| no_user(name))
    }

    fn list(&self, after: Option<&UserName>, count: usize) -> Result<Vec<User>, StoreError> {
        let state = self.lock_open()?;
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let users = state.users.range::<UserName, _>((begin, Bound::Unbounded));
        Ok(users.map(|(_, user)| user.clone()).take(count).collect())
    }
}

fn no_user(name: &UserName) -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, format!("there is no user {name}"))
}

fn now_secs() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
