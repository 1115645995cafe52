//! What goes to standard output and standard error.

use std::io::{self, BufWriter, StdoutLock, Write};

use crate::calendar;
use crate::exit::{Failure, Status};
use crate::logging::harmless::is_seen;

/// Standard output, buffered; call [`Output::finish`] at the end.
pub(super) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    pub(super) fn new() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    pub(super) fn line(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.0, "{line}").map_err(failure)
    }

    pub(super) fn octets(&mut self, octets: &[u8]) -> Result<(), Failure> {
        self.0.write_all(octets).map_err(failure)
    }

    pub(super) fn writer(&mut self) -> &mut dyn Write {
        &mut self.0
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.0.flush().map_err(failure)
    }
}

fn failure(error: io::Error) -> Failure {
    Failure::new(Status::Io, format!("standard output: {error}"))
}

/// Writes a text to standard output.
pub(super) fn text(text: &str) -> Result<(), Failure> {
    let mut out = Output::new();
    out.octets(text.as_bytes())?;
    out.finish()
}

/// Writes a line to standard error, with characters made visible that are not simply seen.
pub(super) fn complain(line: &str) {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "mailroost: {}", harmless(line));
}

fn harmless(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        if is_seen(c) {
            text.push(c);
        } else {
            text.extend(c.escape_default());
        }
    }
    text
}

/// A moment in UTC as RFC 3339 has it, from seconds since 1970-01-01.
pub(super) fn moment(secs: u64) -> String {
    format!("{}Z", calendar::moment(secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_forge_or_reorder_a_line_is_escaped() {
        assert_eq!(
            harmless("caf\u{e9} \x1b[2J\n\u{202e}txt\u{200b}"),
            "caf\u{e9} \\u{1b}[2J\\n\\u{202e}txt\\u{200b}"
        );
    }
}
