//! The record of a session, command by command, for whoever keeps a protocol log. A session
//! that is not asked for it keeps nothing.

use std::time::Instant;

use super::transport::Link;
use super::{Session, State, Step};
use crate::command::{Arguments, AuthorizationVerb, Command, CommandError, Verb, keyword_of};
use crate::wire::CRLF;
use crate::wire::line::Line;

/// Of what follows a keyword, a record has so many octets at most: the longest user name fits.
const PARAMETERS_OCTETS_MAX: usize = 320;

/// The first record of a session.
pub const OPEN_SESSION: &str = "OpenSession";
/// The last one.
pub const CLOSE_SESSION: &str = "CloseSession";
/// What stands for the keyword of a line that is no command. The line itself is not told: it may
/// be a password that was typed too late, or the rest of a log-on.
pub const UNKNOWN_COMMAND: &str = "unknown";

/// A command, what it was answered with, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRecord {
    /// The keyword, upper-case; [`OPEN_SESSION`], [`CLOSE_SESSION`] or [`UNKNOWN_COMMAND`].
    pub command: &'static str,
    /// What followed it.
    pub parameters: Parameters,
    /// Octets of the command, its line end counted as two; with AUTH those of the answers to
    /// challenges as well.
    pub request_octets: u64,
    /// Octets of the reply, messages and listings included.
    pub reply_octets: u64,
    /// When the command was taken up.
    pub began: Instant,
    /// When it was answered.
    pub ended: Instant,
    /// What it was answered with.
    pub answer: Answer,
}

/// What follows a keyword, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameters {
    /// Nothing.
    None,
    /// As the client sent it.
    Shown(Box<[u8]>),
    /// A secret, or what may be one.
    Hidden,
    /// A SASL mechanism, and whether an initial response followed, which is not shown.
    Mechanism(&'static str, bool),
}

/// What a command was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    None,
    /// `+OK`
    Ok,
    /// `-ERR` and this text.
    Refused(Box<str>),
    /// The session ended, and why.
    Ended(Box<str>),
}

/// The records of one session, from when they are made to when they are fetched.
#[derive(Debug)]
pub(super) struct Trail {
    now: Instant,
    open: Option<CommandRecord>,
    done: Vec<CommandRecord>,
}

impl Trail {
    /// A line of the client: what was before it is answered.
    pub(super) fn line(&mut self, line: &Line<'_>, parsed: &Parsed<'_>, link: &Link) {
        let (command, parameters) = match parsed {
            Ok(command) => (
                keyword_of(command.verb),
                parameters(command.verb, command.arguments, link),
            ),
            Err(_) => (UNKNOWN_COMMAND, Parameters::Hidden),
        };
        self.begin(command, parameters, request_octets(line));
    }

    fn begin(&mut self, command: &'static str, parameters: Parameters, request_octets: u64) {
        self.end();
        self.open = Some(CommandRecord {
            command,
            parameters,
            request_octets,
            reply_octets: 0,
            began: self.now,
            ended: self.now,
            answer: Answer::None,
        });
    }

    /// An answer to a challenge belongs to its AUTH, and of it only the size is told.
    pub(super) fn answer_to_challenge(&mut self, line: &Line<'_>) {
        if let Some(open) = &mut self.open {
            open.request_octets += request_octets(line);
        }
    }

    /// What was just written into the output.
    fn replied(&mut self, octets: &[u8]) {
        let Some(open) = &mut self.open else {
            return;
        };
        open.reply_octets += octets.len() as u64;
        if open.answer == Answer::None {
            let end = octets.iter().position(|octet| *octet == b'\r');
            let status = &octets[..end.unwrap_or(octets.len())];
            if status.starts_with(b"+OK") {
                open.answer = Answer::Ok;
            } else if let Some(text) = status.strip_prefix(b"-ERR") {
                let text = String::from_utf8_lossy(text.trim_ascii());
                open.answer = Answer::Refused(text.into());
            }
        }
    }

    fn end(&mut self) {
        if let Some(mut record) = self.open.take() {
            record.ended = self.now;
            self.done.push(record);
        }
    }
}

/// A line taken apart.
pub(super) type Parsed<'a> = Result<Command<'a>, CommandError>;

fn request_octets(line: &Line<'_>) -> u64 {
    match line {
        Line::Complete { octets, .. } => (octets.len() + CRLF.len()) as u64,
        // How long it would have been is not known.
        Line::TooLong => 0,
    }
}

fn parameters(verb: Verb, arguments: Arguments<'_>, link: &Link) -> Parameters {
    if arguments.is_blank() {
        return Parameters::None;
    }
    match verb {
        Verb::Authorization(AuthorizationVerb::Pass) => Parameters::Hidden,
        Verb::Authorization(AuthorizationVerb::Auth) => {
            let mut words = arguments.shown().split(|octet| octet.is_ascii_whitespace());
            let name = words.next().unwrap_or_default();
            let known = link.mechanisms.iter();
            let mut known = known.filter(|offer| name.eq_ignore_ascii_case(offer.name.as_bytes()));
            match known.next() {
                Some(offer) => Parameters::Mechanism(offer.name, words.next().is_some()),
                None => Parameters::Hidden,
            }
        }
        Verb::Authorization(AuthorizationVerb::User | AuthorizationVerb::Stls)
        | Verb::Transaction(_)
        | Verb::Either(_) => {
            let shown = arguments.shown();
            Parameters::Shown(shown[..shown.len().min(PARAMETERS_OCTETS_MAX)].into())
        }
    }
}

impl Session {
    /// From now on there is a record of each command. Call it before the first `next`.
    pub fn keep_log(&mut self, now: Instant) {
        self.trail = Some(Box::new(Trail {
            now,
            open: None,
            done: Vec::new(),
        }));
    }

    /// The records of what was answered since it was last called.
    pub fn log(&mut self) -> impl Iterator<Item = CommandRecord> + '_ {
        let trail = self.trail.as_deref_mut();
        trail.into_iter().flat_map(|trail| trail.done.drain(..))
    }

    /// Octets that whoever carries out an effect has sent for the command at hand.
    pub fn log_sent(&mut self, octets: u64) {
        if let Some(open) = self.trail.as_mut().and_then(|trail| trail.open.as_mut()) {
            open.reply_octets += octets;
        }
    }

    /// The session is over: what was not answered is recorded as that, and the end itself.
    pub fn log_end(&mut self, why: &str, now: Instant) {
        if let Some(trail) = &mut self.trail {
            trail.now = now;
            trail.begin(CLOSE_SESSION, Parameters::None, 0);
            if let Some(close) = &mut trail.open {
                close.answer = Answer::Ended(why.into());
            }
            trail.end();
        }
    }

    /// `next` or `resume` begins.
    pub(super) fn trail_at(&mut self, now: Instant) {
        if let Some(trail) = &mut self.trail {
            trail.now = now;
            if matches!(self.state, State::Greeting) {
                trail.begin(OPEN_SESSION, Parameters::None, 0);
            }
        }
    }

    /// A turn has written `octets`, and this is what comes of it.
    pub(super) fn trail_turn(&mut self, octets: &[u8], step: Option<&Step>) {
        let Some(trail) = &mut self.trail else {
            return;
        };
        trail.replied(octets);
        let answered = match step {
            Some(Step::Shared(listing)) => {
                if let Some(open) = &mut trail.open {
                    open.reply_octets += listing.len() as u64;
                }
                false
            }
            Some(Step::NeedInput) => !self.state.is_amid_command(),
            Some(
                Step::StartTls | Step::StartLayer { .. } | Step::Relay { .. } | Step::Close(_),
            ) => true,
            Some(Step::Flush | Step::Effect(_)) | None => false,
        };
        if answered {
            trail.end();
        }
    }
}
