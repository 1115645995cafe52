//! The log on disks that fail and in files that are cut: what it promises, step by step.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod support;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use mailroost_storage::faulty::{Fault, FaultyFiles, Operation};
use mailroost_storage::sled_store::Severity;
use mailroost_storage::{
    MaildropId, MaildropStore, MessageId, OwnedMaildrop, Removal, SledStore, SledStoreOptions,
    StoreErrorKind, StoreEvent,
};
use support::{deliver, findings, keeping, message, read, user, watched};
use tempfile::TempDir;

/// Octets to which records are padded.
const PAGE: u64 = 4096;

type Events = Arc<Mutex<Vec<StoreEvent>>>;

fn open(folder: &Path, log_octets: u64) -> (SledStore, Arc<FaultyFiles>, Events) {
    let files = Arc::new(FaultyFiles::new());
    let (options, events) = watched();
    let options = SledStoreOptions {
        files: files.clone(),
        log_octets,
        ..options
    };
    (SledStore::open(folder, options).unwrap(), files, events)
}

fn segment(folder: &Path) -> fs::File {
    let path = folder.join("log/0");
    let file = OpenOptions::new().read(true).write(true).open(path);
    file.unwrap()
}

/// Where the records of the first segment begin.
fn records(folder: &Path) -> Vec<u64> {
    let octets = fs::read(folder.join("log/0")).unwrap();
    let pages = octets.chunks(PAGE as usize).zip(0..);
    let begins = pages.filter(|(page, _)| page.starts_with(b"MRLG"));
    begins.map(|(_, number)| number * PAGE).collect()
}

/// Ann has 1 to 3, each of them the only one of its record; the process has ended.
fn three_delivered(folder: &Path) -> MaildropId {
    let (store, ..) = open(folder, 1 << 20);
    let id = user(&store, "ann");
    let mut maildrop = store.open_maildrop(id).unwrap();
    for seed in [1, 2, 3] {
        deliver(&store, &mut *maildrop, &[seed]).unwrap();
    }
    id
}

fn numbers(maildrop: &dyn OwnedMaildrop) -> Vec<u64> {
    let messages = maildrop.messages().iter();
    messages.map(|record| record.id.0).collect()
}

#[test]
fn files_and_index_that_a_crash_took_come_back_from_the_log() {
    for index_too in [false, true] {
        let folder = TempDir::new().unwrap();
        let id = three_delivered(folder.path());
        let bodies = folder.path().join("bodies/01/1");
        fs::remove_file(bodies.join("1")).unwrap();
        fs::write(bodies.join("2"), b"").unwrap();
        let cut = OpenOptions::new().write(true).open(bodies.join("3"));
        cut.unwrap().set_len(200).unwrap();
        if index_too {
            fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        let (store, ..) = open(folder.path(), 1 << 20);
        let maildrop = store.open_maildrop(id).unwrap();
        assert_eq!(numbers(&*maildrop), [1, 2, 3]);
        for number in [1, 2, 3] {
            let octets = read(&*maildrop.bodies(), MessageId(number)).unwrap();
            assert!(octets == message(number), "{number}");
        }
        drop(maildrop);
        store.close().unwrap();
        assert_eq!(findings(folder.path()), []);
    }
}

#[test]
fn a_removal_is_known_by_the_log_alone() {
    for keep in [false, true] {
        let folder = TempDir::new().unwrap();
        let id = three_delivered(folder.path());
        let saved = TempDir::new().unwrap();
        let bodies = folder.path().join("bodies/01/1");
        let (store, ..) = open(folder.path(), 1 << 20);
        let mut maildrop = store.open_maildrop(id).unwrap();
        support::copy_folder(&bodies, saved.path());
        let removal = Removal { keep, ..keeping(7) };
        maildrop
            .remove(&[MessageId(1), MessageId(2)], &removal)
            .unwrap();
        let gone = maildrop.bodies().open(MessageId(1)).err().unwrap();
        assert_eq!(gone.kind(), StoreErrorKind::Gone, "{gone}");
        drop(maildrop);
        drop(store);
        // The files have their names of before, and the index is lost.
        fs::remove_dir_all(&bodies).unwrap();
        support::copy_folder(saved.path(), &bodies);
        fs::remove_dir_all(folder.path().join("index")).unwrap();
        let (store, ..) = open(folder.path(), 1 << 20);
        let maildrop = store.open_maildrop(id).unwrap();
        assert_eq!(numbers(&*maildrop), [3]);
        assert_eq!(maildrop.deleted().unwrap().len(), if keep { 2 } else { 0 });
        drop(maildrop);
        store.close().unwrap();
        assert_eq!(findings(folder.path()), []);
    }
}

#[test]
fn a_torn_last_record_is_cut_off() {
    let folder = TempDir::new().unwrap();
    let id = three_delivered(folder.path());
    let last = *records(folder.path()).last().unwrap();
    segment(folder.path())
        .write_all_at(b"torn", last + 40)
        .unwrap();
    // Its file was not durable either: nobody was told of it.
    fs::remove_file(folder.path().join("bodies/01/1/3")).unwrap();
    let index = folder.path().join("index");
    fs::remove_dir_all(&index).unwrap();
    let (store, _, events) = open(folder.path(), 1 << 20);
    let mut maildrop = store.open_maildrop(id).unwrap();
    assert_eq!(numbers(&*maildrop), [1, 2]);
    assert!(deliver(&store, &mut *maildrop, &[4]).unwrap()[0].0 > 3);
    let events = events.lock().unwrap();
    let about_the_log = |event: &&StoreEvent| matches!(event, StoreEvent::LogSetAside { .. });
    assert_eq!(events.iter().find(about_the_log), None);
}

#[test]
fn a_record_lost_before_the_last_one_is_said_loudly_and_costs_nothing_else() {
    let folder = TempDir::new().unwrap();
    let id = three_delivered(folder.path());
    let records = records(folder.path());
    let before_the_last = records[records.len() - 2];
    segment(folder.path())
        .write_all_at(b"lost", before_the_last + 40)
        .unwrap();
    // What only the log has of the third.
    fs::remove_file(folder.path().join("bodies/01/1/3")).unwrap();
    let damages = findings(folder.path());
    assert!(
        damages
            .iter()
            .any(|it| it.severity == Severity::Damage && it.text.contains("the log")),
        "{damages:?}"
    );
    fs::remove_file(folder.path().join("bodies/01/1/3")).unwrap();
    let (store, _, events) = open(folder.path(), 1 << 20);
    let maildrop = store.open_maildrop(id).unwrap();
    assert_eq!(numbers(&*maildrop), [1, 2, 3]);
    assert!(read(&*maildrop.bodies(), MessageId(3)).unwrap() == message(3));
    assert!(folder.path().join("log.damaged-1/0").is_file());
    let events = events.lock().unwrap();
    let said = events
        .iter()
        .find(|it| matches!(it, StoreEvent::LogSetAside { .. }));
    assert!(said.unwrap().is_loud(), "{events:?}");
    drop(maildrop);
    store.close().unwrap();
    assert_eq!(findings(folder.path()), []);
}

#[test]
fn a_log_that_cannot_be_written_poisons_and_a_full_one_refuses() {
    for (fault, kind) in [
        (Fault::Full, StoreErrorKind::Full),
        (Fault::Torn, StoreErrorKind::Full),
        (Fault::Io, StoreErrorKind::Poisoned),
    ] {
        let folder = TempDir::new().unwrap();
        let (store, files, events) = open(folder.path(), 1 << 20);
        let id = user(&store, "ann");
        let mut maildrop = store.open_maildrop(id).unwrap();
        deliver(&store, &mut *maildrop, &[1]).unwrap();
        // Its file, then its record.
        files.fail_after(1, Operation::Write, fault);
        let error = deliver(&store, &mut *maildrop, &[2]).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let again = deliver(&store, &mut *maildrop, &[3]);
        assert_eq!(again.is_ok(), kind == StoreErrorKind::Full, "{fault:?}");
        let is_poisoned = matches!(events.lock().unwrap()[..], [StoreEvent::Poisoned { .. }]);
        assert_eq!(is_poisoned, fault == Fault::Io, "{fault:?}");
    }
}

#[test]
fn a_checkpoint_that_fails_poisons_and_the_log_has_all() {
    for operation in [Operation::SyncFileSystem, Operation::Sync] {
        let folder = TempDir::new().unwrap();
        // Room for one record only: each commit begins a checkpoint of what was before it.
        let (store, files, events) = open(folder.path(), PAGE);
        let id = user(&store, "ann");
        let mut maildrop = store.open_maildrop(id).unwrap();
        let mut delivered = deliver(&store, &mut *maildrop, &[1]).unwrap();
        files.fail_after(0, operation, Fault::Io);
        while let Ok(more) = deliver(&store, &mut *maildrop, &[delivered.len() as u64 + 1]) {
            delivered.extend(more);
            assert!(delivered.len() < 20, "{operation:?}: it goes on and on");
        }
        let again = deliver(&store, &mut *maildrop, &[9]).unwrap_err();
        assert_eq!(again.kind(), StoreErrorKind::Poisoned, "{again}");
        let poisoned = events.lock().unwrap().clone();
        assert!(
            matches!(poisoned[..], [StoreEvent::Poisoned { .. }]),
            "{poisoned:?}"
        );
        drop(maildrop);
        assert_eq!(store.close().unwrap_err().kind(), StoreErrorKind::Poisoned);
        drop(store);
        let (store, ..) = open(folder.path(), 1 << 20);
        let maildrop = store.open_maildrop(id).unwrap();
        for (id, seed) in delivered.iter().zip(1..) {
            assert!(
                read(&*maildrop.bodies(), *id).unwrap() == message(seed),
                "{id}"
            );
        }
        drop(maildrop);
        store.close().unwrap();
        assert_eq!(findings(folder.path()), []);
    }
}

#[test]
fn a_log_stays_within_its_limit_and_is_used_again() {
    let folder = TempDir::new().unwrap();
    let (store, ..) = open(folder.path(), 64 << 10);
    let id = user(&store, "ann");
    let mut maildrop = store.open_maildrop(id).unwrap();
    for seed in 0..100 {
        deliver(&store, &mut *maildrop, &[seed]).unwrap();
    }
    for number in 0..2 {
        let path = folder.path().join(format!("log/{number}"));
        // Zeros are written by the MiB.
        assert_eq!(fs::metadata(path).unwrap().len(), 1 << 20);
    }
    drop(maildrop);
    drop(store);
    let (store, ..) = open(folder.path(), 64 << 10);
    assert_eq!(store.open_maildrop(id).unwrap().messages().len(), 100);
    store.close().unwrap();
    assert_eq!(findings(folder.path()), []);
}
