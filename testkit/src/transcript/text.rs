//! The text of a line: escapes, and what stands in braces.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A piece of a line's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Octets as they are.
    Octets(Vec<u8>),
    /// Words in braces that are not octets by themselves.
    Words(Vec<String>),
}

/// Takes a line's text apart.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut reader = Reader { rest: text };
    let pieces = reader.pieces()?;
    match reader.rest {
        "" => Ok(pieces),
        _ => Err("`\\}` for a brace that closes nothing".to_owned()),
    }
}

/// A text that has to be octets all through.
pub(super) fn octets(text: &str) -> Result<Vec<u8>, String> {
    flatten(pieces(text)?)
}

fn flatten(pieces: Vec<Piece>) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Octets(octets) => all.extend(octets),
            Piece::Words(words) => {
                return Err(format!("octets, not {{{}}}, here", words.join(" ")));
            }
        }
    }
    Ok(all)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Up to the end or to a brace that closes.
    fn pieces(&mut self) -> Result<Vec<Piece>, String> {
        let mut pieces = Vec::new();
        let mut octets = Vec::new();
        while let Some(character) = self.rest.chars().next() {
            match character {
                '}' => break,
                '{' => match self.brace()? {
                    Piece::Octets(more) => octets.extend(more),
                    words @ Piece::Words(_) => {
                        push(&mut pieces, &mut octets);
                        pieces.push(words);
                    }
                },
                '\\' => octets.push(self.escape()?),
                other => {
                    let width = other.len_utf8();
                    octets.extend(&self.rest.as_bytes()[..width]);
                    self.rest = &self.rest[width..];
                }
            }
        }
        push(&mut pieces, &mut octets);
        Ok(pieces)
    }

    fn escape(&mut self) -> Result<u8, String> {
        let expected = "one of \\r \\n \\t \\0 \\s \\\\ \\{ \\} \\xNN";
        let kind = self.rest.as_bytes().get(1).ok_or(expected)?;
        let mut used = 2;
        let octet = match kind {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b's' => b' ',
            b'\\' | b'{' | b'}' => *kind,
            b'x' => {
                used = 4;
                let digits = self.rest.get(2..4).ok_or(expected)?;
                u8::from_str_radix(digits, 16).map_err(|_| expected)?
            }
            _ => return Err(expected.to_owned()),
        };
        self.rest = &self.rest[used..];
        Ok(octet)
    }

    fn brace(&mut self) -> Result<Piece, String> {
        self.rest = &self.rest[1..];
        let end = self.rest.find([' ', '}']).ok_or("a brace that closes")?;
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix(' ').unwrap_or(rest);
        let piece = match word {
            "repeat" => {
                let (count, text) = self.rest.split_once(' ').ok_or("{repeat COUNT TEXT}")?;
                let count: usize = count
                    .parse()
                    .map_err(|_| "a count in {repeat COUNT TEXT}")?;
                self.rest = text;
                Piece::Octets(flatten(self.pieces()?)?.repeat(count))
            }
            "base64" => Piece::Octets(STANDARD.encode(flatten(self.pieces()?)?).into_bytes()),
            word => {
                let end = self.rest.find('}').ok_or("a brace that closes")?;
                let more = self.rest[..end].split_whitespace();
                let words = std::iter::once(word)
                    .chain(more)
                    .map(str::to_owned)
                    .collect();
                self.rest = &self.rest[end..];
                Piece::Words(words)
            }
        };
        self.rest = self.rest.strip_prefix('}').ok_or("a brace that closes")?;
        Ok(piece)
    }
}

fn push(pieces: &mut Vec<Piece>, octets: &mut Vec<u8>) {
    if !octets.is_empty() {
        pieces.push(Piece::Octets(std::mem::take(octets)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_octets() {
        assert_eq!(
            octets(r"a\r\n\t\0\s\\\{\}\xfe").unwrap(),
            b"a\r\n\t\0 \\{}\xfe"
        );
    }

    #[test]
    fn runs_and_base64_nest() {
        assert_eq!(octets("{repeat 3 ab}").unwrap(), b"ababab");
        assert_eq!(
            octets(r"{base64 \0alice\0{repeat 2 x}}").unwrap(),
            b"AGFsaWNlAHh4"
        );
    }

    #[test]
    fn other_words_are_kept_apart() {
        let found = pieces("+OK {id first} x").unwrap();
        let words = Piece::Words(vec!["id".to_owned(), "first".to_owned()]);
        assert_eq!(found[1], words);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(octets(r"\q").unwrap_err().contains("\\xNN"));
        assert!(octets("{repeat many a}").unwrap_err().contains("count"));
        assert!(octets("{repeat 2 a").unwrap_err().contains("closes"));
        assert!(octets("a}").is_err());
    }
}
