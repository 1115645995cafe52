//! Reads the messages of an mbox file one after the other, without ever holding one.
//!
//! A message begins with a `From ` line that has a date, at the start of the file, behind an empty
//! line, or right behind another such line. That empty line belongs to the file, not to the
//! message. One `>` is taken off lines that begin with `>From `, `>>From ` and so on (mboxrd;
//! right for mboxo but where a message had such a line before). Other lines that begin with
//! `From ` are text.
//!
//! `Content-Length` (mboxcl) is not believed: it counts octets before somebody changed line ends
//! or fields, and a wrong one swallows the messages that follow. Lines end with LF or CRLF.

use std::io::{self, BufRead, ErrorKind};

use super::from_line::{self, FROM, FromLine};
use super::mbox_quoting::{Direction, Quoting};

/// Lines are taken in pieces of so many octets, so that a line of any length fits into memory. A
/// `From ` line is never longer.
const PIECE_OCTETS_MAX: usize = 64 * 1024;

/// The messages of `input`, which are named by numbers, lines and offsets from now on.
#[derive(Debug)]
pub struct MboxReader<R> {
    input: R,
    piece: Piece,
    /// Octets and lines that were read, the piece included.
    offset: u64,
    line: u64,
    messages: u64,
    place: Place,
    /// An empty line: it separates two messages, unless it does not.
    empty_line: Vec<u8>,
    /// Whether a `From ` line may be the next.
    boundary: bool,
    quoting: Quoting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Message,
    /// Behind the `From ` line of the message that has not been asked for.
    Next(MboxMessage),
    End,
}

/// A line or, if it is longer than a piece, a part of it.
#[derive(Debug, Default)]
struct Piece {
    octets: Vec<u8>,
    begins_line: bool,
    ends_line: bool,
}

/// One message of the file, of which the octets follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MboxMessage {
    /// Counted from 1.
    pub number: u64,
    /// The line of its `From ` line, counted from 1.
    pub line: u64,
    /// Octets before its `From ` line.
    pub offset: u64,
    /// The date of its `From ` line, in seconds since 1970-01-01 UTC.
    pub received_secs: Option<u64>,
}

impl<R: BufRead> MboxReader<R> {
    /// Reads from the beginning of a file.
    pub fn new(input: R) -> Self {
        Self {
            input,
            piece: Piece {
                ends_line: true,
                ..Piece::default()
            },
            offset: 0,
            line: 0,
            messages: 0,
            place: Place::Start,
            empty_line: Vec::new(),
            boundary: true,
            quoting: Quoting::new(Direction::Unquote),
        }
    }

    /// Octets of the file that were read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes to the next message; what is left of the one at hand is passed over. An empty file has
    /// no messages.
    ///
    /// # Errors
    /// As [`read_chunk`](Self::read_chunk), also about what is passed over.
    pub fn next_message(&mut self) -> Result<Option<MboxMessage>, MboxError> {
        let mut passed_over = Vec::new();
        loop {
            match self.place {
                Place::Start => self.read_start()?,
                Place::Message => {
                    passed_over.clear();
                    self.read_chunk(&mut passed_over, PIECE_OCTETS_MAX)?;
                }
                Place::Next(message) => {
                    self.place = Place::Message;
                    return Ok(Some(message));
                }
                Place::End => return Ok(None),
            }
        }
    }

    /// Appends at least `octets` of the message at hand to `chunk`, fewer if it ends there, and
    /// less than a piece (64 KiB) more. `false` is its end.
    ///
    /// # Errors
    /// The message must not be kept if the next `From ` line is broken: it may not have ended.
    pub fn read_chunk(&mut self, chunk: &mut Vec<u8>, octets: usize) -> Result<bool, MboxError> {
        let wanted = chunk.len().saturating_add(octets);
        while self.place == Place::Message && chunk.len() < wanted {
            if !self.read_piece()? {
                self.end_message(Place::End, chunk);
            } else if self.piece.begins_line {
                self.take_line(chunk)?;
            } else {
                self.quoting.push(&self.piece.octets, chunk);
            }
        }
        Ok(self.place == Place::Message)
    }

    fn read_start(&mut self) -> Result<(), MboxError> {
        if !self.read_piece()? {
            self.place = Place::End;
            return Ok(());
        }
        if self.piece.octets.starts_with(FROM)
            && let Some(message) = self.begun_message()?
        {
            self.place = Place::Next(message);
            return Ok(());
        }
        Err(MboxError::NoMbox {
            found: self.piece_shown(),
        })
    }

    /// Takes the piece, which begins a line.
    fn take_line(&mut self, chunk: &mut Vec<u8>) -> Result<(), MboxError> {
        if self.boundary
            && self.piece.octets.starts_with(FROM)
            && let Some(message) = self.begun_message()?
        {
            self.end_message(Place::Next(message), chunk);
            return Ok(());
        }
        self.quoting.push(&self.empty_line, chunk);
        self.empty_line.clear();
        self.boundary = matches!(self.piece.octets.as_slice(), b"\n" | b"\r\n");
        if self.boundary {
            self.empty_line.extend_from_slice(&self.piece.octets);
        } else {
            self.quoting.push(&self.piece.octets, chunk);
        }
        Ok(())
    }

    fn end_message(&mut self, place: Place, chunk: &mut Vec<u8>) {
        self.quoting.finish(chunk);
        self.empty_line.clear();
        self.boundary = true;
        self.place = place;
    }

    /// The message that the piece begins, if it does.
    fn begun_message(&mut self) -> Result<Option<MboxMessage>, MboxError> {
        let offset = self.offset - self.piece.octets.len() as u64;
        if self.piece.octets.len() == PIECE_OCTETS_MAX {
            return Ok(None);
        }
        match from_line::classify(&self.piece.octets) {
            FromLine::Envelope { received_secs } => {
                self.messages += 1;
                let number = self.messages;
                Ok(Some(MboxMessage {
                    number,
                    line: self.line,
                    offset,
                    received_secs,
                }))
            }
            FromLine::Text => Ok(None),
            FromLine::Broken => Err(MboxError::FromLine {
                line: self.line,
                offset,
                found: self.piece_shown(),
            }),
        }
    }

    /// The beginning of the piece, made harmless.
    fn piece_shown(&self) -> String {
        const SHOWN_OCTETS_MAX: usize = 80;
        let octets = self.piece.octets.trim_ascii_end();
        octets[..octets.len().min(SHOWN_OCTETS_MAX)]
            .escape_ascii()
            .to_string()
    }

    /// Reads up to a line end; `false` at the end of the file.
    fn read_piece(&mut self) -> Result<bool, MboxError> {
        self.piece.begins_line = self.piece.ends_line;
        self.piece.ends_line = false;
        self.piece.octets.clear();
        while !self.piece.ends_line && self.piece.octets.len() < PIECE_OCTETS_MAX {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(MboxError::Read {
                        offset: self.offset,
                        source,
                    });
                }
            };
            if available.is_empty() {
                break;
            }
            let room = PIECE_OCTETS_MAX - self.piece.octets.len();
            let part = &available[..available.len().min(room)];
            let line_end = memchr::memchr(b'\n', part);
            let octets = line_end.map_or(part.len(), |line_end| line_end + 1);
            self.piece.octets.extend_from_slice(&part[..octets]);
            self.piece.ends_line = line_end.is_some();
            self.input.consume(octets);
            self.offset += octets as u64;
        }
        let any = !self.piece.octets.is_empty();
        self.line += u64::from(any && self.piece.begins_line);
        Ok(any)
    }
}

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum MboxError {
    /// The operating system refused.
    #[error("cannot read at octet {offset}: {source}")]
    Read {
        /// Octets before.
        offset: u64,
        /// What it said.
        source: io::Error,
    },
    /// The file does not begin with a `From ` line.
    #[error("not an mbox file: line 1 is \"{found}\", not a \"From \" line with a date")]
    NoMbox {
        /// The line's beginning.
        found: String,
    },
    /// A line that looks like the beginning of a message, but has no whole date.
    #[error("line {line} (octet {offset}): \"{found}\" looks like a \"From \" line without a date")]
    FromLine {
        /// Counted from 1.
        line: u64,
        /// Octets before the line.
        offset: u64,
        /// The line's beginning.
        found: String,
    },
}

#[cfg(test)]
mod tests;
