//! What the client sent and nobody has used yet: lines while commands are awaited, octets while
//! a message is.
//!
//! Unlike those of POP3, a line here ends with CRLF and with nothing else (RFC 5321 s2.3.8): an
//! MTA in front may have let through what another reader would take for a line end.

use memchr::memchr;

/// The capacity in octets that an idle buffer may keep.
const IDLE_OCTETS_MAX: usize = 128;

/// See the file's first lines.
#[derive(Debug, Default)]
pub(super) struct Input {
    buffer: Vec<u8>,
    /// Where the unused octets begin.
    start: usize,
    /// Up to where they are known to hold no LF.
    scanned: usize,
    /// The rest of an over-long line is to be dropped; whether its last octet was a CR.
    swallowing: Option<bool>,
}

/// What the next command line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CommandLine<'a> {
    /// Whole, without its CRLF.
    Complete(&'a [u8]),
    /// Over the limit. It is dropped, up to its CRLF.
    TooLong {
        /// It begins with the verb of a chunk.
        chunk: bool,
    },
    /// An LF without a CR before it.
    BareLineFeed,
}

impl Input {
    /// Takes what was read.
    pub(super) fn take_in(&mut self, mut octets: &[u8]) {
        if let Some(after_cr) = self.swallowing {
            let Some(end) = crlf_end(octets, after_cr) else {
                self.swallowing = octets.last().map(|last| *last == b'\r').or(Some(after_cr));
                return;
            };
            self.swallowing = None;
            octets = &octets[end..];
        }
        self.buffer.extend_from_slice(octets);
    }

    /// The next line of at most `octets_max` octets, CRLF counted, if there is one.
    pub(super) fn next_line(&mut self, octets_max: usize) -> Option<CommandLine<'_>> {
        let start = self.start;
        let from = self.scanned.max(start);
        let window_end = self.buffer.len().min(start.saturating_add(octets_max));
        let unseen = self.buffer.get(from..window_end).unwrap_or_default();
        if let Some(offset) = memchr(b'\n', unseen) {
            let end = from + offset;
            self.start = end + 1;
            self.scanned = self.start;
            return Some(match self.buffer[start..end].strip_suffix(b"\r") {
                Some(line) => CommandLine::Complete(line),
                None => CommandLine::BareLineFeed,
            });
        }
        if self.buffer.len() - start >= octets_max {
            let chunk = is_chunk(&self.buffer[start..]);
            self.swallow();
            return Some(CommandLine::TooLong { chunk });
        }
        self.scanned = window_end;
        self.settle();
        None
    }

    /// What is there, as octets of a message.
    pub(super) fn octets(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// The first `octets` of them are used.
    pub(super) fn consume(&mut self, octets: usize) {
        self.start += octets;
        self.scanned = self.start;
        if self.start == self.buffer.len() {
            self.settle();
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Drops the line at hand up to its CRLF, be it here or yet to come.
    fn swallow(&mut self) {
        let rest = &self.buffer[self.start..];
        match crlf_end(rest, false) {
            Some(end) => self.start += end,
            None => {
                self.swallowing = Some(rest.last() == Some(&b'\r'));
                self.start = self.buffer.len();
            }
        }
        self.scanned = self.start;
    }

    /// Moves the rest to the front and gives memory back.
    fn settle(&mut self) {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.buffer
            .shrink_to((2 * self.buffer.len()).max(IDLE_OCTETS_MAX));
    }
}

/// Whether octets of a message follow the line.
pub(super) fn is_chunk(line: &[u8]) -> bool {
    line.get(..4)
        .is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"))
}

/// Where the octets behind the first CRLF begin; `after_cr` says what stood before them.
fn crlf_end(octets: &[u8], after_cr: bool) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr(b'\n', &octets[from..])?;
        let cr = if at == 0 {
            after_cr
        } else {
            octets[at - 1] == b'\r'
        };
        if cr {
            return Some(at + 1);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_crlf_alone() {
        let mut input = Input::default();
        input.take_in(b"NOOP\r\nA\rB\r\r\nC\nD\r");
        assert_eq!(input.next_line(40), Some(CommandLine::Complete(b"NOOP")));
        assert_eq!(input.next_line(40), Some(CommandLine::Complete(b"A\rB\r")));
        assert_eq!(input.next_line(40), Some(CommandLine::BareLineFeed));
        assert_eq!(input.next_line(40), None);
        input.take_in(b"\n");
        assert_eq!(input.next_line(40), Some(CommandLine::Complete(b"D")));
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut input = Input::default();
        // 1 GiB with bare line feeds, none of which ends it.
        let read = [[b'x'; 8191].as_slice(), b"\n"].concat();
        input.take_in(b"x");
        let mut too_long = 0;
        for _ in 0..131_072 {
            input.take_in(&read);
            while let Some(line) = input.next_line(512) {
                assert_eq!(line, CommandLine::TooLong { chunk: false });
                too_long += 1;
            }
            assert!(input.buffer.capacity() <= 2 * read.len());
        }
        assert_eq!(too_long, 1);
        assert!(input.buffer.capacity() <= IDLE_OCTETS_MAX);
        input.take_in(b"\r");
        input.take_in(b"\nNOOP\r\n");
        assert_eq!(input.next_line(512), Some(CommandLine::Complete(b"NOOP")));
        assert!(input.octets().is_empty());
    }

    #[test]
    fn octets_behind_a_line_are_a_messages() {
        let mut input = Input::default();
        input.take_in(b"BDAT 3\r\nabcNOOP\r\n");
        assert!(input.next_line(40).is_some());
        assert!(input.octets().starts_with(b"abc"));
        input.consume(3);
        assert_eq!(input.next_line(40), Some(CommandLine::Complete(b"NOOP")));
    }
}
