//! The line decoder: octets in, lines out, within a limit.
//!
//! A line ends with LF; a CR before it belongs to the line end. Whatever the client sends, and
//! however it is cut into reads, the lines are the same, and no more is kept than one line
//! within its limit and what was read behind it.

use std::fmt;

use memchr::memchr;
use zeroize::Zeroize;

/// The capacity in octets that an idle decoder may keep: the usual command fits, and a hundred
/// thousand idle sessions do not feel it.
const IDLE_OCTETS_MAX: usize = 128;

/// Cuts what the client sends into lines.
#[derive(Default)]
pub struct LineDecoder {
    buffer: Vec<u8>,
    /// Where the line at hand begins in `buffer`.
    start: usize,
    /// Up to where `buffer` is known to have no line end.
    scanned: usize,
    /// The rest of an over-long line is on its way, to be dropped.
    swallowing: bool,
}

/// What the decoder found.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A whole line.
    Complete {
        /// The line without its line end.
        octets: &'a [u8],
        /// Whether octets of the client are there already behind this line.
        more: bool,
    },
    /// A line over the limit. It is dropped, and so will be what comes of it yet.
    TooLong,
}

impl LineDecoder {
    /// Takes what was read.
    pub fn input(&mut self, mut octets: &[u8]) {
        if self.swallowing {
            let Some(end) = memchr(b'\n', octets) else {
                return;
            };
            self.swallowing = false;
            octets = &octets[end + 1..];
        }
        let wanted = self.buffer.len() + octets.len();
        if !self.buffer.is_empty() && wanted > self.buffer.capacity() {
            // Not left to the vector: it would give memory back with half a password in it.
            let mut larger = Vec::with_capacity(wanted.max(2 * self.buffer.len()));
            larger.extend_from_slice(&self.buffer);
            self.buffer.zeroize();
            self.buffer = larger;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// The next line of at most `octets_max` octets, line end counted, or `None` if there is no
    /// whole line yet. An over-long line is reported as soon as it is known to be one.
    pub fn next_line(&mut self, octets_max: usize) -> Option<Line<'_>> {
        let start = self.start;
        let from = self.scanned.max(start);
        let window_end = self.buffer.len().min(start.saturating_add(octets_max));
        let found = self
            .buffer
            .get(from..window_end)
            .and_then(|unseen| memchr(b'\n', unseen));
        if let Some(offset) = found {
            let end = from + offset;
            self.start = end + 1;
            self.scanned = self.start;
            let more = self.start < self.buffer.len();
            let line = &self.buffer[start..end];
            let octets = line.strip_suffix(b"\r").unwrap_or(line);
            return Some(Line::Complete { octets, more });
        }
        if self.buffer.len() - start >= octets_max {
            self.swallow();
            return Some(Line::TooLong);
        }
        self.scanned = window_end;
        self.settle();
        None
    }

    /// Whether nothing of the client waits here, not even a part of a line or of one that is
    /// being swallowed.
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len() && !self.swallowing
    }

    /// Everything that waits here, which is then gone from here.
    pub(crate) fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.buffer[self.start..].to_vec();
        self.clear();
        rest
    }

    /// Forgets everything that the client sent.
    pub fn clear(&mut self) {
        self.buffer.zeroize();
        *self = Self::default();
    }

    /// Drops the line at hand up to its end, be it here or yet to come.
    fn swallow(&mut self) {
        match memchr(b'\n', &self.buffer[self.start..]) {
            Some(offset) => self.start += offset + 1,
            None => {
                self.start = self.buffer.len();
                self.swallowing = true;
            }
        }
        self.scanned = self.start;
    }

    /// Moves the rest to the front, wipes what was used (it may be a password) and gives memory
    /// back.
    fn settle(&mut self) {
        let rest = self.buffer.len() - self.start;
        if self.start > 0 {
            self.buffer.copy_within(self.start.., 0);
            self.buffer[rest..].zeroize();
            self.buffer.truncate(rest);
            self.scanned -= self.start;
            self.start = 0;
        }
        let wanted = (2 * rest).max(IDLE_OCTETS_MAX);
        if self.buffer.capacity() > wanted {
            let smaller = self.buffer.as_slice().to_vec();
            self.buffer.zeroize();
            self.buffer = smaller;
        }
    }
}

impl Drop for LineDecoder {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

impl fmt::Debug for LineDecoder {
    /// Shows how much waits, never what: it may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineDecoder")
            .field("waiting", &(self.buffer.len() - self.start))
            .field("swallowing", &self.swallowing)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(reads: &[&[u8]], octets_max: usize) -> Vec<Option<Vec<u8>>> {
        let mut decoder = LineDecoder::default();
        let mut found = Vec::new();
        for read in reads {
            decoder.input(read);
            while let Some(line) = decoder.next_line(octets_max) {
                found.push(match line {
                    Line::Complete { octets, .. } => Some(octets.to_vec()),
                    Line::TooLong => None,
                });
            }
        }
        found
    }

    fn some(octets: &[u8]) -> Option<Vec<u8>> {
        Some(octets.to_vec())
    }

    #[test]
    fn crlf_and_bare_lf_end_a_line_and_nothing_else_does() {
        assert_eq!(
            lines(&[b"A\r\nB\nC\rD\0E\r\r\n\r\n\nF"], 40),
            [
                some(b"A"),
                some(b"B"),
                some(b"C\rD\0E\r"),
                some(b""),
                some(b"")
            ]
        );
    }

    #[test]
    fn the_limit_counts_the_line_end() {
        let mut fits = vec![b'x'; 38];
        fits.extend_from_slice(b"\r\n");
        assert_eq!(lines(&[&fits], 40), [some(&[b'x'; 38])]);
        fits.insert(0, b'x');
        fits.extend_from_slice(b"NOOP\r\n");
        assert_eq!(lines(&[&fits], 40), [None, some(b"NOOP")]);
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut decoder = LineDecoder::default();
        let read = [b'x'; 16 * 1024];
        let mut too_long = 0;
        // 1 GiB.
        for _ in 0..65_536 {
            decoder.input(&read);
            while let Some(line) = decoder.next_line(512) {
                assert_eq!(line, Line::TooLong);
                too_long += 1;
            }
            assert!(decoder.buffer.capacity() <= read.len());
        }
        assert_eq!(too_long, 1);
        assert!(decoder.buffer.capacity() <= IDLE_OCTETS_MAX);
        decoder.input(b"\r\nNOOP\r\n");
        assert!(matches!(
            decoder.next_line(512),
            Some(Line::Complete {
                octets: b"NOOP",
                more: false
            })
        ));
    }

    #[test]
    fn an_idle_decoder_is_small_also_with_half_a_line() {
        let mut decoder = LineDecoder::default();
        decoder.input(&b"NOOP\r\n".repeat(2_000));
        decoder.input(b"STA");
        while decoder.next_line(512).is_some() {}
        assert!(decoder.buffer.capacity() <= IDLE_OCTETS_MAX);
        assert!(!decoder.is_empty());
        decoder.input(b"T\r\n");
        assert_eq!(
            decoder.next_line(512),
            Some(Line::Complete {
                octets: b"STAT",
                more: false
            })
        );
        assert!(decoder.is_empty());
    }

    #[test]
    fn the_rest_is_what_no_line_was_made_of() {
        let mut decoder = LineDecoder::default();
        decoder.input(b"PASS x\r\nSTAT\r\nLI");
        assert!(decoder.next_line(40).is_some());
        assert_eq!(decoder.take_rest(), b"STAT\r\nLI");
        assert!(decoder.is_empty() && decoder.take_rest().is_empty());
    }

    #[test]
    fn debug_shows_no_octets() {
        let mut decoder = LineDecoder::default();
        decoder.input(b"PASS swordfish");
        assert!(!format!("{decoder:?}").contains("swordfish"));
    }

    proptest! {
        #[test]
        fn the_cut_into_reads_does_not_matter(
            octets in proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'x'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..8),
            octets_max in 2usize..20,
        ) {
            let whole = lines(&[&octets], octets_max);
            let single: Vec<&[u8]> = octets.chunks(1).collect();
            prop_assert_eq!(&lines(&single, octets_max), &whole);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (octets.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.push(octets.len());
            let mut from = 0;
            let mut reads = Vec::new();
            for cut in cuts {
                reads.push(&octets[from..cut]);
                from = cut;
            }
            prop_assert_eq!(&lines(&reads, octets_max), &whole);
        }
    }
}
