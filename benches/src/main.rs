//! `compare`: mailroost beside its peers. Seeds all with the same mail, loads them in turn with
//! the same clients, prints a table and writes `docs/performance.md` with its plots.

#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "a server that starts, and one that is idle, is waited for"
)]

mod ceiling;
mod course;
mod drive;
mod fault;
mod fleet;
mod growth;
mod lmtp;
mod mail;
mod peer;
mod plot;
mod pop3;
mod report;
mod scenario;
mod wire;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use structopt::StructOpt;

pub use fault::Fault;

/// Measures mailroost beside its peers (as root: each gets namespaces of its own).
#[derive(Debug, StructOpt)]
pub struct Options {
    /// The mailroost daemon to measure
    #[structopt(long, value_name = "FILE", default_value = "target/release/mailroost")]
    pub server: PathBuf,
    /// Where mail and stores are kept; can be deleted afterwards
    #[structopt(long, value_name = "FOLDER", default_value = "/tmp/mailroost-bench")]
    pub folder: PathBuf,
    /// Visits to every row and server
    #[structopt(long, default_value = "5")]
    pub rounds: usize,
    /// Seconds of each
    #[structopt(long, default_value = "1.2")]
    pub seconds: f64,
    /// No further round begins that would not end within so many minutes
    #[structopt(long, default_value = "25")]
    pub minutes: f64,
    /// Only these servers (default: all)
    #[structopt(long, value_name = "NAME")]
    pub peer: Vec<String>,
    /// Only rows whose name contains this, and nothing but rows
    #[structopt(long, value_name = "TEXT")]
    pub row: Option<String>,
    /// Idle sessions of mailroost; 0 leaves all idle sessions out
    #[structopt(long, default_value = "10000")]
    pub idle: usize,
    /// Idle sessions of the others, which begin a process for each
    #[structopt(long, default_value = "200")]
    pub idle_others: usize,
    /// Leave the growth plots out
    #[structopt(long)]
    pub no_growth: bool,
    /// Leave the start-up with a million messages out
    #[structopt(long)]
    pub no_start_up: bool,
    /// Write performance.md and its plots into this folder; without it the table is only printed
    #[structopt(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let outcome = course::compare(&Options::from_args());
    match outcome {
        Ok(results) => {
            let _ = writeln!(std::io::stdout(), "{}", results.summary());
            ExitCode::SUCCESS
        }
        Err(fault) => {
            say(&format!("compare: {fault}"));
            ExitCode::FAILURE
        }
    }
}

/// Progress, on standard error.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
