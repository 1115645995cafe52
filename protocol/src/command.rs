//! Commands: the one table of verbs, and how a line is taken apart.

use crate::maildrop::MessageNumber;
use crate::policy::Separators;
use crate::response_text::Text;
use crate::wire::number::{NumberFault, parse_decimal};

/// A verb, and with it the states in which it is valid (RFC 1939 s4 and s5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Valid before log-on only.
    Authorization(AuthorizationVerb),
    /// Valid after log-on only.
    Transaction(TransactionVerb),
    /// Valid before and after.
    Either(EitherVerb),
}

/// Verbs of the AUTHORIZATION state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationVerb {
    /// RFC 1939 s7.
    User,
    /// RFC 1939 s7.
    Pass,
    /// RFC 5034.
    Auth,
    /// RFC 2595 s4.
    Stls,
}

/// Verbs of the TRANSACTION state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionVerb {
    /// RFC 1939 s5.
    Stat,
    /// RFC 1939 s5.
    List,
    /// RFC 1939 s5.
    Retr,
    /// RFC 1939 s5.
    Dele,
    /// RFC 1939 s5.
    Noop,
    /// RFC 1939 s5.
    Rset,
    /// RFC 1939 s7.
    Top,
    /// RFC 1939 s7.
    Uidl,
}

/// Verbs of both states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EitherVerb {
    /// RFC 2449 s5.
    Capa,
    /// RFC 1939 s4 and s6.
    Quit,
}

/// How CAPA announces a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// Not at all: every server has it.
    No,
    /// By its keyword.
    Keyword,
    /// As `SASL` and the mechanisms.
    Mechanisms,
}

/// A verb in the table.
#[derive(Debug)]
pub(crate) struct VerbEntry {
    pub(crate) keyword: &'static str,
    pub(crate) verb: Verb,
    pub(crate) announced: Announced,
}

const fn entry(keyword: &'static str, verb: Verb, announced: Announced) -> VerbEntry {
    VerbEntry {
        keyword,
        verb,
        announced,
    }
}

const fn before(keyword: &'static str, verb: AuthorizationVerb, said: Announced) -> VerbEntry {
    entry(keyword, Verb::Authorization(verb), said)
}

const fn after(keyword: &'static str, verb: TransactionVerb, said: Announced) -> VerbEntry {
    entry(keyword, Verb::Transaction(verb), said)
}

/// All verbs. Those that CAPA announces stand in the order in which Exchange announces them.
pub(crate) const VERBS: [VerbEntry; 14] = [
    after("TOP", TransactionVerb::Top, Announced::Keyword),
    after("UIDL", TransactionVerb::Uidl, Announced::Keyword),
    before("AUTH", AuthorizationVerb::Auth, Announced::Mechanisms),
    before("USER", AuthorizationVerb::User, Announced::Keyword),
    before("STLS", AuthorizationVerb::Stls, Announced::Keyword),
    before("PASS", AuthorizationVerb::Pass, Announced::No),
    after("STAT", TransactionVerb::Stat, Announced::No),
    after("LIST", TransactionVerb::List, Announced::No),
    after("RETR", TransactionVerb::Retr, Announced::No),
    after("DELE", TransactionVerb::Dele, Announced::No),
    after("NOOP", TransactionVerb::Noop, Announced::No),
    after("RSET", TransactionVerb::Rset, Announced::No),
    entry("CAPA", Verb::Either(EitherVerb::Capa), Announced::No),
    entry("QUIT", Verb::Either(EitherVerb::Quit), Announced::No),
];

/// The keywords of all verbs, in the order of the table.
pub fn keywords() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|entry| entry.keyword)
}

/// The keyword of a verb.
pub(crate) fn keyword_of(verb: Verb) -> &'static str {
    let entry = VERBS.iter().find(|entry| entry.verb == verb);
    entry.map_or("", |entry| entry.keyword)
}

/// What is wrong with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The keyword, or the mechanism, is not known.
    #[error("unknown command")]
    Unknown,
    /// The line is not a command, or an argument is impossible.
    #[error("not a command")]
    Malformed,
    /// An argument is missing.
    #[error("an argument is missing")]
    ArgumentMissing,
    /// More arguments than the command takes.
    #[error("too many arguments")]
    TooManyArguments,
    /// Known, but not valid here and now.
    #[error("not valid in this state")]
    WrongState,
    /// A log-on that shows the password, or any, where the policy wants TLS first.
    #[error("not valid without TLS")]
    NeedsTls,
    /// Over the limit.
    #[error("the command is too long")]
    TooLong,
    /// A SASL message that is not base64.
    #[error("not base64")]
    NotBase64,
    /// A SASL message over the limit.
    #[error("the authentication message is too long")]
    ContinuationTooLong,
    /// An initial response, but the server speaks first.
    #[error("the mechanism has no initial response")]
    InitialResponse,
    /// The client gave a SASL exchange up.
    #[error("the authentication was cancelled")]
    Cancelled,
    /// Not a number from 1 upwards.
    #[error("the message-number is not a number from 1 upwards")]
    MessageNumber,
    /// TOP's number of lines is not a number.
    #[error("the number of lines is not a number")]
    LineCount,
    /// No message has this number.
    #[error("no message with this number")]
    NoSuchMessage,
    /// This session marked the message as deleted.
    #[error("the message is marked as deleted")]
    MessageDeleted,
}

impl CommandError {
    /// Whether it counts towards the end of the session (MS-STANXPOP3 C0005). A message that is
    /// not there is an everyday thing.
    pub(crate) fn is_protocol_error(self) -> bool {
        match self {
            Self::MessageNumber | Self::LineCount | Self::NoSuchMessage | Self::MessageDeleted => {
                false
            }
            Self::Unknown
            | Self::Malformed
            | Self::ArgumentMissing
            | Self::TooManyArguments
            | Self::WrongState
            | Self::NeedsTls
            | Self::TooLong
            | Self::NotBase64
            | Self::ContinuationTooLong
            | Self::InitialResponse
            | Self::Cancelled => true,
        }
    }

    /// What the client is told.
    pub(crate) fn text(self) -> Text {
        match self {
            Self::Unknown => Text::UnknownCommand,
            Self::Malformed => Text::ProtocolError,
            Self::ArgumentMissing => Text::ArgumentMissing,
            Self::TooManyArguments => Text::TooManyArguments,
            Self::WrongState | Self::NeedsTls => Text::WrongState,
            Self::TooLong => Text::CommandTooLong,
            Self::NotBase64 => Text::AuthNotBase64,
            Self::ContinuationTooLong => Text::AuthTooLong,
            Self::InitialResponse => Text::AuthInitialResponse,
            Self::Cancelled => Text::AuthCancelled,
            Self::MessageNumber => Text::MessageNumberMalformed,
            Self::LineCount => Text::LineCountMalformed,
            Self::NoSuchMessage => Text::NoSuchMessage,
            Self::MessageDeleted => Text::MessageDeleted,
        }
    }
}

/// A line taken apart into the verb and what follows it. The arguments are looked at by the
/// verb, so that a command in the wrong state is refused for that reason.
#[derive(Debug)]
pub struct Command<'a> {
    /// The verb.
    pub verb: Verb,
    /// What follows.
    pub(crate) arguments: Arguments<'a>,
}

impl<'a> Command<'a> {
    /// Takes `line` apart; it comes without its line end.
    ///
    /// # Errors
    /// `Malformed` for a line that begins with no keyword, `Unknown` for a keyword that is not
    /// in the table.
    pub fn parse(line: &'a [u8], separators: Separators) -> Result<Self, CommandError> {
        let end = line
            .iter()
            .position(|octet| separates(separators, *octet))
            .unwrap_or(line.len());
        let (keyword, rest) = line.split_at(end);
        if keyword.is_empty() {
            return Err(CommandError::Malformed);
        }
        let entry = VERBS
            .iter()
            .find(|entry| keyword.eq_ignore_ascii_case(entry.keyword.as_bytes()))
            .ok_or(CommandError::Unknown)?;
        Ok(Self {
            verb: entry.verb,
            arguments: Arguments { rest, separators },
        })
    }
}

/// What follows the keyword, first separator included.
#[derive(Clone, Copy)]
pub(crate) struct Arguments<'a> {
    rest: &'a [u8],
    separators: Separators,
}

impl std::fmt::Debug for Arguments<'_> {
    /// Shows no octets: they may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arguments")
            .field("octets", &self.rest.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Arguments<'a> {
    /// Whether nothing but separators follows the keyword.
    pub(crate) fn is_blank(self) -> bool {
        self.rest
            .iter()
            .all(|octet| separates(self.separators, *octet))
    }

    /// All of it, without separators at the ends.
    pub(crate) fn shown(self) -> &'a [u8] {
        self.rest.trim_ascii()
    }

    /// No argument.
    pub(crate) fn none(self) -> Result<(), CommandError> {
        match self.words()? {
            [None, ..] => Ok(()),
            [Some(_), ..] => Err(CommandError::TooManyArguments),
        }
    }

    /// One message-number or none.
    pub(crate) fn optional_message_number(self) -> Result<Option<MessageNumber>, CommandError> {
        match self.words()? {
            [None, ..] => Ok(None),
            [Some(number), None, _] => message_number(number).map(Some),
            [Some(_), Some(_), _] => Err(CommandError::TooManyArguments),
        }
    }

    /// One message-number.
    pub(crate) fn message_number(self) -> Result<MessageNumber, CommandError> {
        self.optional_message_number()?
            .ok_or(CommandError::ArgumentMissing)
    }

    /// A message-number and a number of lines. More lines than can be counted are all lines.
    pub(crate) fn message_number_and_lines(self) -> Result<(MessageNumber, u64), CommandError> {
        match self.words()? {
            [Some(number), Some(lines), None] => {
                let number = message_number(number)?;
                match parse_decimal(lines) {
                    Ok(lines) => Ok((number, lines)),
                    Err(NumberFault::TooLarge) => Ok((number, u64::MAX)),
                    Err(NumberFault::NotDigits) => Err(CommandError::LineCount),
                }
            }
            [_, _, Some(_)] => Err(CommandError::TooManyArguments),
            [None, ..] | [_, None, _] => Err(CommandError::ArgumentMissing),
        }
    }

    /// At most two words.
    pub(crate) fn up_to_two(self) -> Result<[Option<&'a [u8]>; 2], CommandError> {
        match self.words()? {
            [first, second, None] => Ok([first, second]),
            [_, _, Some(_)] => Err(CommandError::TooManyArguments),
        }
    }

    /// All that follows the separators, without those at the end. It may have blanks inside
    /// where separators are lenient.
    pub(crate) fn remainder(self) -> Result<&'a [u8], CommandError> {
        let rest = match self.separators {
            Separators::Lenient => trim_separators(self.rest),
            Separators::SingleSpace => match self.words()? {
                [first, None, _] => first.unwrap_or_default(),
                [_, Some(_), _] => return Err(CommandError::TooManyArguments),
            },
        };
        if rest.is_empty() {
            Err(CommandError::ArgumentMissing)
        } else {
            Ok(rest)
        }
    }

    /// All that follows one separator, verbatim (MS-STANXPOP3 V0011).
    pub(crate) fn verbatim(self) -> Result<&'a [u8], CommandError> {
        self.rest
            .split_first()
            .map(|(_, rest)| rest)
            .ok_or(CommandError::ArgumentMissing)
    }

    /// The first three words; the third only tells that there are too many.
    fn words(self) -> Result<[Option<&'a [u8]>; 3], CommandError> {
        let mut words = [None; 3];
        // What stands before the first separator is empty: the keyword is off.
        let pieces = self
            .rest
            .split(|octet| separates(self.separators, *octet))
            .skip(1);
        match self.separators {
            Separators::Lenient => {
                let pieces = pieces.filter(|piece| !piece.is_empty());
                words
                    .iter_mut()
                    .zip(pieces)
                    .for_each(|(word, piece)| *word = Some(piece));
            }
            Separators::SingleSpace => {
                for (word, piece) in words.iter_mut().zip(pieces) {
                    if piece.is_empty() {
                        return Err(CommandError::Malformed);
                    }
                    *word = Some(piece);
                }
            }
        }
        Ok(words)
    }
}

fn separates(separators: Separators, octet: u8) -> bool {
    match separators {
        Separators::Lenient => octet == b' ' || octet == b'\t',
        Separators::SingleSpace => octet == b' ',
    }
}

/// Without SPACE and TAB at its ends, and with all else: a CR there is part of a name.
fn trim_separators(octets: &[u8]) -> &[u8] {
    let is_other = |octet: &u8| !separates(Separators::Lenient, *octet);
    let begin = octets.iter().position(is_other).unwrap_or(octets.len());
    let end = octets
        .iter()
        .rposition(is_other)
        .map_or(begin, |last| last + 1);
    &octets[begin..end]
}

fn message_number(octets: &[u8]) -> Result<MessageNumber, CommandError> {
    match parse_decimal(octets) {
        Ok(0) | Err(NumberFault::NotDigits) => Err(CommandError::MessageNumber),
        Ok(value) => u32::try_from(value)
            .ok()
            .and_then(MessageNumber::new)
            .ok_or(CommandError::NoSuchMessage),
        Err(NumberFault::TooLarge) => Err(CommandError::NoSuchMessage),
    }
}

#[cfg(test)]
mod tests;
