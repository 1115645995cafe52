//! The command line: options are parsed here, and each command is a file.

mod admin;
mod app_password;
mod bans;
mod config;
mod demo;
mod demo_mail;
mod import_passwd;
mod mail;
mod new_file;
mod options;
mod output;
mod password;
mod serve;
mod store;
mod transfer;
mod upkeep;
mod user;
mod why;

use std::ffi::OsString;
use std::process::ExitCode;

use structopt::StructOpt;
use structopt::clap::ErrorKind;

use crate::exit::{Failure, Status};

use options::{Command, Options};

/// Runs one command line, program name first, and says how the process ends.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let done = match Options::from_iter_safe(arguments) {
        Ok(options) => execute(options),
        Err(error)
            if matches!(
                error.kind,
                ErrorKind::HelpDisplayed | ErrorKind::VersionDisplayed
            ) =>
        {
            output::text(&format!("{}\n", error.message))
        }
        Err(error) if error.kind == ErrorKind::MissingArgumentOrSubcommand => Err(Failure::new(
            Status::Usage,
            "a command is missing; try --help",
        )),
        Err(error) => Err(Failure::new(Status::Usage, usage(&error.message))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure.message);
            failure.status.into()
        }
    }
}

fn execute(options: Options) -> Result<(), Failure> {
    let file = options.config;
    match options.command {
        Command::Serve => serve::serve(file),
        Command::CheckConfig { file: named } => config::check(named.or(file)),
        Command::PrintConfig { file: named } => config::print(named.or(file)),
        Command::Demo => demo::demo(),
        Command::User(command) => user::execute(file, command),
        Command::Mail(command) => mail::execute(file, command),
        Command::Store(command) => store::execute(file, command),
        Command::Retention(command) => upkeep::retention(file, command),
        Command::Status => admin::status(file),
        Command::Bans(command) => bans::execute(file, command),
        Command::Why { id, log } => why::execute(file, id, log),
    }
}

/// One line out of the library's many.
fn usage(message: &str) -> String {
    let first = message.split("\n\nUSAGE").next().unwrap_or(message);
    let words: Vec<_> = first
        .trim_start_matches("error: ")
        .split_whitespace()
        .collect();
    let text = words.join(" ");
    let mut characters = text.chars();
    let begin = characters
        .next()
        .map(|c| c.to_lowercase().to_string())
        .unwrap_or_default();
    format!("{begin}{}; try --help", characters.as_str())
}
