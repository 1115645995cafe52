//! Message files between their naming and their commit.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::Shared;
use super::body_file::{BodyHeader, HEADER_OCTETS};
use super::files::Files;
use super::staging::StagedFile;
use crate::{MaildropId, StoreError};

/// Files that have their final names, but no index entry yet. Dropped, they are unlinked.
pub(super) struct Placed<'a> {
    shared: &'a Shared,
    maildrop: MaildropId,
    paths: Vec<PathBuf>,
}

impl<'a> Placed<'a> {
    pub(super) fn new(shared: &'a Shared, maildrop: MaildropId) -> Self {
        Self {
            shared,
            maildrop,
            paths: Vec::new(),
        }
    }

    /// Completes a staged file and gives it its name. Returns the octets that it occupies.
    pub(super) fn place(
        &mut self,
        mut staged: StagedFile,
        header: &BodyHeader,
    ) -> Result<u64, StoreError> {
        let files: &dyn Files = &*self.shared.options.files;
        let context = || format!("cannot store a message in maildrop {}", self.maildrop);
        let path = self.shared.layout.body(self.maildrop, header.message);
        let write = || {
            let file = files.open(staged.temporary.path(), true)?;
            files.write_at(&file, &header.encode(), 0)?;
            if self.shared.syncs() {
                files.sync(&file)?;
            }
            let stored_octets = occupied_octets(&file.metadata()?, header.facts.octets);
            files.rename(staged.temporary.path(), &path)?;
            Ok(stored_octets)
        };
        let stored_octets = write().map_err(|error| StoreError::io(context(), error))?;
        staged.temporary.placed();
        self.paths.push(path);
        Ok(stored_octets)
    }

    /// Makes the names durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        if !self.shared.syncs() {
            return Ok(());
        }
        let folder = self.shared.layout.maildrop(self.maildrop);
        self.shared
            .options
            .files
            .sync_folder(&folder)
            .map_err(|error| {
                let context = format!("cannot store a message in maildrop {}", self.maildrop);
                StoreError::io(context, error)
            })
    }

    pub(super) fn keep(&mut self) {
        self.paths.clear();
    }
}

impl Drop for Placed<'_> {
    fn drop(&mut self) {
        if self.paths.is_empty() {
            return;
        }
        let files = &self.shared.options.files;
        for path in &self.paths {
            // What stays is found at the next start: see `unclaimed`.
            let _ = files.unlink(path);
        }
        let _ = files.sync_folder(&self.shared.layout.maildrop(self.maildrop));
    }
}

/// What the file occupies (MS-STANXPOP3 2.1.4); on a file system that does not say, its length.
pub(super) fn occupied_octets(metadata: &std::fs::Metadata, body_octets: u64) -> u64 {
    /// The unit of `st_blocks`, whatever the file system's blocks are.
    const UNIT_OCTETS: u64 = 512;
    match metadata.blocks().saturating_mul(UNIT_OCTETS) {
        0 => HEADER_OCTETS.saturating_add(body_octets),
        octets => octets,
    }
}
