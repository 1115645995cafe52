//! `serve`: the daemon in the foreground.

use std::io::IsTerminal;
use std::path::PathBuf;

use super::admin;
use crate::config::{Config, LogForm, LogLevel, LogSettings};
use crate::daemon::{Daemon, End, Opened};
use crate::exit::{Failure, Status};
use crate::gssapi;
use crate::logging::{Form, Logging};
use crate::privileges::Plan;

/// Serves until a signal ends it.
pub(super) fn serve(file: Option<PathBuf>) -> Result<(), Failure> {
    let Some(file) = admin::config_file(file) else {
        let message = "no configuration file; print-config shows what could be in it";
        return Err(Failure::new(Status::Config, message));
    };
    let config = Config::load(&file)?;
    gssapi::enter_environment(&config.auth)
        .map_err(|error| Failure::io("cannot name the keytab to the Kerberos library", &error))?;
    let opened = Opened::new(&config)?;
    // Threads keep what they have: there are none before this.
    let given_up = Plan::of(&config, &file)?.give_up()?;
    let logging = logging(&config.log);
    let log = logging.logger().clone();
    let system = actix::System::new();
    let end = system.block_on(async move {
        let started = Daemon::start_opened(config, Some(file), opened, Some(given_up), log);
        started.await?.run().await
    });
    match end {
        Ok(End::Drained) => Ok(()),
        Ok(End::Cut) => cut(logging),
        Err(failure) => Err(failure),
    }
}

/// Ends the process without waiting for anything but the log.
pub(super) fn cut(logging: Logging) -> ! {
    drop(logging);
    std::process::exit(i32::from(Status::TempFail as u8))
}

pub(super) fn logging(settings: &LogSettings) -> Logging {
    let colour = std::io::stderr().is_terminal();
    let form = match settings.form {
        LogForm::Auto => Form::for_stderr(),
        LogForm::Human => Form::Human { colour },
        LogForm::Json => Form::Json,
    };
    let level = match settings.level {
        LogLevel::Error => slog::Level::Error,
        LogLevel::Warning => slog::Level::Warning,
        LogLevel::Info => slog::Level::Info,
        LogLevel::Debug => slog::Level::Debug,
    };
    Logging::to_stderr(form, level)
}
