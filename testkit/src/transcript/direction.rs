//! Stage directions.

use std::time::Duration;

use super::Direction;

/// Reads what stands between the braces of a line of its own.
pub(super) fn direction(text: &str) -> Result<Direction, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let found = match words.as_slice() {
        ["tls", rest @ ..] => Direction::Tls(connection(rest)?),
        ["cut", rest @ ..] => Direction::Cut(connection(rest)?),
        ["closed", rest @ ..] => Direction::Closed(connection(rest)?),
        ["timer", span] => Direction::Timer(seconds(span)?),
        ["deliver", name] => Direction::Deliver((*name).to_owned()),
        ["removed", "elsewhere", which] => {
            let which = which.parse().ok().filter(|which| *which > 0);
            Direction::RemovedElsewhere(which.ok_or("a number from 1 in {removed elsewhere 2}")?)
        }
        ["kill", "mailbox"] => Direction::KillMailbox,
        ["fail", "store"] => Direction::FailStore,
        ["shutdown"] => Direction::Shutdown,
        _ => return Err("a stage direction".to_owned()),
    };
    Ok(found)
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
