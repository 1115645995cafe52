//! Reading messages out of memory.

use std::sync::Arc;

use super::MemoryStore;
use crate::{
    Body, BodyFacts, BodySource, MaildropId, MessageId, OpenedNow, StoreError, StoreErrorKind,
};

/// A message: its trace lines, then octets that others may have too.
#[derive(Clone)]
pub(super) struct StoredBody {
    pub(super) facts: BodyFacts,
    pub(super) trace: Arc<[u8]>,
    pub(super) octets: Arc<[u8]>,
}

pub(super) struct MemoryBodies {
    pub(super) id: MaildropId,
    pub(super) store: MemoryStore,
}

impl BodySource for MemoryBodies {
    fn open(&self, message: MessageId) -> Result<Box<dyn Body>, StoreError> {
        match self.find(message) {
            Some(body) => Ok(Box::new(body)),
            None => Err(StoreError::new(
                StoreErrorKind::Gone,
                format!("message {message} of maildrop {} was removed", self.id),
            )),
        }
    }

    fn open_now(&self, message: MessageId, buffer: &mut [u8]) -> Option<OpenedNow> {
        let mut body = self.find(message)?;
        let facts = body.facts();
        let filled = body.read_now(buffer)?;
        let more = facts.octets > filled as u64;
        Some(OpenedNow {
            facts,
            filled,
            rest: more.then(|| -> Box<dyn Body> { Box::new(body) }),
        })
    }
}

impl MemoryBodies {
    fn find(&self, message: MessageId) -> Option<MemoryBody> {
        let state = self.store.lock();
        let body = state.maildrops.get(&self.id)?.bodies.get(&message)?.clone();
        Some(MemoryBody { body, position: 0 })
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
        let StoredBody { trace, octets, .. } = &self.body;
        let rest = match self.position.checked_sub(trace.len()) {
            None => &trace[self.position..],
            Some(position) => &octets[position..],
        };
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        Ok(count)
    }

    fn read_now(&mut self, buffer: &mut [u8]) -> Option<usize> {
        self.read(buffer).ok()
    }
}
