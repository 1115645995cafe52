//! `check-config` and `print-config`.

use std::path::PathBuf;

use super::{admin, output};
use crate::config::Config;
use crate::exit::{Failure, Status};

/// Says in one line what is wrong, or that nothing is.
pub(super) fn check(file: Option<PathBuf>) -> Result<(), Failure> {
    let Some(file) = admin::config_file(file) else {
        return Err(Failure::new(
            Status::Usage,
            "no configuration file was named",
        ));
    };
    Config::load(&file)?;
    output::text(&format!("{}: in order\n", file.display()))
}

/// Prints what is in effect, and where it came from, as a file that explains itself. What only a start needs is not
/// looked at, so that a first configuration can begin with it.
pub(super) fn print(file: Option<PathBuf>) -> Result<(), Failure> {
    let file = admin::config_file(file);
    output::text(&Config::print_file(file.as_deref())?)
}
