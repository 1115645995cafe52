//! From the lines of a transcript to what is sent and awaited together.

use super::Chunking;
use crate::expect::Pattern;
use crate::seed::Seed;
use crate::transcript::{Action, Direction, Step};

/// A stretch of a dialog.
#[derive(Debug)]
pub(super) enum Beat<'a> {
    /// Send all of this, then wait for all of that.
    Exchange(Exchange<'a>),
    /// A stage direction, and its line.
    Direct(usize, &'a Direction),
}

/// What is sent and awaited together, on one connection.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    /// The line of the transcript that it begins with.
    pub(super) line: usize,
    pub(super) connection: u8,
    sends: Vec<&'a [u8]>,
    pub(super) expects: Vec<(usize, &'a Pattern)>,
}

/// Groups the steps as the chunking wants it.
pub(super) fn beats(steps: &[Step], chunking: Chunking) -> Vec<Beat<'_>> {
    let mut beats: Vec<Beat<'_>> = Vec::new();
    for Step { line, action } in steps {
        let line = *line;
        match action {
            Action::Direct(direction) => beats.push(Beat::Direct(line, direction)),
            Action::Send { connection, octets } => match beats.last_mut() {
                Some(Beat::Exchange(last)) if last.takes(*connection, chunking) => {
                    last.sends.push(octets);
                }
                _ => {
                    let exchange = Exchange::new(line, *connection);
                    beats.push(Beat::Exchange(Exchange {
                        sends: vec![octets],
                        ..exchange
                    }));
                }
            },
            Action::Expect {
                connection,
                pattern,
            } => match beats.last_mut() {
                Some(Beat::Exchange(last)) if last.connection == *connection => {
                    last.expects.push((line, pattern));
                }
                _ => {
                    let exchange = Exchange::new(line, *connection);
                    let expects = vec![(line, pattern)];
                    beats.push(Beat::Exchange(Exchange {
                        expects,
                        ..exchange
                    }));
                }
            },
        }
    }
    beats
}

impl<'a> Exchange<'a> {
    fn new(line: usize, connection: u8) -> Self {
        Self {
            line,
            connection,
            sends: Vec::new(),
            expects: Vec::new(),
        }
    }

    /// Whether another client line may join. None joins where the server speaks first: a
    /// client waits for the greeting.
    fn takes(&self, connection: u8, chunking: Chunking) -> bool {
        let together = chunking != Chunking::Lines || self.expects.is_empty();
        self.connection == connection && !self.sends.is_empty() && together
    }

    /// The client's octets as they are written.
    pub(super) fn writes(&self, chunking: Chunking) -> Vec<Vec<u8>> {
        let whole = self.sends.concat();
        match chunking {
            Chunking::Lines => self.sends.iter().map(|octets| octets.to_vec()).collect(),
            Chunking::Whole if whole.is_empty() => Vec::new(),
            Chunking::Whole => vec![whole],
            Chunking::Octets => whole.iter().map(|octet| vec![*octet]).collect(),
            Chunking::Split(seed) => split(&whole, &mut Seed::new(seed ^ self.line as u64)),
        }
    }
}

/// Mostly short pieces, now and then a long one.
fn split(octets: &[u8], seed: &mut Seed) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut rest = octets;
    while !rest.is_empty() {
        let most = if seed.below(4) == 0 { 200 } else { 7 };
        let length = (1 + seed.below(most)).min(rest.len());
        pieces.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    pieces
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::transcript::Transcript;

    const TEXT: &str = "# why\n\nS: +OK\nC: A\nS: a\nC: B\nS: b\n{timer +1s}\nC: C\nC2: D\n";

    fn writes(chunking: Chunking) -> Vec<String> {
        let transcript = Transcript::parse(Path::new("t"), TEXT).unwrap();
        let beats = beats(&transcript.steps, chunking);
        let text = beats.iter().map(|beat| match beat {
            Beat::Direct(..) => "direction".to_owned(),
            Beat::Exchange(exchange) => {
                let writes = exchange.writes(chunking);
                let writes = writes.iter().map(|write| String::from_utf8_lossy(write));
                format!(
                    "{}/{}",
                    writes.collect::<Vec<_>>().join("|"),
                    exchange.expects.len()
                )
            }
        });
        text.collect()
    }

    #[test]
    fn line_by_line_waits_for_each_answer() {
        let lines = [
            "/1",
            "A\r\n/1",
            "B\r\n/1",
            "direction",
            "C\r\n/0",
            "D\r\n/0",
        ];
        assert_eq!(writes(Chunking::Lines), lines);
    }

    #[test]
    fn whole_goes_on_to_the_next_direction_or_connection() {
        let whole = ["/1", "A\r\nB\r\n/2", "direction", "C\r\n/0", "D\r\n/0"];
        assert_eq!(writes(Chunking::Whole), whole);
    }

    #[test]
    fn pieces_add_up() {
        let octets: Vec<u8> = (0..=255).cycle().take(5000).collect();
        assert_eq!(split(&octets, &mut Seed::new(7)).concat(), octets);
    }
}
