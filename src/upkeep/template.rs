//! A text in which words in braces are replaced by what they name.

use std::fmt;

use mailroost_actors::{Crossing, QuotaKind};

/// What can be replaced, and nothing else.
const WORDS: [(&str, Word); 4] = [
    ("user", Word::User),
    ("used", Word::Used),
    ("limit", Word::Limit),
    ("percent", Word::Percent),
];

/// A text with words in it that are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// A word in braces that stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWord(String);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Word(Word),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    User,
    Used,
    Limit,
    Percent,
}

impl Template {
    /// Takes a text apart. Braces around anything but small letters are just braces.
    ///
    /// # Errors
    /// If a word stands in braces that is not known.
    pub fn new(text: &str) -> Result<Self, UnknownWord> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((word, after)) = behind.split_once('}').filter(|(word, _)| is_word(word))
            else {
                pieces.push(Piece::Text(format!("{before}{{")));
                rest = behind;
                continue;
            };
            let known = WORDS.iter().find(|(name, _)| *name == word);
            let (_, known) = known.ok_or_else(|| UnknownWord(word.into()))?;
            pieces.extend([Piece::Text(before.into()), Piece::Word(*known)]);
            rest = after;
        }
        pieces.push(Piece::Text(rest.into()));
        Ok(Self(pieces))
    }

    /// The text for one maildrop.
    pub fn fill(&self, crossing: &Crossing) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Word(Word::User) => crossing.user.to_string(),
            Piece::Word(Word::Used) => amount(crossing.of, crossing.used),
            Piece::Word(Word::Limit) => amount(crossing.of, crossing.limit),
            Piece::Word(Word::Percent) => crossing.percent().to_string(),
        });
        pieces.collect()
    }
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase())
}

/// An amount as people like to read it.
fn amount(of: QuotaKind, count: u64) -> String {
    match of {
        QuotaKind::Messages if count == 1 => "1 message".to_owned(),
        QuotaKind::Messages => format!("{count} messages"),
        QuotaKind::Octets => size(count),
    }
}

/// Octets in the largest unit of which there is one, with one decimal.
fn size(octets: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(bits, _)| octets >> bits > 0);
    match unit {
        Some((bits, name)) => {
            let tenths = (u128::from(octets) * 10) >> bits;
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{octets} octets"),
    }
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<_> = WORDS
            .iter()
            .map(|(name, _)| format!("{{{name}}}"))
            .collect();
        write!(
            f,
            "{{{}}} is not known; known: {}",
            self.0,
            known.join(", ")
        )
    }
}

impl std::error::Error for UnknownWord {}

#[cfg(test)]
mod tests {
    use mailroost_storage::UserName;

    use super::*;

    fn filled(text: &str) -> String {
        let crossing = Crossing {
            user: UserName::new("ann").unwrap(),
            of: QuotaKind::Octets,
            used: 97_000,
            limit: 100_000,
            at_secs: 0,
        };
        Template::new(text).unwrap().fill(&crossing)
    }

    #[test]
    fn words_in_braces_are_replaced_and_other_braces_stay() {
        let text = "{user}: {used} of {limit}, {percent}% {A} {} {{user}} {";
        let expected = "ann: 94.7 KiB of 97.6 KiB, 97% {A} {} {ann} {";
        assert_eq!(filled(text), expected);
    }

    #[test]
    fn an_unknown_word_is_named_with_those_that_are_known() {
        let error = Template::new("{nobody}").unwrap_err().to_string();
        let expected = "{nobody} is not known; known: {user}, {used}, {limit}, {percent}";
        assert_eq!(error, expected);
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit() {
        let table = [
            (1023, "1023 octets"),
            (1024, "1.0 KiB"),
            (157_286_400, "150.0 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ];
        for (octets, text) in table {
            assert_eq!(size(octets), text);
        }
    }
}
