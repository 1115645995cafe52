//! Who may come in: counts in total, for each address and for each user, held by guards, so
//! that every way out gives them back.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use mailroost_storage::UserName;

use crate::Limits;

/// The counts. They live above the supervisor, so its death loses none of them.
#[derive(Debug)]
pub(crate) struct Admission {
    total_max: usize,
    total: Arc<Mutex<usize>>,
    addresses: Tally<IpAddr>,
    users: Tally<UserName>,
}

/// Why a connection is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowded {
    /// All places are taken.
    Total,
    /// This address has its share.
    Address,
}

/// A connection's place.
#[derive(Debug)]
pub(crate) struct Place {
    total: Arc<Mutex<usize>>,
    _address: Share<IpAddr>,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            total_max: limits.sessions_max,
            total: Arc::default(),
            addresses: Tally::new(limits.sessions_per_address_max),
            users: Tally::new(limits.sessions_per_user_max),
        }
    }

    /// Takes a place for a connection from `address`.
    pub(crate) fn admit(&self, address: IpAddr) -> Result<Place, Crowded> {
        let share = self
            .addresses
            .take(address.to_canonical())
            .ok_or(Crowded::Address)?;
        let mut total = lock(&self.total);
        if *total >= self.total_max {
            return Err(Crowded::Total);
        }
        *total += 1;
        Ok(Place {
            total: Arc::clone(&self.total),
            _address: share,
        })
    }

    /// Takes a share of `user`'s sessions.
    pub(crate) fn admit_user(&self, user: &UserName) -> Option<Share<UserName>> {
        self.users.take(user.clone())
    }

    /// Connections that have a place.
    #[cfg(test)]
    pub(crate) fn total(&self) -> usize {
        *lock(&self.total)
    }

    /// Addresses and users that have at least one.
    #[cfg(test)]
    pub(crate) fn tallied(&self) -> (usize, usize) {
        (
            lock(&self.addresses.counts).len(),
            lock(&self.users.counts).len(),
        )
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *lock(&self.total) -= 1;
    }
}

#[derive(Debug)]
struct Tally<K> {
    each_max: usize,
    counts: Arc<Mutex<HashMap<K, usize>>>,
}

/// One of a key's shares.
#[derive(Debug)]
pub(crate) struct Share<K: Eq + Hash> {
    key: Option<K>,
    counts: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Eq + Hash + Clone> Tally<K> {
    fn new(each_max: usize) -> Self {
        Self {
            each_max,
            counts: Arc::default(),
        }
    }

    fn take(&self, key: K) -> Option<Share<K>> {
        let mut counts = lock(&self.counts);
        let taken = counts.get(&key).copied().unwrap_or_default();
        if taken >= self.each_max {
            return None;
        }
        counts.insert(key.clone(), taken + 1);
        Some(Share {
            key: Some(key),
            counts: Arc::clone(&self.counts),
        })
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let mut counts = lock(&self.counts);
        match counts.get_mut(&key) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(counts.remove(&key)),
        }
    }
}

/// A count is a number: it cannot be left half-changed, so poison means nothing.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(total: usize, address: usize, user: usize) -> Admission {
        Admission::new(&Limits {
            sessions_max: total,
            sessions_per_address_max: address,
            sessions_per_user_max: user,
            ..Limits::default()
        })
    }

    #[test]
    fn a_place_that_is_given_up_can_be_taken_again() {
        let admission = admission(2, 1, 1);
        let one = admission.admit([127, 0, 0, 1].into()).unwrap();
        assert_eq!(
            admission.admit([127, 0, 0, 1].into()).unwrap_err(),
            Crowded::Address
        );
        let two = admission.admit([127, 0, 0, 2].into()).unwrap();
        assert_eq!(
            admission.admit([127, 0, 0, 3].into()).unwrap_err(),
            Crowded::Total
        );
        drop(one);
        let three = admission.admit([127, 0, 0, 1].into()).unwrap();
        drop((two, three));
        assert_eq!(admission.total(), 0);
        assert_eq!(admission.tallied(), (0, 0));
    }

    #[test]
    fn a_user_has_only_so_many_sessions() {
        let admission = admission(9, 9, 1);
        let alice = UserName::new("alice").unwrap();
        let first = admission.admit_user(&alice).unwrap();
        assert!(admission.admit_user(&alice).is_none());
        drop(first);
        assert!(admission.admit_user(&alice).is_some());
        assert_eq!(admission.tallied(), (0, 0));
    }

    #[test]
    fn who_is_refused_leaves_no_trace() {
        let admission = admission(9, 0, 0);
        assert!(admission.admit([127, 0, 0, 1].into()).is_err());
        let alice = UserName::new("alice").unwrap();
        assert!(admission.admit_user(&alice).is_none());
        assert_eq!(admission.tallied(), (0, 0));
    }

    #[test]
    fn an_address_is_the_same_in_both_families() {
        let admission = admission(9, 1, 1);
        let _first = admission.admit([192, 0, 2, 1].into()).unwrap();
        let mapped = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(admission.admit(mapped).unwrap_err(), Crowded::Address);
    }
}
