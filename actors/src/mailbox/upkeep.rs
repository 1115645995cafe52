//! What is done with a maildrop so that it stays within its limits: quota and its warning,
//! removal by age, and what was removed and can be brought back. All of it runs on the blocking
//! thread that has the maildrop in hand, one after the other, so that every count is exact.

use std::io::Write;

use mailroost_storage::{
    DeletedRecord, Delivery, MessageId, MessageRecord, Purged, Removal, Staging, StoreError,
    StoreErrorKind,
};

use super::desk::Desk;
use crate::upkeep::{Crossing, Load, Retained, Retention, Terms};

/// Messages that retention removes in one step; then others who want the maildrop have their
/// turn.
const STEP_MESSAGES_MAX: usize = 1000;

impl Desk {
    /// Takes messages in, all or none, and warns their user if that reaches the part of the
    /// quota from which on users are warned.
    pub(super) fn deliver(
        &mut self,
        deliveries: Vec<Delivery>,
        terms: Option<&Terms>,
    ) -> Result<Vec<MessageId>, StoreError> {
        let Some(terms) = terms else {
            return self.maildrop.deliver(deliveries);
        };
        let before = self.load();
        let more = Load {
            octets: deliveries.iter().map(|more| more.facts.octets).sum(),
            messages: deliveries.len() as u64,
        };
        terms.admit(before, more)?;
        let delivered = self.maildrop.deliver(deliveries)?;
        self.warn(terms, before);
        Ok(delivered)
    }

    /// Removes messages, all or none. They stay recoverable if the settings want it.
    pub(super) fn remove(
        &mut self,
        messages: &[MessageId],
        by: Option<Box<str>>,
    ) -> Result<usize, StoreError> {
        let removal = Removal {
            at_secs: self.parts.machine.now_secs(),
            session: by,
            keep: self.parts.upkeep.borrow().recoverable_secs > 0,
        };
        self.maildrop.remove(messages, &removal)
    }

    /// One step of retention: removes some of what has been here for too long, and, when there
    /// is nothing of that left, gives up what can be brought back no longer. A dry run counts
    /// all of it and changes nothing.
    pub(super) fn retain(
        &mut self,
        retention: Retention,
        dry_run: bool,
    ) -> Result<Retained, StoreError> {
        let now_secs = self.parts.machine.now_secs();
        let due = self.maildrop.messages().iter();
        let mut due = due.filter(|message| retention.is_over(message, now_secs));
        if dry_run {
            let mut retained = Retained::of(due);
            retained.purged = self.purgeable(now_secs)?;
            return Ok(retained);
        }
        let some: Vec<&MessageRecord> = due.by_ref().take(STEP_MESSAGES_MAX).collect();
        let more = due.next().is_some();
        let mut retained = Retained::of(some.iter().copied());
        let ids: Vec<MessageId> = some.iter().map(|message| message.id).collect();
        if !ids.is_empty() {
            self.remove(&ids, Some("retention".into()))?;
        }
        retained.more = more;
        if !more {
            retained.purged = self.maildrop.purge(self.purge_before(now_secs))?;
        }
        Ok(retained)
    }

    /// Brings deleted messages back, all or none, if they fit into the quota. Their age counts
    /// from now, so that retention does not remove them again at once.
    pub(super) fn undelete(
        &mut self,
        ids: &[MessageId],
        terms: &Terms,
    ) -> Result<Vec<(MessageId, MessageId)>, StoreError> {
        let before = self.load();
        let deleted = self.maildrop.deleted()?;
        let mut more = Load::default();
        for id in ids {
            let found = deleted.binary_search_by_key(id, |deleted| deleted.id);
            let Ok(place) = found else {
                let text = format!("message {id} is not among those that can be brought back");
                return Err(StoreError::new(StoreErrorKind::Gone, text));
            };
            more.octets += deleted[place].exact_octets;
            more.messages += 1;
        }
        terms.admit(before, more)?;
        let undeleted = self.maildrop.undelete(ids, self.parts.machine.now_secs())?;
        self.warn(terms, before);
        Ok(undeleted)
    }

    /// What is in the maildrop.
    fn load(&self) -> Load {
        let usage = self.maildrop.usage();
        Load {
            octets: usage.exact_octets,
            messages: usage.messages,
        }
    }

    /// What was removed before this second can be brought back no longer.
    fn purge_before(&self, now_secs: u64) -> u64 {
        match self.parts.upkeep.borrow().recoverable_secs {
            // Off: what was kept while it was on goes as well.
            0 => u64::MAX,
            secs => now_secs.saturating_sub(secs),
        }
    }

    fn purgeable(&self, now_secs: u64) -> Result<Purged, StoreError> {
        let before = self.purge_before(now_secs);
        let deleted = self.maildrop.deleted()?;
        let over = deleted.iter().filter(|one| one.deleted_secs < before);
        let count = |purged: Purged, one: &DeletedRecord| Purged {
            messages: purged.messages + 1,
            stored_octets: purged.stored_octets + one.stored_octets,
        };
        Ok(over.fold(Purged::default(), count))
    }

    /// Warns the user if the load was not yet, and is now, as much as users are warned of. Nobody
    /// waits for a warning that cannot be given: the next delivery tries again.
    fn warn(&mut self, terms: &Terms, before: Load) {
        let Some(percent) = self.parts.upkeep.borrow().warn_percent else {
            return;
        };
        // The mark is looked at with the load before: who has fallen below the line since, on
        // whatever way, is warned anew.
        let was_told =
            self.maildrop.quota_warned() && terms.quota.reached(before, percent).is_some();
        let reached = terms.quota.reached(self.load(), percent);
        let warned = match reached {
            Some(_) if was_told => Ok(()),
            Some((of, used, limit)) => self.put_warning(&Crossing {
                user: terms.user.clone(),
                of,
                used,
                limit,
                at_secs: self.parts.machine.now_secs(),
            }),
            None if self.maildrop.quota_warned() => self.maildrop.set_quota_warned(false),
            None => Ok(()),
        };
        if let Err(error) = warned {
            slog::error!(self.parts.log, "the user was not warned of the quota";
                "user" => %terms.user, "why" => %error);
        }
    }

    /// The mark comes first: after a crash in between nobody is told twice.
    fn put_warning(&mut self, crossing: &Crossing) -> Result<(), StoreError> {
        let upkeep = self.parts.upkeep.borrow().clone();
        let message = upkeep.warning.compose(crossing);
        self.maildrop.set_quota_warned(true)?;
        let put = stage(&message, &*self.parts.store)
            .and_then(|delivery| self.maildrop.deliver(vec![delivery]));
        if let Err(error) = put {
            self.maildrop.set_quota_warned(false)?;
            return Err(error);
        }
        slog::info!(self.parts.log, "user warned of the quota";
            "user" => %crossing.user, "used" => crossing.used, "limit" => crossing.limit,
            "of" => %crossing.of);
        Ok(())
    }
}

fn stage(
    message: &[u8],
    store: &dyn mailroost_storage::MaildropStore,
) -> Result<Delivery, StoreError> {
    let mut body = store.stage(Staging::default())?;
    let written = body.write_all(message);
    written.map_err(|error| StoreError::io("writing a warning", error))?;
    body.finish()
}
