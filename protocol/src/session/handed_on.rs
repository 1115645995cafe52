//! A session whose user belongs to another site, and that was handed on to the site's server
//! (MS-STANXPOP3 C0010): its octets pass unread in both directions, its endings are ours still.

use std::time::Instant;

use super::effect::{CloseReason, Outcome, Step};
use super::turn::Turn;
use super::{Session, State};
use crate::Secret;

/// What is left to know of such a session.
#[derive(Debug)]
pub(super) struct HandedOn {
    /// What the client had sent behind its log-on, until it is given away. It may be anything.
    pending: Option<Secret>,
    at_boundary: bool,
}

impl HandedOn {
    pub(super) fn new(pending: Vec<u8>) -> Self {
        Self {
            at_boundary: pending.is_empty(),
            pending: Some(pending.into()),
        }
    }

    pub(super) fn next(&mut self) -> Turn {
        match self.pending.take() {
            Some(pending) => Turn::Do(Step::Relay { pending }),
            None => Turn::Wait,
        }
    }

    pub(super) fn resume(&self, outcome: &Outcome) -> State {
        match outcome {
            Outcome::RelayEnded => State::Closed(CloseReason::RelayEnded),
            Outcome::LoggedOn { .. }
            | Outcome::HandedOn { .. }
            | Outcome::LogOnRefused(_)
            | Outcome::Challenge(_)
            | Outcome::MessageOpened
            | Outcome::MessageGone
            | Outcome::MessageSent
            | Outcome::Committed
            | Outcome::Failed(_)
            | Outcome::TlsStarted(_) => State::Closed(CloseReason::UnexpectedOutcome),
        }
    }

    /// Whether a reply may be under way.
    pub(super) fn is_amid_reply(&self) -> bool {
        !self.at_boundary
    }
}

impl Session {
    /// Octets of a session that was handed on have passed, whichever way: the timer starts anew.
    /// `at_boundary` says that the last of them came from the site's server and ended a line, so
    /// that a notice could be said now without being taken for a part of a reply.
    pub fn relayed(&mut self, now: Instant, at_boundary: bool) {
        if let State::HandedOn(state) = &mut self.state {
            self.heard_at = now;
            state.at_boundary = at_boundary;
        }
    }
}
