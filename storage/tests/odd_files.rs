//! Odd things in a store's folder: other kinds of files, strange sizes and rights, leftovers.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use mailroost_storage::faulty::{Fault, FaultyFiles, Operation};
use mailroost_storage::sled_store::rebuild;
use mailroost_storage::{
    Directory, MaildropId, MaildropStore, MessageId, SledStore, SledStoreOptions, Staging,
    StoreErrorKind, UserName,
};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use support::{deliver, stage, user, watched};
use tempfile::TempDir;

/// A closed store in which ann has the maildrop 1 with messages 1 and 2.
fn closed_store() -> TempDir {
    let folder = TempDir::new().unwrap();
    let store = SledStore::open(folder.path(), SledStoreOptions::default()).unwrap();
    let id = user(&store, "ann");
    let mut maildrop = store.open_maildrop(id).unwrap();
    deliver(&store, &mut *maildrop, &[1, 2]).unwrap();
    drop(maildrop);
    store.close().unwrap();
    folder
}

fn fifo(path: &Path) {
    mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
}

#[test]
fn the_index_is_for_the_owner_alone_wherever_the_store_is() {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mode = |name: &str| {
        let metadata = fs::metadata(folder.path().join(name)).unwrap();
        metadata.permissions().mode() & 0o077
    };
    let store = SledStore::open(folder.path(), SledStoreOptions::default()).unwrap();
    user(&store, "ann");
    store.close().unwrap();
    drop(store);
    assert_eq!(mode("index"), 0);
    rebuild(folder.path(), &SledStoreOptions::default()).unwrap();
    assert_eq!(mode("index"), 0);
}

#[test]
fn a_fifo_or_a_folder_among_the_messages_is_set_aside() {
    let folder = closed_store();
    let bodies = folder.path().join("bodies/01/1");
    fifo(&bodies.join("7"));
    fs::create_dir(bodies.join("8")).unwrap();
    let rebuilt = rebuild(folder.path(), &SledStoreOptions::default()).unwrap();
    assert_eq!((rebuilt.messages, rebuilt.set_aside), (2, 2));
    assert!(fs::exists(folder.path().join("set_aside/1-7-1")).unwrap());
    assert!(fs::exists(folder.path().join("set_aside/1-8-1")).unwrap());
}

#[test]
fn an_owner_file_that_is_none_is_not_waited_for_and_not_held_in_memory() {
    let folder = closed_store();
    let owner = folder.path().join("bodies/01/1/owner");
    fs::remove_file(&owner).unwrap();
    fifo(&owner);
    let rebuilt = rebuild(folder.path(), &SledStoreOptions::default()).unwrap();
    assert_eq!((rebuilt.users, rebuilt.owners_unknown), (0, 1));
    fs::remove_file(&owner).unwrap();
    // A terabyte with holes.
    File::create(&owner).unwrap().set_len(1 << 40).unwrap();
    let rebuilt = rebuild(folder.path(), &SledStoreOptions::default()).unwrap();
    assert_eq!((rebuilt.users, rebuilt.owners_unknown), (0, 1));
}

#[test]
fn what_cannot_be_opened_for_a_reason_of_the_system_is_not_set_aside() {
    let folder = closed_store();
    let files = Arc::new(FaultyFiles::new());
    let options = SledStoreOptions {
        files: files.clone(),
        ..SledStoreOptions::default()
    };
    // The first that is opened are the marks.
    files.fail_after(1, Operation::Open, Fault::Full);
    let error = rebuild(folder.path(), &options).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full, "{error}");
    assert!(!fs::exists(folder.path().join("set_aside")).unwrap());
    let rebuilt = rebuild(folder.path(), &options).unwrap();
    assert_eq!((rebuilt.messages, rebuilt.set_aside), (2, 0));
}

#[test]
fn of_two_maildrops_of_one_user_the_later_counts_and_the_index_stays() {
    let folder = TempDir::new().unwrap();
    let (options, events) = watched();
    let store = SledStore::open(folder.path(), options.clone()).unwrap();
    let left_behind = user(&store, "ann");
    let owner = folder.path().join("bodies/01/1/owner");
    let octets = fs::read(&owner).unwrap();
    let name = UserName::new("ann").unwrap();
    store.remove(&name).unwrap();
    let ann = user(&store, "ann");
    store.close().unwrap();
    drop(store);
    fs::create_dir_all(owner.parent().unwrap()).unwrap();
    fs::write(&owner, octets).unwrap();
    assert!(left_behind < ann);
    let rebuilt = rebuild(folder.path(), &options).unwrap();
    assert_eq!((rebuilt.users, rebuilt.owners_unknown), (1, 1));
    // Ends without being closed.
    drop(SledStore::open(folder.path(), options.clone()).unwrap());
    events.lock().unwrap().clear();
    let store = SledStore::open(folder.path(), options).unwrap();
    assert_eq!(store.find(&name).unwrap().unwrap().maildrop, ann);
    assert_eq!(*events.lock().unwrap(), []);
}

#[test]
fn aliases_come_back_with_their_users_and_stay_with_who_has_them() {
    let folder = closed_store();
    let options = SledStoreOptions::default();
    let name = |text| UserName::new(text).unwrap();
    let store = SledStore::open(folder.path(), options.clone()).unwrap();
    user(&store, "bob");
    let mut bob = store.find(&name("bob")).unwrap().unwrap();
    bob.aliases = ["taken", "b"].map(name).to_vec();
    store.update(&bob).unwrap();
    let owner = folder.path().join("bodies/02/2/owner");
    let earlier = fs::read(&owner).unwrap();
    bob.aliases = vec![name("b")];
    store.update(&bob).unwrap();
    let mut ann = store.find(&name("ann")).unwrap().unwrap();
    ann.aliases = ["taken", "a"].map(name).to_vec();
    store.update(&ann).unwrap();
    store.close().unwrap();
    drop(store);
    // As from a backup of one file.
    fs::write(&owner, earlier).unwrap();
    rebuild(folder.path(), &options).unwrap();
    let store = SledStore::open(folder.path(), options).unwrap();
    for (alias, whose) in [("taken", &ann), ("a", &ann), ("b", &bob)] {
        let found = store.resolve(&name(alias)).unwrap();
        assert_eq!(found.as_ref(), Some(whose), "{alias}");
    }
    store.close().unwrap();
    drop(store);
    assert_eq!(support::findings(folder.path()), []);
}

#[test]
fn names_that_are_too_large_for_ours_use_no_numbers_up() {
    let folder = closed_store();
    let last = u64::MAX;
    fs::create_dir_all(folder.path().join(format!("bodies/ff/{last}"))).unwrap();
    fs::write(folder.path().join(format!("bodies/01/1/{last}")), b"").unwrap();
    rebuild(folder.path(), &SledStoreOptions::default()).unwrap();
    let store = SledStore::open(folder.path(), SledStoreOptions::default()).unwrap();
    let ann = user(&store, "ann");
    let mut maildrop = store.open_maildrop(ann).unwrap();
    let numbers = deliver(&store, &mut *maildrop, &[3]).unwrap();
    assert_eq!(numbers, [MessageId(3)]);
    assert_eq!(user(&store, "bob"), MaildropId(2));
}

#[test]
fn a_delivery_after_the_close_touches_no_mark() {
    let folder = closed_store();
    let store = SledStore::open(folder.path(), SledStoreOptions::default()).unwrap();
    let id = user(&store, "ann");
    let mut maildrop = store.open_maildrop(id).unwrap();
    let delivery = stage(&store, b"A: 1\r\n\r\n").unwrap();
    store.close().unwrap();
    let marks = folder.path().join("high_water");
    let before = fs::read(&marks).unwrap();
    assert!(maildrop.deliver(vec![delivery]).is_err());
    assert_eq!(fs::read(&marks).unwrap(), before);
}

#[test]
fn a_large_message_leaves_the_reserve_alone() {
    let folder = TempDir::new().unwrap();
    let files = Arc::new(FaultyFiles::new());
    let options = SledStoreOptions {
        files: files.clone(),
        ..SledStoreOptions::default()
    };
    let reserve = options.reserve_octets;
    let store = SledStore::open(folder.path(), options).unwrap();
    files.set_room(Some(reserve + 200_000));
    let mut staged = store.stage(Staging::default()).unwrap();
    let error = staged.write_all(&[b'x'; 400_000]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
    drop(staged);
    files.set_room(None);
    assert!(
        fs::read_dir(folder.path().join("staging"))
            .unwrap()
            .next()
            .is_none()
    );
}

#[test]
fn a_folder_in_the_staging_folder_does_not_close_the_store() {
    let folder = closed_store();
    let staging = folder.path().join("staging");
    fs::create_dir(staging.join("lost+found")).unwrap();
    fs::write(staging.join("1"), b"A: 1").unwrap();
    let store = SledStore::open(folder.path(), SledStoreOptions::default()).unwrap();
    assert!(!fs::exists(staging.join("1")).unwrap());
    let id = user(&store, "ann");
    let mut maildrop = store.open_maildrop(id).unwrap();
    deliver(&store, &mut *maildrop, &[3]).unwrap();
    assert_eq!(maildrop.messages().len(), 3);
}
