//! The TRANSACTION state (RFC 1939 s5), on a view that is frozen at log-on (MS-STANXPOP3
//! C0004).

mod dele;
mod list;
mod noop;
mod quit;
mod retr_top;
mod rset;
mod stat;
mod uidl;

use std::sync::Arc;

use super::effect::{Blame, Outcome, Step};
use super::turn::{Context, Turn, Verdict, next_command};
use super::{CloseReason, OUT_WATER_MARK, State, capa};
use crate::command::{Command, CommandError, EitherVerb, TransactionVerb, Verb};
use crate::maildrop::{DeletionMarks, ListingKind, RestOfListing, ScanEntry, push_entry};
use crate::reply::ResponseCode;
use crate::wire::line::LineDecoder;
use crate::{Maildrop, MessageNumber, SizeKind};
use retr_top::Vanished;

/// A session that is logged on.
#[derive(Debug)]
pub(super) struct Transaction {
    maildrop: Arc<Maildrop>,
    sizes: SizeKind,
    marks: DeletionMarks,
    vanished: Vanished,
    activity: Activity,
}

/// What the session is at.
#[derive(Debug)]
enum Activity {
    /// The next command.
    Idle,
    /// A message is being opened.
    Opening {
        number: MessageNumber,
        lines: Option<u64>,
    },
    /// A message is open, and to be sent.
    Opened { lines: Option<u64> },
    /// A message is being sent.
    Sending { lines: Option<u64> },
    /// A shared listing was handed out, to be written.
    Sharing,
    /// A listing is written in pieces.
    Listing(RestOfListing),
}

impl Transaction {
    pub(super) fn new(maildrop: Arc<Maildrop>, sizes: SizeKind) -> Self {
        Self {
            marks: DeletionMarks::none(maildrop.drop_listing(sizes)),
            maildrop,
            sizes,
            vanished: Vanished::default(),
            activity: Activity::Idle,
        }
    }

    pub(super) fn next(&mut self, lines: &mut LineDecoder, context: &mut Context<'_>) -> Verdict {
        match &mut self.activity {
            Activity::Opening { .. } | Activity::Sending { .. } => Ok(Turn::Wait),
            Activity::Opened { lines } => {
                let lines = *lines;
                Ok(Turn::Do(self.send_message(lines)))
            }
            Activity::Listing(rest) => {
                let marks = &self.marks;
                let is_marked = |position| marks.is_marked(position);
                let out = context.reply.octets();
                if rest.push(&self.maildrop, is_marked, OUT_WATER_MARK, out) {
                    self.activity = Activity::Idle;
                    return Ok(Turn::Answered);
                }
                Ok(Turn::Do(Step::Flush))
            }
            Activity::Idle | Activity::Sharing => {
                self.activity = Activity::Idle;
                next_command(lines, context, |command, _, context| {
                    self.command(command, context)
                })
            }
        }
    }

    fn command(&mut self, command: Command<'_>, context: &mut Context<'_>) -> Verdict {
        let Command { verb, arguments } = command;
        match verb {
            Verb::Transaction(TransactionVerb::Stat) => self.stat(arguments, context),
            Verb::Transaction(TransactionVerb::List) => self.list(arguments, context),
            Verb::Transaction(TransactionVerb::Retr) => self.retr(arguments),
            Verb::Transaction(TransactionVerb::Dele) => self.dele(arguments, context),
            Verb::Transaction(TransactionVerb::Noop) => noop::noop(arguments, context),
            Verb::Transaction(TransactionVerb::Rset) => self.rset(arguments, context),
            Verb::Transaction(TransactionVerb::Top) => self.top(arguments),
            Verb::Transaction(TransactionVerb::Uidl) => self.uidl(arguments, context),
            Verb::Either(EitherVerb::Capa) => capa::capa(arguments, true, context),
            Verb::Either(EitherVerb::Quit) => self.quit(arguments, context),
            Verb::Authorization(_) => Err(CommandError::WrongState),
        }
    }

    /// Takes the outcome of an effect; returns the state that follows, if it is another.
    pub(super) fn resume(&mut self, outcome: Outcome, context: &mut Context<'_>) -> Option<State> {
        match self.activity {
            Activity::Opening { number, lines } => {
                self.message_opened(number, lines, outcome, context)
            }
            Activity::Sending { lines } => self.message_sent(lines, &outcome, context),
            Activity::Idle | Activity::Opened { .. } | Activity::Sharing | Activity::Listing(_) => {
                Some(State::Closed(CloseReason::UnexpectedOutcome))
            }
        }
    }

    /// Whether a multi-line reply has begun and not ended, as far as can be known here.
    pub(super) fn is_amid_reply(&self) -> bool {
        match self.activity {
            Activity::Idle | Activity::Opening { .. } => false,
            Activity::Opened { .. }
            | Activity::Sending { .. }
            | Activity::Sharing
            | Activity::Listing(_) => true,
        }
    }

    /// Whether a command was taken up and is not yet answered.
    pub(super) fn is_amid_command(&self) -> bool {
        match self.activity {
            Activity::Idle | Activity::Sharing => false,
            Activity::Opening { .. }
            | Activity::Opened { .. }
            | Activity::Sending { .. }
            | Activity::Listing(_) => true,
        }
    }

    /// Whether a message is being sent.
    pub(super) fn is_sending(&self) -> bool {
        match self.activity {
            Activity::Opened { .. } | Activity::Sending { .. } => true,
            Activity::Idle
            | Activity::Opening { .. }
            | Activity::Sharing
            | Activity::Listing(_) => false,
        }
    }

    /// The message of that number, if it is there and not marked.
    fn visible(&self, number: MessageNumber) -> Result<&ScanEntry, CommandError> {
        let entry = self
            .maildrop
            .entry(number)
            .ok_or(CommandError::NoSuchMessage)?;
        if self.marks.is_marked(number.position()) {
            return Err(CommandError::MessageDeleted);
        }
        Ok(entry)
    }

    /// One line of a listing, as a reply of its own.
    fn entry_reply(
        &self,
        kind: ListingKind,
        number: MessageNumber,
        context: &mut Context<'_>,
    ) -> Verdict {
        self.visible(number)?;
        context
            .reply
            .ok_with(|out| push_entry(&self.maildrop, kind, number, out));
        Ok(Turn::Answered)
    }

    /// A whole listing. No number follows `+OK`: clients have taken it for an entry. Without
    /// marks the listing is the one that all sessions share.
    fn listing_reply(&mut self, kind: ListingKind, context: &mut Context<'_>) -> Turn {
        context.reply.ok_bare();
        if self.marks.marked() > 0 {
            self.activity = Activity::Listing(RestOfListing::new(kind));
            return Turn::Answered;
        }
        self.activity = Activity::Sharing;
        Turn::Do(Step::Shared(match kind {
            ListingKind::Scan(sizes) => self.maildrop.scan_listing(sizes),
            ListingKind::UniqueId => self.maildrop.unique_id_listing(),
        }))
    }
}

/// What a client's program is told of a failure (RFC 3206).
pub(super) fn response_code(blame: Blame) -> ResponseCode {
    match blame {
        Blame::Temporary => ResponseCode::SysTemp,
        Blame::Permanent => ResponseCode::SysPerm,
    }
}
