//! Message files between their naming and their commit.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Shared;
use super::body_file::{BodyHeader, HEADER_OCTETS, HEADER_SIZE};
use super::committer::LOGGED_AT_ONCE_OCTETS;
use super::journal::unlink_if_there;
use super::log::LoggedFile;
use super::message_file::occupied_octets;
use super::shared_body::{Body, Material, StagedApart};
use super::staging::TemporaryFile;
use crate::{MaildropId, StoreError};

/// Octets copied at a time.
const CHUNK_OCTETS: usize = 64 * 1024;

/// Files that have their final names, but no index entry yet. Dropped, they are unlinked.
pub(super) struct Placed<'a> {
    shared: &'a Arc<Shared>,
    maildrop: MaildropId,
    paths: Vec<PathBuf>,
    /// Files that the log makes durable, and how many octets they have together.
    logged: Vec<LoggedFile>,
    logged_octets: usize,
    /// Whether there are names that only a sync of the folder makes durable.
    names: bool,
}

impl<'a> Placed<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, maildrop: MaildropId) -> Self {
        Self {
            shared,
            maildrop,
            paths: Vec::new(),
            logged: Vec::new(),
            logged_octets: 0,
            names: false,
        }
    }

    /// Completes a staged message and gives it its name. Returns the octets that it occupies.
    pub(super) fn place(
        &mut self,
        material: Material,
        header: &BodyHeader,
    ) -> Result<u64, StoreError> {
        let placed = match material {
            Material::Whole(staged) => {
                let files = &*self.shared.options.files;
                let opened = files.open(staged.temporary.path(), true);
                opened.and_then(|file| self.place_file(staged.temporary, &file, header))
            }
            Material::Small(small) => self.place_small(small.octets, header),
            Material::Apart(apart) => self.place_apart(&apart, header),
        };
        placed.map_err(|error| {
            let context = format!("cannot store a message in maildrop {}", self.maildrop);
            StoreError::io(context, error)
        })
    }

    fn place_file(
        &mut self,
        mut temporary: TemporaryFile,
        file: &File,
        header: &BodyHeader,
    ) -> io::Result<u64> {
        let files = &*self.shared.options.files;
        files.write_at(file, &header.encode(), 0)?;
        if self.shared.syncs() {
            files.sync(file)?;
        }
        let stored_octets = occupied_octets(&file.metadata()?);
        let path = self.shared.layout.body(self.maildrop, header.message);
        files.rename(temporary.path(), &path)?;
        temporary.placed();
        self.paths.push(path);
        self.names = true;
        Ok(stored_octets)
    }

    /// `octets` begin with room for the header. The file gets its final name at once: nobody looks
    /// at it before the commit, and what is cut off is nobody's.
    fn place_small(&mut self, mut octets: Vec<u8>, header: &BodyHeader) -> io::Result<u64> {
        octets[..HEADER_SIZE].copy_from_slice(&header.encode());
        let Shared {
            options, layout, ..
        } = &**self.shared;
        let path = layout.body(self.maildrop, header.message);
        let file = options.files.create(&path)?;
        self.paths.push(path);
        options.files.write_at(&file, &octets, 0)?;
        let stored_octets = occupied_octets(&file.metadata()?);
        let logged_octets = self.logged_octets + octets.len();
        if octets.len() as u64 <= options.logged_octets_max
            && logged_octets <= LOGGED_AT_ONCE_OCTETS
        {
            self.logged_octets = logged_octets;
            self.logged.push(LoggedFile {
                maildrop: self.maildrop,
                message: header.message,
                octets: octets.into_boxed_slice(),
            });
        } else if self.shared.syncs() {
            options.files.sync(&file)?;
            self.names = true;
        }
        Ok(stored_octets)
    }

    /// The body first: a message without its header is nobody's, one without its body is damaged.
    fn place_apart(&mut self, apart: &StagedApart, header: &BodyHeader) -> io::Result<u64> {
        if let Body::Kept(path) = &apart.body
            && self.shared.syncs()
        {
            // The log may be all that has it so far, and knows nothing of second names.
            let files = &self.shared.options.files;
            files.sync(&files.open(path, false)?)?;
        }
        let path = self.shared.layout.body_apart(self.maildrop, header.message);
        self.link_or_copy(apart.body_path(), &path)?;
        self.names = true;
        self.paths.push(path.clone());
        let stored_octets = occupied_octets(&std::fs::symlink_metadata(&path)?);
        let mut octets = vec![0; HEADER_SIZE];
        octets.extend_from_slice(&apart.trace);
        let own_octets = self.place_small(octets, header)?;
        Ok(stored_octets.saturating_add(own_octets))
    }

    /// A file system may know no second names, or no more of them (65,000 on ext4).
    fn link_or_copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        use io::ErrorKind;
        match self.shared.options.files.link(from, to) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::TooManyLinks
                        | ErrorKind::PermissionDenied
                        | ErrorKind::Unsupported
                        | ErrorKind::CrossesDevices
                ) =>
            {
                self.copy(from, to)
            }
            outcome => outcome,
        }
    }

    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        let files = &*self.shared.options.files;
        let from = files.open(from, false)?;
        let mut temporary = TemporaryFile::new(self.shared);
        let copy = files.create(temporary.path())?;
        let mut buffer = vec![0; CHUNK_OCTETS];
        let mut offset = HEADER_OCTETS;
        loop {
            match files.read_at(&from, &mut buffer, offset)? {
                0 => break,
                count => {
                    files.write_at(&copy, &buffer[..count], offset)?;
                    offset += count as u64;
                }
            }
        }
        if self.shared.syncs() {
            files.sync(&copy)?;
        }
        files.rename(temporary.path(), to)?;
        temporary.placed();
        Ok(())
    }

    /// What the commit has to make durable.
    pub(super) fn take_logged(&mut self) -> Vec<LoggedFile> {
        std::mem::take(&mut self.logged)
    }

    /// Makes the names durable of what the log does not have.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        if !self.names || !self.shared.syncs() {
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
        // Headers before the bodies that they need.
        for path in self.paths.iter().rev() {
            // What stays is found at the next start: see `unclaimed`.
            let stays = unlink_if_there(&**files, path).is_err();
            self.shared.put_off.fetch_or(stays, Ordering::Relaxed);
        }
        let _ = files.sync_folder(&self.shared.layout.maildrop(self.maildrop));
    }
}
