//! A damaged, lost or outdated index: the store opens all the same, with the same messages, and
//! never gives a number out twice.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod support;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mailroost_storage::faulty::split_mix;
use mailroost_storage::sled_store::{Probe, Severity, rebuild, verify};
use mailroost_storage::{
    Directory, MaildropId, MaildropStore, MessageId, Removal, SledStore, SledStoreOptions,
    StoreErrorKind, StoreEvent, UserName,
};
use support::{
    Contents, child_probe, contents, deliver, findings, keeping, stage_shared, user, watched,
};
use tempfile::TempDir;

#[test]
fn probe_entry() {
    support::probe_entry();
}

/// A store with some history, with several of sled's segments and with snapshots: its contents,
/// and the highest number ever given out in each of its maildrops, all of which were removed.
/// The copy in `unclean` is as a killed process would have left it.
fn store_with_history(folder: &Path, unclean: Option<&Path>) -> (Contents, Vec<u64>) {
    let (options, _) = watched();
    let open = || SledStore::open(folder, options.clone()).unwrap();
    let store = open();
    let ids: Vec<MaildropId> = (0..6).map(|n| user(&store, &format!("user{n}"))).collect();
    grow_index(&store);
    store.close().unwrap();
    let store = open();
    let mut highest = Vec::new();
    for id in &ids {
        let mut maildrop = store.open_maildrop(*id).unwrap();
        for round in 0..25 {
            let numbers = deliver(&store, &mut *maildrop, &[id.0 * 1000 + round, round]).unwrap();
            let removal = [Removal::default(), keeping(round)][(round / 2 % 2) as usize].clone();
            let gone = &numbers[..(round % 2) as usize];
            maildrop.remove(gone, &removal).unwrap();
        }
        let last = deliver(&store, &mut *maildrop, &[1, 2, 3]).unwrap();
        // One is brought back, one stays deleted, one is shared, one is unlinked.
        maildrop.remove(&last[1..], &keeping(99)).unwrap();
        maildrop.undelete(&last[1..2], 99).unwrap();
        let (shared, trace) = stage_shared(&store, 4).unwrap();
        let shared = vec![shared.delivery(&trace).unwrap()];
        maildrop.deliver(shared).unwrap();
        let last = deliver(&store, &mut *maildrop, &[5]).unwrap();
        maildrop.remove(&last, &Removal::default()).unwrap();
        highest.push(last[0].0);
    }
    store.close().unwrap();
    let store = open();
    grow_index(&store);
    let contents = contents(&store);
    if let Some(unclean) = unclean {
        support::copy_folder(folder, unclean);
    }
    store.close().unwrap();
    (contents, highest)
}

/// Writes much, of which little stays.
fn grow_index(store: &SledStore) {
    let mut user = store
        .find(&UserName::new("user5").unwrap())
        .unwrap()
        .unwrap();
    for n in 0..150 {
        user.password_hash = Some(format!("{n:>9000}"));
        store.update(&user).unwrap();
    }
}

/// Opens the store and compares; then delivers into each maildrop.
fn check(
    folder: &Path,
    options: SledStoreOptions,
    expected: &Contents,
    highest: &[u64],
    how: &str,
) {
    let store = SledStore::open(folder, options).unwrap();
    assert!(contents(&store) == *expected, "{how}: other contents");
    for ((id, ..), highest) in expected.iter().zip(highest) {
        let mut maildrop = store.open_maildrop(*id).unwrap();
        let number = deliver(&store, &mut *maildrop, &[7]).unwrap()[0];
        assert!(
            number.0 > *highest,
            "{how}: number {number} of maildrop {id} was used before"
        );
    }
    for (n, (id, ..)) in expected.iter().enumerate() {
        let name = UserName::new(&format!("user{n}")).unwrap();
        assert_eq!(store.find(&name).unwrap().unwrap().maildrop, *id, "{how}");
    }
    store.close().unwrap();
    let damages = findings(folder)
        .into_iter()
        .filter(|it| it.severity == Severity::Damage);
    assert_eq!(damages.collect::<Vec<_>>(), [], "{how}");
}

fn snapshots(index: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(index)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("snap")
        })
        .collect()
}

fn cut(path: &Path, octets: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(octets)).unwrap();
}

fn overwrite(path: &Path, seed: u64) {
    let mut state = seed;
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    let mut octets = vec![0; 1 + (split_mix(&mut state) % 5_000) as usize];
    for octet in &mut octets {
        *octet = split_mix(&mut state) as u8;
    }
    file.write_all_at(&octets, split_mix(&mut state) % length)
        .unwrap();
}

/// What is done to an index, in words and in deed.
type Damage = (String, Box<dyn Fn(&Path)>);

fn damage(how: impl Into<String>, act: impl Fn(&Path) + 'static) -> Damage {
    (how.into(), Box::new(act))
}

/// How an index can be damaged.
fn damages() -> Vec<Damage> {
    let mut damages = cuts();
    damages.extend(lost_files());
    for seed in 0..12 {
        let how = format!("db overwritten by seed {seed}");
        damages.push(damage(how, move |index| overwrite(&index.join("db"), seed)));
    }
    for seed in 0..4 {
        let how = format!("snapshots overwritten by seed {seed}");
        damages.push(damage(how, move |index| {
            snapshots(index)
                .iter()
                .for_each(|path| overwrite(path, seed));
        }));
    }
    damages
}

fn cuts() -> Vec<Damage> {
    let mut damages = Vec::new();
    for octets in [
        1,
        1_000,
        40_000,
        100_000,
        200_000,
        300_000,
        400_000,
        1 << 30,
    ] {
        damages.push(damage(format!("db cut by {octets}"), move |index| {
            cut(&index.join("db"), octets);
        }));
        damages.push(damage(
            format!("db cut by {octets}, no snapshots"),
            move |index| {
                cut(&index.join("db"), octets);
                remove_snapshots(index);
            },
        ));
    }
    damages.push(damage("snapshots empty", |index| {
        snapshots(index).iter().for_each(|path| cut(path, u64::MAX));
    }));
    damages.push(damage("snapshots cut", |index| {
        snapshots(index).iter().for_each(|path| cut(path, 10));
    }));
    damages.push(damage("conf empty", |index| {
        cut(&index.join("conf"), u64::MAX)
    }));
    damages
}

fn lost_files() -> Vec<Damage> {
    vec![
        damage("no snapshots", remove_snapshots),
        damage("a stray snapshot", |index| {
            fs::write(index.join("snap.00000000000FFFFF"), b"stray").unwrap();
        }),
        damage("db zeroed", |index| {
            let length = fs::metadata(index.join("db")).unwrap().len();
            fs::write(index.join("db"), vec![0; usize::try_from(length).unwrap()]).unwrap();
        }),
        damage("no db", |index| fs::remove_file(index.join("db")).unwrap()),
        damage("no conf", |index| {
            fs::remove_file(index.join("conf")).unwrap()
        }),
        damage("no index", |index| fs::remove_dir_all(index).unwrap()),
        damage("a file instead of the index", |index| {
            fs::remove_dir_all(index).unwrap();
            fs::write(index, b"").unwrap();
        }),
    ]
}

fn remove_snapshots(index: &Path) {
    snapshots(index)
        .iter()
        .for_each(|path| fs::remove_file(path).unwrap());
}

/// Tries every damage on a copy. Returns how often the index was made anew.
fn try_all(folder: &Path, expected: &Contents, highest: &[u64]) -> usize {
    let mut rebuilt = 0;
    for (number, (how, damage)) in damages().into_iter().enumerate() {
        let copy = TempDir::new().unwrap();
        support::copy_folder(folder, copy.path());
        damage(&copy.path().join("index"));
        let (mut options, events) = watched();
        options.probe = child_probe("probe_entry");
        options.probe_deadline = Duration::from_secs(2);
        let how = format!("case {number}: {how}");
        check(copy.path(), options, expected, highest, &how);
        let events = events.lock().unwrap();
        let anew = |event: &StoreEvent| matches!(event, StoreEvent::IndexRebuilt { .. });
        rebuilt += usize::from(events.iter().any(anew));
    }
    rebuilt
}

#[test]
fn a_damaged_index_is_made_anew() {
    let folder = TempDir::new().unwrap();
    let (expected, highest) = store_with_history(folder.path(), None);
    assert!(!snapshots(&folder.path().join("index")).is_empty());
    assert!(try_all(folder.path(), &expected, &highest) > 20);
}

#[test]
fn a_damaged_index_of_a_killed_process_is_made_anew() {
    let (folder, unclean) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (expected, highest) = store_with_history(folder.path(), Some(unclean.path()));
    assert!(try_all(unclean.path(), &expected, &highest) > 10);
}

#[test]
fn a_thread_can_be_the_probe() {
    let folder = TempDir::new().unwrap();
    let (expected, highest) = store_with_history(folder.path(), None);
    overwrite(&folder.path().join("index/db"), 1);
    cut(&folder.path().join("index/db"), 1_000);
    snapshots(&folder.path().join("index"))
        .iter()
        .for_each(|path| fs::remove_file(path).unwrap());
    let (options, events) = watched();
    assert_eq!(options.probe, Probe::Thread);
    check(folder.path(), options, &expected, &highest, "thread");
    let events = events.lock().unwrap();
    let [
        StoreEvent::IndexSetAside { moved_to, .. },
        StoreEvent::IndexRebuilt { messages, .. },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        *messages,
        expected
            .iter()
            .map(|(_, messages, _)| messages.len() as u64)
            .sum::<u64>()
    );
    assert!(moved_to.join("db").is_file(), "the damaged index is kept");
}

#[test]
fn a_probe_that_cannot_run_is_no_damage() {
    let folder = TempDir::new().unwrap();
    store_with_history(folder.path(), None);
    for program in ["/nowhere/probe", "/bin/false"] {
        let (mut options, events) = watched();
        options.probe = Probe::Child {
            program: program.into(),
            arguments: Vec::new(),
        };
        let outcome = SledStore::open(folder.path(), options);
        // `false` says 1, which is the verdict.
        if program == "/bin/false" {
            outcome.unwrap().close().unwrap();
            assert_eq!(events.lock().unwrap().len(), 2);
        } else {
            assert_eq!(outcome.err().unwrap().kind(), StoreErrorKind::Io);
            assert!(events.lock().unwrap().is_empty());
        }
    }
}

#[test]
fn a_probe_that_spins_is_killed() {
    let folder = TempDir::new().unwrap();
    let (expected, highest) = store_with_history(folder.path(), None);
    let (mut options, events) = watched();
    let arguments = vec!["-c".to_owned(), "while :; do :; done".to_owned()];
    options.probe = Probe::Child {
        program: "/bin/sh".into(),
        arguments,
    };
    options.probe_deadline = Duration::from_millis(200);
    check(folder.path(), options, &expected, &highest, "spinning");
    let first = events.lock().unwrap()[0].to_string();
    assert!(first.contains("the probe was not done after"), "{first}");
}

#[test]
fn yesterdays_index_is_recognised() {
    let folder = TempDir::new().unwrap();
    let yesterday = TempDir::new().unwrap();
    let (options, _) = watched();
    let store = SledStore::open(folder.path(), options.clone()).unwrap();
    let id = user(&store, "ann");
    deliver(&store, &mut *store.open_maildrop(id).unwrap(), &[1, 2, 3]).unwrap();
    store.close().unwrap();
    support::copy_folder(&folder.path().join("index"), yesterday.path());
    let store = SledStore::open(folder.path(), options).unwrap();
    let mut maildrop = store.open_maildrop(id).unwrap();
    let numbers = deliver(&store, &mut *maildrop, &[4, 5]).unwrap();
    maildrop
        .remove(&[MessageId(1), numbers[1]], &Removal::default())
        .unwrap();
    let expected: Vec<u64> = maildrop
        .messages()
        .iter()
        .map(|record| record.id.0)
        .collect();
    drop(maildrop);
    store.close().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    support::copy_folder(yesterday.path(), &folder.path().join("index"));
    let (options, events) = watched();
    let store = SledStore::open(folder.path(), options).unwrap();
    let mut maildrop = store.open_maildrop(id).unwrap();
    let found: Vec<u64> = maildrop
        .messages()
        .iter()
        .map(|record| record.id.0)
        .collect();
    assert_eq!(found, expected);
    assert!(deliver(&store, &mut *maildrop, &[6]).unwrap()[0] > numbers[1]);
    let first = events.lock().unwrap()[0].to_string();
    assert!(first.contains("older than the high-water marks"), "{first}");
}

#[test]
fn a_restored_store_with_todays_marks_repeats_no_number() {
    let (folder, marks, backup) = (
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
    );
    let open = || {
        let (mut options, events) = watched();
        options.high_water_folder = Some(marks.path().to_owned());
        (SledStore::open(folder.path(), options).unwrap(), events)
    };
    let (store, _) = open();
    let id = user(&store, "ann");
    deliver(&store, &mut *store.open_maildrop(id).unwrap(), &[1, 2, 3]).unwrap();
    store.close().unwrap();
    support::copy_folder(folder.path(), backup.path());
    let (store, _) = open();
    let todays = deliver(&store, &mut *store.open_maildrop(id).unwrap(), &[4, 5]).unwrap();
    let todays_user = user(&store, "bob");
    store.close().unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    support::copy_folder(backup.path(), folder.path());
    let (store, _) = open();
    let mut maildrop = store.open_maildrop(id).unwrap();
    assert_eq!(maildrop.messages().len(), 3, "what was restored is there");
    assert!(deliver(&store, &mut *maildrop, &[6]).unwrap()[0] > todays[1]);
    assert!(user(&store, "cid") > todays_user);
}

#[test]
fn a_stopped_store_is_rebuilt_on_request() {
    let folder = TempDir::new().unwrap();
    let (expected, highest) = store_with_history(folder.path(), None);
    let (options, _) = watched();
    let store = SledStore::open(folder.path(), options.clone()).unwrap();
    assert_eq!(
        rebuild(folder.path(), &options).unwrap_err().kind(),
        StoreErrorKind::Locked
    );
    store.close().unwrap();
    let rebuilt = rebuild(folder.path(), &options).unwrap();
    assert_eq!(
        (rebuilt.users, rebuilt.maildrops, rebuilt.set_aside),
        (6, 6, 0)
    );
    let (options, events) = watched();
    check(folder.path(), options, &expected, &highest, "rebuilt");
    assert_eq!(
        *events.lock().unwrap(),
        [],
        "the next start finds nothing wrong with it"
    );
}

#[test]
fn nothing_is_rebuilt_where_there_is_no_store() {
    let folder = TempDir::new().unwrap();
    let nowhere = folder.path().join("nowhere");
    let (options, _) = watched();
    let error = rebuild(&nowhere, &options).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotFound);
    let error = verify(&nowhere, &options, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotFound);
    assert!(!nowhere.exists());
}

#[test]
fn a_damaged_record_costs_only_its_maildrop() {
    let folder = TempDir::new().unwrap();
    let (expected, highest) = store_with_history(folder.path(), None);
    let ids: Vec<MaildropId> = expected.iter().map(|(id, ..)| *id).collect();
    let key = |id: MaildropId| id.0.to_be_bytes();
    let index = sled::open(folder.path().join("index")).unwrap();
    let change = |tree: &str, key: &[u8], value: &[u8]| {
        assert!(
            index
                .open_tree(tree)
                .unwrap()
                .insert(key, value)
                .unwrap()
                .is_some()
        );
    };
    change("maildrops", &key(ids[0]), b"nonsense");
    let segments = index.open_tree("segments").unwrap();
    let first_of = |id: MaildropId| segments.get_gt(key(id)).unwrap().unwrap().0;
    change("segments", &first_of(ids[1]), b"nonsense");
    segments.remove(first_of(ids[2])).unwrap();
    change("users", b"user3", b"nonsense");
    drop((segments, index));
    let (options, _) = watched();
    let store = SledStore::open(folder.path(), options.clone()).unwrap();
    for id in &ids[..3] {
        let error = store.open_maildrop(*id).err().unwrap();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
        assert!(
            error.to_string().contains(&format!("maildrop {id}")),
            "{error}"
        );
    }
    let user3 = store.find(&UserName::new("user3").unwrap());
    assert_eq!(user3.unwrap_err().kind(), StoreErrorKind::Corrupt);
    for id in &ids[3..] {
        let mut maildrop = store.open_maildrop(*id).unwrap();
        let numbers = deliver(&store, &mut *maildrop, &[1]).unwrap();
        maildrop.remove(&numbers, &Removal::default()).unwrap();
    }
    assert_eq!(store.statistics().unwrap().damaged, 1);
    store.close().unwrap();
    let damages = findings(folder.path())
        .into_iter()
        .filter(|it| it.severity == Severity::Damage);
    assert!(damages.count() >= 4);
    rebuild(folder.path(), &options).unwrap();
    check(folder.path(), options, &expected, &highest, "rebuilt");
}
