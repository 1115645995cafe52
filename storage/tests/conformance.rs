//! Both stores under the one suite.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::cell::RefCell;

use mailroost_storage::{MemoryStore, SledStore, SledStoreOptions, conformance};
use tempfile::TempDir;

#[test]
fn the_memory_store_conforms() {
    conformance::check_store(&MemoryStore::new);
}

#[test]
fn the_sled_store_conforms() {
    let folders = RefCell::new(Vec::new());
    conformance::check_store(&|| {
        let folder = TempDir::new().unwrap();
        let store = SledStore::open(folder.path(), SledStoreOptions::default()).unwrap();
        folders.borrow_mut().push(folder);
        store
    });
}

#[test]
fn the_sled_store_conforms_when_reopened() {
    let folder = TempDir::new().unwrap();
    conformance::check_reopening(&|| {
        SledStore::open(folder.path(), SledStoreOptions::default()).unwrap()
    });
}
