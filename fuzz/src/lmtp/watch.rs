//! The law of ends, octet by octet: a command line ends at CRLF and nowhere else, a message of
//! DATA at the first CRLF.CRLF and nowhere else, a chunk where its line says; each command has
//! one reply, each message one for each recipient; and what is delivered is what was sent.

use mailroost_protocol::CloseReason;
use mailroost_protocol::lmtp::COMMAND_OCTETS_MAX;

use super::Scene;
use super::dialog::Events;
use super::repaired::repaired;

/// See the file's first lines.
pub struct Watch {
    place: Place,
    /// Octets of the message at hand, transparency off, over all its chunks.
    message: Vec<u8>,
    written: Vec<u8>,
    /// The most octets of a message, and the most that the store takes.
    limits: (usize, usize),
}

enum Place {
    /// In a command line.
    Line(Vec<u8>),
    /// In a line over the limit; whether its last octet was CR.
    Swallowing {
        after_cr: bool,
    },
    /// In DATA: the octets on the wire, behind the CRLF of its command.
    Data(Vec<u8>),
    /// In a chunk.
    Chunk {
        left: u64,
        last: bool,
    },
    Closed,
}

impl Watch {
    pub fn new(scene: &Scene<'_>, greeting: Events) -> Self {
        assert_eq!(replies(&greeting.said), 1);
        assert!(greeting.said.starts_with(b"220 "));
        Self {
            place: Place::Line(Vec::new()),
            message: Vec::new(),
            written: Vec::new(),
            limits: (
                usize::try_from(scene.policy.message_octets_max).unwrap(),
                scene.room,
            ),
        }
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.place, Place::Closed)
    }

    /// This octet was sent, and these events came of it.
    pub fn octet(&mut self, octet: u8, events: Events) -> &Self {
        let place = std::mem::replace(&mut self.place, Place::Closed);
        let closed = events.closed;
        if events.begun.is_some() {
            self.message.clear();
            self.written.clear();
        }
        self.place = match place {
            Place::Line(line) => self.in_line(line, octet, &events),
            Place::Swallowing { after_cr } => {
                nothing_but(&events, 0);
                match after_cr && octet == b'\n' {
                    true => Place::Line(Vec::new()),
                    false => Place::Swallowing {
                        after_cr: octet == b'\r',
                    },
                }
            }
            Place::Data(wire) => self.in_data(wire, octet, &events),
            Place::Chunk { left, last } => {
                self.message.push(octet);
                self.in_chunk(left - 1, last, &events)
            }
            Place::Closed => unreachable!("the session is closed"),
        };
        if closed.is_some() {
            self.place = Place::Closed;
        }
        self
    }

    fn in_line(&mut self, mut line: Vec<u8>, octet: u8, events: &Events) -> Place {
        line.push(octet);
        if octet != b'\n' {
            let too_long = line.len() >= COMMAND_OCTETS_MAX;
            nothing_but(events, usize::from(too_long));
            return match too_long {
                true => Place::Swallowing {
                    after_cr: octet == b'\r',
                },
                false => Place::Line(line),
            };
        }
        let Some(line) = line.strip_suffix(b"\r\n") else {
            assert_eq!(events.closed, Some(CloseReason::BareLineFeed));
            nothing_but(events, 1);
            return Place::Closed;
        };
        if let Some((octets, last)) = chunk(line) {
            return self.in_chunk_of(octets, last, events);
        }
        let is_data = line.trim_ascii_end().eq_ignore_ascii_case(b"DATA");
        assert!(is_data || events.begun.is_none(), "{line:?}");
        nothing_but(events, 1);
        match events.begun {
            Some(true) => {
                assert!(events.said.starts_with(b"354 "));
                Place::Data(Vec::new())
            }
            Some(false) | None => {
                assert!(!events.said.starts_with(b"354 "));
                Place::Line(Vec::new())
            }
        }
    }

    fn in_chunk_of(&mut self, octets: u64, last: bool, events: &Events) -> Place {
        match octets {
            0 => self.in_chunk(0, last, events),
            octets => {
                nothing_but(events, 0);
                Place::Chunk { left: octets, last }
            }
        }
    }

    fn in_chunk(&mut self, left: u64, last: bool, events: &Events) -> Place {
        self.written.extend_from_slice(&events.written);
        if left > 0 {
            nothing_but(events, 0);
            return Place::Chunk { left, last };
        }
        match events.ended.as_slice() {
            // Out of place, or not the last: it has one reply.
            [] => nothing_but(events, 1),
            _ => {
                assert!(last);
                self.complete(events);
            }
        }
        Place::Line(Vec::new())
    }

    fn in_data(&mut self, mut wire: Vec<u8>, octet: u8, events: &Events) -> Place {
        wire.push(octet);
        self.written.extend_from_slice(&events.written);
        let ends = wire == b".\r\n" || wire.ends_with(b"\r\n.\r\n");
        assert_eq!(!events.ended.is_empty(), ends, "{wire:?}");
        if !ends {
            nothing_but(events, 0);
            return Place::Data(wire);
        }
        self.message = undoubled(&wire[..wire.len() - 3]);
        self.complete(events);
        Place::Line(Vec::new())
    }

    /// The message is complete.
    fn complete(&self, events: &Events) {
        let [(recipients, delivered)] = *events.ended else {
            panic!("one octet cannot end two messages: {events:?}");
        };
        assert_eq!(replies(&events.said), recipients);
        if delivered {
            assert!(self.message.len() <= self.limits.0);
            assert_eq!(self.written, repaired(&self.message));
            assert!(self.written.len() <= self.limits.1);
        }
    }
}

/// Nothing was written or ended, and so many replies were given; where the session closes for
/// too many errors, one more.
fn nothing_but(events: &Events, expected: usize) {
    assert!(events.ended.is_empty(), "{events:?}");
    let more = usize::from(events.closed == Some(CloseReason::TooManyErrors));
    assert_eq!(replies(&events.said), expected + more, "{events:?}");
}

/// How many replies these are; each has its form (RFC 5321 s4.2).
fn replies(said: &[u8]) -> usize {
    let text = std::str::from_utf8(said).expect("replies are UTF-8");
    assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
    let mut replies = 0;
    for line in text.split_terminator("\r\n") {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let (code, rest) = line.split_at_checked(3).expect("a code");
        assert!(code.bytes().all(|octet| octet.is_ascii_digit()), "{line:?}");
        assert!(code.starts_with(['2', '3', '4', '5']), "{line:?}");
        match rest.as_bytes().first() {
            Some(b' ') => replies += 1,
            Some(b'-') => {}
            _ => panic!("{line:?}"),
        }
    }
    replies
}

/// What BDAT's line says, if it is one (RFC 3030 s2).
fn chunk(line: &[u8]) -> Option<(u64, bool)> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let verb = words.next()?;
    if !verb.eq_ignore_ascii_case("BDAT") || line.starts_with(' ') {
        return None;
    }
    let octets = words.next()?;
    let digits = octets.bytes().all(|octet| octet.is_ascii_digit());
    let octets = octets.parse().ok().filter(|_| digits)?;
    match (words.next(), words.next()) {
        (None, _) => Some((octets, false)),
        (Some(last), None) if last.eq_ignore_ascii_case("LAST") => Some((octets, true)),
        (Some(_), _) => None,
    }
}

/// A message as it was before transparency (RFC 5321 s4.5.2): a line that begins with a dot, and
/// goes on, loses it. Lines end with CRLF.
fn undoubled(wire: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(wire.len());
    let mut at_line_start = true;
    for (at, octet) in wire.iter().enumerate() {
        if !(at_line_start && *octet == b'.') {
            message.push(*octet);
        }
        at_line_start = at > 0 && wire[at - 1..].starts_with(b"\r\n");
    }
    message
}
