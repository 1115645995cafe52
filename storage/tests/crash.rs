//! A process that is killed at a random moment: what it acknowledged is there, what it removed is
//! gone, and no number comes twice.
//!
//! This test starts its own binary, which delivers and removes as a seed says, and tells on a
//! pipe what it is about to do and what is done. `MAILROOST_CRASH_SEED` replays a run,
//! `MAILROOST_CRASH_ROUNDS` makes it longer.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mailroost_storage::faulty::split_mix;
use mailroost_storage::{
    MaildropId, MaildropStore, MessageId, Removal, SledStore, SledStoreOptions, StoreErrorKind,
};
use support::{deliver, findings, message, read, user};
use tempfile::TempDir;

const FOLDER: &str = "MAILROOST_CRASH_FOLDER";
const SEED: &str = "MAILROOST_CRASH_SEED";
const ROUNDS: &str = "MAILROOST_CRASH_ROUNDS";
const MAILDROPS: u64 = 3;

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
    for _ in 0..10_000 {
        let place = (split_mix(&mut state) % MAILDROPS) as usize;
        let (id, maildrop) = (ids[place], &mut maildrops[place]);
        if split_mix(&mut state) % 3 < 2 {
            let count = 1 + split_mix(&mut state) % 3;
            let seeds: Vec<u64> = (0..count).map(|_| split_mix(&mut state)).collect();
            let texts: Vec<String> = seeds.iter().map(u64::to_string).collect();
            tell(&format!("delivering {id} {}", texts.join(" ")));
            let numbers = deliver(&store, &mut **maildrop, &seeds).unwrap();
            let texts: Vec<String> = numbers.iter().map(MessageId::to_string).collect();
            tell(&format!("delivered {id} {}", texts.join(" ")));
        } else {
            let live: Vec<MessageId> = maildrop.messages().iter().map(|it| it.id).collect();
            // The last one more often than not: its number must not come again.
            let removed: Vec<MessageId> = live
                .iter()
                .copied()
                .filter(|id| Some(id) == live.last() || split_mix(&mut state).is_multiple_of(4))
                .collect();
            let texts: Vec<String> = removed.iter().map(MessageId::to_string).collect();
            tell(&format!("removing {id} {}", texts.join(" ")));
            maildrop.remove(&removed, &Removal::default()).unwrap();
            tell(&format!("removed {id}"));
        }
    }
}

/// What the parent knows of a maildrop.
#[derive(Default)]
struct Known {
    /// Acknowledged and not removed: the seeds by number.
    live: BTreeMap<u64, u64>,
    /// Numbers that were seen and are gone for ever.
    gone: BTreeSet<u64>,
    /// Seeds that were being delivered when the process died.
    delivering: Vec<u64>,
    /// Numbers that were being removed when the process died.
    removing: Vec<u64>,
}

impl Known {
    fn highest(&self) -> u64 {
        let live = self.live.keys().next_back().copied().unwrap_or(0);
        live.max(self.gone.last().copied().unwrap_or(0))
    }

    fn hear(&mut self, word: &str, numbers: Vec<u64>) {
        match word {
            "delivering" => self.delivering = numbers,
            "delivered" => {
                for (number, seed) in numbers
                    .into_iter()
                    .zip(std::mem::take(&mut self.delivering))
                {
                    assert!(number > self.highest(), "number {number} came twice");
                    self.live.insert(number, seed);
                }
            }
            "removing" => self.removing = numbers,
            "removed" => {
                for number in std::mem::take(&mut self.removing) {
                    self.live.remove(&number);
                    self.gone.insert(number);
                }
            }
            other => panic!("the process said {other:?}"),
        }
    }

    /// Compares with the maildrop after the crash, and learns what became of the last step.
    ///
    /// `whole`: the step was taken wholly or not at all. Where the index went as well, the files
    /// that the step had got to are all that is known of it.
    fn compare(&mut self, store: &SledStore, id: MaildropId, whole: bool) {
        let maildrop = store.open_maildrop(id).unwrap();
        let source = maildrop.bodies();
        let found: BTreeSet<u64> = maildrop
            .messages()
            .iter()
            .map(|record| record.id.0)
            .collect();
        let removing = std::mem::take(&mut self.removing);
        let survivors = removing
            .iter()
            .filter(|number| found.contains(number))
            .count();
        assert!(
            !whole || survivors == 0 || survivors == removing.len(),
            "half a removal"
        );
        for number in removing {
            if !found.contains(&number) {
                self.live.remove(&number);
                self.gone.insert(number);
            }
        }
        let delivering = std::mem::take(&mut self.delivering);
        let new: Vec<u64> = found
            .iter()
            .copied()
            .filter(|it| !self.live.contains_key(it))
            .collect();
        assert!(
            new.len() == delivering.len()
                || new.is_empty()
                || !whole && new.len() < delivering.len(),
            "half a delivery: {new:?}"
        );
        for (number, seed) in new.into_iter().zip(delivering) {
            assert!(
                number > self.highest(),
                "number {number} came twice or came back"
            );
            self.live.insert(number, seed);
        }
        for (number, seed) in &self.live {
            assert!(
                found.contains(number),
                "message {number} of maildrop {id} is lost"
            );
            assert!(read(&*source, MessageId(*number)).unwrap() == message(*seed));
        }
        for number in &self.gone {
            let outcome = source.open(MessageId(*number)).map(drop);
            assert_eq!(
                outcome.unwrap_err().kind(),
                StoreErrorKind::Gone,
                "message {number}"
            );
        }
    }
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
        let Some(word) = words
            .next()
            .filter(|word| word.starts_with("deliver") || word.starts_with("remov"))
        else {
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
