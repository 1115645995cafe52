//! Replies: the only place that makes `+OK`, `-ERR` and `+ `.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::RefusalId;
use crate::policy::Policy;
use crate::response_text::Text;
use crate::wire::number::push_decimal;
use crate::wire::{CRLF, TERMINATION_LINE};

/// The most octets of a reply's first line, CRLF counted (MS-STANXPOP3 C0001).
pub const REPLY_OCTETS_MAX: usize = 512;

/// Tells a client's program what the text tells its user (RFC 2449 s8, RFC 3206).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseCode {
    /// The credentials were wrong.
    Auth,
    /// The maildrop is in use.
    InUse,
    /// Trying later makes sense.
    SysTemp,
    /// Trying again makes no sense.
    SysPerm,
}

impl ResponseCode {
    fn wire(self) -> &'static str {
        match self {
            Self::Auth => "[AUTH] ",
            Self::InUse => "[IN-USE] ",
            Self::SysTemp => "[SYS/TEMP] ",
            Self::SysPerm => "[SYS/PERM] ",
        }
    }
}

/// Writes replies behind each other.
#[derive(Debug)]
pub(crate) struct ReplyWriter<'a> {
    out: &'a mut Vec<u8>,
    policy: &'a Policy,
}

impl<'a> ReplyWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>, policy: &'a Policy) -> Self {
        Self { out, policy }
    }

    /// `+OK` and the text, if it says anything.
    pub(crate) fn ok(&mut self, text: Text) {
        let words = self.policy.texts.text(text);
        if words.is_empty() {
            return self.ok_bare();
        }
        let start = self.out.len();
        self.out.extend_from_slice(b"+OK ");
        self.end_first_line(start, words, "");
    }

    /// `+OK` and nothing else.
    pub(crate) fn ok_bare(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// `+OK` and what `rest` appends to the line: numbers or a unique-id.
    pub(crate) fn ok_with(&mut self, rest: impl FnOnce(&mut Vec<u8>)) {
        self.out.extend_from_slice(b"+OK ");
        rest(self.out);
        self.out.extend_from_slice(CRLF);
    }

    /// `+OK` and two numbers.
    pub(crate) fn ok_numbers(&mut self, first: u64, second: u64) {
        self.ok_with(|out| {
            push_decimal(out, first);
            out.push(b' ');
            push_decimal(out, second);
        });
    }

    /// `-ERR`, the response code where the policy wants it, and the text.
    pub(crate) fn err(&mut self, code: Option<ResponseCode>, text: Text) {
        self.err_naming(code, text, None);
    }

    /// The same with the refusal's id at the end, if there is one and the policy wants it.
    pub(crate) fn err_naming(
        &mut self,
        code: Option<ResponseCode>,
        text: Text,
        id: Option<RefusalId>,
    ) {
        let start = self.out.len();
        self.out.extend_from_slice(b"-ERR ");
        if let Some(code) = code.filter(|_| self.policy.response_codes) {
            self.out.extend_from_slice(code.wire().as_bytes());
        }
        let named = id.filter(|_| self.policy.refusal_ids);
        let end = named.map_or_else(String::new, |id| format!(" (refusal {id})"));
        self.end_first_line(start, self.policy.texts.text(text), &end);
    }

    /// A SASL challenge (RFC 5034 s4). An empty one is `+ ` still.
    pub(crate) fn challenge(&mut self, challenge: &[u8]) {
        self.out.extend_from_slice(b"+ ");
        self.out
            .extend_from_slice(STANDARD.encode(challenge).as_bytes());
        self.out.extend_from_slice(CRLF);
    }

    /// One line of a multi-line reply, from words with a space between them.
    pub(crate) fn line<'w>(&mut self, words: impl IntoIterator<Item = &'w str>) {
        for (index, word) in words.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b' ');
            }
            self.out.extend_from_slice(word.as_bytes());
        }
        self.out.extend_from_slice(CRLF);
    }

    /// The end of a multi-line reply.
    pub(crate) fn end_lines(&mut self) {
        self.out.extend_from_slice(TERMINATION_LINE);
    }

    /// Where the octets of a multi-line reply go that is rendered elsewhere.
    pub(crate) fn octets(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Ends the first line that began at `start` with as much of `words` as the limit allows,
    /// cut between characters, and with `end`, which is short.
    fn end_first_line(&mut self, start: usize, words: &str, end: &str) {
        let room = REPLY_OCTETS_MAX - CRLF.len() - (self.out.len() - start) - end.len();
        let cut = words.floor_char_boundary(room);
        self.out.extend_from_slice(&words.as_bytes()[..cut]);
        self.out.extend_from_slice(end.as_bytes());
        self.out.extend_from_slice(CRLF);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(policy: &Policy, write: impl FnOnce(&mut ReplyWriter<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut ReplyWriter::new(&mut out, policy));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_replies() {
        let exchange = Policy::exchange2013();
        let rfc = Policy::rfc1939();
        let failure = |reply: &mut ReplyWriter<'_>| {
            reply.err(Some(ResponseCode::Auth), Text::LogOnFailure);
        };
        let table = [
            (written(&exchange, |r| r.ok(Text::UserAccepted)), "+OK\r\n"),
            (
                written(&exchange, |r| r.ok(Text::LoggedOn)),
                "+OK User successfully logged on.\r\n",
            ),
            (
                written(&exchange, |r| r.ok_numbers(2, u64::MAX)),
                "+OK 2 18446744073709551615\r\n",
            ),
            (
                written(&exchange, failure),
                "-ERR Logon failure: unknown user name or bad password.\r\n",
            ),
            (
                written(&rfc, failure),
                "-ERR [AUTH] Logon failure: unknown user name or bad password.\r\n",
            ),
            (written(&exchange, |r| r.challenge(b"")), "+ \r\n"),
            (written(&exchange, |r| r.challenge(b"\0a")), "+ AGE=\r\n"),
            (
                written(&exchange, |r| r.line(["SASL", "PLAIN"])),
                "SASL PLAIN\r\n",
            ),
        ];
        for (said, expected) in table {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn a_refusal_is_named_where_the_policy_wants_it_and_is_never_cut_off() {
        let mut policy = Policy::exchange2013();
        let id = Some(RefusalId::new(1_793_000_000_123, 77));
        let failure = |reply: &mut ReplyWriter<'_>| reply.err_naming(None, Text::LogOnFailure, id);
        let words = "-ERR Logon failure: unknown user name or bad password.";
        assert_eq!(written(&policy, failure), format!("{words}\r\n"));
        policy.refusal_ids = true;
        let named = " (refusal 1m5vj1jkv000002d)\r\n";
        assert_eq!(written(&policy, failure), format!("{words}{named}"));
        policy
            .texts
            .replace(Text::LogOnFailure, &"x".repeat(505))
            .unwrap();
        let said = written(&policy, failure);
        assert!(
            said.len() == REPLY_OCTETS_MAX && said.ends_with(named),
            "{said}"
        );
    }

    #[test]
    fn a_first_line_is_cut_between_characters() {
        let mut policy = Policy::rfc1939();
        // 504 octets of two each: one behind the code ends in the middle of a character.
        policy
            .texts
            .replace(Text::InUse, &"\u{e9}".repeat(252))
            .unwrap();
        let said = written(&policy, |r| r.err(Some(ResponseCode::InUse), Text::InUse));
        assert!(said.starts_with("-ERR [IN-USE] \u{e9}"));
        assert_eq!(said.len(), REPLY_OCTETS_MAX);
        policy
            .texts
            .replace(Text::InUse, &("x".to_owned() + &"\u{e9}".repeat(252)))
            .unwrap();
        let said = written(&policy, |r| r.err(Some(ResponseCode::InUse), Text::InUse));
        assert_eq!(said.len(), REPLY_OCTETS_MAX - 1);
        assert!(said.ends_with("\u{e9}\r\n"));
    }
}
