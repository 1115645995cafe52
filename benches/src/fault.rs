//! What went wrong, in one line.

use std::fmt;

/// What went wrong, in one line.
#[derive(Debug, Clone)]
pub struct Fault(String);

impl Fault {
    /// An error of something.
    pub fn new(what: &str, error: &dyn fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }

    /// An answer that is not the right one.
    pub fn reply(what: &str, reply: &str) -> Self {
        Self(format!("{what} was answered {:?}", reply.trim()))
    }

    /// A text.
    pub fn text(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}
