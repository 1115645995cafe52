//! The store under the tree: a real one that has its troubles and keeps the books.

mod bodies;
mod directory;
mod ground;
mod maildrop;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use mailroost_storage::{
    Delivery, Directory, Housekeeping, MaildropId, MaildropStore, OwnedMaildrop, SharedBody,
    StagedBody, Staging, StoreError, StoreErrorKind,
};

use crate::world::{Fate, World};
pub(crate) use ground::Ground;
use maildrop::WatchedMaildrop;

/// What panics on purpose says so.
pub(crate) const ON_PURPOSE: &str = "the store was told to crash";

/// What is below.
pub(crate) trait Below: MaildropStore + Directory {}

impl<S: MaildropStore + Directory> Below for S {}

/// See the file's first lines.
#[derive(Clone)]
pub(crate) struct WatchedStore {
    inner: Arc<dyn Below>,
    world: Arc<World>,
    /// The maildrops in the order of their places.
    maildrops: Arc<[MaildropId]>,
    /// Names of those who have shown their password in this life.
    proven: Arc<Mutex<BTreeSet<Vec<u8>>>>,
}

impl WatchedStore {
    pub(crate) fn new(
        inner: Arc<dyn Below>,
        world: Arc<World>,
        maildrops: Arc<[MaildropId]>,
    ) -> Self {
        Self {
            inner,
            world,
            maildrops,
            proven: Arc::default(),
        }
    }

    fn place(&self, id: MaildropId) -> usize {
        let place = self.maildrops.iter().position(|known| *known == id);
        place.expect("the tree only knows the maildrops of the plan")
    }
}

impl World {
    /// Suffers what the weather brings, around a call.
    pub(crate) fn call<R>(
        &self,
        writes: bool,
        call: impl FnOnce() -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        match self.fate(writes) {
            Fate::Done => call(),
            Fate::Refused => Err(refused(self)),
            Fate::Panics { done } => {
                self.note(&format!("a call panics, done: {done}"));
                if done {
                    drop(call());
                }
                panic!("{ON_PURPOSE}")
            }
            Fate::Poisons { done } => {
                self.note(&format!("the store is poisoned, done: {done}"));
                if done {
                    drop(call());
                }
                Err(refused(self))
            }
        }
    }

    /// Books an entry.
    pub(crate) fn check(&self, checked: Result<(), String>) {
        if let Err(what) = checked {
            self.wrong(what);
        }
    }
}

fn refused(world: &World) -> StoreError {
    let kind = match world.store() {
        crate::world::Store::Poisoned => StoreErrorKind::Poisoned,
        _ => StoreErrorKind::Io,
    };
    world.note(&format!("a call fails: {kind:?}"));
    StoreError::new(kind, "the store was told to fail")
}

impl MaildropStore for WatchedStore {
    fn open_maildrop(&self, id: MaildropId) -> Result<Box<dyn OwnedMaildrop>, StoreError> {
        let (world, place) = (&self.world, self.place(id));
        let wanted = world.books().maildrops[place].wanted();
        world.check(wanted);
        world.call(false, || {
            let inner = self.inner.open_maildrop(id)?;
            world.note(&format!("maildrop {place} is opened"));
            let opened = world.books().maildrops[place].opened(inner.messages(), inner.revision());
            world.check(opened);
            let owned = WatchedMaildrop {
                inner,
                world: Arc::clone(world),
                place,
            };
            Ok(Box::new(owned) as Box<dyn OwnedMaildrop>)
        })
    }

    fn stage(&self, staging: Staging) -> Result<Box<dyn StagedBody>, StoreError> {
        let received_secs = staging.received_secs.or(Some(self.world.now_secs()));
        let staging = Staging {
            received_secs,
            ..staging
        };
        let inner = self.world.call(false, || self.inner.stage(staging))?;
        let world = Arc::clone(&self.world);
        Ok(Box::new(WatchedStaged { inner, world }))
    }

    fn housekeeping(&self) -> Result<Housekeeping, StoreError> {
        self.world.call(false, || self.inner.housekeeping())
    }

    fn close(&self) -> Result<(), StoreError> {
        self.inner.close()
    }
}

/// A message on its way in.
struct WatchedStaged {
    inner: Box<dyn StagedBody>,
    world: Arc<World>,
}

impl Write for WatchedStaged {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let inner = &mut self.inner;
        let wrote = self.world.call(false, || Ok(inner.write(octets)));
        wrote.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl StagedBody for WatchedStaged {
    fn finish(self: Box<Self>) -> Result<Delivery, StoreError> {
        let Self { inner, world } = *self;
        world.call(false, || inner.finish())
    }

    fn finish_shared(self: Box<Self>) -> Result<Box<dyn SharedBody>, StoreError> {
        let Self { inner, world } = *self;
        world.call(false, || inner.finish_shared())
    }
}
