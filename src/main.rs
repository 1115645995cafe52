//! The program: it parses and calls.

use std::process::ExitCode;

fn main() -> ExitCode {
    mailroost::cli::run(std::env::args_os())
}
