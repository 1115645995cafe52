//! Makes what was received a conforming Internet message while it streams by.
//!
//! [MS-STANXPOP3 C0011, RFC 5322 s2.1] What comes out has CRLF line ends, a header section, the
//! empty line that ends it, and a body. The rules, each a pure function of the octets:
//!
//! - A line end is CRLF, bare LF, bare CR, or CR CR LF (a CRLF converted once too often); each
//!   becomes one CRLF. A last line without a line end gets one.
//! - The header section is the lines that are fields (a name, perhaps white space, a colon) or
//!   continuations of fields. It ends before the first line that is neither; unless that line is
//!   the empty one, an empty line is put in front of it, so that it begins the body. Thus a
//!   message without a header becomes all body, and a broken line amid the header takes what
//!   follows it into the body, where many parsers see it too.
//! - A message that ends in its header section gets the empty line at its end. No octets at all
//!   become one empty line: a message with neither fields nor body.
//!
//! Nothing else is changed: 8-bit octets, NUL, long lines, white space at line ends stay. The
//! `From ` line of an mbox file is the importer's business; here it would be a broken line.

use std::mem;

#[cfg(test)]
mod tests;

const CRLF: &[u8] = b"\r\n";

/// The longest field name that is waited for, with the white space behind it, in octets: the
/// longest line that RFC 5322 s2.1.1 allows. It bounds what is held back between two pushes.
const FIELD_NAME_OCTETS_MAX: usize = 998;

/// The stream's state. Memory is bounded by the longest field name (998 octets).
#[derive(Debug, Default)]
pub struct Normaliser {
    place: Place,
    /// Carriage returns (up to two) that wait for the octet behind them.
    carriage_returns: u8,
    /// The beginning of a line of which it is not known yet whether it is a field.
    undecided: Vec<u8>,
    any_field: bool,
    octets: u64,
    header_octets: Option<u64>,
    dot_lines: bool,
}

/// Where the next octet stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the beginning of a line of the header section, or in what may be a field's name.
    #[default]
    FieldName,
    /// In a field or continuation behind what made it one.
    FieldRest,
    /// At the beginning of a line of the body.
    BodyLine,
    /// Further on in a line of the body.
    BodyRest,
}

impl Normaliser {
    /// At the beginning of a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next octets, cut anywhere, and appends to `out` what can be said of them: up to
    /// twice as many octets, and what was held back.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut rest = input;
        while let Some(&first) = rest.first() {
            if self.carriage_returns > 0 {
                rest = &rest[self.after_carriage_return(first, out)..];
                continue;
            }
            rest = match first {
                b'\n' => {
                    self.line_end(out);
                    &rest[1..]
                }
                b'\r' => {
                    self.carriage_returns = 1;
                    &rest[1..]
                }
                _ => match self.place {
                    Place::FieldName | Place::FieldRest => self.header_text(rest, out),
                    Place::BodyLine | Place::BodyRest => self.body_lines(rest, out),
                },
            };
        }
    }

    /// Ends the message; appends what is missing to `out`. A second call does nothing.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.end_held_lines(out);
        let in_line = matches!(self.place, Place::FieldRest | Place::BodyRest);
        if in_line || !self.undecided.is_empty() {
            self.line_end(out);
        }
        if self.place == Place::FieldName {
            self.line_end(out);
        }
    }

    /// Octets put out so far.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Octets put out of the header section, with the empty line that ends it.
    pub fn header_octets(&self) -> u64 {
        self.header_octets.unwrap_or(self.octets)
    }

    /// Whether any line that was put out begins with a dot (RFC 1939 s3: it needs transparency).
    pub fn dot_lines(&self) -> bool {
        self.dot_lines
    }

    /// Decides about the carriage returns before `next`. Returns how many octets were used.
    fn after_carriage_return(&mut self, next: u8, out: &mut Vec<u8>) -> usize {
        match next {
            b'\n' => {
                self.carriage_returns = 0;
                self.line_end(out);
                1
            }
            b'\r' if self.carriage_returns == 1 => {
                self.carriage_returns = 2;
                1
            }
            b'\r' => {
                // Three in a row: the first is a line end for certain.
                self.line_end(out);
                1
            }
            _ => {
                self.end_held_lines(out);
                0
            }
        }
    }

    /// The carriage returns that wait were bare.
    fn end_held_lines(&mut self, out: &mut Vec<u8>) {
        for _ in 0..mem::take(&mut self.carriage_returns) {
            self.line_end(out);
        }
    }

    /// Puts a line end out, and with it what the line turned out to be.
    fn line_end(&mut self, out: &mut Vec<u8>) {
        match self.place {
            Place::FieldName if self.undecided.is_empty() => self.end_header(out),
            Place::FieldName => {
                self.begin_body(out);
                self.put(CRLF, out);
                self.place = Place::BodyLine;
            }
            Place::FieldRest => {
                self.put(CRLF, out);
                self.place = Place::FieldName;
            }
            Place::BodyLine | Place::BodyRest => {
                self.put(CRLF, out);
                self.place = Place::BodyLine;
            }
        }
    }

    /// Takes text of the header section up to the line's end, or up to where the body begins.
    /// Returns what is left.
    fn header_text<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let line_octets = memchr::memchr2(b'\r', b'\n', input).unwrap_or(input.len());
        let (text, rest) = input.split_at(line_octets);
        if self.place == Place::FieldRest {
            self.put(text, out);
            return rest;
        }
        for (index, &octet) in text.iter().enumerate() {
            let first = self.undecided.is_empty();
            let white_space = matches!(octet, b' ' | b'\t');
            let is_field = octet == b':' && !first;
            if is_field || (first && white_space && self.any_field) {
                self.any_field = true;
                self.place = Place::FieldRest;
                self.put_undecided(out);
                self.put(&text[index..], out);
                return rest;
            }
            let name_ended = self
                .undecided
                .last()
                .is_some_and(|last| matches!(last, b' ' | b'\t'));
            let fits = if white_space {
                !first
            } else {
                octet.is_ascii_graphic() && !name_ended
            };
            if !fits || octet == b':' || self.undecided.len() == FIELD_NAME_OCTETS_MAX {
                self.begin_body(out);
                return &input[index..];
            }
            self.undecided.push(octet);
        }
        rest
    }

    /// Takes text of the body, whole runs of lines that need no change at once. Returns what is
    /// left, which begins with a line end that is not plain CRLF, if with anything.
    fn body_lines<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let mut line = 0;
        let end = loop {
            if self.place == Place::BodyLine && line < input.len() {
                self.dot_lines |= input[line] == b'.';
                self.place = Place::BodyRest;
            }
            let Some(found) = memchr::memchr2(b'\r', b'\n', &input[line..]) else {
                break input.len();
            };
            let found = line + found;
            if !input[found..].starts_with(CRLF) {
                break found;
            }
            line = found + CRLF.len();
            self.place = Place::BodyLine;
        };
        self.put(&input[..end], out);
        &input[end..]
    }

    /// The line at hand is no field: ends the header section in front of it.
    fn begin_body(&mut self, out: &mut Vec<u8>) {
        self.end_header(out);
        if !self.undecided.is_empty() {
            self.place = Place::BodyRest;
            self.put_undecided(out);
        }
    }

    fn end_header(&mut self, out: &mut Vec<u8>) {
        self.put(CRLF, out);
        self.header_octets = Some(self.octets);
        self.place = Place::BodyLine;
    }

    fn put_undecided(&mut self, out: &mut Vec<u8>) {
        let mut name = mem::take(&mut self.undecided);
        self.dot_lines |= name.first() == Some(&b'.');
        self.put(&name, out);
        // The allocation is kept for the next line.
        name.clear();
        self.undecided = name;
    }

    fn put(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(octets);
        self.octets += octets.len() as u64;
    }
}
