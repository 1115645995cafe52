//! The file operations of the store, behind a seam so that a faulty disk can be played.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::{ReadWriteFlags, preadv2};

/// What the store asks of a disk. Everything that must survive a power cut goes through here,
/// but for what sled writes by itself.
pub trait Files: Send + Sync + fmt::Debug {
    /// A new file for reading and writing, for the owner's eyes only (0600).
    fn create(&self, path: &Path) -> io::Result<File>;

    /// An existing file for reading and, where `writing`, for writing.
    fn open(&self, path: &Path, writing: bool) -> io::Result<File>;

    /// Reads up to `buffer.len()` octets at `offset`; 0 is the end.
    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// As [`Self::open`] for reading, where the system promises not to wait for a disk. `None`
    /// otherwise, whatever the reason.
    fn open_cached(&self, path: &Path) -> Option<File> {
        let _ = path;
        None
    }

    /// Reads what is in memory already, up to the end of the last buffer; 0 is the end. `None` if
    /// a disk would have to be waited for, or that cannot be known.
    fn read_cached(
        &self,
        file: &File,
        buffers: &mut [IoSliceMut<'_>],
        offset: u64,
    ) -> Option<usize> {
        let _ = (file, buffers, offset);
        None
    }

    /// Writes all of `octets` at `offset`, or says why not; then some may be there.
    fn write_at(&self, file: &File, octets: &[u8], offset: u64) -> io::Result<()>;

    /// Makes octets and length durable.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Gives a file its final name, in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Makes all that is in the file system of this open folder durable: octets and names.
    /// Fails too if, since the folder was opened, anything could not be written.
    fn sync_file_system(&self, folder: &File) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// A folder for the owner alone (0700); one that is there already is right too.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Octets that can still be stored on the device of `path`.
    fn free_octets(&self, path: &Path) -> io::Result<u64>;
}

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
    }

    fn open(&self, path: &Path, writing: bool) -> io::Result<File> {
        // A FIFO that lies among the files is not waited for; nothing changes for plain files.
        OpenOptions::new()
            .read(true)
            .write(writing)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(path)
    }

    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    /// Since Linux 5.12; elsewhere, and where a sandbox forbids it, an error like any other.
    fn open_cached(&self, path: &Path) -> Option<File> {
        // Without O_NOATIME the first read of a day would change the inode, and wait for that.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOATIME;
        let opened = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED);
        opened.ok().map(File::from)
    }

    fn read_cached(
        &self,
        file: &File,
        buffers: &mut [IoSliceMut<'_>],
        offset: u64,
    ) -> Option<usize> {
        preadv2(file, buffers, offset, ReadWriteFlags::NOWAIT).ok()
    }

    fn write_at(&self, file: &File, octets: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(octets, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_file_system(&self, folder: &File) -> io::Result<()> {
        Ok(nix::unistd::syncfs(folder)?)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            outcome => outcome,
        }
    }

    fn free_octets(&self, path: &Path) -> io::Result<u64> {
        let status = nix::sys::statvfs::statvfs(path)?;
        Ok(status
            .blocks_available()
            .saturating_mul(status.fragment_size()))
    }
}
