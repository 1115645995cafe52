//! Every text that the server says, in one table. The defaults are Exchange's words where they
//! are known, and our own where they are not; each can be replaced by its key.

use crate::policy::PolicyError;

/// The most octets of a text: a reply's first line has 512, of which `+OK `, five octets of
/// `-ERR ` at most, and the line end are not text (MS-STANXPOP3 C0001). A text behind a response
/// code may still be cut.
pub const TEXT_OCTETS_MAX: usize = 505;

/// Which reply a text stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// Behind `+OK`; it may be empty.
    Positive,
    /// Behind `-ERR`; it tells the client why (MS-STANXPOP3 V0001).
    Negative,
}

macro_rules! response_texts {
    ($($(#[$doc:meta])* $name:ident, $stands:ident, $key:literal, $default:literal;)*) => {
        /// A text of the server.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Text { $($(#[$doc])* $name,)* }

        impl Text {
            /// All of them.
            pub const ALL: &'static [Text] = &[$(Text::$name,)*];

            /// Its key in the settings.
            pub fn key(self) -> &'static str {
                match self { $(Text::$name => $key,)* }
            }

            /// What it says unless it is replaced.
            pub fn default_text(self) -> &'static str {
                match self { $(Text::$name => $default,)* }
            }

            fn stands(self) -> Stands {
                match self { $(Text::$name => Stands::$stands,)* }
            }
        }
    };
}

response_texts! {
    /// The greeting.
    Greeting, Positive, "greeting", "The Microsoft Exchange POP3 service is ready.";
    /// QUIT.
    SigningOff, Positive, "signing_off",
        "Microsoft Exchange Server 2013 POP3 server signing off.";
    /// USER, whoever it is (MS-STANXPOP3 V0008).
    UserAccepted, Positive, "user_accepted", "";
    /// PASS or AUTH succeeded.
    LoggedOn, Positive, "logged_on", "User successfully logged on.";
    /// STLS.
    BeginTls, Positive, "begin_tls", "Begin TLS negotiation.";
    /// CAPA, before the list.
    Capabilities, Positive, "capabilities", "";
    /// AUTH without a mechanism, before the list.
    Mechanisms, Positive, "mechanisms", "";
    /// RETR and TOP, before the message.
    MessageFollows, Positive, "message_follows", "";
    /// DELE.
    MarkedDeleted, Positive, "marked_deleted", "";
    /// RSET.
    MarksRemoved, Positive, "marks_removed", "";
    /// NOOP.
    NothingDone, Positive, "nothing_done", "";
    /// A keyword that is not known, or a mechanism.
    UnknownCommand, Negative, "unknown_command", "Protocol error. 14";
    /// A line that is not a command.
    ProtocolError, Negative, "protocol_error", "Protocol error. 14";
    /// A command that is known, but not valid here and now.
    WrongState, Negative, "wrong_state", "Command is not valid in this state.";
    /// A command over the limit, where it ends the session.
    CommandTooLongClosing, Negative, "command_too_long_closing",
        "Protocol error. Connection is closed. 10";
    /// A command over the limit, where the session goes on.
    CommandTooLong, Negative, "command_too_long", "The command is too long.";
    /// An argument is missing.
    ArgumentMissing, Negative, "argument_missing", "An argument is missing.";
    /// More arguments than the command takes.
    TooManyArguments, Negative, "too_many_arguments", "There are too many arguments.";
    /// A message-number that is none.
    MessageNumberMalformed, Negative, "message_number_malformed",
        "The message number is not a number from 1 upwards.";
    /// A number of lines that is none.
    LineCountMalformed, Negative, "line_count_malformed",
        "The number of lines is not a number.";
    /// A message-number over the last one.
    NoSuchMessage, Negative, "no_such_message", "There is no message with this number.";
    /// A message that this session marked.
    MessageDeleted, Negative, "message_deleted", "The message is marked as deleted.";
    /// A message that somebody else removed (MS-STANXPOP3 C0004).
    MessageGone, Negative, "message_gone", "The message has been removed meanwhile.";
    /// Unknown user, wrong password, not permitted (MS-STANXPOP3 V0009).
    LogOnFailure, Negative, "log_on_failure",
        "Logon failure: unknown user name or bad password.";
    /// The user has too many sessions.
    TooManySessions, Negative, "too_many_sessions", "The user has too many sessions.";
    /// Exclusive access, and another session has it.
    InUse, Negative, "in_use", "The maildrop is in use by another session.";
    /// It may work later.
    ServerUnavailable, Negative, "server_unavailable", "Server Unavailable. 21";
    /// It works after an administrator acted.
    ServerBroken, Negative, "server_broken",
        "Server Unavailable. An administrator has to act.";
    /// The client cancelled a SASL exchange.
    AuthCancelled, Negative, "auth_cancelled", "The authentication was cancelled.";
    /// A SASL message that is not base64.
    AuthNotBase64, Negative, "auth_not_base64", "The authentication message is not base64.";
    /// A SASL message over the limit.
    AuthTooLong, Negative, "auth_too_long", "The authentication message is too long.";
    /// An initial response, but the server speaks first (RFC 5034 s4).
    AuthInitialResponse, Negative, "auth_initial_response",
        "The mechanism has no initial response.";
    /// QUIT, but the marked messages were not removed.
    NotRemoved, Negative, "not_removed", "The messages marked as deleted were not removed.";
    /// The closing notice of the inactivity timer (MS-STANXPOP3 V0003).
    Autologout, Negative, "autologout", "Connection is closed because it was inactive.";
    /// The server shuts down.
    ShuttingDown, Negative, "shutting_down",
        "The server is shutting down. Connection is closed.";
    /// What the session depends on was restarted.
    Restarting, Negative, "restarting", "Server Unavailable. Connection is closed.";
    /// Too many protocol errors (MS-STANXPOP3 C0005).
    TooManyErrors, Negative, "too_many_errors", "Too many errors. Connection is closed.";
    /// Too many failed log-ons (MS-STANXPOP3 C0005).
    TooManyFailures, Negative, "too_many_failures",
        "Too many failed log-ons. Connection is closed.";
    /// The server has all the connections that it takes.
    TooManyConnections, Negative, "too_many_connections",
        "Too many connections. Connection is closed.";
    /// The client's address has all the connections that it may have.
    TooManyConnectionsFromAddress, Negative, "too_many_connections_from_address",
        "Too many connections from this address. Connection is closed.";
}

/// The texts of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// The few that were replaced.
    replaced: Vec<(Text, Box<str>)>,
}

impl Texts {
    /// What `text` says.
    pub fn text(&self, text: Text) -> &str {
        let replaced = self.replaced.iter().find(|(which, _)| *which == text);
        replaced.map_or(text.default_text(), |(_, words)| words)
    }

    /// Replaces the text with that key, as settings name it.
    ///
    /// # Errors
    /// There is no such key, or the words are not acceptable as [`Texts::replace`] says.
    pub fn set(&mut self, key: &str, words: &str) -> Result<(), PolicyError> {
        let Some(text) = Text::ALL.iter().find(|text| text.key() == key) else {
            let keys: Vec<_> = Text::ALL.iter().map(|text| text.key()).collect();
            return Err(PolicyError::new(
                "texts",
                format!("{key:?}"),
                keys.join(", "),
            ));
        };
        self.replace(*text, words)
    }

    /// Replaces one text.
    ///
    /// # Errors
    /// The words have a control character (a line end above all), `<...>` (a client would take
    /// it for APOP's timestamp), begin with `[` (a client would take it for a response code,
    /// RFC 2449 s8), are over [`TEXT_OCTETS_MAX`], or say nothing where a reason is due.
    pub fn replace(&mut self, text: Text, words: &str) -> Result<(), PolicyError> {
        check(text, words)?;
        self.replaced.retain(|(which, _)| *which != text);
        if words != text.default_text() {
            self.replaced.push((text, words.into()));
        }
        Ok(())
    }

    /// The texts of a profile. What is not acceptable shows in the profile's test.
    pub(crate) fn of_profile(texts: &[(Text, &str)]) -> Self {
        Self {
            replaced: texts
                .iter()
                .map(|(text, words)| (*text, (*words).into()))
                .collect(),
        }
    }

    /// Checks all of them, as [`Texts::replace`] does.
    ///
    /// # Errors
    /// The first that is not acceptable.
    pub(crate) fn check(&self) -> Result<(), PolicyError> {
        self.replaced
            .iter()
            .try_for_each(|(text, words)| check(*text, words))
    }
}

fn check(text: Text, words: &str) -> Result<(), PolicyError> {
    let refused = |accepted: String| {
        Err(PolicyError::new(
            &format!("texts.{}", text.key()),
            format!("{words:?}"),
            accepted,
        ))
    };
    if words.chars().any(char::is_control) {
        return refused("text without line ends and other control characters".to_owned());
    }
    if words
        .find('<')
        .is_some_and(|open| words[open..].contains('>'))
    {
        return refused("text without <...>, which clients take for an APOP timestamp".to_owned());
    }
    if words.starts_with('[') {
        return refused("text that does not begin with [, the mark of a response code".to_owned());
    }
    if words.len() > TEXT_OCTETS_MAX {
        return refused(format!("at most {TEXT_OCTETS_MAX} octets"));
    }
    if text.stands() == Stands::Negative && words.trim().is_empty() {
        return refused("a reason, as it follows -ERR".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_defaults_are_acceptable_and_keys_differ() {
        for (index, text) in Text::ALL.iter().enumerate() {
            check(*text, text.default_text()).unwrap();
            assert!(
                Text::ALL[..index]
                    .iter()
                    .all(|other| other.key() != text.key())
            );
        }
    }

    #[test]
    fn a_text_is_replaced_by_its_key() {
        let mut texts = Texts::default();
        texts
            .set("greeting", "Authorized Users Only! (host)")
            .unwrap();
        texts.set("greeting", "ready").unwrap();
        assert_eq!(texts.text(Text::Greeting), "ready");
        assert_eq!(texts.text(Text::LoggedOn), "User successfully logged on.");
        texts
            .set("greeting", Text::Greeting.default_text())
            .unwrap();
        assert_eq!(texts, Texts::default());
    }

    #[test]
    fn what_would_mislead_a_client_is_refused() {
        let long = "x".repeat(506);
        let table = [
            ("greeting", "two\r\nlines"),
            ("greeting", "nul\0"),
            ("greeting", "ready <1896.697170952@dbc.mtview.ca.us>"),
            ("greeting", "[IN-USE] ready"),
            ("greeting", long.as_str()),
            ("log_on_failure", ""),
            ("log_on_failure", "  "),
            ("no_such_key", "x"),
        ];
        for (key, words) in table {
            let error = Texts::default().set(key, words).unwrap_err();
            assert!(error.to_string().contains("texts"), "{error}");
        }
        assert!(Texts::default().set("greeting", &long[1..]).is_ok());
        assert!(Texts::default().set("greeting", "a > b < c").is_ok());
        assert!(Texts::default().set("user_accepted", "").is_ok());
    }
}
