//! Both stores under the one suite.

use mailroost_storage::{MemoryStore, conformance};

#[test]
fn the_memory_store_conforms() {
    conformance::check_store(&MemoryStore::new);
}
