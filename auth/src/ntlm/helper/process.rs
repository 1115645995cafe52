//! One process of the helper: a line in, a line out, each in its time.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// The most octets of a line: an AUTHENTICATE message in base64 has fewer than 22,000.
const LINE_OCTETS_MAX: usize = 32 * 1024;

/// The most octets that are read at once; a challenge has some hundred.
const READ_OCTETS: usize = 4096;

/// A running helper. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    line: UnixStream,
}

impl Process {
    /// Starts `command`. It speaks over a socket pair, which has time limits where a pipe has
    /// none.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        let (line, theirs) = UnixStream::pair()?;
        let input = OwnedFd::from(theirs.try_clone()?);
        command
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::null());
        let child = command.spawn()?;
        Ok(Self { child, line })
    }

    /// Sends a line, its end included, and returns the answer without its end.
    ///
    /// # Errors
    /// When it takes longer than until `deadline`, the process ended, or what it says is no
    /// line. The process is of no more use then.
    pub(super) fn ask(&mut self, line: &str, deadline: Instant) -> io::Result<String> {
        self.line.set_write_timeout(Some(left(deadline)?))?;
        self.line.write_all(line.as_bytes())?;
        let mut answer = Vec::new();
        let mut chunk = [0; READ_OCTETS];
        while answer.last() != Some(&b'\n') {
            self.line.set_read_timeout(Some(left(deadline)?))?;
            let read = match self.line.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(ErrorKind::TimedOut.into());
                }
                Err(error) => return Err(error),
            };
            if answer.len() + read > LINE_OCTETS_MAX {
                return Err(io::Error::new(
                    ErrorKind::InvalidData,
                    "its line has no end",
                ));
            }
            answer.extend_from_slice(&chunk[..read]);
        }
        answer.pop();
        String::from_utf8(answer).map_err(|_| io::Error::new(ErrorKind::InvalidData, "not UTF-8"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already; then there is nothing to kill, and waiting takes no time.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The time that is left, if there is any.
fn left(deadline: Instant) -> io::Result<std::time::Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(ErrorKind::TimedOut.into()),
        false => Ok(left),
    }
}
