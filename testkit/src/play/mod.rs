//! Players: the same transcript on the pure session ([`pure`]) and against the actors, over
//! TCP and TLS or, on a paused clock, over a pipe ([`tree`]).

mod beats;
mod ear;
pub mod pure;
mod scene;
pub mod tree;
mod world;

use std::fmt;
use std::path::PathBuf;

use crate::dialog::Dialog;
use crate::transcript::Transcript;

/// How the client's octets are cut into writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunking {
    /// Each line when the one before it is answered.
    Lines,
    /// All lines up to the next stage direction in one write, answers or not.
    Whole,
    /// The same, cut at random places that follow from the seed.
    Split(u64),
    /// The same, octet by octet.
    Octets,
}

impl Chunking {
    /// One of each kind.
    pub fn all(seed: u64) -> [Self; 4] {
        [Self::Lines, Self::Whole, Self::Split(seed), Self::Octets]
    }
}

/// How a play went that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Played {
    /// On the pure session.
    Purely,
    /// Over TCP.
    OverTcp,
    /// Over a pipe, on a paused clock.
    OverPipe,
    /// This player cannot do what is asked in this line.
    Cannot {
        /// The line of the stage direction, from 1.
        line: usize,
    },
}

/// A play that went otherwise than written.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The transcript.
    pub path: PathBuf,
    /// The line that was not as written, from 1.
    pub line: usize,
    /// How it was played.
    pub how: String,
    /// What was expected and what came.
    pub difference: String,
    /// What was said up to there.
    pub dialog: Dialog,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            how,
            difference,
            dialog,
        } = self;
        writeln!(f, "{}:{line}: {difference}", path.display())?;
        writeln!(f, "  played {how}; the dialog so far:")?;
        write!(f, "{dialog}")
    }
}

impl std::error::Error for Failure {}

/// A line that was not as written, before it is known whose.
#[derive(Debug)]
struct Difference {
    line: usize,
    text: String,
}

impl Difference {
    fn new(line: usize, text: impl Into<String>) -> Self {
        Self {
            line,
            text: text.into(),
        }
    }

    fn into_failure(self, transcript: &Transcript, how: String, dialog: Dialog) -> Failure {
        let path = transcript.path.clone();
        Failure {
            path,
            line: self.line,
            how,
            difference: self.text,
            dialog,
        }
    }
}
