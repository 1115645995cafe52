//! An owned maildrop, every change of which goes into the books.

use std::sync::Arc;

use mailroost_storage::{
    BodySource, DeletedRecord, Delivery, MaildropId, MessageId, MessageRecord, OwnedMaildrop,
    Purged, Removal, StoreError, Usage,
};

use super::bodies::{WatchedBodies, whole};
use crate::world::World;

pub(super) struct WatchedMaildrop {
    pub(super) inner: Box<dyn OwnedMaildrop>,
    pub(super) world: Arc<World>,
    pub(super) place: usize,
}

impl Drop for WatchedMaildrop {
    fn drop(&mut self) {
        self.world.books().maildrops[self.place].put_down();
    }
}

impl OwnedMaildrop for WatchedMaildrop {
    fn id(&self) -> MaildropId {
        self.inner.id()
    }

    fn revision(&self) -> u64 {
        self.inner.revision()
    }

    fn messages(&self) -> &[MessageRecord] {
        self.inner.messages()
    }

    fn bodies(&self) -> Arc<dyn BodySource> {
        Arc::new(WatchedBodies {
            inner: self.inner.bodies(),
            world: Arc::clone(&self.world),
        })
    }

    fn deliver(&mut self, deliveries: Vec<Delivery>) -> Result<Vec<MessageId>, StoreError> {
        let (world, place, inner) = (&self.world, self.place, &mut self.inner);
        world.call(true, || {
            let numbers = inner.deliver(deliveries)?;
            for number in &numbers {
                let octets = whole(&*inner.bodies(), *number)?;
                world.note(&format!("maildrop {place} takes in {number}"));
                let taken = world
                    .books()
                    .taken_in(place, number.0, &octets, world.now_secs());
                world.check(taken);
            }
            Ok(numbers)
        })
    }

    fn remove(&mut self, messages: &[MessageId], removal: &Removal) -> Result<usize, StoreError> {
        let (world, place, inner) = (&self.world, self.place, &mut self.inner);
        world.call(true, || {
            let before = inner.messages().to_vec();
            let removed = inner.remove(messages, removal)?;
            let by = removal.session.as_deref().unwrap_or("somebody");
            let after = inner.messages();
            let gone = before.iter().filter(|record| !after.contains(record));
            for record in gone {
                world.note(&format!("{by} removes {} of maildrop {place}", record.id));
                let removed = world.books().maildrops[place].removed(
                    record,
                    by,
                    removal.at_secs,
                    removal.keep,
                );
                world.check(removed);
            }
            Ok(removed)
        })
    }

    fn deleted(&self) -> Result<Vec<DeletedRecord>, StoreError> {
        self.world.call(false, || self.inner.deleted())
    }

    fn undelete(
        &mut self,
        ids: &[MessageId],
        at_secs: u64,
    ) -> Result<Vec<(MessageId, MessageId)>, StoreError> {
        let (world, place, inner) = (&self.world, self.place, &mut self.inner);
        world.call(true, || {
            let returned = inner.undelete(ids, at_secs)?;
            for (old, new) in &returned {
                world.note(&format!("{old} of maildrop {place} returns as {new}"));
                let returned = world.books().maildrops[place].returned(old.0, new.0, at_secs);
                world.check(returned);
            }
            Ok(returned)
        })
    }

    fn purge(&mut self, deleted_before_secs: u64) -> Result<Purged, StoreError> {
        let (world, place, inner) = (&self.world, self.place, &mut self.inner);
        world.call(true, || {
            let purged = inner.purge(deleted_before_secs)?;
            if purged.messages > 0 {
                world.note(&format!(
                    "{} of maildrop {place} are purged",
                    purged.messages
                ));
                let now_secs = world.now_secs();
                let booked = world.books().maildrops[place].purged(deleted_before_secs, now_secs);
                world.check(booked);
            }
            Ok(purged)
        })
    }

    fn mark_read(&mut self, ids: &[MessageId]) -> Result<usize, StoreError> {
        let inner = &mut self.inner;
        self.world.call(true, || inner.mark_read(ids))
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }

    fn quota_warned(&self) -> bool {
        self.inner.quota_warned()
    }

    fn set_quota_warned(&mut self, warned: bool) -> Result<(), StoreError> {
        let inner = &mut self.inner;
        self.world.call(true, || inner.set_quota_warned(warned))
    }
}
