//! `mail import` and `mail export`: whole maildrops in and out. Files are read and written by
//! this process, with the rights of whoever called it; messages travel over the conversation.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use mailroost_storage::export::{ExportError, ExportReport, ExportSettings, to_maildir, to_mbox};
use mailroost_storage::import::unique_ids::UniqueIds;
use mailroost_storage::import::{
    ImportError, ImportSettings, Notes, Present, Progress, Source, import as bring_in,
};
use mailroost_storage::{MessageRecord, StoreError};

use super::new_file::NewFile;
use super::output::{Output, complain, text};
use crate::control::{Client, ClientError, RemoteBodies, RemoteStore};
use crate::exit::{Failure, Status};

/// Where an import comes from; the options see to it that there is one.
pub(super) fn source(mbox: Option<PathBuf>, maildir: Option<PathBuf>) -> Result<Source, Failure> {
    match (mbox, maildir) {
        (Some(file), _) => Ok(Source::Mbox(file)),
        (None, Some(folder)) => Ok(Source::Maildir(folder)),
        (None, None) => Err(Failure::new(Status::Usage, "import from what? try --help")),
    }
}

/// Imports, with a progress bar where somebody sees it.
pub(super) fn import(
    mut client: Client,
    user: &str,
    source: &Source,
    unique_ids: UniqueIds,
    pass_over: u64,
    ignore_quota: bool,
) -> Result<(), Failure> {
    let messages = records(&mut client, user)?;
    let mut deleted_unique_ids = Vec::new();
    if !matches!(unique_ids, UniqueIds::New) {
        client.deleted(user, |row| {
            deleted_unique_ids.extend(row.carried_unique_id);
            Ok::<(), ClientError>(())
        })?;
    }
    let present = Present {
        messages: &messages,
        deleted_unique_ids: &deleted_unique_ids,
    };
    let settings = ImportSettings {
        unique_ids,
        pass_over,
        ..ImportSettings::default()
    };
    let store = RemoteStore::new(client);
    let bar = progress_bar();
    let outcome = bring_in(
        &store,
        source,
        &settings,
        present,
        &mut |deliveries| store.deliver(user, deliveries, ignore_quota),
        &mut |progress: Progress| {
            bar.set_length(progress.octets_total);
            bar.set_position(progress.octets_done);
            bar.set_message(format!("{} messages", progress.messages));
        },
    );
    bar.finish_and_clear();
    let (report, error) = match outcome {
        Ok(report) => (report, None),
        Err(failure) => (*failure.report, Some(failure.error)),
    };
    tell(&report.notes);
    tell(&report.refused);
    text(&format!(
        "{} imported, {} refused\n",
        report.imported,
        report.refused.count()
    ))?;
    if let Some(error) = error {
        let mut failure = Failure::new(import_status(&error), error.to_string());
        if report.settled > 0 {
            let rest = format!("; go on with --pass-over {}", report.settled);
            failure.message.push_str(&rest);
        }
        return Err(failure);
    }
    match report.refused.count() {
        0 => Ok(()),
        refused => Err(Failure::new(
            Status::Data,
            format!("messages refused: {refused}"),
        )),
    }
}

fn import_status(error: &ImportError) -> Status {
    match error {
        ImportError::Read { source, .. } => Failure::io("", source).status,
        ImportError::Maildir(_) | ImportError::UniqueIds(_) => Status::NoInput,
        ImportError::Mbox { .. } => Status::Data,
        ImportError::Mismatch { .. } => Status::Usage,
        ImportError::Stage { source, .. } | ImportError::Deliver { source, .. } => {
            Failure::from(StoreError::new(source.kind(), "")).status
        }
    }
}

/// Hidden by its library where standard error is not a terminal.
fn progress_bar() -> ProgressBar {
    let style = "{bar:40} {bytes}/{total_bytes}, {msg}, {eta} left";
    let bar = ProgressBar::new(0);
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn tell(notes: &Notes) {
    notes.listed().iter().for_each(|note| complain(note));
    let rest = notes.count() - notes.listed().len() as u64;
    if rest > 0 {
        complain(&format!("and {rest} more"));
    }
}

/// Exports to standard output, or into a file or folder.
pub(super) fn export(
    mut client: Client,
    user: &str,
    mbox: Option<&Path>,
    maildir: Option<&Path>,
    x_uidl: bool,
) -> Result<(), Failure> {
    let records = records(&mut client, user)?;
    let bodies = RemoteBodies::new(client, user);
    let settings = ExportSettings { x_uidl };
    let report = match (mbox, maildir) {
        (_, Some(folder)) => to_maildir(&records, &bodies, settings, folder),
        (Some(file), None) => {
            let mut out = create(file)?;
            let report = to_mbox(&records, &bodies, settings, out.writer());
            if report.is_ok() {
                out.finish()
                    .map_err(|error| Failure::io(file.display(), &error))?;
            }
            report
        }
        (None, None) => {
            let mut out = Output::new();
            let report = to_mbox(&records, &bodies, settings, out.writer());
            out.finish()?;
            report
        }
    };
    finish(report.map_err(|error| export_failure(&error))?)
}

/// A new file that nobody else can read: mail is private.
fn create(file: &Path) -> Result<NewFile, Failure> {
    let opened = NewFile::create(file);
    opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::new(Status::CannotCreate, format!("{}: {error}", file.display()))
        }
        _ => Failure::io(file.display(), &error),
    })
}

fn finish(report: ExportReport) -> Result<(), Failure> {
    tell(&report.passed_over);
    match report.passed_over.count() {
        0 => Ok(()),
        count => Err(Failure::new(
            Status::Data,
            format!("messages passed over: {count}"),
        )),
    }
}

fn export_failure(error: &ExportError) -> Failure {
    let status = match error {
        ExportError::Body { source, .. } => {
            Failure::from(StoreError::new(source.kind(), "")).status
        }
        ExportError::Write { .. } => Status::Io,
    };
    Failure::new(status, error.to_string())
}

fn records(client: &mut Client, user: &str) -> Result<Vec<MessageRecord>, Failure> {
    let mut records = Vec::new();
    client.messages(user, |message| {
        records.push(message.into());
        Ok::<_, Failure>(())
    })?;
    Ok(records)
}
