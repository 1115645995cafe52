//! Deleted and shared messages on disks that fail, and after a process that ended amid a step.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use mailroost_storage::faulty::{Fault, FaultyFiles, Operation};
use mailroost_storage::sled_store::{Durability, Severity, rebuild};
use mailroost_storage::{
    MaildropId, MaildropStore, MessageId, OwnedMaildrop, SledStore, SledStoreOptions,
    StoreErrorKind,
};
use support::{
    Before, copy_folder, deliver, findings, keeping, message, read, stage_shared, user, watched,
};
use tempfile::TempDir;

/// A seed whose message is large enough to be shared.
const LARGE: u64 = 8;

fn open(folder: &Path) -> (SledStore, Arc<FaultyFiles>) {
    let files = Arc::new(FaultyFiles::new());
    let (mut options, _) = watched();
    options.files = files.clone();
    (SledStore::open(folder, options).unwrap(), files)
}

fn names(folder: &Path, below: &str) -> Vec<String> {
    let entries = fs::read_dir(folder.join(below)).unwrap();
    let mut names: Vec<String> = entries
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn ids(maildrop: &dyn OwnedMaildrop) -> (Vec<u64>, Vec<u64>) {
    let live = maildrop.messages().iter().map(|it| it.id.0);
    let deleted = maildrop.deleted().unwrap();
    (live.collect(), deleted.iter().map(|it| it.id.0).collect())
}

fn deliver_shared(store: &SledStore, maildrop: &mut dyn OwnedMaildrop, seed: u64) -> MessageId {
    let (shared, trace) = stage_shared(store, seed).unwrap();
    let delivery = shared.delivery(&trace).unwrap();
    maildrop.deliver(vec![delivery]).unwrap()[0]
}

/// Messages 1 and 2 (shared) of ann, both deleted, their files renamed.
fn two_deleted(store: &SledStore) -> Box<dyn OwnedMaildrop> {
    let maildrop = two_removed(store);
    store.housekeeping().unwrap();
    maildrop
}

/// The same, and their files are being renamed.
fn two_removed(store: &SledStore) -> Box<dyn OwnedMaildrop> {
    let id = user(store, "ann");
    let mut maildrop = store.open_maildrop(id).unwrap();
    deliver(store, &mut *maildrop, &[1]).unwrap();
    deliver_shared(store, &mut *maildrop, LARGE);
    let all = [MessageId(1), MessageId(2)];
    assert_eq!(maildrop.remove(&all, &keeping(7)).unwrap(), 2);
    maildrop
}

const DELETED: [&str; 4] = [
    "1.deleted-7-3-73657373696f6e2d37",
    "2.body",
    "2.deleted-7-3-73657373696f6e2d37",
    "owner",
];

#[test]
fn a_kept_file_that_cannot_be_renamed_is_renamed_later() {
    let folder = TempDir::new().unwrap();
    let (store, files) = open(folder.path());
    let id = user(&store, "ann");
    let mut maildrop = store.open_maildrop(id).unwrap();
    deliver(&store, &mut *maildrop, &[1]).unwrap();
    deliver_shared(&store, &mut *maildrop, LARGE);
    files.fail_after(1, Operation::Rename, Fault::Io);
    let all = [MessageId(1), MessageId(2)];
    assert_eq!(maildrop.remove(&all, &keeping(7)).unwrap(), 2);
    let half = [DELETED[0], "2", "2.body", "owner"];
    while files.failed() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(names(folder.path(), "bodies/01/1"), half);
    assert_eq!(ids(&*maildrop), (vec![], vec![1, 2]));
    store.housekeeping().unwrap();
    assert_eq!(names(folder.path(), "bodies/01/1"), DELETED);
    drop(maildrop);
    store.close().unwrap();
    assert_eq!(findings(folder.path()), []);
}

#[test]
fn an_undelete_that_meets_a_full_disk_changes_nothing() {
    // Each file that becomes a body is synced and linked, a header is written; then the folder is
    // synced, and the log gets all.
    let steps = [
        (Operation::Sync, 1),
        (Operation::Link, 1),
        (Operation::Create, 1),
        (Operation::Write, 1),
        (Operation::SyncFolder, 0),
        (Operation::Write, 2),
    ];
    let folder = TempDir::new().unwrap();
    let (store, files) = open(folder.path());
    let mut maildrop = two_deleted(&store);
    for (operation, others) in steps {
        files.fail_after(others, operation, Fault::Full);
        let error = maildrop
            .undelete(&[MessageId(1), MessageId(2)], 99)
            .unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Full, "{operation:?}: {error}");
        assert_eq!(ids(&*maildrop), (vec![], vec![1, 2]), "{operation:?}");
        assert_eq!(
            names(folder.path(), "bodies/01/1"),
            DELETED,
            "{operation:?}"
        );
        assert!(names(folder.path(), "staging").is_empty(), "{operation:?}");
    }
    files.set_room(Some(16 << 20));
    let error = maildrop.undelete(&[MessageId(1)], 99).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full, "{error}");
    assert_eq!(maildrop.purge(7).unwrap().messages, 0);
    files.set_room(None);
    let moved = maildrop
        .undelete(&[MessageId(1), MessageId(2)], 99)
        .unwrap();
    let source = maildrop.bodies();
    assert_eq!(read(&*source, moved[0].1).unwrap(), message(1));
    assert_eq!(read(&*source, moved[1].1).unwrap(), message(LARGE));
    drop((maildrop, source));
    store.close().unwrap();
    assert_eq!(findings(folder.path()), []);
}

/// What `step` had done to the files when the process ended before its commit.
fn ended_before_the_commit(
    folder: &Path,
    step: impl FnOnce(&SledStore, &mut dyn OwnedMaildrop),
) -> MaildropId {
    let (store, _) = open(folder);
    let mut maildrop = two_deleted(&store);
    let id = maildrop.id();
    deliver(&store, &mut *maildrop, &[3]).unwrap();
    // A clean end between them: what the log had before is done.
    drop(maildrop);
    store.close().unwrap();
    let (store, _) = open(folder);
    let mut maildrop = store.open_maildrop(id).unwrap();
    let before = Before::a_commit(folder);
    step(&store, &mut *maildrop);
    drop(maildrop);
    drop(store);
    before.come_back(folder);
    id
}

#[test]
fn an_undelete_without_its_commit_is_taken_back() {
    let folder = TempDir::new().unwrap();
    let bodies = folder.path().join("bodies/01/1");
    let saved = TempDir::new().unwrap();
    copy_deleted_aside_and_back(&folder, &saved, &bodies);
    let (store, _) = open(folder.path());
    let mut maildrop = store.open_maildrop(MaildropId(1)).unwrap();
    assert_eq!(ids(&*maildrop), (vec![3], vec![1, 2]));
    assert!(!fs::exists(folder.path().join("set_aside")).unwrap());
    let moved = maildrop
        .undelete(&[MessageId(1), MessageId(2)], 99)
        .unwrap();
    assert!(moved[0].1.0 > 5, "{moved:?}: 4 and 5 were used");
    assert_eq!(
        read(&*maildrop.bodies(), moved[1].1).unwrap(),
        message(LARGE)
    );
    drop(maildrop);
    store.close().unwrap();
    assert_eq!(findings(folder.path()), []);
}

#[test]
fn an_undelete_without_its_index_is_not_there_twice() {
    let folder = TempDir::new().unwrap();
    let bodies = folder.path().join("bodies/01/1");
    let saved = TempDir::new().unwrap();
    copy_deleted_aside_and_back(&folder, &saved, &bodies);
    let rebuilt = rebuild(folder.path(), &SledStoreOptions::default()).unwrap();
    assert_eq!(
        (rebuilt.messages, rebuilt.deleted, rebuilt.set_aside),
        (3, 0, 0)
    );
    let (store, _) = open(folder.path());
    assert_eq!(
        names(folder.path(), "bodies/01/1"),
        ["3", "4", "4.body", "5", "5.body", "owner"],
        "the start finished it"
    );
    let maildrop = store.open_maildrop(MaildropId(1)).unwrap();
    assert_eq!(ids(&*maildrop), (vec![3, 4, 5], vec![]));
    assert_eq!(read(&*maildrop.bodies(), MessageId(4)).unwrap(), message(1));
    drop(maildrop);
    store.close().unwrap();
    assert_eq!(findings(folder.path()), []);
}

/// The files between the naming of an undelete's and the end of the deleted ones, without its
/// commit.
fn copy_deleted_aside_and_back(folder: &TempDir, saved: &TempDir, bodies: &Path) {
    ended_before_the_commit(folder.path(), |_, maildrop| {
        for name in &DELETED[..3] {
            fs::copy(bodies.join(name), saved.path().join(name)).unwrap();
        }
        maildrop
            .undelete(&[MessageId(1), MessageId(2)], 99)
            .unwrap();
    });
    copy_folder(saved.path(), bodies);
}

#[test]
fn a_body_whose_header_was_not_named_is_set_aside() {
    let folder = TempDir::new().unwrap();
    ended_before_the_commit(folder.path(), |store, maildrop| {
        deliver_shared(store, maildrop, LARGE);
    });
    fs::remove_file(folder.path().join("bodies/01/1/4")).unwrap();
    let notes = findings(folder.path());
    assert!(notes.iter().all(|it| it.severity == Severity::Note) && notes.len() == 1);
    let (store, _) = open(folder.path());
    let mut maildrop = store.open_maildrop(MaildropId(1)).unwrap();
    assert_eq!(ids(&*maildrop), (vec![3], vec![1, 2]));
    assert_eq!(names(folder.path(), "set_aside"), ["1-4.body-1"]);
    assert!(deliver(&store, &mut *maildrop, &[9]).unwrap()[0].0 > 4);
    drop(maildrop);
    store.close().unwrap();
    assert_eq!(findings(folder.path()), []);
}

#[test]
fn a_shared_delivery_without_its_commit_is_taken_in() {
    let folder = TempDir::new().unwrap();
    ended_before_the_commit(folder.path(), |store, maildrop| {
        deliver_shared(store, maildrop, LARGE);
    });
    let (store, _) = open(folder.path());
    let maildrop = store.open_maildrop(MaildropId(1)).unwrap();
    assert_eq!(ids(&*maildrop), (vec![3, 4], vec![1, 2]));
    assert_eq!(
        read(&*maildrop.bodies(), MessageId(4)).unwrap(),
        message(LARGE)
    );
}

/// The rename of message 2's file failed.
fn half_kept(store: &SledStore, files: &FaultyFiles) -> Box<dyn OwnedMaildrop> {
    // An owner file and one deleted message get their names.
    files.fail_after(2, Operation::Rename, Fault::Io);
    two_removed(store)
}

#[test]
fn what_waits_for_its_name_is_whole() {
    let folder = TempDir::new().unwrap();
    let (store, files) = open(folder.path());
    drop(half_kept(&store, &files));
    drop(store);
    assert_eq!(findings(folder.path()), []);
    assert_eq!(
        names(folder.path(), "bodies/01/1"),
        DELETED,
        "the log has it"
    );
    drop(open(folder.path()));
    assert_eq!(names(folder.path(), "bodies/01/1"), DELETED);
}

#[test]
fn a_purge_gives_up_what_waits_for_its_name() {
    let folder = TempDir::new().unwrap();
    let (store, files) = open(folder.path());
    let mut maildrop = half_kept(&store, &files);
    assert_eq!(maildrop.purge(8).unwrap().messages, 2);
    assert_eq!(names(folder.path(), "bodies/01/1"), ["owner"]);
    store.housekeeping().unwrap();
    assert_eq!(names(folder.path(), "bodies/01/1"), ["owner"]);
    drop(maildrop);
    store.close().unwrap();
    assert_eq!(findings(folder.path()), []);
}

#[test]
fn a_purge_of_many_goes_in_several_commits() {
    let folder = TempDir::new().unwrap();
    let mut options = watched().0;
    options.durability = Durability::UnsafeNoSync;
    let store = SledStore::open(folder.path(), options).unwrap();
    let id = user(&store, "ann");
    let mut maildrop = store.open_maildrop(id).unwrap();
    let seeds: Vec<u64> = (0..1_010).map(|n| 4 * n + 1).collect();
    let many = deliver(&store, &mut *maildrop, &seeds).unwrap();
    assert_eq!(maildrop.remove(&many, &keeping(7)).unwrap(), 1_010);
    let (listed, revision) = (maildrop.deleted().unwrap(), maildrop.revision());
    let purged = maildrop.purge(8).unwrap();
    assert_eq!(purged.messages, 1_010);
    let stored_octets: u64 = listed.iter().map(|it| it.stored_octets).sum();
    assert_eq!(purged.stored_octets, stored_octets);
    assert_eq!(maildrop.revision(), revision + 2);
    assert_eq!(names(folder.path(), "bodies/01/1"), ["owner"]);
    drop(maildrop);
    store.close().unwrap();
    assert_eq!(findings(folder.path()), []);
}

/// sled's file can lose its end: then the names that an undelete made are the only ones.
#[test]
fn an_undelete_that_only_the_index_has_lost_is_taken_in() {
    let folder = TempDir::new().unwrap();
    ended_before_the_commit(folder.path(), |_, maildrop| {
        maildrop
            .undelete(&[MessageId(1), MessageId(2)], 99)
            .unwrap();
    });
    let (store, _) = open(folder.path());
    let mut maildrop = store.open_maildrop(MaildropId(1)).unwrap();
    assert_eq!(ids(&*maildrop), (vec![3, 4, 5], vec![1, 2]));
    let source = maildrop.bodies();
    assert_eq!(read(&*source, MessageId(4)).unwrap(), message(1));
    assert_eq!(read(&*source, MessageId(5)).unwrap(), message(LARGE));
    assert_eq!(maildrop.purge(8).unwrap().messages, 2);
    assert_eq!(read(&*source, MessageId(5)).unwrap(), message(LARGE));
    drop((maildrop, source));
    store.close().unwrap();
    assert_eq!(findings(folder.path()), []);
}

#[test]
fn half_an_undelete_of_what_was_given_up_does_not_come_back() {
    let folder = TempDir::new().unwrap();
    let bodies = folder.path().join("bodies/01/1");
    let half = TempDir::new().unwrap();
    ended_before_the_commit(folder.path(), |_, maildrop| {
        maildrop.undelete(&[MessageId(1)], 99).unwrap();
        for name in ["4", "4.body"] {
            fs::rename(bodies.join(name), half.path().join(name)).unwrap();
        }
    });
    let (store, _) = open(folder.path());
    let mut maildrop = store.open_maildrop(MaildropId(1)).unwrap();
    assert_eq!(maildrop.purge(8).unwrap().messages, 2);
    drop(maildrop);
    drop(store);
    copy_folder(half.path(), &bodies);
    let (store, _) = open(folder.path());
    let maildrop = store.open_maildrop(MaildropId(1)).unwrap();
    assert_eq!(ids(&*maildrop), (vec![3], vec![]));
    assert_eq!(names(folder.path(), "set_aside"), ["1-4-1", "1-4.body-1"]);
}

#[test]
fn a_second_name_without_a_header_goes_quietly() {
    for lost in [false, true] {
        let folder = TempDir::new().unwrap();
        let (store, _) = open(folder.path());
        drop(two_deleted(&store));
        drop(store);
        let bodies = folder.path().join("bodies/01/1");
        fs::hard_link(bodies.join(DELETED[0]), bodies.join("3.body")).unwrap();
        if lost {
            fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        let (store, _) = open(folder.path());
        let mut maildrop = store.open_maildrop(MaildropId(1)).unwrap();
        assert_eq!(ids(&*maildrop), (vec![], vec![1, 2]), "{lost}");
        assert_eq!(names(folder.path(), "bodies/01/1"), DELETED, "{lost}");
        assert!(!fs::exists(folder.path().join("set_aside")).unwrap());
        assert!(deliver(&store, &mut *maildrop, &[9]).unwrap()[0].0 > 3);
    }
}

#[test]
fn what_a_refused_undelete_could_not_unlink_goes_at_the_next_start() {
    let folder = TempDir::new().unwrap();
    let (store, files) = open(folder.path());
    let mut maildrop = two_deleted(&store);
    files.fail_after(0, Operation::SyncFolder, Fault::Full);
    files.fail_after(2, Operation::Unlink, Fault::Io);
    files.fail_after(0, Operation::Unlink, Fault::Io);
    let undeleted = maildrop.undelete(&[MessageId(1), MessageId(2)], 99);
    undeleted.unwrap_err();
    drop(maildrop);
    assert!(names(folder.path(), "bodies/01/1").len() > DELETED.len());
    store.close().unwrap();
    let (store, _) = open(folder.path());
    let maildrop = store.open_maildrop(MaildropId(1)).unwrap();
    assert_eq!(ids(&*maildrop), (vec![], vec![1, 2]));
    assert_eq!(names(folder.path(), "bodies/01/1"), DELETED);
}

/// A file system's check can find both names of a file.
#[test]
fn a_live_message_keeps_its_body_when_a_deleted_one_has_its_number() {
    let folder = TempDir::new().unwrap();
    let (store, _) = open(folder.path());
    let id = user(&store, "ann");
    let mut maildrop = store.open_maildrop(id).unwrap();
    deliver_shared(&store, &mut *maildrop, LARGE);
    drop(maildrop);
    store.close().unwrap();
    let bodies = folder.path().join("bodies/01/1");
    fs::copy(bodies.join("1"), bodies.join("1.deleted-7-3")).unwrap();
    let rebuilt = rebuild(folder.path(), &SledStoreOptions::default()).unwrap();
    assert_eq!((rebuilt.messages, rebuilt.deleted), (1, 0));
    assert_eq!(names(folder.path(), "set_aside"), ["1-1.deleted-7-3-1"]);
    assert_eq!(findings(folder.path()), []);
}

#[test]
fn a_body_is_on_disk_once_until_it_has_no_more_names() {
    let folder = TempDir::new().unwrap();
    let (store, files) = open(folder.path());
    let ids = ["ann", "bob", "cid", "dora"].map(|name| user(&store, name));
    let (shared, trace) = stage_shared(&store, LARGE).unwrap();
    for (place, id) in ids.iter().enumerate() {
        if place == 3 {
            files.fail_after(0, Operation::Link, Fault::Links);
        }
        let delivery = shared.delivery(&trace).unwrap();
        let mut maildrop = store.open_maildrop(*id).unwrap();
        maildrop.deliver(vec![delivery]).unwrap();
        assert_eq!(
            read(&*maildrop.bodies(), MessageId(1)).unwrap(),
            message(LARGE)
        );
    }
    drop(shared);
    assert!(names(folder.path(), "staging").is_empty());
    let body = |place: usize| {
        let id = ids[place];
        fs::metadata(folder.path().join(format!("bodies/{id:0>2}/{id}/1.body"))).unwrap()
    };
    assert_eq!(body(0).ino(), body(1).ino());
    assert_eq!(
        (body(2).nlink(), body(3).nlink()),
        (3, 1),
        "the last is a copy"
    );
    let mut anns = store.open_maildrop(ids[0]).unwrap();
    anns.remove(&[MessageId(1)], &keeping(1)).unwrap();
    assert_eq!(body(2).nlink(), 3);
    assert_eq!(anns.purge(2).unwrap().messages, 1);
    assert_eq!(body(2).nlink(), 2);
    assert_eq!(names(folder.path(), "bodies/01/1"), ["owner"]);
    drop(anns);
    store.close().unwrap();
    assert_eq!(findings(folder.path()), []);
    // Damage to the one is damage to all that have it.
    let path = folder.path().join("bodies/02/2/1.body");
    let mut octets = fs::read(&path).unwrap();
    *octets.last_mut().unwrap() ^= 1;
    fs::write(&path, octets).unwrap();
    let damaged: Vec<MaildropId> = findings(folder.path())
        .iter()
        .filter_map(|it| it.maildrop)
        .collect();
    assert_eq!(damaged, ids[1..3]);
}
