//! The warning of a quota, as the books know it.

use mailroost_actors::{Crossing, WarningText};

/// How its text begins.
pub(crate) const BEGIN: &str = "Subject: your quota is nearly used up";

/// See the file's first lines.
pub(crate) struct Warning;

impl WarningText for Warning {
    fn compose(&self, crossing: &Crossing) -> Vec<u8> {
        format!("{BEGIN}\r\n\r\n{} of {}\r\n", crossing.used, crossing.limit).into_bytes()
    }
}
