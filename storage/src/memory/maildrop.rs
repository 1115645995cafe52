//! An owned maildrop in memory.

use std::sync::Arc;

use super::bodies::{MemoryBodies, StoredBody};
use super::{Maildrop, MemoryStore};
use crate::{
    BodySource, DeletedRecord, Delivery, MaildropId, MessageId, MessageRecord, OwnedMaildrop,
    Purged, Removal, StoreError, StoreErrorKind, Usage,
};

pub(super) struct MemoryMaildrop {
    id: MaildropId,
    revision: u64,
    messages: Vec<MessageRecord>,
    quota_warned: bool,
    store: MemoryStore,
}

impl MemoryMaildrop {
    pub(super) fn new(id: MaildropId, maildrop: &Maildrop, store: MemoryStore) -> Self {
        Self {
            id,
            revision: maildrop.revision,
            messages: maildrop.messages.clone(),
            quota_warned: maildrop.quota_warned,
            store,
        }
    }

    /// Changes the maildrop, and sees what became of it.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Maildrop) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut state = self.store.lock_open()?;
        let maildrop = state.maildrop(self.id)?;
        let changed = change(maildrop)?;
        self.revision = maildrop.revision;
        self.quota_warned = maildrop.quota_warned;
        self.messages.clone_from(&maildrop.messages);
        Ok(changed)
    }
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
        let numbers = maildrop.deliver(deliveries, bodies)?;
        self.revision = maildrop.revision;
        let new = &maildrop.messages[self.messages.len()..];
        self.messages.extend_from_slice(new);
        Ok(numbers)
    }

    fn remove(&mut self, messages: &[MessageId], removal: &Removal) -> Result<usize, StoreError> {
        removal.check()?;
        self.change(|maildrop| Ok(maildrop.remove(messages, removal)))
    }

    fn deleted(&self) -> Result<Vec<DeletedRecord>, StoreError> {
        let mut state = self.store.lock_open()?;
        let deleted = state.maildrop(self.id)?.deleted.values();
        Ok(deleted.map(|(record, _)| record.clone()).collect())
    }

    fn undelete(
        &mut self,
        ids: &[MessageId],
        at_secs: u64,
    ) -> Result<Vec<(MessageId, MessageId)>, StoreError> {
        self.change(|maildrop| maildrop.undelete(ids, at_secs))
    }

    fn purge(&mut self, deleted_before_secs: u64) -> Result<Purged, StoreError> {
        self.change(|maildrop| Ok(maildrop.purge(deleted_before_secs)))
    }

    fn mark_read(&mut self, ids: &[MessageId]) -> Result<usize, StoreError> {
        let wanted = sorted(ids);
        self.change(|maildrop| {
            let mut news = 0;
            for record in &mut maildrop.messages {
                if !record.read && wanted.binary_search(&record.id).is_ok() {
                    record.read = true;
                    news += 1;
                }
            }
            Ok(news)
        })
    }

    fn usage(&self) -> Usage {
        Usage {
            messages: self.messages.len() as u64,
            exact_octets: self.messages.iter().map(|it| it.exact_octets).sum(),
            stored_octets: self.messages.iter().map(|it| it.stored_octets).sum(),
        }
    }

    fn quota_warned(&self) -> bool {
        self.quota_warned
    }

    fn set_quota_warned(&mut self, warned: bool) -> Result<(), StoreError> {
        self.change(|maildrop| {
            maildrop.quota_warned = warned;
            Ok(())
        })
    }
}

impl Maildrop {
    fn deliver(
        &mut self,
        deliveries: Vec<Delivery>,
        bodies: Vec<StoredBody>,
    ) -> Result<Vec<MessageId>, StoreError> {
        let carried = deliveries
            .iter()
            .map(|delivery| delivery.carried_unique_id.as_deref());
        let numbers = self.numbering.admit_all(carried)?;
        for ((delivery, body), &id) in deliveries.into_iter().zip(bodies).zip(&numbers) {
            let Delivery {
                received_secs,
                carried_unique_id,
                ..
            } = delivery;
            self.add(id, body, received_secs, carried_unique_id);
        }
        self.revision += u64::from(!numbers.is_empty());
        Ok(numbers)
    }

    fn add(
        &mut self,
        id: MessageId,
        body: StoredBody,
        received_secs: u64,
        carried_unique_id: Option<Box<str>>,
    ) {
        self.messages.push(MessageRecord {
            id,
            exact_octets: body.facts.octets,
            stored_octets: body.facts.octets,
            received_secs,
            carried_unique_id,
            read: false,
        });
        self.bodies.insert(id, body);
    }

    fn remove(&mut self, messages: &[MessageId], removal: &Removal) -> usize {
        let wanted = sorted(messages);
        let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.messages)
            .into_iter()
            .partition(|record| wanted.binary_search(&record.id).is_ok());
        self.messages = kept;
        let removed = gone.len();
        self.revision += u64::from(removed > 0);
        for record in gone {
            let body = self.bodies.remove(&record.id);
            if let Some(body) = body.filter(|_| removal.keep) {
                let deleted = record.into_deleted(self.revision, removal);
                self.deleted.insert(deleted.id, (deleted, body));
            } else {
                let carried = record.carried_unique_id.as_deref();
                self.numbering.forget(carried.into_iter());
            }
        }
        removed
    }

    fn undelete(
        &mut self,
        ids: &[MessageId],
        at_secs: u64,
    ) -> Result<Vec<(MessageId, MessageId)>, StoreError> {
        let old = sorted(ids);
        if let Some(id) = old.iter().find(|id| !self.deleted.contains_key(id)) {
            let context = format!("there is no deleted message {id} that can be brought back");
            return Err(StoreError::new(StoreErrorKind::Gone, context));
        }
        let new = self.numbering.admit_all(old.iter().map(|_| None))?;
        for (old, new) in old.iter().zip(&new) {
            if let Some((record, body)) = self.deleted.remove(old) {
                self.numbering
                    .forget(record.carried_unique_id.as_deref().into_iter());
                self.add(*new, body, at_secs, None);
            }
        }
        self.revision += u64::from(!new.is_empty());
        Ok(old.into_iter().zip(new).collect())
    }

    fn purge(&mut self, deleted_before_secs: u64) -> Purged {
        let mut purged = Purged::default();
        self.deleted.retain(|_, (record, _)| {
            let stays = record.deleted_secs >= deleted_before_secs;
            if !stays {
                purged.messages += 1;
                purged.stored_octets += record.stored_octets;
                let carried = record.carried_unique_id.as_deref();
                self.numbering.forget(carried.into_iter());
            }
            stays
        });
        self.revision += u64::from(purged.messages > 0);
        purged
    }
}

fn sorted(ids: &[MessageId]) -> Vec<MessageId> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    ids
}
