//! What the store stands on from one life of the tree to the next: memory, or for some seeds the
//! real store in a temporary folder.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailroost_storage::sled_store::{Durability, SledStore, SledStoreOptions};
use mailroost_storage::{MaildropStore as _, MemoryStore};
use tempfile::TempDir;

use super::Below;

/// One seed in so many stands on the real store.
const REAL_EVERY: u64 = 16;

/// See the file's first lines.
pub(crate) enum Ground {
    /// It lives as long as the run.
    Memory(MemoryStore),
    /// A folder, and the store that is open in it.
    Disk {
        /// Of this life; those of the lives before lie beside it.
        folder: PathBuf,
        /// Removed with all that is in it.
        all: TempDir,
        /// Open in this life.
        store: Option<Arc<SledStore>>,
    },
}

impl Ground {
    /// What this seed stands on.
    pub(crate) fn of(seed: u64) -> Self {
        if seed % REAL_EVERY != REAL_EVERY - 1 {
            return Self::Memory(MemoryStore::new());
        }
        let all = TempDir::new().expect("a temporary folder can be made");
        Self::Disk {
            folder: all.path().join("1"),
            all,
            store: None,
        }
    }

    /// The store, for one life.
    pub(crate) fn open(&mut self) -> Arc<dyn Below> {
        match self {
            Self::Memory(memory) => Arc::new(memory.clone()),
            Self::Disk { folder, store, .. } => {
                let options = SledStoreOptions {
                    // The machine goes on, so what was written is there.
                    durability: Durability::UnsafeNoSync,
                    // No round of its own at a time of its own.
                    tidy_ms: None,
                    reserve_octets: 0,
                    removal_reserve_octets: 0,
                    ..SledStoreOptions::default()
                };
                let opened = SledStore::open(folder, options).expect("the store opens");
                let opened = Arc::new(opened);
                *store = Some(Arc::clone(&opened));
                opened
            }
        }
    }

    /// The life ends as by SIGKILL: the next one has the files as they are now.
    pub(crate) fn crash(&mut self) {
        if let Self::Disk { folder, all, .. } = self {
            let lives = fs::read_dir(all.path()).map_or(0, Iterator::count);
            let copy = all.path().join((lives + 1).to_string());
            let copied = copy_folder(folder, &copy, &mut BTreeMap::new());
            copied.expect("the store's files can be copied");
            *folder = copy;
        }
    }

    /// The life is over, and nobody has anything of the store any more. `in_peace`: it is closed.
    pub(crate) fn leave(&mut self, in_peace: bool) {
        if let Self::Disk { store, .. } = self
            && let Some(store) = store.take()
            && in_peace
        {
            store
                .close()
                .expect("a store without trouble can be closed");
        }
    }
}

/// Copies files and folders. Names of one file stay names of one file.
fn copy_folder(from: &Path, to: &Path, copied: &mut BTreeMap<u64, PathBuf>) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let facts = entry.metadata()?;
        if facts.is_dir() {
            copy_folder(&source, &target, copied)?;
        } else if let Some(first) = copied.get(&facts.ino()) {
            fs::hard_link(first, &target)?;
        } else {
            fs::copy(&source, &target)?;
            copied.insert(facts.ino(), target);
        }
    }
    Ok(())
}
