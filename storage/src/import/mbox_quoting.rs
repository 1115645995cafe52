//! The quoting of mboxrd: a line of a message that begins with `From `, after any number of `>`,
//! gets one more `>` in the file.
//!
//! All octets before `From ` are the same, so it does not matter which of them is added or taken
//! off, and nothing but one mark and five octets has to be held back.

use super::from_line::FROM;

/// Adds or takes off marks while lines stream by. Lines end with LF.
#[derive(Debug)]
pub(crate) struct Quoting {
    direction: Direction,
    head: Head,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Into the file.
    Quote,
    /// Out of the file.
    Unquote,
}

/// How much of its beginning a line has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// Nothing, or marks, then so many octets of `From `. When taking off marks, one is `held`.
    Open { held: bool, matched: usize },
    /// Enough.
    Rest,
}

const LINE_BEGIN: Head = Head::Open {
    held: false,
    matched: 0,
};

impl Quoting {
    /// At the beginning of a line.
    pub(crate) fn new(direction: Direction) -> Self {
        Self {
            direction,
            head: LINE_BEGIN,
        }
    }

    /// Takes octets cut anywhere and appends what can be said of them.
    pub(crate) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut rest = input;
        while !rest.is_empty() {
            rest = match self.head {
                Head::Open { held, matched } => {
                    let used = self.line_head(rest[0], held, matched, out);
                    &rest[used..]
                }
                Head::Rest => {
                    let end = memchr::memchr(b'\n', rest).map(|line_end| line_end + 1);
                    if end.is_some() {
                        self.head = LINE_BEGIN;
                    }
                    let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
                    out.extend_from_slice(line);
                    after
                }
            };
        }
    }

    /// Puts out what was held back at the end of the message.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if let Head::Open { held, matched } = self.head {
            put_head(held, matched, out);
        }
        self.head = LINE_BEGIN;
    }

    /// Looks at one octet. Returns how many were used: 0 if the line's rest begins there.
    fn line_head(&mut self, octet: u8, held: bool, matched: usize, out: &mut Vec<u8>) -> usize {
        if octet == b'>' && matched == 0 {
            let hold = self.direction == Direction::Unquote && !held;
            if !hold {
                out.push(octet);
            }
            self.head = Head::Open {
                held: held || hold,
                matched,
            };
            return 1;
        }
        if octet != FROM[matched] {
            put_head(held, matched, out);
            self.head = Head::Rest;
            return 0;
        }
        if matched + 1 < FROM.len() {
            self.head = Head::Open {
                held,
                matched: matched + 1,
            };
            return 1;
        }
        if self.direction == Direction::Quote {
            out.push(b'>');
        }
        out.extend_from_slice(FROM);
        self.head = Head::Rest;
        1
    }
}

fn put_head(held: bool, matched: usize, out: &mut Vec<u8>) {
    if held {
        out.push(b'>');
    }
    out.extend_from_slice(&FROM[..matched]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pass(direction: Direction, chunks: &[&[u8]]) -> Vec<u8> {
        let mut quoting = Quoting::new(direction);
        let mut out = Vec::new();
        for chunk in chunks {
            quoting.push(chunk, &mut out);
        }
        quoting.finish(&mut out);
        out
    }

    #[test]
    fn one_mark_is_added_and_taken_off() {
        let message = b"From a\n>From b\n>>From c\nFrom\n>\n> From d\nx From e\n>F";
        let file = b">From a\n>>From b\n>>>From c\nFrom\n>\n> From d\nx From e\n>F";
        assert_eq!(pass(Direction::Quote, &[message]), file);
        assert_eq!(pass(Direction::Unquote, &[file]), message);
    }

    proptest! {
        #[test]
        fn unquoting_undoes_quoting_in_any_chunks(
            text in "(>|From |From|\n|x){0,30}",
            size in 1..9usize,
        ) {
            let message = text.as_bytes();
            let quoted = pass(Direction::Quote, &message.chunks(size).collect::<Vec<_>>());
            prop_assert_eq!(&pass(Direction::Quote, &[message]), &quoted);
            let chunks: Vec<&[u8]> = quoted.chunks(size).collect();
            prop_assert_eq!(pass(Direction::Unquote, &chunks), message);
        }
    }
}
