//! What a client must see: replies that are expected, and a reader that finds them in the output.

use mailroost_protocol::{Policy, REPLY_OCTETS_MAX};

/// One reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`, whatever text follows.
    Ok,
    /// `+OK` and exactly this.
    Says(String),
    /// `-ERR`; the response code where the policy wants codes; whether a refusal's id ends it.
    Err {
        code: Option<&'static str>,
        named: bool,
    },
    /// `+ ` and the base64 form of this.
    Challenge(Vec<u8>),
    /// `+OK`, exactly these octets as lines, the termination line.
    Lines(Vec<u8>),
}

impl Reply {
    /// `-ERR` without a code.
    pub fn err() -> Self {
        Self::Err {
            code: None,
            named: false,
        }
    }

    /// `-ERR` with a code.
    pub fn err_with(code: &'static str) -> Self {
        Self::Err {
            code: Some(code),
            named: false,
        }
    }

    /// Takes this reply off the begin of `wire`.
    pub fn take<'a>(&self, wire: &'a [u8], policy: &Policy) -> &'a [u8] {
        let (line, rest) = first_line(wire);
        match self {
            Self::Ok => assert!(is_status(line, "+OK"), "no +OK for {self:?}: {line:?}"),
            Self::Says(text) => assert_eq!(line, format!("+OK {text}")),
            Self::Err { code, named } => {
                assert!(is_status(line, "-ERR"), "no -ERR for {self:?}: {line:?}");
                let code = code.filter(|_| policy.response_codes);
                let begin = code.map_or("-ERR ".to_owned(), |code| format!("-ERR [{code}] "));
                assert!(line.starts_with(&begin), "{begin:?}: {line:?}");
                assert_eq!(line.starts_with("-ERR ["), code.is_some(), "{line:?}");
                let is_named = line.contains(" (refusal ");
                assert_eq!(is_named, *named && policy.refusal_ids, "{line:?}");
            }
            Self::Challenge(octets) => {
                use base64::Engine;
                let encoded = base64::engine::general_purpose::STANDARD.encode(octets);
                assert_eq!(line, format!("+ {encoded}"));
            }
            Self::Lines(lines) => {
                assert!(is_status(line, "+OK"), "no +OK for {self:?}: {line:?}");
                let rest = rest.strip_prefix(lines.as_slice());
                let rest = rest.and_then(|rest| rest.strip_prefix(b".\r\n"));
                return rest.unwrap_or_else(|| panic!("not the lines of {self:?}"));
            }
        }
        rest
    }
}

/// The first line, which is a status indicator and text, and what follows it.
fn first_line(wire: &[u8]) -> (&str, &[u8]) {
    let end = wire.windows(2).position(|two| two == b"\r\n");
    let end = end.unwrap_or_else(|| panic!("a reply is missing or has no end: {wire:?}"));
    let line = std::str::from_utf8(&wire[..end]).expect("a reply is UTF-8");
    assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
    // Challenges are as long as they have to be (RFC 5034 s4).
    let is_long = line.len() + 2 > REPLY_OCTETS_MAX;
    assert!(!is_long || line.starts_with("+ "), "{line:?}");
    (line, &wire[end + 2..])
}

fn is_status(line: &str, indicator: &str) -> bool {
    line.strip_prefix(indicator)
        .is_some_and(|text| text.is_empty() || text.starts_with(' '))
}
