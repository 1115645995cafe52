//! A table that never holds more than it may, and that is not emptied by whoever fills it: who
//! failed once makes room before who failed often.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Of the places, this share is for those who failed often; the oldest of them falls back among
/// the others when it is taken.
const KEPT_SHARE: (usize, usize) = (3, 4);

/// Values by key, each in one of two queues.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    slots: HashMap<K, Slot<V>>,
    /// Oldest first: the first to go.
    fresh: BTreeMap<u64, K>,
    /// Oldest first.
    kept: BTreeMap<u64, K>,
    next: u64,
}

#[derive(Debug)]
struct Slot<V> {
    value: V,
    place: u64,
    kept: bool,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            slots: HashMap::new(),
            fresh: BTreeMap::new(),
            kept: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<K: Eq + Hash + Clone, V> Table<K, V> {
    pub(super) fn find(&self, key: &K) -> Option<&V> {
        self.slots.get(key).map(|slot| &slot.value)
    }

    /// Calls `change` on the value of `key`, made if it is not there. If that says so, the key
    /// is one of those that are kept. At most `most` keys are there afterwards.
    pub(super) fn change<R>(
        &mut self,
        key: &K,
        most: usize,
        make: impl FnOnce() -> V,
        change: impl FnOnce(&mut V) -> (bool, R),
    ) -> R {
        let place = self.next;
        self.next += 1;
        let (mut value, was_kept) = match self.remove(key) {
            Some((value, kept)) => (value, kept),
            None => (make(), false),
        };
        let (keep, result) = change(&mut value);
        while self.slots.len() >= most.max(1) && self.evict() {}
        let kept = was_kept || keep;
        let queue = if kept {
            &mut self.kept
        } else {
            &mut self.fresh
        };
        queue.insert(place, key.clone());
        self.slots.insert(key.clone(), Slot { value, place, kept });
        while self.kept.len() > (most / KEPT_SHARE.1 * KEPT_SHARE.0).max(1) {
            self.fall_back();
        }
        result
    }

    fn remove(&mut self, key: &K) -> Option<(V, bool)> {
        let Slot { value, place, kept } = self.slots.remove(key)?;
        let queue = if kept {
            &mut self.kept
        } else {
            &mut self.fresh
        };
        queue.remove(&place);
        Some((value, kept))
    }

    /// Removes one key. Says how many that were: 0 or 1.
    pub(super) fn forget(&mut self, key: &K) -> usize {
        usize::from(self.remove(key).is_some())
    }

    /// Removes all that `which` is true of, and says how many that were.
    pub(super) fn forget_all(&mut self, which: impl Fn(&K) -> bool) -> usize {
        let keys: Vec<K> = self
            .slots
            .keys()
            .filter(|key| which(key))
            .cloned()
            .collect();
        for key in &keys {
            self.remove(key);
        }
        keys.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots.iter().map(|(key, slot)| (key, &slot.value))
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    fn evict(&mut self) -> bool {
        let oldest = self.fresh.pop_first().or_else(|| self.kept.pop_first());
        oldest.is_some_and(|(_, key)| self.slots.remove(&key).is_some())
    }

    /// The oldest of those who are kept is the youngest of the others now.
    fn fall_back(&mut self) {
        let Some((_, key)) = self.kept.pop_first() else {
            return;
        };
        if let Some(slot) = self.slots.get_mut(&key) {
            (slot.place, slot.kept) = (self.next, false);
            self.fresh.insert(self.next, key);
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(table: &mut Table<u32, u32>, key: u32, most: usize, keep: bool) {
        table.change(
            &key,
            most,
            || 0,
            |value| {
                *value += 1;
                (keep, ())
            },
        );
    }

    #[test]
    fn who_came_once_makes_room_and_who_came_often_stays() {
        let mut table = Table::default();
        for key in 0..3 {
            put(&mut table, key, 8, true);
        }
        for key in 100..10_000 {
            put(&mut table, key, 8, false);
            assert!(table.len() <= 8);
        }
        for key in 0..3 {
            assert_eq!(table.find(&key), Some(&1));
        }
    }

    #[test]
    fn only_so_many_are_kept_and_the_oldest_falls_back() {
        let mut table = Table::default();
        for key in 0..7 {
            put(&mut table, key, 8, true);
        }
        assert_eq!((table.kept.len(), table.fresh.len()), (6, 1));
        put(&mut table, 100, 8, false);
        put(&mut table, 101, 8, false);
        assert_eq!((table.find(&0), table.find(&1)), (None, Some(&1)));
    }

    #[test]
    fn a_key_has_one_place_however_often_it_comes() {
        let mut table = Table::default();
        for _ in 0..100 {
            put(&mut table, 1, 8, false);
            put(&mut table, 1, 8, true);
        }
        assert_eq!(table.find(&1), Some(&200));
        assert_eq!(
            (table.len(), table.kept.len(), table.fresh.len()),
            (1, 1, 0)
        );
        assert_eq!(table.forget_all(|key| *key == 1), 1);
        assert_eq!(
            (table.len(), table.kept.len(), table.fresh.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn a_table_that_shrinks_lets_go_of_what_is_over() {
        let mut table = Table::default();
        for key in 0..100 {
            put(&mut table, key, 100, false);
        }
        put(&mut table, 7, 10, false);
        assert_eq!(table.len(), 10);
        assert_eq!(table.find(&7), Some(&2));
    }
}
