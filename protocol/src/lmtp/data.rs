//! The end of DATA and its transparency (RFC 5321 s4.1.1.4, s4.5.2).
//!
//! CRLF.CRLF ends a message, with the CRLF of the DATA line counted as its first; nothing else
//! does. A library does not serve here: smtp-proto 0.2.5 also ends at CRLF.CR CR LF, and sees
//! no end in a message whose first line is the dot (`tests/oracle.rs`).

use memchr::memchr;

/// Takes what stands on the wire, and gives the message back.
#[derive(Debug, Default)]
pub(super) struct DataDecoder {
    place: Place,
}

/// Where the next octet stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Behind a CRLF.
    #[default]
    LineStart,
    /// Behind a CRLF and the dot, which was not put out: it is either doubled or the end.
    Dot,
    /// Behind a CRLF, the dot and a CR, neither put out.
    DotCr,
    /// In a line.
    Text,
    /// Behind a CR that was put out.
    Cr,
}

/// What became of some octets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// So many were used.
    pub(super) used: usize,
    /// The last one used was the last one of the message.
    pub(super) ended: bool,
}

impl DataDecoder {
    /// Decodes up to the end of `input` or of the message, and appends to `out`: at most one
    /// octet more than were used.
    pub(super) fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Decoded {
        let mut used = 0;
        while let Some(&octet) = input.get(used) {
            match (self.place, octet) {
                (Place::LineStart, b'.') => {
                    self.place = Place::Dot;
                    used += 1;
                }
                (Place::Dot, b'\r') => {
                    self.place = Place::DotCr;
                    used += 1;
                }
                (Place::DotCr, b'\n') => {
                    return Decoded {
                        used: used + 1,
                        ended: true,
                    };
                }
                (Place::DotCr, _) => {
                    out.push(b'\r');
                    self.place = Place::Cr;
                }
                (Place::Cr, b'\n') => {
                    out.push(b'\n');
                    self.place = Place::LineStart;
                    used += 1;
                }
                (Place::LineStart | Place::Dot | Place::Cr | Place::Text, _) => {
                    let text = &input[used..];
                    let (octets, place) = match memchr(b'\r', text) {
                        Some(at) => (at + 1, Place::Cr),
                        None => (text.len(), Place::Text),
                    };
                    out.extend_from_slice(&text[..octets]);
                    self.place = place;
                    used += octets;
                }
            }
        }
        Decoded { used, ended: false }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The message, and what is left behind its end, if it ended.
    fn decoded(reads: &[&[u8]]) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut decoder = DataDecoder::default();
        let (mut message, mut rest) = (Vec::new(), None);
        for read in reads {
            match &mut rest {
                Some(rest) => Vec::extend_from_slice(rest, read),
                None => {
                    let Decoded { used, ended } = decoder.decode(read, &mut message);
                    rest = ended.then(|| read[used..].to_vec());
                }
            }
        }
        (message, rest)
    }

    #[test]
    fn known_messages() {
        let table: [(&[u8], &[u8]); 6] = [
            (b".\r\nQUIT", b""),
            (b"a\r\n.\r\nQUIT", b"a\r\n"),
            (b"..\r\n...a\r\n.\r\nQUIT", b".\r\n..a\r\n"),
            (b".a\r\n.\r\nQUIT", b"a\r\n"),
            (b"a\r\n.\r.\r\n.\r\nQUIT", b"a\r\n\r.\r\n"),
            (b"\r\n.\r\nQUIT", b"\r\n"),
        ];
        for (wire, message) in table {
            let expected = (message.to_vec(), Some(b"QUIT".to_vec()));
            assert_eq!(decoded(&[wire]), expected, "{wire:?}");
            let single: Vec<&[u8]> = wire.chunks(1).collect();
            assert_eq!(decoded(&single), expected, "{wire:?}");
        }
    }

    #[test]
    fn nothing_but_crlf_dot_crlf_is_an_end() {
        let ends: [&[u8]; 3] = [b"\n", b"\r", b"\r\n"];
        let more: [&[u8]; 6] = [b"\n", b"\r", b"\r\n", b"\r\r\n", b"\n\r", b"\0\r\n"];
        for before in ends.iter().chain(&more) {
            for after in &more {
                if before.ends_with(b"\r\n") && *after == b"\r\n" {
                    continue;
                }
                let wire = [b"text", *before, b".", after, b"MAIL FROM:<>\r\n"].concat();
                assert_eq!(decoded(&[&wire]).1, None, "{before:?}.{after:?}");
            }
        }
    }

    /// What a client sends for a message that ends with CRLF.
    fn encoded(message: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut line_start = true;
        for (at, octet) in message.iter().enumerate() {
            if line_start && *octet == b'.' {
                wire.push(b'.');
            }
            wire.push(*octet);
            line_start = *octet == b'\n' && at > 0 && message[at - 1] == b'\r';
        }
        wire.extend_from_slice(b".\r\n");
        wire
    }

    proptest! {
        #[test]
        fn a_message_arrives_as_it_was_however_it_is_cut(
            pieces in proptest::collection::vec(prop_oneof![
                Just(b"\r\n".to_vec()), Just(b".".to_vec()), Just(b"\r".to_vec()),
                Just(b"\n".to_vec()), Just(b"text".to_vec()),
                any::<u8>().prop_map(|octet| vec![octet]),
            ], 0..60),
            cut in 1usize..9,
        ) {
            let message = [pieces.concat(), b"\r\n".to_vec()].concat();
            let wire = [encoded(&message), b"NOOP\r\n".to_vec()].concat();
            let reads: Vec<&[u8]> = wire.chunks(cut).collect();
            prop_assert_eq!(decoded(&reads), (message, Some(b"NOOP\r\n".to_vec())));
        }
    }
}
