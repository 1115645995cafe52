//! Reading messages out of memory.

use std::sync::Arc;

use super::MemoryStore;
use crate::{Body, BodyFacts, BodySource, MaildropId, MessageId, StoreError, StoreErrorKind};

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
}
