//! Lines and their keywords: the decoder against a reader that has all octets at once, and the
//! table of verbs.

use mailroost_protocol::Separators;
use mailroost_protocol::command::{Command, CommandError, keywords};
use mailroost_protocol::wire::line::{Line, LineDecoder};

use crate::cut;

/// The target. The first octet is the limit, the next four say how reads are cut.
pub fn command(data: &[u8]) {
    let Some((limit, data)) = data.split_first() else {
        return;
    };
    let limit = 2 + usize::from(*limit);
    let (reads, all) = cut::cut(data);
    let mut decoder = LineDecoder::default();
    let mut found = Vec::new();
    for read in reads {
        decoder.input(read);
        while let Some(line) = decoder.next_line(limit) {
            found.push(match line {
                Line::Complete { octets, .. } => Some(octets.to_vec()),
                Line::TooLong => None,
            });
        }
    }
    let (expected, empty) = lines(all, limit);
    assert_eq!(found, expected);
    assert_eq!(decoder.is_empty(), empty);
    for line in found.iter().flatten() {
        parse(line, Separators::Lenient);
        parse(line, Separators::SingleSpace);
    }
}

/// All lines of `octets`, those over the limit as `None`, and whether nothing is left of a line.
fn lines(octets: &[u8], limit: usize) -> (Vec<Option<Vec<u8>>>, bool) {
    let mut lines = Vec::new();
    let mut pieces = octets.split_inclusive(|octet| *octet == b'\n').peekable();
    while let Some(piece) = pieces.next() {
        match piece.strip_suffix(b"\n") {
            Some(line) if piece.len() <= limit => {
                lines.push(Some(line.strip_suffix(b"\r").unwrap_or(line).to_vec()));
            }
            None if piece.len() < limit => return (lines, false),
            Some(_) | None => lines.push(None),
        }
        if pieces.peek().is_none() && !piece.ends_with(b"\n") {
            return (lines, false);
        }
    }
    (lines, true)
}

fn parse(line: &[u8], separators: Separators) {
    let separates = |octet: u8| match separators {
        Separators::Lenient => b" \t".contains(&octet),
        Separators::SingleSpace => octet == b' ',
    };
    let keyword = line.split(|octet| separates(*octet)).next().unwrap();
    let known = keywords().any(|known| known.as_bytes().eq_ignore_ascii_case(keyword));
    match Command::parse(line, separators) {
        Ok(_) => assert!(known, "{line:?}"),
        Err(CommandError::Malformed) => assert!(keyword.is_empty(), "{line:?}"),
        Err(CommandError::Unknown) => assert!(!known && !keyword.is_empty(), "{line:?}"),
        Err(error) => panic!("{line:?}: {error}"),
    }
}
