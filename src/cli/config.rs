//! `check-config` and `print-config`.

use std::path::PathBuf;

use super::{admin, output};
use crate::config::Config;
use crate::exit::{Failure, Status};
use crate::privileges::Plan;

/// Says in one line what is wrong; or that nothing is, and what a daemon would give up.
pub(super) fn check(file: Option<PathBuf>) -> Result<(), Failure> {
    let Some(file) = admin::config_file(file) else {
        return Err(Failure::new(
            Status::Usage,
            "no configuration file was named",
        ));
    };
    let config = Config::load(&file)?;
    let privileges = Plan::of(&config, &file)?.lines().join("\n  ");
    output::text(&format!(
        "{}: in order\nprivileges:\n  {privileges}\n",
        file.display()
    ))
}

/// Prints what is in effect, and where it came from, as a file that explains itself. What only a start needs is not
/// looked at, so that a first configuration can begin with it.
pub(super) fn print(file: Option<PathBuf>) -> Result<(), Failure> {
    let file = admin::config_file(file);
    output::text(&Config::print_file(file.as_deref())?)
}
