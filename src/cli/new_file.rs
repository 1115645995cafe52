//! A new file for private mail: under its name there is all of it, or nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// A file that is being written under a temporary name beside its own, for its owner alone
/// (0600). Dropped before [`NewFile::finish`], it leaves nothing behind.
pub(super) struct NewFile {
    out: BufWriter<File>,
    path: PathBuf,
    unfinished: PathBuf,
}

impl NewFile {
    /// # Errors
    /// `AlreadyExists` if there is a file of that name: it is not touched.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(Errno::EEXIST.into());
        }
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let mut unfinished = name.to_owned();
        unfinished.push(format!(".unfinished-{}", std::process::id()));
        let unfinished = path.with_file_name(unfinished);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        Ok(Self {
            out: BufWriter::new(file),
            path: path.to_owned(),
            unfinished,
        })
    }

    pub(super) fn writer(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Makes the file durable and gives it its name.
    ///
    /// # Errors
    /// `AlreadyExists` if somebody has made a file of that name meanwhile.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        // A second name is never given over another file, which a rename would be.
        match std::fs::hard_link(&self.unfinished, &self.path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                std::fs::rename(&self.unfinished, &self.path)
            }
            outcome => outcome,
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After a rename it is not there.
        let _ = std::fs::remove_file(&self.unfinished);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_file_is_there_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.mbox");
        let mut file = NewFile::create(&path).unwrap();
        file.writer().write_all(b"From ").unwrap();
        assert!(!path.exists());
        file.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"From ");
        assert_eq!(names(folder.path()), ["out.mbox"]);
    }

    #[test]
    fn one_that_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = NewFile::create(&folder.path().join("out.mbox")).unwrap();
        file.writer().write_all(b"From ").unwrap();
        drop(file);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_file_that_is_there_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.mbox");
        let file = NewFile::create(&path).unwrap();
        std::fs::write(&path, b"mine").unwrap();
        let error = file.finish().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        let error = NewFile::create(&path).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        assert_eq!(names(folder.path()), ["out.mbox"]);
    }
}
