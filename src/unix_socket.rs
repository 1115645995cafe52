//! Files that Unix sockets are: made where there is room, and removed by whoever made them.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// The file of a socket that is bound. It is removed when this is dropped, unless something else
/// is in its place by then.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    number: FileNumber,
}

/// Device and inode: no two files have them in common while both are there.
type FileNumber = (u64, u64);

impl SocketFile {
    /// The file at `path`, on which the caller listens.
    ///
    /// # Errors
    /// If it is not there.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            number: file_number(path)?,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone with its folder, or another one may stand there.
        if file_number(&self.path).is_ok_and(|number| number == self.number) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn file_number(path: &Path) -> io::Result<FileNumber> {
    fs::symlink_metadata(path).map(|facts| (facts.dev(), facts.ino()))
}

/// Removes a socket that nobody listens on any more, and nothing else.
///
/// # Errors
/// If something else is there, or somebody listens.
pub(crate) fn make_room(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        let why = "what is there is not a socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A queue that is full is no reason to wait.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        Ok(()) | Err(_) => {
            let why = "somebody listens there already";
            Err(io::Error::new(io::ErrorKind::AddrInUse, why))
        }
    }
}
