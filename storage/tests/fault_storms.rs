//! Storms of seeded faults over a random history: nothing that was acknowledged is lost.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use mailroost_storage::faulty::{FaultyFiles, split_mix};
use mailroost_storage::sled_store::Severity;
use mailroost_storage::{MaildropStore, Removal, SledStore, SledStoreOptions, StoreErrorKind};
use support::{contents, deliver, findings, message, user, watched};
use tempfile::TempDir;

/// The seed is printed; `MAILROOST_FAULT_SEED` replays one run.
#[test]
fn a_storm_of_faults_loses_nothing_that_was_acknowledged() {
    let replay = std::env::var("MAILROOST_FAULT_SEED")
        .ok()
        .map(|it| it.parse().unwrap());
    let seeds = replay.map_or_else(|| (0..12).collect(), |seed: u64| vec![seed]);
    for seed in seeds {
        println!("replay with MAILROOST_FAULT_SEED={seed}");
        storm(seed);
    }
}

/// What must be there, what may be there (a failed step whose outcome nobody knows), and what
/// must not.
#[derive(Default)]
struct Expected {
    live: BTreeMap<u64, u64>,
    perhaps: BTreeSet<u64>,
    gone: BTreeSet<u64>,
}

fn storm(seed: u64) {
    let mut state = seed;
    let folder = TempDir::new().unwrap();
    let mut expected = Expected::default();
    let mut highest = 0;
    for run in 0..6 {
        let files = Arc::new(FaultyFiles::new());
        let (mut options, _) = watched();
        options.files = files.clone();
        let store = SledStore::open(folder.path(), options).unwrap();
        let id = user(&store, "ann");
        let mut maildrop = store.open_maildrop(id).unwrap();
        files.fail_at_random(split_mix(&mut state), 25);
        for step in 0..40 {
            let word = split_mix(&mut state);
            if word % 3 < 2 {
                match deliver(&store, &mut *maildrop, &[word]) {
                    Ok(numbers) => {
                        assert!(numbers[0].0 > highest, "{} came twice", numbers[0]);
                        highest = numbers[0].0;
                        expected.live.insert(highest, word);
                    }
                    Err(_) => {
                        expected.perhaps.insert(word);
                    }
                }
            } else if let Some(record) = maildrop.messages().first() {
                let number = record.id;
                let outcome = maildrop.remove(&[number], &Removal::default());
                let seed = expected.live.remove(&number.0);
                match outcome {
                    Ok(_) => drop(expected.gone.insert(number.0)),
                    Err(error) if error.kind() == StoreErrorKind::Poisoned => {
                        expected.perhaps.extend(seed);
                    }
                    Err(_) => drop(seed.map(|seed| expected.live.insert(number.0, seed))),
                }
            }
            if step % 10 == 9 {
                let _ = store.housekeeping();
            }
        }
        drop(maildrop);
        if run % 2 == 0 {
            let _ = store.close();
        }
        files.fail_at_random(0, 0);
        drop(store);
        compare(folder.path(), &mut expected, &mut highest);
    }
}

/// On a disk that works again.
fn compare(folder: &Path, expected: &mut Expected, highest: &mut u64) {
    let store = SledStore::open(folder, SledStoreOptions::default()).unwrap();
    let all = contents(&store);
    let found: BTreeMap<u64, Vec<u8>> = all
        .into_iter()
        .flat_map(|(_, it, _)| it)
        .map(|(id, octets)| (id.0, octets))
        .collect();
    for (number, seed) in &expected.live {
        assert!(
            found.get(number) == Some(&message(*seed)),
            "message {number} is lost"
        );
    }
    for (number, octets) in found {
        assert!(
            !expected.gone.contains(&number),
            "message {number} came back"
        );
        if !expected.live.contains_key(&number) {
            let seed = expected
                .perhaps
                .iter()
                .find(|seed| message(**seed) == octets);
            let seed = *seed.expect("what nobody delivered is there");
            expected.live.insert(number, seed);
            *highest = number.max(*highest);
        }
    }
    store.close().unwrap();
    let damages = findings(folder)
        .into_iter()
        .filter(|it| it.severity == Severity::Damage);
    assert_eq!(damages.collect::<Vec<_>>(), []);
}
