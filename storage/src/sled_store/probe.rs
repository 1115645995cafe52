//! The probe: an index that may be damaged is opened and read in a place that may die.
//!
//! sled 0.34 can panic, say that it is corrupt, or read for ever on a file that was cut or
//! overwritten. A thread or a process meets that first, under a deadline.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::event::{EventSink, StoreEvent};
use super::index::Index;
use super::layout::Layout;
use super::options::{Probe, SledStoreOptions};
use crate::{StoreError, StoreErrorKind};

/// The cache of a probe, in octets: each record is read once.
const PROBE_CACHE_OCTETS: u64 = 16 << 20;

/// The most that is taken of what a probing process says, in octets.
const CHILD_TEXT_OCTETS_MAX: u64 = 2_000;

/// Opens the index in `folder` and reads all of it. It may panic in other threads, and it may
/// never return: this is for a process that its parent kills, see [`Probe::Child`]. Returns how
/// many records there are.
///
/// # Errors
/// `Corrupt`, or `Io` if another process has it.
pub fn probe(folder: &Path) -> Result<u64, StoreError> {
    if !folder.join("db").is_file() {
        let context = format!("there is no index in {}", folder.display());
        return Err(StoreError::new(StoreErrorKind::NotFound, context));
    }
    Index::open(folder, PROBE_CACHE_OCTETS, None)?.scan_all()
}

/// Probes the store's index as the options say.
///
/// # Errors
/// In one line why it cannot be used.
pub(super) fn examine(layout: &Layout, options: &SledStoreOptions) -> Result<(), Refused> {
    match &options.probe {
        Probe::Thread => in_thread(layout, options.probe_deadline, &options.events),
        Probe::Child { program, arguments } => {
            let mut command = Command::new(program);
            command.args(arguments).arg(layout.index());
            in_child(command, options.probe_deadline).map_err(Refused::Damaged)
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

/// The thread gets the index under a name of its own. If it never ends, it knows no path that
/// anybody will use again: whatever it still writes goes into the folder that was set aside.
fn in_thread(layout: &Layout, deadline: Duration, events: &EventSink) -> Result<(), Refused> {
    let unexamined = |error| Refused::Unexamined(StoreError::io("cannot examine the index", error));
    let nonce = getrandom::u64().map_err(|error| {
        let context = "cannot examine the index";
        Refused::Unexamined(StoreError::caused_by(StoreErrorKind::Io, context, error))
    })?;
    let folder = layout.index_under_probe(nonce);
    std::fs::rename(layout.index(), &folder).map_err(unexamined)?;
    let (verdict, heard) = sync_channel(1);
    let place = folder.clone();
    let thread = std::thread::Builder::new()
        .name("store-probe".to_owned())
        .spawn(move || {
            let outcome = probe(&place).map(drop).map_err(|error| error.to_string());
            // Nobody listens any more after the deadline.
            let _ = verdict.send(outcome);
        });
    let outcome = match thread {
        Ok(thread) => match heard.recv_timeout(deadline) {
            Ok(outcome) => {
                // It ended, or unwinds; its panics were turned into a verdict.
                let _ = thread.join();
                outcome
            }
            Err(RecvTimeoutError::Disconnected) => Err("the probe ended without a verdict".into()),
            Err(RecvTimeoutError::Timeout) => {
                events(&StoreEvent::ProbeLeftRunning);
                Err(late(deadline))
            }
        },
        Err(error) => {
            std::fs::rename(&folder, layout.index()).map_err(unexamined)?;
            return Err(unexamined(error));
        }
    };
    std::fs::rename(&folder, layout.index()).map_err(unexamined)?;
    outcome.map_err(Refused::Damaged)
}

/// Returns when the process is dead, one way or the other.
fn in_child(mut command: Command, deadline: Duration) -> Result<(), String> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("the probe did not start: {error}"))?;
    let stderr = child.stderr.take();
    let (ended, heard) = sync_channel(1);
    // The end of its standard error is the end of the process.
    let listener = std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = (&mut stderr)
                .take(CHILD_TEXT_OCTETS_MAX)
                .read_to_end(&mut text);
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        }
        let _ = ended.send(text);
    });
    let text = match heard.recv_timeout(deadline) {
        Ok(text) => text,
        Err(_) => {
            let _ = child.kill();
            let _ = child.wait();
            let _ = listener.join();
            return Err(late(deadline));
        }
    };
    let status = child
        .wait()
        .map_err(|error| format!("the probe was lost: {error}"))?;
    let _ = listener.join();
    if status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&text);
    let last_line = text
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("");
    Err(format!(
        "the probe ended with {status}: {}",
        last_line.escape_debug()
    ))
}

fn late(deadline: Duration) -> String {
    format!("the probe was not done after {deadline:?}")
}
