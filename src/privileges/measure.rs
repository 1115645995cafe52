//! One thing that is given up, and how it went.

use slog::{info, warn};

use super::PrivilegesError;
use crate::config::Restriction;

/// One thing that was to be given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// The key of `[privileges]`, or what it is about.
    pub name: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// One clause: what holds now, or why not.
    pub detail: String,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is given up.
    Done,
    /// The settings leave it out.
    Off,
    /// It was wanted, and kernel or settings do not allow it.
    Prevented,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Done => "on",
            Self::Off => "off",
            Self::Prevented => "not possible",
        }
    }
}

impl Measure {
    /// One line in the log; what could not be had is a warning.
    pub fn say(&self, log: &slog::Logger) {
        let (name, word, detail) = (self.name, self.outcome.word(), &self.detail);
        match self.outcome {
            Outcome::Done | Outcome::Off => {
                info!(log, "privileges"; "measure" => name, "is" => word, "detail" => detail);
            }
            Outcome::Prevented => {
                warn!(log, "privileges"; "measure" => name, "is" => word, "detail" => detail);
            }
        }
    }
}

/// Does what is wanted. `why_not` holds against it where it is not required.
pub(super) fn carry_out(
    key: &'static str,
    wanted: Restriction,
    why_not: Option<&'static str>,
    act: impl FnOnce() -> Result<String, String>,
) -> Result<Measure, PrivilegesError> {
    let measure = |outcome, detail| Measure {
        name: key,
        outcome,
        detail,
    };
    Ok(match (wanted, why_not) {
        (Restriction::Off, _) => measure(Outcome::Off, "left out by the settings".into()),
        (Restriction::WhenPossible, Some(why)) => measure(Outcome::Prevented, why.into()),
        (Restriction::WhenPossible, None) => match act() {
            Ok(detail) => measure(Outcome::Done, detail),
            Err(why) => measure(Outcome::Prevented, why),
        },
        (Restriction::Required, _) => {
            let done = act().map_err(|why| PrivilegesError::Required { key, why })?;
            measure(Outcome::Done, done)
        }
    })
}
