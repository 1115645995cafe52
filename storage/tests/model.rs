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
use support::{findings, message, read, user};
use tempfile::TempDir;

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    /// Messages by seed, some with a unique-id carried over from a small set.
    Deliver(Vec<(u64, Option<u8>)>),
    /// The messages at these places of the list, if there are that many.
    Remove(Vec<prop::sample::Index>),
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
        5 => prop::collection::vec(any::<prop::sample::Index>(), 0..4).prop_map(Step::Remove),
        2 => Just(Step::ChangeOwner),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
        1 => Just(Step::Rebuild),
    ]
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
}

/// The plain list.
#[derive(Default)]
struct Model {
    live: Vec<Known>,
    /// Every unique-id that was ever seen as a number.
    used: Vec<String>,
    highest: u64,
}

impl Model {
    /// Whether a store must refuse, may refuse, or must take the batch.
    fn duplicate(&self, batch: &[(u64, Option<u8>)]) -> bool {
        let names: Vec<String> = batch.iter().filter_map(|it| it.1.map(carried)).collect();
        let live = |name: &String| self.live.iter().any(|it| it.carried.as_ref() == Some(name));
        let twice = (1..names.len()).any(|n| names[..n].contains(&names[n]));
        twice
            || names
                .iter()
                .any(|name| live(name) || self.used.contains(name))
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
            });
        }
    }

    fn compare(&self, maildrop: &dyn OwnedMaildrop) {
        let found: Vec<(u64, Option<&str>)> = maildrop
            .messages()
            .iter()
            .map(|it| (it.id.0, it.carried_unique_id.as_deref()))
            .collect();
        let expected: Vec<(u64, Option<&str>)> = self
            .live
            .iter()
            .map(|it| (it.id, it.carried.as_deref()))
            .collect();
        assert_eq!(found, expected);
        let source = maildrop.bodies();
        if let Some(last) = self.live.last() {
            assert!(read(&*source, MessageId(last.id)).unwrap() == message(last.seed));
        }
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
    reopen: &dyn Fn(S, &Step) -> S,
) {
    let mut model = Model::default();
    let mut maildrop = store.open_maildrop(id).unwrap();
    let mut revision = maildrop.revision();
    for step in steps {
        match step {
            Step::Deliver(batch) => deliver(&store, &mut *maildrop, batch, &mut model),
            Step::Remove(places) => {
                let live = &model.live;
                let ids: Vec<u64> = if live.is_empty() {
                    vec![model.highest + 1]
                } else {
                    places
                        .iter()
                        .map(|place| live[place.index(live.len())].id)
                        .collect()
                };
                let wanted: Vec<MessageId> = ids.iter().copied().map(MessageId).collect();
                let before = live.len();
                model.live.retain(|it| !ids.contains(&it.id));
                let removed = maildrop.remove(&wanted, &Removal::default()).unwrap();
                assert_eq!(removed, before - model.live.len());
            }
            Step::ChangeOwner => {
                drop(maildrop);
                maildrop = store.open_maildrop(id).unwrap();
            }
            Step::Reopen | Step::Crash | Step::Rebuild => {
                drop(maildrop);
                store = reopen(store, step);
                maildrop = store.open_maildrop(id).unwrap();
            }
        }
        model.compare(&*maildrop);
        assert!(maildrop.revision() >= revision);
        revision = maildrop.revision();
    }
}

fn reopen_sled(folder: &Path, store: SledStore, step: &Step) -> SledStore {
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
    SledStore::open(folder, options).unwrap()
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
        play(&steps, id, store, &|store, _| store);
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
