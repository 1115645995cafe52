//! Disks that fail: an error for what was asked, nothing half-done, and all goes on afterwards.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use mailroost_storage::faulty::{Fault, FaultyFiles, Operation};
use mailroost_storage::{
    Directory, MaildropId, MaildropStore, MessageId, NewUser, Removal, SledStore, Staging,
    StoreErrorKind, StoreEvent, UserName,
};
use support::{Before, deliver, findings, message, read, stage, user, watched};
use tempfile::TempDir;

struct Faulty {
    folder: TempDir,
    files: Arc<FaultyFiles>,
    events: Arc<Mutex<Vec<StoreEvent>>>,
    store: SledStore,
    maildrop: MaildropId,
}

/// A store with two messages on a disk that works so far.
fn faulty() -> Faulty {
    let folder = TempDir::new().unwrap();
    let files = Arc::new(FaultyFiles::new());
    let (mut options, events) = watched();
    options.files = files.clone();
    let store = SledStore::open(folder.path(), options).unwrap();
    let maildrop = user(&store, "ann");
    let mut owned = store.open_maildrop(maildrop).unwrap();
    deliver(&store, &mut *owned, &[1, 2]).unwrap();
    drop(owned);
    Faulty {
        folder,
        files,
        events,
        store,
        maildrop,
    }
}

impl Faulty {
    fn reopen(self) -> Self {
        let Self {
            folder,
            files,
            events,
            store,
            maildrop,
        } = self;
        drop(store);
        let (mut options, _) = watched();
        options.files = files.clone();
        let store = SledStore::open(folder.path(), options).unwrap();
        Self {
            folder,
            files,
            events,
            store,
            maildrop,
        }
    }

    fn files_in(&self, name: &str) -> Vec<String> {
        names(&self.folder.path().join(name))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_full_disk_refuses_a_delivery_and_takes_the_next() {
    // A delivery of one small message: create its file, write it; append to the log.
    let small = [
        (Operation::Create, 0),
        (Operation::Write, 0),
        (Operation::Write, 1),
    ];
    // Of one that the log is too small for: create, write body; open, write header, sync, rename,
    // sync folder; append to the log.
    let large = [
        (Operation::Create, 0),
        (Operation::Write, 0),
        (Operation::Open, 0),
        (Operation::Write, 3),
        (Operation::Sync, 0),
        (Operation::Rename, 0),
        (Operation::SyncFolder, 0),
        (Operation::Write, 4),
    ];
    let small = small.map(|step| (step, message(3)));
    let large = large.map(|step| (step, b"a line\r\n".repeat(20_000)));
    let faulty = faulty();
    let mut maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    let before = maildrop.messages().to_vec();
    for ((operation, others), octets) in small.into_iter().chain(large) {
        for fault in [Fault::Full, Fault::Torn] {
            faulty.files.fail_after(others, operation, fault);
            let staged = stage(&faulty.store, &octets);
            let delivered = staged.and_then(|staged| maildrop.deliver(vec![staged]));
            let error = delivered.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Full, "{operation:?}: {error}");
            assert_eq!(maildrop.messages(), before, "{operation:?}");
            assert!(faulty.files_in("staging").is_empty(), "{operation:?}");
            assert_eq!(
                faulty.files_in("bodies/01/1"),
                ["1", "2", "owner"],
                "{operation:?}"
            );
        }
    }
    deliver(&faulty.store, &mut *maildrop, &[3]).unwrap();
    assert_eq!(maildrop.messages().len(), 3);
    let highest = maildrop.messages()[2].id;
    drop(maildrop);
    let faulty = faulty.reopen();
    let mut maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    assert!(deliver(&faulty.store, &mut *maildrop, &[4]).unwrap()[0] > highest);
    drop(maildrop);
    faulty.store.close().unwrap();
    assert_eq!(findings(faulty.folder.path()), []);
}

#[test]
fn a_batch_that_meets_a_full_disk_half_way_leaves_nothing() {
    let faulty = faulty();
    let mut maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    faulty.files.fail_after(2, Operation::Create, Fault::Full);
    let error = deliver(&faulty.store, &mut *maildrop, &[3, 4, 5, 6]).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full);
    assert_eq!(faulty.files_in("bodies/01/1"), ["1", "2", "owner"]);
    assert!(faulty.files_in("staging").is_empty());
    assert_eq!(
        deliver(&faulty.store, &mut *maildrop, &[3, 4])
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_large_body_that_does_not_fit_is_refused_while_it_is_written() {
    let faulty = faulty();
    faulty.files.set_room(Some(200_000));
    let mut staged = faulty.store.stage(Staging::default()).unwrap();
    let line = [b'x'; 1000];
    let outcome = (0..400).try_for_each(|_| staged.write_all(&line));
    assert_eq!(outcome.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert!(staged.write_all(&line).is_err(), "it stays refused");
    assert_eq!(staged.finish().err().unwrap().kind(), StoreErrorKind::Full);
    assert!(faulty.files_in("staging").is_empty());
}

#[test]
fn deliveries_stop_before_the_disk_is_full_and_removals_go_on() {
    let faulty = faulty();
    let mut maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    faulty.files.set_room(Some(16 << 20));
    let error = deliver(&faulty.store, &mut *maildrop, &[3]).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full, "{error}");
    assert_eq!(
        maildrop
            .remove(&[MessageId(1)], &Removal::default())
            .unwrap(),
        1
    );
    let new = NewUser {
        name: UserName::new("bob").unwrap(),
        password_hash: None,
    };
    assert_eq!(
        faulty.store.add(new.clone()).unwrap_err().kind(),
        StoreErrorKind::Full
    );
    faulty.files.set_room(None);
    deliver(&faulty.store, &mut *maildrop, &[3]).unwrap();
    faulty.store.add(new).unwrap();
    drop(maildrop);
    faulty.store.close().unwrap();
    assert_eq!(findings(faulty.folder.path()), []);
}

#[test]
fn a_carried_decimal_can_be_delivered_after_there_was_no_room() {
    let faulty = faulty();
    let mut maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    let mut deliver = || {
        let staging = Staging {
            carried_unique_id: Some("500".into()),
            ..Staging::default()
        };
        let staged = faulty.store.stage(staging).unwrap();
        maildrop.deliver(vec![staged.finish().unwrap()])
    };
    faulty.files.set_room(Some(16 << 20));
    assert_eq!(deliver().unwrap_err().kind(), StoreErrorKind::Full);
    faulty.files.set_room(None);
    assert_eq!(deliver().unwrap(), [MessageId(501)]);
    assert_eq!(deliver().unwrap_err().kind(), StoreErrorKind::Duplicate);
}

#[test]
fn a_log_that_cannot_be_made_durable_poisons_the_store() {
    let faulty = faulty();
    let mut maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    faulty.files.fail_after(0, Operation::Sync, Fault::Io);
    let error = deliver(&faulty.store, &mut *maildrop, &[3]).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Poisoned, "{error}");
    let error = deliver(&faulty.store, &mut *maildrop, &[4]).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Poisoned, "{error}");
    assert_eq!(
        maildrop
            .remove(&[MessageId(1)], &Removal::default())
            .unwrap_err()
            .kind(),
        StoreErrorKind::Poisoned
    );
    let source = maildrop.bodies();
    assert_eq!(
        read(&*source, MessageId(1)).unwrap(),
        message(1),
        "what is there can be read"
    );
    let events = faulty.events.lock().unwrap().clone();
    assert!(
        matches!(events[..], [StoreEvent::Poisoned { .. }]),
        "{events:?}"
    );
    drop((maildrop, source));
    assert_eq!(
        faulty.store.close().unwrap_err().kind(),
        StoreErrorKind::Poisoned
    );
    let faulty = faulty.reopen();
    let maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    let found: Vec<u64> = maildrop
        .messages()
        .iter()
        .map(|record| record.id.0)
        .collect();
    assert_eq!(found, [1, 2, 3], "nobody knew: it was kept");
    drop(maildrop);
    faulty.store.close().unwrap();
    assert_eq!(findings(faulty.folder.path()), []);
}

/// A store that crashed between the naming of the files of 3 and 4 (one batch) and their commit.
fn crashed_in_a_delivery() -> Faulty {
    let faulty = faulty();
    let before = Before::a_commit(faulty.folder.path());
    let mut maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    deliver(&faulty.store, &mut *maildrop, &[3, 4]).unwrap();
    drop(maildrop);
    let Faulty {
        folder,
        files,
        events,
        store,
        maildrop,
    } = faulty;
    drop(store);
    before.come_back(folder.path());
    let (mut options, _) = watched();
    options.files = files.clone();
    let sink = Arc::clone(&events);
    options.events = Arc::new(move |event| sink.lock().unwrap().push(event.clone()));
    let store = SledStore::open(folder.path(), options).unwrap();
    Faulty {
        folder,
        files,
        events,
        store,
        maildrop,
    }
}

#[test]
fn what_a_crash_left_unclaimed_is_taken_in() {
    let faulty = crashed_in_a_delivery();
    let mut maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    let found: Vec<u64> = maildrop
        .messages()
        .iter()
        .map(|record| record.id.0)
        .collect();
    assert_eq!(found, [1, 2, 3, 4]);
    assert_eq!(read(&*maildrop.bodies(), MessageId(4)).unwrap(), message(4));
    assert!(deliver(&faulty.store, &mut *maildrop, &[5]).unwrap()[0].0 > 4);
    let adopted = StoreEvent::Adopted {
        maildrop: faulty.maildrop,
        messages: 2,
    };
    assert_eq!(*faulty.events.lock().unwrap(), [adopted]);
    drop(maildrop);
    faulty.store.close().unwrap();
    assert_eq!(findings(faulty.folder.path()), []);
}

#[test]
fn half_a_batch_is_set_aside() {
    let faulty = crashed_in_a_delivery();
    fs::remove_file(faulty.folder.path().join("bodies/01/1/4")).unwrap();
    let maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    let found: Vec<u64> = maildrop
        .messages()
        .iter()
        .map(|record| record.id.0)
        .collect();
    assert_eq!(found, [1, 2]);
    assert_eq!(faulty.files_in("set_aside"), ["1-3-1"]);
    let events = faulty.events.lock().unwrap();
    assert!(
        matches!(events[..], [StoreEvent::BodySetAside { .. }]),
        "{events:?}"
    );
    assert!(
        events[0].to_string().contains("its batch is not whole"),
        "{}",
        events[0]
    );
}

#[test]
fn a_full_disk_after_a_crash_does_not_close_the_maildrop() {
    let faulty = crashed_in_a_delivery();
    faulty.files.set_room(Some(10 << 20));
    let mut maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    assert_eq!(maildrop.messages().len(), 2, "3 and 4 wait for room");
    assert_eq!(
        maildrop
            .remove(&[MessageId(1)], &Removal::default())
            .unwrap(),
        1
    );
    faulty.files.set_room(None);
    assert!(deliver(&faulty.store, &mut *maildrop, &[5]).unwrap()[0].0 > 4);
    drop(maildrop);
    let faulty = faulty.reopen();
    assert_eq!(
        faulty
            .store
            .open_maildrop(faulty.maildrop)
            .unwrap()
            .messages()
            .len(),
        4
    );
}

#[test]
fn what_waits_for_room_is_taken_in_after_a_clean_end_too() {
    let faulty = crashed_in_a_delivery();
    faulty.files.set_room(Some(10 << 20));
    let maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    assert_eq!(maildrop.messages().len(), 2);
    drop(maildrop);
    faulty.files.set_room(None);
    faulty.store.close().unwrap();
    let faulty = faulty.reopen();
    let maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    assert_eq!(maildrop.messages().len(), 4);
}

#[test]
fn a_file_that_cannot_be_unlinked_is_unlinked_later() {
    let faulty = faulty();
    let mut maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    faulty.files.fail_after(0, Operation::Unlink, Fault::Io);
    assert_eq!(
        maildrop
            .remove(&[MessageId(1)], &Removal::default())
            .unwrap(),
        1
    );
    assert_eq!(faulty.files_in("bodies/01/1"), ["1", "2", "owner"]);
    // One more for housekeeping itself, which waits for the thread that meets the first.
    faulty.files.fail_after(0, Operation::Unlink, Fault::Io);
    assert_eq!(faulty.store.housekeeping().unwrap().unlinked, 0);
    assert_eq!(faulty.store.housekeeping().unwrap().unlinked, 1);
    assert_eq!(faulty.files_in("bodies/01/1"), ["2", "owner"]);
    faulty.files.fail_after(0, Operation::Unlink, Fault::Io);
    assert_eq!(
        maildrop
            .remove(&[MessageId(2)], &Removal::default())
            .unwrap(),
        1
    );
    drop(maildrop);
    let faulty = faulty.reopen();
    assert_eq!(
        faulty.files_in("bodies/01/1"),
        ["owner"],
        "the next start does it"
    );
    assert!(
        faulty
            .store
            .open_maildrop(faulty.maildrop)
            .unwrap()
            .messages()
            .is_empty()
    );
}

#[test]
fn forgotten_temporary_files_are_found_by_housekeeping() {
    let faulty = faulty();
    faulty.files.fail_after(0, Operation::Unlink, Fault::Io);
    let large = b"a line\n".repeat(20_000);
    drop(stage(&faulty.store, &large).unwrap());
    let in_use = stage(&faulty.store, &large).unwrap();
    assert_eq!(faulty.files_in("staging").len(), 2);
    assert_eq!(faulty.store.housekeeping().unwrap().temporary, 1);
    assert_eq!(faulty.files_in("staging").len(), 1);
    drop(in_use);
    assert!(faulty.files_in("staging").is_empty());
}

#[test]
fn damaged_bodies_cost_only_themselves() {
    let faulty = faulty();
    let mut maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    deliver(&faulty.store, &mut *maildrop, &[3, 4, 5]).unwrap();
    let source = maildrop.bodies();
    let folder = faulty.folder.path().join("bodies/01/1");
    fs::remove_file(folder.join("1")).unwrap();
    let whole = fs::read(folder.join("2")).unwrap();
    fs::write(folder.join("2"), &whole[..whole.len() - 1]).unwrap();
    fs::write(folder.join("3"), b"").unwrap();
    fs::copy(folder.join("5"), folder.join("4")).unwrap();
    for number in 1..5 {
        let error = source.open(MessageId(number)).err().unwrap();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
        assert!(
            error
                .to_string()
                .contains(&format!("message {number} of maildrop 1")),
            "{error}"
        );
    }
    assert_eq!(read(&*source, MessageId(5)).unwrap(), message(5));
    deliver(&faulty.store, &mut *maildrop, &[6]).unwrap();
    let mut octets = fs::read(folder.join("6")).unwrap();
    *octets.last_mut().unwrap() ^= 1;
    fs::write(folder.join("6"), octets).unwrap();
    drop((maildrop, source));
    faulty.store.close().unwrap();
    let damaged: Vec<u64> = findings(faulty.folder.path())
        .iter()
        .filter_map(|it| Some(it.message?.0))
        .collect();
    assert_eq!(damaged, [1, 2, 3, 4, 6]);
}

#[test]
fn a_body_cut_while_it_is_read_is_corrupt() {
    let faulty = faulty();
    let mut maildrop = faulty.store.open_maildrop(faulty.maildrop).unwrap();
    let id = deliver(&faulty.store, &mut *maildrop, &[3]).unwrap()[0];
    let mut body = maildrop.bodies().open(id).unwrap();
    let path = faulty.folder.path().join(format!("bodies/01/1/{id}"));
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(165)
        .unwrap();
    let mut buffer = [0; 10_000];
    assert_eq!(body.read(&mut buffer).unwrap(), 5);
    assert_eq!(
        body.read(&mut buffer).unwrap_err().kind(),
        StoreErrorKind::Corrupt
    );
}
