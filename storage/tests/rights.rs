//! Rights of users who are gone do not come back with an index that is built again.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use mailroost_storage::sled_store::rebuild;
use mailroost_storage::{Directory, MaildropStore, NewUser, SledStore, SledStoreOptions, UserName};
use tempfile::TempDir;

#[test]
fn a_rebuilt_index_gives_no_rights_of_a_removed_user_back() {
    let folder = TempDir::new().unwrap();
    let options = SledStoreOptions::default();
    let store = SledStore::open(folder.path(), options.clone()).unwrap();
    let [ann, bob] = ["ann", "bob"].map(|name| UserName::new(name).unwrap());
    for name in [&ann, &bob] {
        let name = name.clone();
        let password_hash = None;
        store
            .add(NewUser {
                name,
                password_hash,
            })
            .unwrap();
    }
    let mut owner = store.find(&ann).unwrap().unwrap();
    owner.delegates = vec![bob.clone()];
    store.update(&owner).unwrap();
    store.remove(&bob).unwrap();
    store.close().unwrap();
    rebuild(folder.path(), &options).unwrap();
    let store = SledStore::open(folder.path(), options).unwrap();
    assert_eq!(store.find(&ann).unwrap().unwrap().delegates, []);
    assert_eq!(store.find(&bob).unwrap(), None);
}
