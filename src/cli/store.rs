//! `store`: verification and rebuild of a store that no daemon has.

use std::path::{Path, PathBuf};

use mailroost_storage::sled_store::{probe, rebuild, verify};
use mailroost_storage::{StoreError, StoreErrorKind};

use super::admin::{plan, settings};
use super::options::StoreCommand;
use super::output::{Output, text};
use crate::daemon::store_options;
use crate::exit::{Failure, Status};
use crate::logging::{Form, Logging};

pub(super) fn execute(file: Option<PathBuf>, command: StoreCommand) -> Result<(), Failure> {
    match command {
        StoreCommand::Probe { folder } => examine(&folder),
        StoreCommand::Verify => {
            let config = settings(file)?;
            plan(&config)?.assume_user()?;
            let logging = logging();
            let options = store_options(&config, logging.logger());
            let mut out = Output::new();
            let mut written = Ok(());
            let verified = verify(&config.server.store, &options, &mut |finding| {
                if written.is_ok() {
                    written = out.line(&finding.to_string());
                }
            })
            .map_err(without_a_store)?;
            written?;
            out.line(&format!(
                "{} maildrops, {} messages, {} octets read; {} notes, {} damages",
                verified.maildrops,
                verified.messages,
                verified.octets,
                verified.notes,
                verified.damages
            ))?;
            out.finish()?;
            match verified.damages {
                0 => Ok(()),
                damages => Err(Failure::new(
                    Status::Data,
                    format!("damages found: {damages}"),
                )),
            }
        }
        StoreCommand::Rebuild => {
            let config = settings(file)?;
            plan(&config)?.assume_user()?;
            let logging = logging();
            let options = store_options(&config, logging.logger());
            let rebuilt = rebuild(&config.server.store, &options).map_err(without_a_store)?;
            text(&format!(
                "{} users, {} maildrops, {} messages; {} files set aside\n",
                rebuilt.users, rebuilt.maildrops, rebuilt.messages, rebuilt.set_aside
            ))
        }
    }
}

/// What is not found here is a store, not a user.
fn without_a_store(error: StoreError) -> Failure {
    match error.kind() {
        StoreErrorKind::NotFound => Failure::new(Status::NoInput, error.to_string()),
        _ => error.into(),
    }
}

fn logging() -> Logging {
    Logging::to_stderr(Form::Human { colour: false }, slog::Level::Info)
}

/// It may panic or never end; the process that started this one knows.
fn examine(folder: &Path) -> Result<(), Failure> {
    probe(folder)
        .map(drop)
        .map_err(|error| Failure::new(Status::Data, error.to_string()))
}
