//! The client's side of POP3, as far as a session that is handed on needs it: a log-on at the
//! server of another site (MS-STANXPOP3 C0010). What follows it is relayed unread.

use std::fmt;

use secrecy::ExposeSecret;

use crate::session::{Blame, LogOnRefusal};
use crate::wire::CRLF;
use crate::wire::line::{Line, LineDecoder};
use crate::{REPLY_OCTETS_MAX, Secret};

/// A log-on at another server, as a value: octets of the server in, commands out.
///
/// ```
/// use mailroost_protocol::{OnwardLogOn, OnwardStep, Secret};
///
/// let password = Secret::from(b"open sesame".to_vec());
/// let mut log_on = OnwardLogOn::new("alice", password, false).unwrap();
/// let mut out = Vec::new();
/// for reply in ["+OK ready\r\n", "+OK\r\n"] {
///     log_on.input(reply.as_bytes());
///     assert!(matches!(log_on.next(&mut out), OnwardStep::NeedInput));
/// }
/// assert_eq!(out, b"USER alice\r\nPASS open sesame\r\n");
/// log_on.input(b"+OK welcome\r\n");
/// assert!(matches!(log_on.next(&mut out), OnwardStep::LoggedOn { behind } if behind.is_empty()));
/// ```
pub struct OnwardLogOn {
    user: String,
    password: Secret,
    stls: bool,
    awaits: Awaits,
    lines: LineDecoder,
}

/// Which reply is the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaits {
    Greeting,
    Stls,
    Handshake,
    User,
    Pass,
}

/// What has to happen next in an onward log-on.
#[derive(Debug)]
#[must_use]
pub enum OnwardStep {
    /// Write `out`, read more, and hand it to `input`.
    NeedInput,
    /// Put TLS on the connection, then call `tls_started`.
    StartTls,
    /// The user is logged on there.
    LoggedOn {
        /// What the server said behind its reply already: it is for the client.
        behind: Vec<u8>,
    },
    /// The server said no; it works as it should.
    Refused(LogOnRefusal),
    /// The server does not do what a server does.
    Broken(OnwardFault),
}

/// What is wrong with the other server, or with what it should be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OnwardFault {
    /// CR, LF or NUL in the name or the password, or one of them empty.
    #[error("the user's name or password cannot be written in a command")]
    Unwritable,
    /// A first line that is neither `+OK` nor `-ERR`, or longer than replies are.
    #[error("it does not answer as a POP3 server")]
    NotPop3,
    /// `-ERR` in place of a greeting.
    #[error("it refuses connections")]
    GreetingRefused,
    /// `-ERR` to STLS.
    #[error("it refuses STLS")]
    StlsRefused,
    /// Octets between its reply to STLS and the handshake (RFC 2595 s4 has none).
    #[error("it sent octets before the TLS handshake")]
    InputBeforeTls,
}

impl OnwardLogOn {
    /// Will log `user` on, with `stls` inside TLS that STLS brings.
    ///
    /// # Errors
    /// `Unwritable`: such octets would end a command and begin another.
    pub fn new(user: &str, password: Secret, stls: bool) -> Result<Self, OnwardFault> {
        let writable = |octets: &[u8]| {
            !octets.is_empty() && !octets.iter().any(|octet| b"\r\n\0".contains(octet))
        };
        if !writable(user.as_bytes()) || !writable(password.expose_secret()) {
            return Err(OnwardFault::Unwritable);
        }
        Ok(Self {
            user: user.to_owned(),
            password,
            stls,
            awaits: Awaits::Greeting,
            lines: LineDecoder::default(),
        })
    }

    /// Takes what the server sent.
    pub fn input(&mut self, octets: &[u8]) {
        self.lines.input(octets);
    }

    /// TLS is on, and the log-on goes on inside it: there is no second greeting (RFC 2595 s4).
    pub fn tls_started(&mut self, out: &mut Vec<u8>) {
        if self.awaits == Awaits::Handshake {
            self.say_user(out);
        }
    }

    /// Goes on as far as possible; commands are appended to `out`, one of which holds the
    /// password: wipe it.
    pub fn next(&mut self, out: &mut Vec<u8>) -> OnwardStep {
        loop {
            if self.awaits == Awaits::Handshake {
                return OnwardStep::StartTls;
            }
            let reply = match self.lines.next_line(REPLY_OCTETS_MAX) {
                None => return OnwardStep::NeedInput,
                Some(Line::TooLong) => return OnwardStep::Broken(OnwardFault::NotPop3),
                Some(Line::Complete { octets, .. }) => Reply::parse(octets),
            };
            let end = match reply {
                None => Some(OnwardStep::Broken(OnwardFault::NotPop3)),
                Some(Reply::Ok) => self.accepted(out),
                Some(Reply::Err(refusal)) => Some(self.refused(refusal)),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// `+OK`: says the next command. `Some` is the end.
    fn accepted(&mut self, out: &mut Vec<u8>) -> Option<OnwardStep> {
        match self.awaits {
            Awaits::Greeting if self.stls => {
                self.awaits = Awaits::Stls;
                say(out, b"STLS", b"");
            }
            Awaits::Greeting => self.say_user(out),
            Awaits::Stls if !self.lines.is_empty() => {
                return Some(OnwardStep::Broken(OnwardFault::InputBeforeTls));
            }
            Awaits::Stls => self.awaits = Awaits::Handshake,
            Awaits::Handshake => return Some(OnwardStep::StartTls),
            Awaits::User => {
                self.awaits = Awaits::Pass;
                say(out, b"PASS ", self.password.expose_secret());
            }
            Awaits::Pass => {
                let behind = self.lines.take_rest();
                return Some(OnwardStep::LoggedOn { behind });
            }
        }
        None
    }

    fn say_user(&mut self, out: &mut Vec<u8>) {
        self.awaits = Awaits::User;
        say(out, b"USER ", self.user.as_bytes());
    }

    fn refused(&self, refusal: LogOnRefusal) -> OnwardStep {
        match self.awaits {
            Awaits::Greeting => OnwardStep::Broken(OnwardFault::GreetingRefused),
            Awaits::Stls | Awaits::Handshake => OnwardStep::Broken(OnwardFault::StlsRefused),
            Awaits::User | Awaits::Pass => OnwardStep::Refused(refusal),
        }
    }
}

impl fmt::Debug for OnwardLogOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnwardLogOn")
            .field("user", &self.user)
            .field("awaits", &self.awaits)
            .finish_non_exhaustive()
    }
}

fn say(out: &mut Vec<u8>, keyword: &[u8], argument: &[u8]) {
    // No less and no more: what holds a password is not to be moved about in memory.
    out.reserve_exact(keyword.len() + argument.len() + CRLF.len());
    out.extend_from_slice(keyword);
    out.extend_from_slice(argument);
    out.extend_from_slice(CRLF);
}

/// A reply's status indicator, and what a response code says of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    Ok,
    Err(LogOnRefusal),
}

impl Reply {
    /// `None` if the line begins with neither indicator (RFC 1939 s3, upper-case).
    fn parse(line: &[u8]) -> Option<Self> {
        let text = |indicator: &[u8]| match line.strip_prefix(indicator)? {
            [] => Some(&[][..]),
            [b' ', text @ ..] => Some(text),
            _ => None,
        };
        if text(b"+OK").is_some() {
            return Some(Self::Ok);
        }
        text(b"-ERR").map(|text| Self::Err(refusal(text)))
    }
}

/// What the response code says (RFC 2449 s8, RFC 3206); without one it is the credentials.
fn refusal(text: &[u8]) -> LogOnRefusal {
    const CODES: [(&[u8], LogOnRefusal); 4] = [
        (b"[IN-USE]", LogOnRefusal::InUse),
        (b"[LOGIN-DELAY]", LogOnRefusal::Failed(Blame::Temporary)),
        (b"[SYS/TEMP]", LogOnRefusal::Failed(Blame::Temporary)),
        (b"[SYS/PERM]", LogOnRefusal::Failed(Blame::Permanent)),
    ];
    let is_code = |code: &[u8]| {
        text.get(..code.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(code))
    };
    CODES
        .into_iter()
        .find(|(code, _)| is_code(code))
        .map_or(LogOnRefusal::Credentials, |(_, refusal)| refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "alice";

    fn log_on(stls: bool) -> OnwardLogOn {
        OnwardLogOn::new(ALICE, Secret::from(b"open sesame".to_vec()), stls).unwrap()
    }

    /// Feeds replies one by one, each cut in two, and says what was said and how it ended.
    fn play(stls: bool, replies: &[&str]) -> (String, OnwardStep) {
        let (mut log_on, mut out) = (log_on(stls), Vec::new());
        let mut last = log_on.next(&mut out);
        for reply in replies {
            let (head, tail) = reply.as_bytes().split_at(reply.len() / 2);
            log_on.input(head);
            assert!(matches!(log_on.next(&mut out), OnwardStep::NeedInput));
            log_on.input(tail);
            last = log_on.next(&mut out);
            if let OnwardStep::StartTls = last {
                log_on.tls_started(&mut out);
            }
        }
        (String::from_utf8(out).unwrap(), last)
    }

    #[test]
    fn inside_tls_user_and_pass_are_all_that_is_said() {
        let (said, end) = play(false, &["+OK <1@x> hello\r\n", "+OK\r\n", "+OK 3\r\n+OK x"]);
        assert_eq!(said, "USER alice\r\nPASS open sesame\r\n");
        assert!(matches!(end, OnwardStep::LoggedOn { behind } if behind == b"+OK x"));
    }

    #[test]
    fn with_stls_the_name_is_only_said_inside_tls() {
        let (said, step) = play(true, &["+OK\r\n"]);
        assert_eq!(said, "STLS\r\n");
        assert!(matches!(step, OnwardStep::NeedInput));
        let replies = ["+OK\r\n", "+OK begin\r\n", "+OK\r\n", "+OK\r\n"];
        let (said, end) = play(true, &replies);
        assert_eq!(said, "STLS\r\nUSER alice\r\nPASS open sesame\r\n");
        assert!(matches!(end, OnwardStep::LoggedOn { .. }));
    }

    #[test]
    fn octets_between_stls_and_the_handshake_break_it_off() {
        let (said, end) = play(true, &["+OK\r\n", "+OK begin\r\n+OK x"]);
        assert_eq!(said, "STLS\r\n");
        assert!(matches!(
            end,
            OnwardStep::Broken(OnwardFault::InputBeforeTls)
        ));
    }

    #[test]
    fn a_refusal_is_what_its_response_code_says() {
        let (temporary, permanent) = (
            LogOnRefusal::Failed(Blame::Temporary),
            LogOnRefusal::Failed(Blame::Permanent),
        );
        let table = [
            ("-ERR", LogOnRefusal::Credentials),
            ("-ERR [AUTH] no", LogOnRefusal::Credentials),
            ("-ERR no [SYS/TEMP]", LogOnRefusal::Credentials),
            ("-ERR [IN-USE] locked", LogOnRefusal::InUse),
            ("-ERR [in-use]", LogOnRefusal::InUse),
            ("-ERR [LOGIN-DELAY] wait", temporary),
            ("-ERR [SYS/TEMP] later", temporary),
            ("-ERR [SYS/PERM] never", permanent),
        ];
        for (reply, expected) in table {
            let reply = format!("{reply}\r\n");
            for replies in [&["+OK\r\n", &*reply][..], &["+OK\r\n", "+OK\r\n", &*reply]] {
                let (_, end) = play(false, replies);
                assert!(
                    matches!(end, OnwardStep::Refused(refusal) if refusal == expected),
                    "{reply:?}: {end:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_pop3_server_is_a_fault() {
        let long = format!("+OK {}\r\n", "x".repeat(REPLY_OCTETS_MAX));
        let table = [
            ("220 smtp ready\r\n", OnwardFault::NotPop3),
            ("+OKAY\r\n", OnwardFault::NotPop3),
            ("\r\n", OnwardFault::NotPop3),
            (&long, OnwardFault::NotPop3),
            ("-ERR [SYS/TEMP] full\r\n", OnwardFault::GreetingRefused),
        ];
        for (greeting, fault) in table {
            let mut log_on = log_on(false);
            log_on.input(greeting.as_bytes());
            let mut out = Vec::new();
            let end = log_on.next(&mut out);
            assert!(
                matches!(end, OnwardStep::Broken(found) if found == fault),
                "{greeting:?}: {end:?}"
            );
            assert!(out.is_empty());
        }
        let (said, end) = play(true, &["+OK\r\n", "-ERR what?\r\n"]);
        assert_eq!(said, "STLS\r\n");
        assert!(matches!(end, OnwardStep::Broken(OnwardFault::StlsRefused)));
    }

    #[test]
    fn what_would_be_a_second_command_is_never_written() {
        for password in ["", "a\r\nDELE 1", "a\nb", "a\rb", "a\0b"] {
            let password = Secret::from(password.as_bytes().to_vec());
            let error = OnwardLogOn::new(ALICE, password, false).unwrap_err();
            assert_eq!(error, OnwardFault::Unwritable);
        }
        let password = Secret::from(b"x".to_vec());
        assert!(OnwardLogOn::new("a\nb", password, false).is_err());
    }

    #[test]
    fn debug_shows_no_password() {
        assert!(!format!("{:?}", log_on(false)).contains("sesame"));
    }
}
