//! A process that is killed at a random moment: what it acknowledged is there, what it removed is
//! gone, and no number comes twice.
//!
//! This test starts its own binary, which delivers and removes as a seed says, and tells on a
//! pipe what it is about to do and what is done. `MAILROOST_CRASH_SEED` replays a run,
//! `MAILROOST_CRASH_ROUNDS` makes it longer.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mailroost_storage::faulty::split_mix;
use mailroost_storage::{
    MaildropId, MaildropStore, MessageId, OwnedMaildrop, Removal, SledStore, SledStoreOptions,
};
use support::known::Known;
use support::{deliver, findings, keeping, stage_shared, user};
use tempfile::TempDir;

const FOLDER: &str = "MAILROOST_CRASH_FOLDER";
const SEED: &str = "MAILROOST_CRASH_SEED";
const ROUNDS: &str = "MAILROOST_CRASH_ROUNDS";
const MAILDROPS: u64 = 3;

/// What the process tells.
const WORDS: [&str; 10] = [
    "delivering",
    "delivered",
    "removing",
    "removed",
    "keeping",
    "kept",
    "undeleting",
    "undeleted",
    "purging",
    "purged",
];

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().expect("a number in the environment"))
}

/// One line to the parent, in one write, past the test harness.
fn tell(line: &str) {
    std::io::stdout()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}

/// The process that is killed; as a test of its own it does nothing.
#[test]
fn child_entry() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let mut state = number_from_environment(SEED).unwrap();
    let store = SledStore::open(Path::new(&folder), SledStoreOptions::default()).unwrap();
    let ids: Vec<MaildropId> = (0..MAILDROPS)
        .map(|n| user(&store, &format!("user{n}")))
        .collect();
    let mut maildrops: Vec<_> = ids
        .iter()
        .map(|id| store.open_maildrop(*id).unwrap())
        .collect();
    for at_secs in 0..10_000 {
        let place = (split_mix(&mut state) % MAILDROPS) as usize;
        let (id, maildrop) = (ids[place], &mut *maildrops[place]);
        match split_mix(&mut state) % 12 {
            0..=5 => deliver_some(&store, id, maildrop, &mut state),
            6 => deliver_shared(&store, &ids, &mut maildrops, &mut state),
            7..=8 => remove_some(id, maildrop, at_secs, &mut state),
            9 => undelete_some(id, maildrop, &mut state),
            10 => purge_some(id, maildrop),
            _ => {
                let live: Vec<MessageId> = maildrop.messages().iter().map(|it| it.id).collect();
                maildrop.mark_read(&live).unwrap();
                maildrop.set_quota_warned(!maildrop.quota_warned()).unwrap();
            }
        }
    }
}

fn tell_numbers(word: &str, id: MaildropId, numbers: impl Iterator<Item = u64>) {
    let texts: Vec<String> = numbers.map(|number| number.to_string()).collect();
    tell(&format!("{word} {id} {}", texts.join(" ")));
}

fn deliver_some(
    store: &SledStore,
    id: MaildropId,
    maildrop: &mut dyn OwnedMaildrop,
    state: &mut u64,
) {
    let count = 1 + split_mix(state) % 3;
    let seeds: Vec<u64> = (0..count).map(|_| split_mix(state)).collect();
    tell_numbers("delivering", id, seeds.iter().copied());
    let numbers = deliver(store, maildrop, &seeds).unwrap();
    tell_numbers("delivered", id, numbers.iter().map(|it| it.0));
}

/// One message into all maildrops.
fn deliver_shared(
    store: &SledStore,
    ids: &[MaildropId],
    maildrops: &mut [Box<dyn OwnedMaildrop>],
    state: &mut u64,
) {
    let seed = split_mix(state) & !3;
    let (shared, trace) = stage_shared(store, seed).unwrap();
    for (id, maildrop) in ids.iter().zip(maildrops) {
        tell_numbers("delivering", *id, std::iter::once(seed));
        let delivery = shared.delivery(&trace).unwrap();
        let numbers = maildrop.deliver(vec![delivery]).unwrap();
        tell_numbers("delivered", *id, numbers.iter().map(|it| it.0));
    }
}

fn remove_some(id: MaildropId, maildrop: &mut dyn OwnedMaildrop, at_secs: u64, state: &mut u64) {
    let live: Vec<MessageId> = maildrop.messages().iter().map(|it| it.id).collect();
    // The last one more often than not: its number must not come again.
    let removed: Vec<MessageId> = live
        .iter()
        .copied()
        .filter(|id| Some(id) == live.last() || split_mix(state).is_multiple_of(4))
        .collect();
    let keep = split_mix(state).is_multiple_of(2);
    let (doing, done) = [("removing", "removed"), ("keeping", "kept")][usize::from(keep)];
    tell_numbers(doing, id, removed.iter().map(|it| it.0));
    let removal = [Removal::default(), keeping(at_secs)][usize::from(keep)].clone();
    maildrop.remove(&removed, &removal).unwrap();
    tell(&format!("{done} {id}"));
}

fn undelete_some(id: MaildropId, maildrop: &mut dyn OwnedMaildrop, state: &mut u64) {
    let deleted = maildrop.deleted().unwrap().into_iter().map(|it| it.id);
    let wanted: Vec<MessageId> = deleted
        .filter(|_| split_mix(state).is_multiple_of(2))
        .collect();
    tell_numbers("undeleting", id, wanted.iter().map(|it| it.0));
    let moved = maildrop.undelete(&wanted, 99).unwrap();
    tell_numbers("undeleted", id, moved.iter().map(|(_, new)| new.0));
}

/// The older half.
fn purge_some(id: MaildropId, maildrop: &mut dyn OwnedMaildrop) {
    let mut deleted = maildrop.deleted().unwrap();
    deleted.sort_by_key(|it| it.deleted_secs);
    let before = deleted
        .get(deleted.len() / 2)
        .map_or(0, |it| it.deleted_secs);
    let gone = deleted.iter().filter(|it| it.deleted_secs < before);
    tell_numbers("purging", id, gone.map(|it| it.id.0));
    maildrop.purge(before).unwrap();
    tell(&format!("purged {id}"));
}

/// Runs the process until it has told `lines` lines, and kills it up to 2 ms later: amid the next
/// step, as far as possible in each of its parts.
fn run_and_kill(folder: &Path, state: &mut u64, known: &mut BTreeMap<u64, Known>) {
    let seed = split_mix(state);
    let lines = 1 + split_mix(state) % 60;
    let delay = Duration::from_micros(split_mix(state) % 2_000);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_entry", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The harness writes the name of the test in front of the first line.
        let line = line.rsplit("... ").next().unwrap();
        let mut words = line.split(' ');
        let Some(word) = words.next().filter(|word| WORDS.contains(word)) else {
            continue;
        };
        let mut numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
        let id = numbers.remove(0);
        known.entry(id).or_default().hear(word, numbers);
        told += 1;
        if told == lines {
            let begun = Instant::now();
            while begun.elapsed() < delay {
                std::hint::spin_loop();
            }
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(
        told >= lines,
        "the process ended by itself after {told} lines"
    );
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let seed = number_from_environment(SEED).unwrap_or_else(|| getrandom::u64().unwrap());
    let rounds = number_from_environment(ROUNDS).unwrap_or(40);
    println!("replay with {SEED}={seed} {ROUNDS}={rounds}");
    let mut state = seed;
    let folder = TempDir::new().unwrap();
    let mut known = BTreeMap::new();
    for round in 0..rounds {
        run_and_kill(folder.path(), &mut state, &mut known);
        let index_lost = round % 8 == 7;
        if index_lost {
            fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        let store = SledStore::open(folder.path(), SledStoreOptions::default()).unwrap();
        for (id, known) in &mut known {
            known.compare(&store, MaildropId(*id), !index_lost);
            if round % 8 == 5 {
                known.bring_all_back(&store, MaildropId(*id));
            }
        }
        if split_mix(&mut state).is_multiple_of(2) {
            store.close().unwrap();
        }
        drop(store);
        assert_eq!(findings(folder.path()), [], "round {round}");
    }
    let messages: usize = known.values().map(|it| it.live.len() + it.gone.len()).sum();
    println!("{rounds} rounds, {messages} messages");
}

#[test]
fn an_index_that_is_gone_takes_nothing_with_it() {
    let folder = TempDir::new().unwrap();
    let open = || SledStore::open(folder.path(), SledStoreOptions::default()).unwrap();
    let store = open();
    let id = user(&store, "ann");
    let mut maildrop = store.open_maildrop(id).unwrap();
    let mut highest = deliver(&store, &mut *maildrop, &(0..70).collect::<Vec<_>>()).unwrap()[69];
    maildrop
        .remove(&[MessageId(1), highest], &Removal::default())
        .unwrap();
    let mut expected = maildrop.messages().to_vec();
    drop(maildrop);
    drop(store);
    for round in 0..4 {
        fs::remove_dir_all(folder.path().join("index")).unwrap();
        let store = open();
        let mut maildrop = store.open_maildrop(id).unwrap();
        assert_eq!(maildrop.messages(), expected);
        let numbers = deliver(&store, &mut *maildrop, &[100, 101]).unwrap();
        assert!(numbers[0] > highest, "{} after {highest}", numbers[0]);
        highest = numbers[1];
        maildrop.remove(&numbers[1..], &Removal::default()).unwrap();
        expected = maildrop.messages().to_vec();
        drop(maildrop);
        if round % 2 == 0 {
            store.close().unwrap();
        }
    }
}
