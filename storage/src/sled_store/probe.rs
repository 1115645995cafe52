//! The probe: an index that may be damaged is opened and read in a place that may die.
//!
//! sled 0.34 can panic, say that it is corrupt, or read for ever on a file that was cut or
//! overwritten. A thread or a process meets that first, under a deadline.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use nix::errno::Errno;

use super::event::{EventSink, StoreEvent};
use super::index::Index;
use super::layout::Layout;
use super::options::{Probe, SledStoreOptions};
use crate::{StoreError, StoreErrorKind};

const CONTEXT: &str = "cannot examine the index";

/// The cache of a probe, in octets: each record is read once.
const PROBE_CACHE_OCTETS: u64 = 16 << 20;

/// The most that is taken of what a probing process says, in octets.
const CHILD_TEXT_OCTETS_MAX: u64 = 2_000;

/// Opens the index in `folder` and reads all of it. It may panic in other threads, and it may
/// never return: this is for a process that its parent kills, see [`Probe::Child`]. Returns how
/// many records there are.
///
/// # Errors
/// `Corrupt` if the index cannot be used; `NotFound`, `Io`, `Full` if it could not be examined.
pub fn probe(folder: &Path) -> Result<u64, StoreError> {
    if !folder.join("db").is_file() {
        let context = format!("there is no index in {}", folder.display());
        return Err(StoreError::new(StoreErrorKind::NotFound, context));
    }
    Index::open(folder, PROBE_CACHE_OCTETS, None)
        .and_then(|index| index.scan_all())
        .map_err(|error| match Refused::from(error) {
            Refused::Damaged(reason) => StoreError::new(StoreErrorKind::Corrupt, reason),
            Refused::Unexamined(error) => error,
        })
}

/// The exit status by which a [`Probe::Child`] says that the index cannot be used. A panic (101)
/// and a signal say the same; any other status but 0 says that it could not be examined.
pub const DAMAGED_STATUS: i32 = 1;

const PANIC_STATUS: i32 = 101;

/// Octets of index for which the deadline is a second later: a slow disk is no damage.
const OCTETS_PER_EXTRA_SECOND: u64 = 16 << 20;

/// Probes the store's index as the options say.
pub(super) fn examine(layout: &Layout, options: &SledStoreOptions) -> Result<(), Refused> {
    let octets = std::fs::metadata(layout.index().join("db")).map_or(0, |file| file.len());
    let extra = Duration::from_secs(octets / OCTETS_PER_EXTRA_SECOND);
    let deadline = options.probe_deadline.saturating_add(extra);
    match &options.probe {
        Probe::Thread => in_thread(layout, deadline, &options.events),
        Probe::Child { program, arguments } => {
            let mut command = Command::new(program);
            command.args(arguments).arg(layout.index());
            in_child(command, deadline)
        }
    }
}

/// Why there is no verdict in favour of the index.
#[derive(Debug)]
pub(super) enum Refused {
    /// The index cannot be used.
    Damaged(String),
    /// The index could not be examined at all.
    Unexamined(StoreError),
}

impl From<StoreError> for Refused {
    /// Some failures of the operating system say nothing about the index.
    fn from(error: StoreError) -> Self {
        if tells_nothing_of_the_file(&error) {
            Self::Unexamined(error)
        } else {
            Self::Damaged(error.to_string())
        }
    }
}

/// Whether the operating system refused for a reason that is not in the file: what cannot be
/// examined now is not set aside.
pub(super) fn tells_nothing_of_the_file(error: &StoreError) -> bool {
    use io::ErrorKind;
    let cause = std::error::Error::source(error);
    let Some(cause) = cause.and_then(|cause| cause.downcast_ref::<io::Error>()) else {
        return false;
    };
    let too_many_files = [Errno::EMFILE, Errno::ENFILE].map(|errno| errno as i32);
    let few_files_left = cause
        .raw_os_error()
        .is_some_and(|code| too_many_files.contains(&code));
    few_files_left
        || matches!(
            cause.kind(),
            ErrorKind::PermissionDenied
                | ErrorKind::ReadOnlyFilesystem
                | ErrorKind::StorageFull
                | ErrorKind::QuotaExceeded
                | ErrorKind::WouldBlock
                | ErrorKind::OutOfMemory
        )
}

/// The thread gets the index under a name of its own. If it never ends, it knows no path that
/// anybody will use again: whatever it still writes goes into the folder that was set aside.
fn in_thread(layout: &Layout, deadline: Duration, events: &EventSink) -> Result<(), Refused> {
    let unexamined = |error| Refused::Unexamined(StoreError::io(CONTEXT, error));
    let nonce = getrandom::u64().map_err(|error| {
        Refused::Unexamined(StoreError::caused_by(StoreErrorKind::Io, CONTEXT, error))
    })?;
    let folder = layout.index_under_probe(nonce);
    std::fs::rename(layout.index(), &folder).map_err(unexamined)?;
    let outcome = examine_in_thread(&folder, deadline, events);
    std::fs::rename(&folder, layout.index()).map_err(unexamined)?;
    outcome
}

fn examine_in_thread(folder: &Path, deadline: Duration, events: &EventSink) -> Result<(), Refused> {
    let (verdict, heard) = sync_channel(1);
    let place = folder.to_owned();
    let builder = std::thread::Builder::new().name("store-probe".to_owned());
    let thread = builder.spawn(move || {
        // Nobody listens any more after the deadline.
        let _ = verdict.send(probe(&place));
    });
    let thread = thread.map_err(|error| Refused::Unexamined(StoreError::io(CONTEXT, error)))?;
    match heard.recv_timeout(deadline) {
        Ok(outcome) => {
            // It has said all; sled's panics were turned into a verdict.
            let _ = thread.join();
            outcome.map(drop).map_err(|error| {
                if error.kind() == StoreErrorKind::Corrupt {
                    Refused::Damaged(error.to_string())
                } else {
                    Refused::Unexamined(error)
                }
            })
        }
        Err(RecvTimeoutError::Disconnected) => Err(Refused::Damaged(
            "the probe ended without a verdict".to_owned(),
        )),
        Err(RecvTimeoutError::Timeout) => {
            events(&StoreEvent::ProbeLeftRunning);
            Err(late(deadline))
        }
    }
}

/// Returns when the process is dead, one way or the other.
fn in_child(mut command: Command, deadline: Duration) -> Result<(), Refused> {
    let unexamined = |error| Refused::Unexamined(StoreError::io(CONTEXT, error));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(unexamined)?;
    let stderr = child.stderr.take();
    let (ended, heard) = sync_channel(1);
    // The end of its standard error is the end of the process.
    let listener = std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = (&mut stderr)
                .take(CHILD_TEXT_OCTETS_MAX)
                .read_to_end(&mut text);
            let _ = io::copy(&mut stderr, &mut io::sink());
        }
        let _ = ended.send(text);
    });
    let heard = heard.recv_timeout(deadline);
    if heard.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(unexamined)?;
    let _ = listener.join();
    let Ok(text) = heard else {
        return Err(late(deadline));
    };
    if status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&text);
    let last_line = text
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("");
    let reason = format!(
        "the probe ended with {status}: {}",
        last_line.escape_debug()
    );
    match status.code() {
        None | Some(DAMAGED_STATUS | PANIC_STATUS) => Err(Refused::Damaged(reason)),
        Some(_) => {
            let error = StoreError::caused_by(StoreErrorKind::Io, CONTEXT, reason);
            Err(Refused::Unexamined(error))
        }
    }
}

fn late(deadline: Duration) -> Refused {
    Refused::Damaged(format!("the probe was not done after {deadline:?}"))
}
