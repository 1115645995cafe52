//! Commands of LMTP as values, from one line each (RFC 2033 s4, RFC 5321 s4.1.1).
//!
//! A line is read strictly: it is UTF-8 without control characters, a number has digits only,
//! and what is left over is an error. What two readers of one dialog read differently is what a
//! message can be smuggled through.

use super::path::Path;
use super::reply::Reply;
use crate::wire::number::parse_decimal;

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Lhlo { client: Box<str> },
    Mail(Mail),
    Rcpt { path: Path },
    Data,
    Bdat { octets: u64, last: bool },
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
}

/// MAIL and its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mail {
    /// `None` is `<>`: nobody wants to hear what becomes of it.
    pub(super) reverse_path: Option<Path>,
    /// What SIZE said (RFC 1870 s5).
    pub(super) octets: Option<u64>,
    pub(super) smtputf8: bool,
}

impl Command {
    /// Reads a line without its CRLF.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Reply> {
        let line = std::str::from_utf8(line).map_err(|_| Reply::BadOctet)?;
        if line.chars().any(char::is_control) {
            return Err(Reply::BadOctet);
        }
        let line = line.trim_end_matches(' ');
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim_start_matches(' ');
        match verb.to_ascii_uppercase().as_str() {
            "LHLO" => lhlo(rest),
            "MAIL" => mail(rest),
            "RCPT" => rcpt(rest),
            "DATA" => alone(rest, Self::Data),
            "BDAT" => bdat(rest),
            "RSET" => alone(rest, Self::Rset),
            "NOOP" => Ok(Self::Noop),
            "VRFY" => (!rest.is_empty())
                .then_some(Self::Vrfy)
                .ok_or(Reply::BadArguments),
            "HELP" => Ok(Self::Help),
            "QUIT" => alone(rest, Self::Quit),
            "HELO" | "EHLO" => Err(Reply::LhloNotThis),
            "EXPN" | "STARTTLS" | "AUTH" | "ETRN" | "ATRN" | "TURN" | "BURL" | "SEND" | "SOML"
            | "SAML" => Err(Reply::NotImplemented),
            _ => Err(Reply::UnknownCommand),
        }
    }
}

/// A verb that has no arguments.
fn alone(rest: &str, command: Command) -> Result<Command, Reply> {
    if rest.is_empty() {
        Ok(command)
    } else {
        Err(Reply::BadArguments)
    }
}

fn lhlo(rest: &str) -> Result<Command, Reply> {
    // It goes into the trace: only what can stand there. RFC 5321 s4.5.3.1.2 has 255 octets.
    let named = (1..=255).contains(&rest.len()) && rest.chars().all(is_domain_character);
    let client = named.then(|| rest.into()).ok_or(Reply::BadArguments)?;
    Ok(Command::Lhlo { client })
}

/// Of a domain, an address literal, or what clients without either make up.
fn is_domain_character(character: char) -> bool {
    !character.is_ascii() || character.is_ascii_alphanumeric() || "-._:[]".contains(character)
}

fn mail(rest: &str) -> Result<Command, Reply> {
    let (reverse_path, rest) = path_behind("FROM:", rest, Reply::BadSender)?;
    let mut mail = Mail {
        reverse_path,
        octets: None,
        smtputf8: false,
    };
    let mut body = false;
    for parameter in parameters(rest)? {
        let (key, value) = match parameter.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (parameter, None),
        };
        match (key.to_ascii_uppercase().as_str(), value) {
            ("SIZE", Some(value)) if mail.octets.is_none() && value.len() <= 20 => {
                // More than 2^64 octets are too many, whatever the limit is.
                let digits = value.bytes().all(|octet| octet.is_ascii_digit());
                let octets = parse_decimal(value.as_bytes()).ok();
                let octets = octets.or((digits && !value.is_empty()).then_some(u64::MAX));
                mail.octets = Some(octets.ok_or(Reply::BadParameter)?);
            }
            ("BODY", Some(value)) if !body => {
                let known = ["7BIT", "8BITMIME"];
                if !known.iter().any(|known| value.eq_ignore_ascii_case(known)) {
                    return Err(Reply::BadParameter);
                }
                body = true;
            }
            ("SMTPUTF8", None) if !mail.smtputf8 => mail.smtputf8 = true,
            ("SIZE" | "BODY" | "SMTPUTF8", _) => return Err(Reply::BadParameter),
            _ => return Err(Reply::UnknownParameter),
        }
    }
    let path = mail.reverse_path.as_ref().map_or("", Path::as_str);
    if !mail.smtputf8 && !path.is_ascii() {
        return Err(Reply::NeedsSmtputf8);
    }
    Ok(Command::Mail(mail))
}

fn rcpt(rest: &str) -> Result<Command, Reply> {
    let (path, rest) = path_behind("TO:", rest, Reply::BadRecipient)?;
    if parameters(rest)?.next().is_some() {
        return Err(Reply::UnknownParameter);
    }
    let path = path.ok_or(Reply::BadRecipient)?;
    Ok(Command::Rcpt { path })
}

/// A path behind a keyword. A space between them is common and harmless.
fn path_behind<'a>(
    keyword: &str,
    rest: &'a str,
    bad: Reply,
) -> Result<(Option<Path>, &'a str), Reply> {
    let (found, rest) = rest
        .split_at_checked(keyword.len())
        .ok_or(Reply::BadArguments)?;
    if !found.eq_ignore_ascii_case(keyword) {
        return Err(Reply::BadArguments);
    }
    Path::parse(rest.trim_start_matches(' ')).ok_or(bad)
}

/// What stands behind a path, each with a space before it.
fn parameters(rest: &str) -> Result<impl Iterator<Item = &str>, Reply> {
    if rest.is_empty() || rest.starts_with(' ') {
        Ok(rest.split(' ').filter(|parameter| !parameter.is_empty()))
    } else {
        Err(Reply::BadArguments)
    }
}

fn bdat(rest: &str) -> Result<Command, Reply> {
    let (octets, last) = match rest.split_once(' ') {
        None => (rest, false),
        Some((octets, last)) if last.trim_start_matches(' ').eq_ignore_ascii_case("LAST") => {
            (octets, true)
        }
        Some(_) => return Err(Reply::BadArguments),
    };
    let octets = parse_decimal(octets.as_bytes()).map_err(|_| Reply::BadArguments)?;
    Ok(Command::Bdat { octets, last })
}
