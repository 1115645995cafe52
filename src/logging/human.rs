//! Lines for people: slog-term's, put together whole, in colour if wanted, and one per event.

use std::cell::RefCell;
use std::io::{self, Write};

use slog::{Level, OwnedKVList, Record};
use slog_term::{Decorator, RecordDecorator};

use super::harmless::is_seen;

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";

/// How the formatter's last `\n` is shown before it is made a real one.
const END: &str = "\\n";

/// Where the lines go.
pub(super) struct HumanLines<W> {
    out: RefCell<W>,
    colour: bool,
}

impl<W: Write> HumanLines<W> {
    pub(super) fn new(out: W, colour: bool) -> Self {
        Self {
            out: RefCell::new(out),
            colour,
        }
    }
}

impl<W: Write> Decorator for HumanLines<W> {
    fn with_record<F>(&self, record: &Record<'_>, _: &OwnedKVList, format: F) -> io::Result<()>
    where
        F: FnOnce(&mut dyn RecordDecorator) -> io::Result<()>,
    {
        let mut line = Line {
            text: String::new(),
            colour: self.colour,
            level: record.level(),
            value: None,
        };
        format(&mut line)?;
        line.end_value();
        let mut text = line.text;
        if text.ends_with(END) {
            text.truncate(text.len() - END.len());
        }
        text.push('\n');
        let mut out = self.out.borrow_mut();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// One line in the making.
struct Line {
    text: String,
    colour: bool,
    level: Level,
    /// Where the value that is being written began.
    value: Option<usize>,
}

impl Line {
    /// Begins a part of the line.
    fn begin(&mut self, style: &str) -> io::Result<()> {
        self.end_value();
        if self.colour {
            self.text.push_str(RESET);
            self.text.push_str(style);
        }
        Ok(())
    }

    /// Quotes a value that could be taken for more than one, or for none.
    fn end_value(&mut self) {
        let Some(start) = self.value.take() else {
            return;
        };
        let value = &self.text[start..];
        if !value.is_empty() && !value.contains([' ', ',', '"']) {
            return;
        }
        let value = self.text.split_off(start);
        self.text.push('"');
        let mut escaped = false;
        for c in value.chars() {
            if c == '"' && !escaped {
                self.text.push('\\');
            }
            escaped = c == '\\' && !escaped;
            self.text.push(c);
        }
        self.text.push('"');
    }
}

impl Write for Line {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        for c in String::from_utf8_lossy(octets).chars() {
            if is_seen(c) {
                self.text.push(c);
            } else {
                self.text.extend(c.escape_default());
            }
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl RecordDecorator for Line {
    fn reset(&mut self) -> io::Result<()> {
        self.begin("")
    }

    fn start_timestamp(&mut self) -> io::Result<()> {
        self.begin(DIM)
    }

    fn start_level(&mut self) -> io::Result<()> {
        self.begin(match self.level {
            Level::Critical | Level::Error => "\x1b[1;31m",
            Level::Warning => "\x1b[33m",
            Level::Info => "\x1b[32m",
            Level::Debug => "\x1b[36m",
            Level::Trace => DIM,
        })
    }

    fn start_msg(&mut self) -> io::Result<()> {
        self.begin(BOLD)
    }

    fn start_key(&mut self) -> io::Result<()> {
        self.begin(DIM)
    }

    fn start_value(&mut self) -> io::Result<()> {
        self.begin("")?;
        self.value = Some(self.text.len());
        Ok(())
    }
}
