//! What a client sent, made fit for a log line.

use std::fmt::{self, Write};

/// The most octets of one value that are shown: the longest user name and a little more.
const SHOWN_OCTETS_MAX: usize = 320;

/// Octets from a client. Shown with `\r`, `\n`, `\t`, `\"`, `\'`, `\\`, `\u{..}` for other
/// characters that are not simply seen, and `\x..` for octets that are not UTF-8. Of long ones
/// the beginning is shown, and how many octets follow: `...+1000`.
#[derive(Clone, Copy)]
pub struct Harmless<'a>(pub &'a [u8]);

impl<'a> From<&'a str> for Harmless<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

impl fmt::Display for Harmless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..shown_octets(self.0)];
        for chunk in shown.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\r' => f.write_str("\\r")?,
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    '"' | '\'' | '\\' => {
                        f.write_char('\\')?;
                        f.write_char(c)?;
                    }
                    c if is_seen(c) => f.write_char(c)?,
                    c => write!(f, "{}", c.escape_unicode())?,
                }
            }
            for octet in chunk.invalid() {
                write!(f, "\\x{octet:02x}")?;
            }
        }
        match self.0.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, "...+{more}"),
        }
    }
}

impl fmt::Debug for Harmless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl slog::Value for Harmless<'_> {
    fn serialize(
        &self,
        _record: &slog::Record<'_>,
        key: slog::Key,
        serializer: &mut dyn slog::Serializer,
    ) -> slog::Result {
        serializer.emit_arguments(key, &format_args!("{self}"))
    }
}

/// How many octets are shown: the limit, or less so that no character is cut.
fn shown_octets(octets: &[u8]) -> usize {
    if octets.len() <= SHOWN_OCTETS_MAX {
        return octets.len();
    }
    let continues = |at: usize| octets[at] & 0xC0 == 0x80;
    // A character has at most four octets; what does not begin within them is no UTF-8.
    (SHOWN_OCTETS_MAX - 3..=SHOWN_OCTETS_MAX)
        .rev()
        .find(|at| !continues(*at))
        .unwrap_or(SHOWN_OCTETS_MAX)
}

/// Whether a character takes its place on the line and leaves the others as they are. Not:
/// controls, line and paragraph separators, bidi and other format characters (Unicode's
/// category Cf), tags.
pub(crate) fn is_seen(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(octets: &[u8]) -> String {
        Harmless(octets).to_string()
    }

    #[test]
    fn ordinary_names_are_shown_as_they_are() {
        for name in ["alice@contoso.com", "jürgen", "李雷", "a b", ""] {
            assert_eq!(Harmless::from(name).to_string(), name);
        }
    }

    #[test]
    fn what_could_forge_a_line_is_escaped() {
        for (octets, expected) in [
            (&b"a\r\nINFO ok"[..], "a\\r\\nINFO ok"),
            (b"\x1b[31mred", "\\u{1b}[31mred"),
            (b"a\0b\tc\x7f", "a\\u{0}b\\tc\\u{7f}"),
            (b"\"'\\", "\\\"\\'\\\\"),
            (b"caf\xe9", "caf\\xe9"),
            (
                "\u{85}\u{2028}\u{feff}".as_bytes(),
                "\\u{85}\\u{2028}\\u{feff}",
            ),
            ("\u{202e}moc.elpmaxe".as_bytes(), "\\u{202e}moc.elpmaxe"),
            ("\u{2066}\u{200f}".as_bytes(), "\\u{2066}\\u{200f}"),
            ("\u{e0041}".as_bytes(), "\\u{e0041}"),
        ] {
            assert_eq!(shown(octets), expected);
        }
    }

    #[test]
    fn long_values_are_shortened_between_characters() {
        assert_eq!(
            shown(&[b'a'; SHOWN_OCTETS_MAX]),
            "a".repeat(SHOWN_OCTETS_MAX)
        );
        let long = "a".repeat(SHOWN_OCTETS_MAX + 1000);
        assert_eq!(
            shown(long.as_bytes()),
            "a".repeat(SHOWN_OCTETS_MAX) + "...+1000"
        );
        let wide = "a".repeat(SHOWN_OCTETS_MAX - 1) + "€uro";
        assert_eq!(
            shown(wide.as_bytes()),
            "a".repeat(SHOWN_OCTETS_MAX - 1) + "...+6"
        );
        assert!(shown(&[0x80; SHOWN_OCTETS_MAX + 5]).ends_with("\\x80...+5"));
    }

    #[test]
    fn debug_is_as_harmless() {
        assert_eq!(format!("{:?}", Harmless(b"a\n")), "\"a\\n\"");
    }

    proptest! {
        #[test]
        fn nothing_unseen_comes_out(octets in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..600),
            any::<String>().prop_map(String::into_bytes),
        ]) {
            let shown = shown(&octets);
            prop_assert!(shown.chars().all(is_seen), "{shown:?}");
            prop_assert!(shown.len() <= SHOWN_OCTETS_MAX * 10 + 16);
        }

        #[test]
        fn two_short_values_never_look_the_same(a in any::<Vec<u8>>(), b in any::<Vec<u8>>()) {
            prop_assume!(a.len().max(b.len()) <= SHOWN_OCTETS_MAX);
            prop_assert_eq!(a == b, shown(&a) == shown(&b));
        }
    }
}
