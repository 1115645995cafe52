//! A record of what was said, to be shown when something else was expected.

use std::fmt;

/// The most of one side's octets that a record shows in a row, from their end.
const SHOWN_OCTETS_MAX: usize = 600;

/// A record of what was said on all connections of a play.
#[derive(Debug, Clone, Default)]
pub struct Dialog {
    turns: Vec<Turn>,
}

#[derive(Debug, Clone)]
struct Turn {
    speaker: String,
    octets: Vec<u8>,
}

impl Dialog {
    /// The client of a connection sent this.
    pub fn client(&mut self, connection: u8, octets: &[u8]) {
        self.say('C', connection, octets);
    }

    /// The server answered this on a connection.
    pub fn server(&mut self, connection: u8, octets: &[u8]) {
        self.say('S', connection, octets);
    }

    /// Something else happened.
    pub fn event(&mut self, text: String) {
        self.turns.push(Turn {
            speaker: text,
            octets: Vec::new(),
        });
    }

    fn say(&mut self, side: char, connection: u8, octets: &[u8]) {
        if octets.is_empty() {
            return;
        }
        let speaker = match connection {
            1 => format!("{side}: "),
            number => format!("{side}{number}: "),
        };
        match self.turns.last_mut() {
            Some(turn) if turn.speaker == speaker => turn.octets.extend(octets),
            _ => self.turns.push(Turn {
                speaker,
                octets: octets.to_vec(),
            }),
        }
    }
}

impl fmt::Display for Dialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Turn { speaker, octets } in &self.turns {
            if octets.is_empty() {
                writeln!(f, "    {speaker}")?;
            }
            let hidden = octets.len().saturating_sub(SHOWN_OCTETS_MAX);
            if hidden > 0 {
                writeln!(f, "    {speaker}({hidden} octets more)")?;
            }
            for line in octets[hidden..].split_inclusive(|octet| *octet == b'\n') {
                let (line, end) = match line.strip_suffix(b"\r\n") {
                    Some(line) => (line, ""),
                    None => (line, " (no crlf)"),
                };
                writeln!(f, "    {speaker}{}{end}", shown(line))?;
            }
        }
        Ok(())
    }
}

/// Octets as a transcript writes them.
pub fn shown(octets: &[u8]) -> String {
    let mut text = String::new();
    for &octet in octets {
        match octet {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            0 => text.push_str("\\0"),
            b'\\' | b'{' | b'}' => text.extend(['\\', octet as char]),
            0x20..=0x7e => text.push(octet as char),
            _ => text.push_str(&format!("\\x{octet:02x}")),
        }
    }
    text
}
