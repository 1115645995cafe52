//! Random histories: both stores do what a plain list does.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod support;

use std::path::Path;

use mailroost_storage::sled_store::{Severity, rebuild};
use mailroost_storage::{
    MaildropId, MaildropStore, MemoryStore, MessageId, OwnedMaildrop, Removal, SledStore,
    SledStoreOptions, Staging, StoreErrorKind,
};
use proptest::prelude::*;
use support::{findings, keeping, message, read, stage_shared, user};
use tempfile::TempDir;

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    /// Messages by seed, some with a unique-id carried over from a small set.
    Deliver(Vec<(u64, Option<u8>)>),
    /// A message by seed, as one for many.
    DeliverShared(u64),
    /// The messages at these places of the list, if there are that many; kept or not.
    Remove(Vec<prop::sample::Index>, bool),
    /// The deleted messages at these places.
    Undelete(Vec<prop::sample::Index>),
    /// What was deleted before the one at this place.
    Purge(prop::sample::Index),
    /// The messages at these places of the list.
    MarkRead(Vec<prop::sample::Index>),
    /// The mark for whoever warns about a quota.
    SetQuotaWarned(bool),
    /// Another owner.
    ChangeOwner,
    /// The store is closed and opened.
    Reopen,
    /// The store is dropped without being closed, and opened.
    Crash,
    /// The store is closed, its index made anew.
    Rebuild,
}

fn step() -> impl Strategy<Value = Step> {
    let message = (any::<u64>(), prop::option::weighted(0.3, 0_u8..12));
    prop_oneof![
        8 => prop::collection::vec(message, 0..5).prop_map(Step::Deliver),
        2 => any::<u64>().prop_map(Step::DeliverShared),
        5 => (places(), any::<bool>()).prop_map(|(places, keep)| Step::Remove(places, keep)),
        3 => places().prop_map(Step::Undelete),
        1 => any::<prop::sample::Index>().prop_map(Step::Purge),
        2 => places().prop_map(Step::MarkRead),
        1 => any::<bool>().prop_map(Step::SetQuotaWarned),
        2 => Just(Step::ChangeOwner),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
        1 => Just(Step::Rebuild),
    ]
}

fn places() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..4)
}

/// The numbers at these places of a list.
fn at(list: &[Known], places: &[prop::sample::Index]) -> Vec<u64> {
    match list.len() {
        0 => Vec::new(),
        len => places
            .iter()
            .map(|place| list[place.index(len)].id)
            .collect(),
    }
}

fn message_ids(numbers: &[u64]) -> Vec<MessageId> {
    numbers.iter().copied().map(MessageId).collect()
}

/// Some are decimal, some are not, some only look so.
fn carried(choice: u8) -> String {
    match choice {
        0..6 => (u64::from(choice) * 7 + 1).to_string(),
        6..9 => format!("0{choice}"),
        9.. => format!("carried-{choice}"),
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Known {
    id: u64,
    seed: u64,
    carried: Option<String>,
    read: bool,
    /// When it was deleted, if it was.
    deleted_secs: u64,
}

/// The plain list.
#[derive(Default)]
struct Model {
    live: Vec<Known>,
    deleted: Vec<Known>,
    quota_warned: bool,
    /// Counts the steps.
    secs: u64,
    /// Every unique-id that was ever seen as a number.
    used: Vec<String>,
    highest: u64,
}

impl Model {
    /// Whether a store must refuse, may refuse, or must take the batch.
    fn duplicate(&self, batch: &[(u64, Option<u8>)]) -> bool {
        let names: Vec<String> = batch.iter().filter_map(|it| it.1.map(carried)).collect();
        let kept = || self.live.iter().chain(&self.deleted);
        let kept = |name: &String| kept().any(|it| it.carried.as_ref() == Some(name));
        let twice = (1..names.len()).any(|n| names[..n].contains(&names[n]));
        twice
            || names
                .iter()
                .any(|name| kept(name) || self.used.contains(name))
    }

    fn deliver(&mut self, batch: &[(u64, Option<u8>)], numbers: &[MessageId]) {
        assert_eq!(batch.len(), numbers.len());
        for ((seed, choice), id) in batch.iter().zip(numbers) {
            assert!(id.0 > self.highest, "{id} after {}", self.highest);
            self.highest = id.0;
            let carried = choice.map(carried);
            let unique_id = carried.clone().unwrap_or_else(|| id.to_string());
            let taken = |it: &Known| it.carried.clone().unwrap_or_else(|| it.id.to_string());
            assert!(
                self.live.iter().all(|it| taken(it) != unique_id),
                "{unique_id} twice"
            );
            if carried.is_none() {
                self.used.push(unique_id);
            }
            self.live.push(Known {
                id: id.0,
                seed: *seed,
                carried,
                read: false,
                deleted_secs: 0,
            });
        }
    }

    fn compare(&self, maildrop: &dyn OwnedMaildrop) {
        let found = maildrop.messages().iter();
        let found = found.map(|it| (it.id.0, it.carried_unique_id.as_deref(), it.read));
        let live = self.live.iter();
        let live = live.map(|it| (it.id, it.carried.as_deref(), it.read));
        assert_eq!(found.collect::<Vec<_>>(), live.collect::<Vec<_>>());
        let found = maildrop.deleted().unwrap();
        let found = found.iter();
        let found = found.map(|it| (it.id.0, it.carried_unique_id.as_deref(), it.deleted_secs));
        let deleted = self.deleted.iter();
        let deleted = deleted.map(|it| (it.id, it.carried.as_deref(), it.deleted_secs));
        assert_eq!(found.collect::<Vec<_>>(), deleted.collect::<Vec<_>>());
        let usage = maildrop.usage();
        assert_eq!(usage.messages, self.live.len() as u64);
        let octets = maildrop.messages().iter().map(|it| it.exact_octets).sum();
        assert_eq!(usage.exact_octets, octets);
        assert_eq!(maildrop.quota_warned(), self.quota_warned);
        let source = maildrop.bodies();
        if let Some(last) = self.live.last() {
            assert!(read(&*source, MessageId(last.id)).unwrap() == message(last.seed));
        }
    }
}

impl Model {
    fn remove(&mut self, ids: &[u64], keep: bool) {
        let (gone, live) = std::mem::take(&mut self.live)
            .into_iter()
            .partition(|it| ids.contains(&it.id));
        self.live = live;
        let gone: Vec<Known> = gone;
        if keep {
            let deleted_secs = self.secs;
            let deleted = |it| Known { deleted_secs, ..it };
            self.deleted.extend(gone.into_iter().map(deleted));
            self.deleted.sort_by_key(|it| it.id);
        }
    }

    fn undelete(&mut self, moved: &[(MessageId, MessageId)]) {
        for (old, new) in moved {
            let place = self.deleted.iter().position(|it| it.id == old.0).unwrap();
            let seed = self.deleted.remove(place).seed;
            self.deliver(&[(seed, None)], &[*new]);
        }
    }

    fn purge(&mut self, before_secs: u64) -> usize {
        let before = self.deleted.len();
        self.deleted.retain(|it| it.deleted_secs >= before_secs);
        before - self.deleted.len()
    }

    fn mark_read(&mut self, ids: &[u64]) -> usize {
        let news = self.live.iter_mut();
        let news = news.filter(|it| !it.read && ids.contains(&it.id));
        news.map(|it| it.read = true).count()
    }
}

/// Steps that change the maildrop.
fn change<S: MaildropStore>(
    store: &S,
    maildrop: &mut dyn OwnedMaildrop,
    model: &mut Model,
    step: &Step,
) {
    match step {
        Step::Deliver(batch) => deliver(store, maildrop, batch, model),
        Step::DeliverShared(seed) => {
            let (shared, trace) = stage_shared(store, *seed).unwrap();
            let delivery = shared.delivery(&trace).unwrap();
            let numbers = maildrop.deliver(vec![delivery]).unwrap();
            model.deliver(&[(*seed, None)], &numbers);
        }
        Step::Remove(places, keep) => {
            let ids = at(&model.live, places);
            let before = model.live.len();
            model.remove(&ids, *keep);
            let removal = Removal {
                keep: *keep,
                ..keeping(model.secs)
            };
            let removed = maildrop.remove(&message_ids(&ids), &removal).unwrap();
            assert_eq!(removed, before - model.live.len());
        }
        Step::Undelete(places) => {
            let ids = message_ids(&at(&model.deleted, places));
            model.undelete(&maildrop.undelete(&ids, model.secs).unwrap());
        }
        Step::Purge(place) => {
            let before_secs = match model.deleted.len() {
                0 => u64::MAX,
                len => model.deleted[place.index(len)].deleted_secs,
            };
            let purged = maildrop.purge(before_secs).unwrap();
            assert_eq!(purged.messages as usize, model.purge(before_secs));
        }
        Step::MarkRead(places) => {
            let ids = at(&model.live, places);
            let marked = maildrop.mark_read(&message_ids(&ids)).unwrap();
            assert_eq!(marked, model.mark_read(&ids));
        }
        Step::SetQuotaWarned(warned) => {
            maildrop.set_quota_warned(*warned).unwrap();
            model.quota_warned = *warned;
        }
        Step::ChangeOwner | Step::Reopen | Step::Crash | Step::Rebuild => {}
    }
}

fn deliver<S: MaildropStore>(
    store: &S,
    maildrop: &mut dyn OwnedMaildrop,
    batch: &[(u64, Option<u8>)],
    model: &mut Model,
) {
    let mut deliveries = Vec::new();
    for (seed, choice) in batch {
        let carried_unique_id = choice.map(|choice| carried(choice).into_boxed_str());
        let mut staged = store
            .stage(Staging {
                carried_unique_id,
                ..Staging::default()
            })
            .unwrap();
        std::io::Write::write_all(&mut staged, &message(*seed)).unwrap();
        deliveries.push(staged.finish().unwrap());
    }
    let duplicate = model.duplicate(batch);
    match maildrop.deliver(deliveries) {
        Ok(numbers) => {
            assert!(!duplicate, "a unique-id was given twice");
            model.deliver(batch, &numbers);
        }
        // A store may also refuse decimals that it might have used.
        Err(error) => {
            assert_eq!(error.kind(), StoreErrorKind::Duplicate, "{error}");
            let decimals = batch
                .iter()
                .any(|(_, choice)| choice.is_some_and(|choice| choice < 6));
            assert!(duplicate || decimals, "{error}");
        }
    }
}

fn play<S: MaildropStore>(
    steps: &[Step],
    id: MaildropId,
    mut store: S,
    reopen: &dyn Fn(S, &Step) -> (S, bool),
) {
    let mut model = Model::default();
    let mut maildrop = store.open_maildrop(id).unwrap();
    let mut revision = maildrop.revision();
    for step in steps {
        model.secs += 1;
        match step {
            Step::ChangeOwner => {
                drop(maildrop);
                maildrop = store.open_maildrop(id).unwrap();
            }
            Step::Reopen | Step::Crash | Step::Rebuild => {
                drop(maildrop);
                let forgets;
                (store, forgets) = reopen(store, step);
                maildrop = store.open_maildrop(id).unwrap();
                if forgets {
                    model.quota_warned = false;
                    model.live.iter_mut().for_each(|it| it.read = false);
                }
            }
            Step::Deliver(_)
            | Step::DeliverShared(_)
            | Step::Remove(..)
            | Step::Undelete(_)
            | Step::Purge(_)
            | Step::MarkRead(_)
            | Step::SetQuotaWarned(_) => change(&store, &mut *maildrop, &mut model, step),
        }
        model.compare(&*maildrop);
        assert!(maildrop.revision() >= revision);
        revision = maildrop.revision();
    }
}

/// Tells also whether marks are forgotten: they are in the index alone.
fn reopen_sled(folder: &Path, store: SledStore, step: &Step) -> (SledStore, bool) {
    if !matches!(step, Step::Crash) {
        store.close().unwrap();
    }
    drop(store);
    let options = SledStoreOptions {
        cache_octets: 8 << 20,
        ..SledStoreOptions::default()
    };
    if matches!(step, Step::Rebuild) {
        assert_eq!(rebuild(folder, &options).unwrap().set_aside, 0);
    }
    let damages = findings(folder)
        .into_iter()
        .filter(|it| it.severity == Severity::Damage);
    assert_eq!(damages.collect::<Vec<_>>(), []);
    let store = SledStore::open(folder, options).unwrap();
    (store, matches!(step, Step::Rebuild))
}

/// Each history is up to forty steps; `PROPTEST_CASES` makes it more of them.
fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let asked_for = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if asked_for { default.cases } else { cases },
        ..default
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn the_memory_store_is_a_list(steps in prop::collection::vec(step(), 1..40)) {
        let store = MemoryStore::new();
        let id = user(&store, "ann");
        play(&steps, id, store, &|store, _| (store, false));
    }
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn the_sled_store_is_a_list(steps in prop::collection::vec(step(), 1..40)) {
        let folder = TempDir::new().unwrap();
        let store = SledStore::open(folder.path(), SledStoreOptions::default()).unwrap();
        let id = user(&store, "ann");
        play(&steps, id, store, &|store, step| reopen_sled(folder.path(), store, step));
    }
}
