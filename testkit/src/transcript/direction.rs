//! Stage directions.

use std::fmt;
use std::time::Duration;

use super::Direction;

/// As a transcript has it.
impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |f: &mut fmt::Formatter<'_>, word, connection: &u8| match connection {
            1 => write!(f, "{{{word}}}"),
            number => write!(f, "{{{word} {number}}}"),
        };
        match self {
            Self::Tls(connection) => on(f, "tls", connection),
            Self::Cut(connection) => on(f, "cut", connection),
            Self::Closed(connection) => on(f, "closed", connection),
            Self::Timer(span) => write!(f, "{{timer +{}s}}", span.as_secs()),
            Self::Deliver(name) => write!(f, "{{deliver {name}}}"),
            Self::RemovedElsewhere(nth) => write!(f, "{{removed elsewhere {nth}}}"),
            Self::Undelete(nth) => write!(f, "{{undelete {nth}}}"),
            Self::KillMailbox => f.write_str("{kill mailbox}"),
            Self::FailStore => f.write_str("{fail store}"),
            Self::Shutdown => f.write_str("{shutdown}"),
        }
    }
}

/// Reads what stands between the braces of a line of its own.
pub(super) fn direction(text: &str) -> Result<Direction, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let found = match words.as_slice() {
        ["tls", rest @ ..] => Direction::Tls(connection(rest)?),
        ["cut", rest @ ..] => Direction::Cut(connection(rest)?),
        ["closed", rest @ ..] => Direction::Closed(connection(rest)?),
        ["timer", span] => Direction::Timer(seconds(span)?),
        ["deliver", name] => Direction::Deliver((*name).to_owned()),
        ["removed", "elsewhere", which] => Direction::RemovedElsewhere(
            position(which).ok_or("a number from 1 in {removed elsewhere 2}")?,
        ),
        ["undelete", which] => {
            Direction::Undelete(position(which).ok_or("a number from 1 in {undelete 2}")?)
        }
        ["kill", "mailbox"] => Direction::KillMailbox,
        ["fail", "store"] => Direction::FailStore,
        ["shutdown"] => Direction::Shutdown,
        _ => return Err("a stage direction".to_owned()),
    };
    Ok(found)
}

fn position(which: &str) -> Option<usize> {
    which.parse().ok().filter(|which| *which > 0)
}

fn connection(words: &[&str]) -> Result<u8, String> {
    match words {
        [] => Ok(1),
        [number] => match number.parse() {
            Ok(number @ 1..=9) => Ok(number),
            _ => Err("a connection from 1 to 9".to_owned()),
        },
        _ => Err("one connection at most".to_owned()),
    }
}

fn seconds(span: &str) -> Result<Duration, String> {
    let number = span
        .strip_prefix('+')
        .and_then(|rest| rest.strip_suffix('s'));
    let number = number.and_then(|number| number.parse().ok());
    number
        .map(Duration::from_secs)
        .ok_or_else(|| "{timer +SECONDSs}".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_read() {
        let lines = [
            "{tls}",
            "{cut 2}",
            "{closed}",
            "{timer +600s}",
            "{deliver lunch}",
            "{removed elsewhere 2}",
            "{undelete 1}",
            "{kill mailbox}",
            "{fail store}",
            "{shutdown}",
        ];
        for line in lines {
            let inner = &line[1..line.len() - 1];
            assert_eq!(direction(inner).unwrap().to_string(), line);
        }
    }
}
