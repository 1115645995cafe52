//! What a server has to answer, and whether it did.

use std::collections::BTreeMap;

use crate::dialog::shown;

/// The longest status line, its CRLF counted (RFC 1939 s3, MS-STANXPOP3 C0001).
const STATUS_LINE_OCTETS_MAX: usize = 512;

/// One expectation.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// It may be missing.
    pub optional: bool,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Line(Vec<Part>),
    Lines,
    Octets(Vec<u8>),
}

/// A piece of an expected line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Exactly these.
    Octets(Vec<u8>),
    /// A decimal number.
    Number,
    /// A unique-id, the same wherever the name is the same.
    UniqueId(String),
    /// Anything up to the end of the line.
    FreeText,
}

/// What was found out about the beginning of a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is as expected, up to here.
    Yes(usize),
    /// It could become so; more octets are needed.
    NotYet,
    /// It is not, for this reason.
    No(String),
}

/// The unique-ids that were seen, by the names that the transcript gives them.
#[derive(Debug, Clone, Default)]
pub struct UniqueIds {
    by_name: BTreeMap<String, Vec<u8>>,
}

impl Pattern {
    /// One line.
    pub fn line(parts: Vec<Part>) -> Self {
        Self {
            optional: false,
            kind: Kind::Line(parts),
        }
    }

    /// Any lines up to the termination line, which is not taken.
    pub fn lines() -> Self {
        Self {
            optional: false,
            kind: Kind::Lines,
        }
    }

    /// These octets.
    pub fn octets(octets: Vec<u8>) -> Self {
        Self {
            optional: false,
            kind: Kind::Octets(octets),
        }
    }

    /// Looks whether `buffer` begins as expected.
    pub fn find(&self, buffer: &[u8], ids: &mut UniqueIds) -> Found {
        match &self.kind {
            Kind::Octets(octets) if buffer.starts_with(octets) => Found::Yes(octets.len()),
            Kind::Octets(octets) if octets.starts_with(buffer) => Found::NotYet,
            Kind::Octets(octets) => {
                let same = octets
                    .iter()
                    .zip(buffer)
                    .take_while(|(a, b)| a == b)
                    .count();
                let line = octets[..same]
                    .iter()
                    .filter(|octet| **octet == b'\n')
                    .count()
                    + 1;
                Found::No(format!("octet {same} (in line {line} of it) differs"))
            }
            Kind::Lines => lines(buffer),
            Kind::Line(parts) => {
                let Some(end) = line_end(buffer) else {
                    return match buffer.len() {
                        0..STATUS_LINE_OCTETS_MAX => Found::NotYet,
                        _ => Found::No("no line end within 512 octets".to_owned()),
                    };
                };
                // Learned ids count only if the whole line is right.
                let mut learned = ids.clone();
                match line(parts, &buffer[..end], &mut learned) {
                    Ok(()) => {
                        *ids = learned;
                        Found::Yes(end + 2)
                    }
                    Err(why) => Found::No(why),
                }
            }
        }
    }

    /// The expectation as a transcript would have it.
    pub fn shown(&self) -> String {
        let parts = match &self.kind {
            Kind::Octets(octets) => return shown(octets),
            Kind::Lines => return "...lines".to_owned(),
            Kind::Line(parts) => parts,
        };
        let texts = parts.iter().map(|part| match part {
            Part::Octets(octets) => shown(octets),
            Part::Number => "{octets}".to_owned(),
            Part::UniqueId(name) => format!("{{id {name}}}"),
            Part::FreeText => "...".to_owned(),
        });
        texts.collect()
    }
}

fn line_end(buffer: &[u8]) -> Option<usize> {
    buffer.windows(2).position(|pair| pair == b"\r\n")
}

fn lines(buffer: &[u8]) -> Found {
    let mut start = 0;
    while let Some(end) = line_end(&buffer[start..]) {
        if &buffer[start..start + end] == b"." {
            return Found::Yes(start);
        }
        start += end + 2;
    }
    Found::NotYet
}

fn line(parts: &[Part], line: &[u8], ids: &mut UniqueIds) -> Result<(), String> {
    if line.contains(&b'\n') || line.contains(&b'\r') {
        return Err("a bare CR or LF in the line".to_owned());
    }
    let mut rest = line;
    for part in parts {
        let used = match part {
            Part::Octets(octets) => match rest.starts_with(octets) {
                true => octets.len(),
                false => return Err(format!("differs from octet {} on", line.len() - rest.len())),
            },
            Part::Number => match rest.iter().take_while(|o| o.is_ascii_digit()).count() {
                0 => return Err("no number where one was expected".to_owned()),
                digits => digits,
            },
            Part::UniqueId(name) => {
                let octets = rest
                    .iter()
                    .take_while(|o| (0x21..=0x7e).contains(*o))
                    .count();
                ids.learn(name, &rest[..octets])?;
                octets
            }
            Part::FreeText if line.len() + 2 > STATUS_LINE_OCTETS_MAX => {
                return Err(format!("{} octets, more than 512", line.len() + 2));
            }
            Part::FreeText => rest.len(),
        };
        rest = &rest[used..];
    }
    match rest {
        [] => Ok(()),
        more => Err(format!("{} behind what was expected", shown(more))),
    }
}

impl UniqueIds {
    /// A named id is always the same, 1 to 70 octets, no other's, and greater than those seen
    /// before if they are decimal (RFC 1939 s7, MS-STANXPOP3 C0007).
    fn learn(&mut self, name: &str, id: &[u8]) -> Result<(), String> {
        if let Some(known) = self.by_name.get(name) {
            return match known == id {
                true => Ok(()),
                false => Err(format!("unique-id {name} was {} before", shown(known))),
            };
        }
        if id.is_empty() || id.len() > 70 {
            return Err(format!("a unique-id has 1 to 70 octets, not {}", id.len()));
        }
        for (other, known) in &self.by_name {
            if known == id {
                return Err(format!("unique-id {name} is that of {other}"));
            }
            if let (Some(known), Some(id)) = (decimal(known), decimal(id))
                && id < known
            {
                return Err(format!(
                    "unique-id {name} is less than {other}, seen before"
                ));
            }
        }
        self.by_name.insert(name.to_owned(), id.to_owned());
        Ok(())
    }
}

fn decimal(id: &[u8]) -> Option<u64> {
    std::str::from_utf8(id).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(text: &str) -> Part {
        Part::Octets(text.as_bytes().to_vec())
    }

    #[test]
    fn a_line_is_found_when_it_is_whole() {
        let pattern = Pattern::line(vec![octets("+OK "), Part::Number]);
        let mut ids = UniqueIds::default();
        assert_eq!(pattern.find(b"+OK 1", &mut ids), Found::NotYet);
        assert_eq!(pattern.find(b"+OK 12\r\n+OK", &mut ids), Found::Yes(8));
        assert!(matches!(
            pattern.find(b"+OK 12 x\r\n", &mut ids),
            Found::No(_)
        ));
        assert!(matches!(pattern.find(b"-ERR\r\n", &mut ids), Found::No(_)));
        assert!(matches!(
            pattern.find(b"+OK 1\n\r\n", &mut ids),
            Found::No(_)
        ));
    }

    #[test]
    fn free_text_ends_at_512_octets() {
        let pattern = Pattern::line(vec![octets("+OK"), Part::FreeText]);
        let mut ids = UniqueIds::default();
        let fits = format!("+OK{}\r\n", "a".repeat(507));
        assert_eq!(pattern.find(fits.as_bytes(), &mut ids), Found::Yes(512));
        let over = format!("+OK{}\r\n", "a".repeat(508));
        assert!(matches!(
            pattern.find(over.as_bytes(), &mut ids),
            Found::No(_)
        ));
    }

    #[test]
    fn unique_ids_stay_differ_and_grow() {
        let id = |name: &str| Pattern::line(vec![Part::UniqueId(name.to_owned())]);
        let mut ids = UniqueIds::default();
        assert!(matches!(id("a").find(b"5\r\n", &mut ids), Found::Yes(_)));
        assert!(matches!(id("a").find(b"5\r\n", &mut ids), Found::Yes(_)));
        assert!(matches!(id("a").find(b"6\r\n", &mut ids), Found::No(_)));
        assert!(matches!(id("b").find(b"5\r\n", &mut ids), Found::No(_)));
        assert!(matches!(id("b").find(b"4\r\n", &mut ids), Found::No(_)));
        assert!(matches!(id("b").find(b"x4\r\n", &mut ids), Found::Yes(_)));
    }

    #[test]
    fn any_lines_end_before_the_termination_line() {
        let mut ids = UniqueIds::default();
        assert_eq!(
            Pattern::lines().find(b"a\r\n..\r\n.\r\n", &mut ids),
            Found::Yes(7)
        );
        assert_eq!(Pattern::lines().find(b"a\r\n.", &mut ids), Found::NotYet);
        assert_eq!(Pattern::lines().find(b".\r\n", &mut ids), Found::Yes(0));
    }
}
