//! Bodies that are read under watch.

use std::sync::Arc;

use mailroost_storage::{Body, BodyFacts, BodySource, MessageId, OpenedNow, StoreError};

use crate::world::{Store, World};

pub(super) struct WatchedBodies {
    pub(super) inner: Arc<dyn BodySource>,
    pub(super) world: Arc<World>,
}

impl BodySource for WatchedBodies {
    fn open(&self, message: MessageId) -> Result<Box<dyn Body>, StoreError> {
        let inner = self.world.call(false, || self.inner.open(message))?;
        let world = Arc::clone(&self.world);
        Ok(Box::new(WatchedBody { inner, world }))
    }

    fn open_now(&self, message: MessageId, buffer: &mut [u8]) -> Option<OpenedNow> {
        // In any other weather it has to wait.
        if self.world.store() != Store::Well {
            return None;
        }
        let OpenedNow {
            facts,
            filled,
            rest,
        } = self.inner.open_now(message, buffer)?;
        Some(OpenedNow {
            facts,
            filled,
            rest: rest.map(|inner| -> Box<dyn Body> {
                let world = Arc::clone(&self.world);
                Box::new(WatchedBody { inner, world })
            }),
        })
    }
}

struct WatchedBody {
    inner: Box<dyn Body>,
    world: Arc<World>,
}

impl Body for WatchedBody {
    fn facts(&self) -> BodyFacts {
        self.inner.facts()
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let inner = &mut self.inner;
        self.world.call(false, || inner.read(buffer))
    }
}

/// All octets of a message, past every trouble.
pub(super) fn whole(bodies: &dyn BodySource, message: MessageId) -> Result<Vec<u8>, StoreError> {
    let mut body = bodies.open(message)?;
    let octets = body.facts().octets;
    let mut whole = vec![0; usize::try_from(octets).expect("a message of a run is small")];
    let mut filled = 0;
    while filled < whole.len() {
        match body.read(&mut whole[filled..])? {
            0 => break,
            octets => filled += octets,
        }
    }
    whole.truncate(filled);
    Ok(whole)
}
