//! Endings that the client did not ask for, and connections that get no session.

use std::time::Instant;

use super::reply::Reply;
use super::{LmtpSession, State};
use crate::{CloseReason, Ending};

/// Why a connection gets no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LmtpRefusal {
    /// All places are taken.
    TooManyConnections,
    /// Its address is not among those that may deliver.
    NotPermitted,
    /// The server is shutting down.
    ShuttingDown,
}

/// The one line that such a connection gets.
pub fn lmtp_refusal(why: LmtpRefusal) -> Vec<u8> {
    let mut line = Vec::new();
    match why {
        LmtpRefusal::TooManyConnections => Reply::TooManyConnections,
        LmtpRefusal::NotPermitted => Reply::NotPermitted,
        LmtpRefusal::ShuttingDown => Reply::ShuttingDown,
    }
    .write(&mut line);
    line
}

impl LmtpSession {
    /// When the session is to be ended for inactivity, if nothing is received before. A whole
    /// command sets it anew, and so does every octet of a message.
    pub fn deadline(&self) -> Instant {
        let timeout = match &self.state {
            State::Beginning(_) | State::Receiving(_) | State::Writing(_) => {
                self.policy.data_timeout
            }
            State::Greeting
            | State::Commands
            | State::Resolving(_)
            | State::Delivering(_)
            | State::Refusing(..)
            | State::Closed(_) => self.policy.command_timeout,
        };
        self.heard_at + timeout
    }

    /// Ends it with 421. The next `next` says `Close`, unless a message is being received and
    /// the server only shuts down or restarts: then it is received, answered, and the end comes
    /// behind that.
    pub fn end(&mut self, ending: Ending, out: &mut Vec<u8>) {
        let at_command_boundary = match &self.state {
            State::Closed(_) => return,
            State::Greeting | State::Commands => true,
            State::Resolving(_)
            | State::Beginning(_)
            | State::Receiving(_)
            | State::Writing(_)
            | State::Delivering(_)
            | State::Refusing(..) => false,
        };
        let (reply, reason) = match ending {
            Ending::Autologout => (Reply::TimedOut, CloseReason::Autologout),
            Ending::Shutdown => (Reply::ShuttingDown, CloseReason::Shutdown),
            Ending::Restart => (Reply::Restarting, CloseReason::Restart),
        };
        if !at_command_boundary && ending != Ending::Autologout {
            self.ending = Some(ending);
            return;
        }
        reply.write(out);
        self.close(reason);
    }
}
