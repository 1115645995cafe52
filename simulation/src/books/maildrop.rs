//! The books of one maildrop: every number that it ever gave out and what it stands for, what is
//! live, what was deleted, and who may remove what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mailroost_actors::{Quota, Retention};
use mailroost_storage::MessageRecord;

use super::Checked;
use crate::plan::Plan;

/// See the file's first lines.
pub(crate) struct MaildropBook {
    place: usize,
    quota: Quota,
    retention: Retention,
    recoverable_secs: u64,
    /// All that ever was, by number.
    ever: BTreeMap<u64, Arc<[u8]>>,
    live: BTreeSet<u64>,
    /// When each was deleted that can be brought back.
    deleted: BTreeMap<u64, u64>,
    /// Numbers that somebody asked to remove, and those that somebody asked to bring back.
    may_go: BTreeSet<u64>,
    may_return: BTreeSet<u64>,
    /// Purges that somebody asked for: of what was removed before which second.
    purges: BTreeSet<u64>,
    /// All changes of what is live, in order.
    changes: Vec<(u64, bool)>,
    owners: usize,
    revision: u64,
}

/// A stretch of time in the life of a maildrop.
pub(crate) struct Interval {
    at_first: BTreeSet<u64>,
    changes: std::ops::Range<usize>,
}

impl Interval {
    /// It ends now.
    pub(crate) fn until_now(self, book: &MaildropBook) -> Self {
        let changes = self.changes.start..book.changes.len();
        Self { changes, ..self }
    }
}

impl MaildropBook {
    pub(super) fn new(place: usize, plan: &Plan) -> Self {
        Self {
            place,
            quota: plan.quota_of(place),
            retention: plan.retention(),
            recoverable_secs: plan.recoverable_secs,
            ever: BTreeMap::new(),
            live: BTreeSet::new(),
            deleted: BTreeMap::new(),
            may_go: BTreeSet::new(),
            may_return: BTreeSet::new(),
            purges: BTreeSet::new(),
            changes: Vec::new(),
            owners: 0,
            revision: 0,
        }
    }

    /// The text behind a number.
    pub(crate) fn text(&self, id: u64) -> Option<Arc<[u8]>> {
        self.ever.get(&id).cloned()
    }

    pub(crate) fn is_live(&self, id: u64) -> bool {
        self.live.contains(&id)
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = u64> + '_ {
        self.live.iter().copied()
    }

    pub(crate) fn deleted(&self) -> impl Iterator<Item = u64> + '_ {
        self.deleted.keys().copied()
    }

    pub(crate) fn owners(&self) -> usize {
        self.owners
    }

    /// Somebody wants to own it.
    pub(crate) fn wanted(&self) -> Checked {
        if self.owners > 0 {
            return Err(format!("maildrop {} was to have two owners", self.place));
        }
        Ok(())
    }

    /// Somebody owns it now, and this is what the store says is in it.
    pub(crate) fn opened(&mut self, messages: &[MessageRecord], revision: u64) -> Checked {
        self.owners += 1;
        let there: BTreeSet<u64> = messages.iter().map(|message| message.id.0).collect();
        if there != self.live {
            return Err(format!(
                "maildrop {} was opened with {there:?}, not with {:?}",
                self.place, self.live
            ));
        }
        if revision < self.revision {
            return Err(format!("maildrop {}: the revision went back", self.place));
        }
        self.revision = revision;
        Ok(())
    }

    pub(crate) fn put_down(&mut self) {
        self.owners -= 1;
    }

    pub(super) fn warned(&mut self, id: u64, octets: &[u8], at_secs: u64) -> Checked {
        if self.quota.messages.is_none() {
            return Err(format!(
                "maildrop {} was warned without a quota",
                self.place
            ));
        }
        self.taken_in(id, octets, at_secs, false)
    }

    pub(super) fn taken_in(&mut self, id: u64, octets: &[u8], _: u64, limited: bool) -> Checked {
        let place = self.place;
        if let Some((last, _)) = self.ever.last_key_value()
            && id <= *last
        {
            return Err(format!("maildrop {place} gave out {id} after {last}"));
        }
        if let Some(most) = self.quota.messages.filter(|_| limited)
            && self.live.len() as u64 >= most
        {
            return Err(format!(
                "maildrop {place} took in {id} over its quota of {most}"
            ));
        }
        self.ever.insert(id, octets.into());
        self.live.insert(id);
        self.changes.push((id, true));
        Ok(())
    }

    /// From here on these may be removed: somebody has asked for it who may.
    pub(crate) fn may_go(&mut self, ids: impl IntoIterator<Item = u64>) {
        self.may_go.extend(ids);
    }

    /// From here on these may be brought back.
    pub(crate) fn may_return(&mut self, ids: &[u64]) {
        self.may_return.extend(ids);
    }

    /// From here on what was removed before that second may be given up.
    pub(crate) fn may_purge(&mut self, before_secs: u64) {
        self.purges.insert(before_secs);
    }

    /// The store has removed it.
    pub(crate) fn removed(
        &mut self,
        record: &MessageRecord,
        by: &str,
        at: u64,
        kept: bool,
    ) -> Checked {
        let (place, id) = (self.place, record.id.0);
        let allowed = match by {
            "retention" => self.is_over(record, at),
            _ => self.may_go.contains(&id),
        };
        if !allowed {
            return Err(format!(
                "{by} removed {id} of maildrop {place}, and nobody wanted it"
            ));
        }
        self.live.remove(&id);
        self.changes.push((id, false));
        if kept {
            self.deleted.insert(id, at);
        }
        Ok(())
    }

    fn is_over(&self, record: &MessageRecord, now_secs: u64) -> bool {
        let stays = match record.read {
            true => self.retention.read_secs,
            false => self.retention.unread_secs,
        };
        stays.is_some_and(|secs| record.received_secs + secs <= now_secs)
    }

    /// The store has brought `old` back as `new`.
    pub(crate) fn returned(&mut self, old: u64, new: u64, at_secs: u64) -> Checked {
        let place = self.place;
        if !self.may_return.contains(&old) {
            return Err(format!(
                "{old} of maildrop {place} came back, and nobody wanted it"
            ));
        }
        if self.deleted.remove(&old).is_none() {
            return Err(format!("{old} of maildrop {place} came back from nowhere"));
        }
        let text = self.text(old).unwrap_or_default();
        self.taken_in(new, &text, at_secs, true)
    }

    /// The store has given up what was removed before that second.
    pub(crate) fn purged(&mut self, before_secs: u64, now_secs: u64) -> Checked {
        let by_age = match self.recoverable_secs {
            0 => u64::MAX,
            secs => now_secs.saturating_sub(secs),
        };
        if before_secs > by_age && !self.purges.contains(&before_secs) {
            return Err(format!("maildrop {} was purged too early", self.place));
        }
        self.deleted.retain(|_, at| *at >= before_secs);
        Ok(())
    }

    /// The answer to a QUIT came: what it removed is not there any more.
    pub(crate) fn gone(&self, ids: &BTreeSet<u64>) -> Checked {
        match ids.intersection(&self.live).next() {
            None => Ok(()),
            Some(id) => Err(format!(
                "the removal of {id} of maildrop {} was acknowledged, and it is there",
                self.place
            )),
        }
    }

    pub(crate) fn interval(&self) -> Interval {
        Interval {
            at_first: self.live.clone(),
            changes: self.changes.len()..self.changes.len(),
        }
    }

    /// A view that was made in the interval: all that was there throughout, and nothing that
    /// never was.
    pub(crate) fn view_of(&self, interval: &Interval, view: &BTreeSet<u64>) -> Checked {
        let place = self.place;
        let (mut always, mut at_times) = (interval.at_first.clone(), interval.at_first.clone());
        for (id, came) in &self.changes[interval.changes.clone()] {
            match came {
                true => drop(at_times.insert(*id)),
                false => drop(always.remove(id)),
            }
        }
        if let Some(id) = always.difference(view).next() {
            return Err(format!("{id} of maildrop {place} is not in a view"));
        }
        if let Some(id) = view.difference(&at_times).next() {
            return Err(format!(
                "{id} is in a view of maildrop {place} and is not there"
            ));
        }
        Ok(())
    }
}
