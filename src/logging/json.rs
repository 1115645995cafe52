//! Lines for programs: slog-json's, put together whole, with the characters escaped that JSON
//! itself lets through.

use std::io::{self, Write};

use super::harmless::is_seen;

/// Where the lines go. Takes JSON texts, each followed by a line feed.
pub(super) struct JsonLines<W> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> JsonLines<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            line: Vec::new(),
        }
    }

    fn end_line(&mut self) -> io::Result<()> {
        let mut text = String::with_capacity(self.line.len() + 1);
        // Outside its strings JSON is plain ASCII without controls, so that what has to be
        // escaped stands inside one.
        for c in String::from_utf8_lossy(&self.line).chars() {
            if is_seen(c) {
                text.push(c);
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
        text.push('\n');
        self.line.clear();
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

impl<W: Write> Write for JsonLines<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        for piece in octets.split_inclusive(|octet| *octet == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(last) => {
                    self.line.extend_from_slice(last);
                    self.end_line()?;
                }
                None => self.line.extend_from_slice(piece),
            }
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
