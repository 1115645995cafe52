//! Transparency (RFC 1939 s3): a line that begins with the termination octet gets one more, and
//! a multi-line reply ends with a line of its own. TOP's line count is here too, as it is
//! decided by the same octets.

use memchr::{memchr_iter, memmem};

use super::TERMINATION_LINE;

/// Encodes one message for RETR or TOP, chunk by chunk, without holding it.
///
/// Messages are stored as they are sent, with CRLF line ends. A bare LF is not made a CRLF here,
/// but a termination octet behind it is doubled, as a client may take it for a line end.
#[derive(Debug)]
pub struct MessageEncoder {
    /// Lines of the body that may still be sent; `None` for all.
    lines_left: Option<u64>,
    /// Octets of the header that are still to come.
    header_left: u64,
    dot_lines: bool,
    /// The last two octets that were sent. A message begins as a line does.
    tail: [u8; 2],
}

/// What became of a chunk.
#[derive(Debug)]
pub struct Encoded<'a> {
    /// Send these: the chunk itself where nothing had to be added, else the scratch buffer.
    pub octets: &'a [u8],
    /// No more chunks are needed (TOP has its lines).
    pub complete: bool,
}

impl MessageEncoder {
    /// `lines` as in `Effect::SendMessage`. With `dot_lines` false no octet is looked at for
    /// transparency. `header_octets` is where the body begins, after the empty line; in a
    /// message that has none it is the octets of the whole message.
    pub fn new(lines: Option<u64>, header_octets: u64, dot_lines: bool) -> Self {
        Self {
            lines_left: lines,
            header_left: header_octets,
            dot_lines,
            tail: *b"\r\n",
        }
    }

    /// Encodes the next chunk. `scratch` is only used where something has to be added; it then
    /// holds the chunk and one octet for each line that begins with the termination octet.
    pub fn encode<'a>(&mut self, chunk: &'a [u8], scratch: &'a mut Vec<u8>) -> Encoded<'a> {
        let sent = &chunk[..self.octets_wanted(chunk)];
        let complete = self.header_left == 0 && self.lines_left == Some(0);
        let at_line_start = self.tail[1] == b'\n';
        self.remember(sent);
        let octets = if self.dot_lines {
            transparent(sent, at_line_start, scratch)
        } else {
            sent
        };
        Encoded { octets, complete }
    }

    /// What ends the message: a missing line end and the termination line.
    pub fn end(&self) -> &'static [u8] {
        // Also behind a bare LF or CR, or a client would wait for ever (RFC 1939 s3).
        match self.tail == *b"\r\n" {
            true => TERMINATION_LINE,
            false => b"\r\n.\r\n",
        }
    }

    /// How much of `chunk` is to be sent; counts it off.
    fn octets_wanted(&mut self, chunk: &[u8]) -> usize {
        // A chunk that does not fit in u64 does not exist.
        let header = usize::try_from(self.header_left)
            .unwrap_or(usize::MAX)
            .min(chunk.len());
        self.header_left -= header as u64;
        let Some(lines_left) = &mut self.lines_left else {
            return chunk.len();
        };
        if *lines_left == 0 {
            return header;
        }
        for line_end in memchr_iter(b'\n', &chunk[header..]) {
            *lines_left -= 1;
            if *lines_left == 0 {
                return header + line_end + 1;
            }
        }
        chunk.len()
    }

    /// Keeps the last two octets of `sent`.
    fn remember(&mut self, sent: &[u8]) {
        match *sent {
            [] => {}
            [last] => self.tail = [self.tail[1], last],
            [.., before, last] => self.tail = [before, last],
        }
    }
}

/// `octets` with every termination octet at the start of a line doubled.
fn transparent<'a>(octets: &'a [u8], at_line_start: bool, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let first = at_line_start && octets.first() == Some(&b'.');
    let mut dots = memmem::find_iter(octets, b"\n.")
        .map(|line_end| line_end + 1)
        .peekable();
    if !first && dots.peek().is_none() {
        return octets;
    }
    scratch.clear();
    scratch.reserve(octets.len() + 16);
    if first {
        scratch.push(b'.');
    }
    let mut from = 0;
    for dot in dots {
        scratch.extend_from_slice(&octets[from..dot]);
        scratch.push(b'.');
        from = dot;
    }
    scratch.extend_from_slice(&octets[from..]);
    scratch
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(chunks: &[&[u8]], lines: Option<u64>, header: u64, dot_lines: bool) -> Vec<u8> {
        let mut encoder = MessageEncoder::new(lines, header, dot_lines);
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        for chunk in chunks {
            let encoded = encoder.encode(chunk, &mut scratch);
            out.extend_from_slice(encoded.octets);
            if encoded.complete {
                break;
            }
        }
        out.extend_from_slice(encoder.end());
        out
    }

    /// What a client makes of it: lines, up to the termination line.
    fn decoded(mut wire: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        loop {
            let end = memmem::find(wire, b"\n").expect("a reply ends with a line") + 1;
            let (line, rest) = wire.split_at(end);
            if line == b".\r\n" {
                assert!(rest.is_empty(), "nothing follows the termination line");
                return message;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            wire = rest;
        }
    }

    #[test]
    fn known_messages() {
        let table: [(&str, &str); 12] = [
            ("", ".\r\n"),
            ("\r\n", "\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            ("..\r\n", "...\r\n.\r\n"),
            (".\r\n.\r\n", "..\r\n..\r\n.\r\n"),
            ("a\r\n.b\r\nc.\r\n", "a\r\n..b\r\nc.\r\n.\r\n"),
            ("no end", "no end\r\n.\r\n"),
            ("bare\n", "bare\n\r\n.\r\n"),
            ("bare\r", "bare\r\r\n.\r\n"),
            ("a\n.b\r\n", "a\n..b\r\n.\r\n"),
            ("nul\0\r\n\0.\r\n", "nul\0\r\n\0.\r\n.\r\n"),
        ];
        for (message, expected) in table {
            let wire = encoded(&[message.as_bytes()], None, 0, true);
            assert_eq!(wire, expected.as_bytes(), "{message:?}");
        }
    }

    #[test]
    fn top_sends_the_header_and_so_many_lines() {
        let message = "H: 1\r\n.H: 2\r\n\r\n.one\r\ntwo\r\n\r\nfour";
        let header = 15;
        let table: [(u64, &str); 6] = [
            (0, "H: 1\r\n..H: 2\r\n\r\n.\r\n"),
            (1, "H: 1\r\n..H: 2\r\n\r\n..one\r\n.\r\n"),
            (3, "H: 1\r\n..H: 2\r\n\r\n..one\r\ntwo\r\n\r\n.\r\n"),
            (4, "H: 1\r\n..H: 2\r\n\r\n..one\r\ntwo\r\n\r\nfour\r\n.\r\n"),
            (
                99_999_999,
                "H: 1\r\n..H: 2\r\n\r\n..one\r\ntwo\r\n\r\nfour\r\n.\r\n",
            ),
            (
                u64::MAX,
                "H: 1\r\n..H: 2\r\n\r\n..one\r\ntwo\r\n\r\nfour\r\n.\r\n",
            ),
        ];
        for (lines, expected) in table {
            let whole = encoded(&[message.as_bytes()], Some(lines), header, true);
            assert_eq!(whole, expected.as_bytes(), "TOP n {lines}");
            let single: Vec<&[u8]> = message.as_bytes().chunks(1).collect();
            assert_eq!(
                encoded(&single, Some(lines), header, true),
                whole,
                "TOP n {lines}"
            );
        }
    }

    #[test]
    fn top_of_a_message_without_body_or_empty_line() {
        for (message, header) in [("H: 1\r\n\r\n", 8), ("H: 1\r\n", 6), ("H: 1", 4), ("", 0)] {
            let all = encoded(&[message.as_bytes()], None, header, true);
            for lines in [0, 1, 5] {
                assert_eq!(
                    encoded(&[message.as_bytes()], Some(lines), header, true),
                    all
                );
            }
        }
    }

    #[test]
    fn top_zero_wants_no_chunk_behind_the_header() {
        let mut encoder = MessageEncoder::new(Some(0), 8, true);
        let mut scratch = Vec::new();
        let first = encoder.encode(b"H: 1", &mut scratch);
        assert!(!first.complete);
        let second = encoder.encode(b"\r\n\r\n", &mut scratch);
        assert!(second.complete);
        let behind = encoder.encode(b"body\r\n", &mut scratch);
        assert!(behind.octets.is_empty() && behind.complete);
    }

    #[test]
    fn a_huge_header_counts_no_lines() {
        let header = "X-Line: 1\r\n".repeat(100_000) + "\r\n";
        let message = header.clone() + "one\r\ntwo\r\n";
        let chunks: Vec<&[u8]> = message.as_bytes().chunks(4_096).collect();
        let wire = encoded(&chunks, Some(1), header.len() as u64, false);
        assert_eq!(wire, (header + "one\r\n.\r\n").into_bytes());
    }

    #[test]
    fn nothing_is_copied_where_nothing_is_added() {
        let mut scratch = Vec::new();
        let message = b"a\r\nb.c\r\n";
        for dot_lines in [false, true] {
            let mut encoder = MessageEncoder::new(None, 0, dot_lines);
            let encoded = encoder.encode(message, &mut scratch);
            assert!(std::ptr::eq(encoded.octets, message.as_slice()));
        }
        assert_eq!(scratch.capacity(), 0);
    }

    fn message() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"\r\n".to_vec()),
            Just(b".".to_vec()),
            Just(b"\r\n.".to_vec()),
            Just(b"text".to_vec()),
            any::<u8>().prop_map(|octet| vec![octet]),
        ];
        proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn a_client_gets_what_is_stored_however_it_is_cut(
            message in message(), chunk in 1usize..20, lines in proptest::option::of(0u64..20),
            header in 0usize..100,
        ) {
            let header = header.min(message.len());
            let whole = encoded(&[&message], lines, header as u64, true);
            let chunks: Vec<&[u8]> = message.chunks(chunk).collect();
            prop_assert_eq!(&encoded(&chunks, lines, header as u64, true), &whole);
            let mut expected = match lines {
                None => message.clone(),
                Some(lines) => {
                    let body = message[header..]
                        .split_inclusive(|octet| *octet == b'\n')
                        .take(usize::try_from(lines).unwrap());
                    [message[..header].to_vec(), body.collect::<Vec<_>>().concat()].concat()
                }
            };
            if !expected.is_empty() && !expected.ends_with(b"\r\n") {
                expected.extend_from_slice(b"\r\n");
            }
            prop_assert_eq!(decoded(&whole), expected);
        }
    }
}
