//! Writes a Maildir: each message into a file in `tmp`, which is then moved to `new`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::{ExportError, ExportReport, ExportSettings, open_body, write_all, write_body};
use crate::import::maildir::shown;
use crate::{Body, BodySource, MessageRecord};

/// Writes `records` into the Maildir at `root`, which is made if it is missing; durable when it
/// returns `Ok`. File names are made of the time of delivery, the message's number and chance;
/// the files' times are those of delivery.
///
/// # Errors
/// Messages that were written before are in `new`; nothing of the one that failed is.
pub fn to_maildir(
    records: &[MessageRecord],
    bodies: &dyn BodySource,
    settings: ExportSettings,
    root: &Path,
) -> Result<ExportReport, ExportError> {
    let mut report = ExportReport::default();
    for folder in ["tmp", "new", "cur"] {
        let path = root.join(folder);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|error| write_error(&path, error))?;
    }
    for record in records {
        let Some(mut body) = open_body(record, bodies, &mut report)? else {
            continue;
        };
        let name = file_name(record).map_err(|error| write_error(root, error))?;
        let unfinished = root.join("tmp").join(&name);
        let moved = write_message(record, &mut *body, settings, &unfinished).and_then(|()| {
            let finished = root.join("new").join(&name);
            fs::rename(&unfinished, &finished).map_err(|error| write_error(&finished, error))
        });
        if let Err(error) = moved {
            // It is of no use, and the error to tell is the first one.
            drop(fs::remove_file(&unfinished));
            return Err(error);
        }
        report.exported += 1;
    }
    let new = root.join("new");
    File::open(&new)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| write_error(&new, error))?;
    Ok(report)
}

fn write_message(
    record: &MessageRecord,
    body: &mut dyn Body,
    settings: ExportSettings,
    path: &Path,
) -> Result<(), ExportError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| write_error(path, error))?;
    let what = shown(path);
    write_body(
        record,
        body,
        settings,
        &mut |lines, output| output.extend_from_slice(lines),
        &mut |octets| write_all(&mut file, octets, &what),
    )?;
    // A time that the file system cannot hold is not worth a failure: the name has it too.
    if let Some(time) = UNIX_EPOCH.checked_add(Duration::from_secs(record.received_secs)) {
        drop(file.set_modified(time));
    }
    file.sync_all().map_err(|error| write_error(path, error))
}

/// `<seconds>.N<number>R<chance>.mailroost`: no host name, and nothing that a user chose.
fn file_name(record: &MessageRecord) -> io::Result<String> {
    let chance = getrandom::u64().map_err(io::Error::other)?;
    Ok(format!(
        "{}.N{}R{chance:016x}.mailroost",
        record.received_secs, record.id
    ))
}

fn write_error(path: &Path, source: io::Error) -> ExportError {
    ExportError::Write {
        what: shown(path),
        source,
    }
}
