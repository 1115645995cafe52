//! What a session asks of whoever drives it, and what it is told in return.

use std::sync::Arc;

use bytes::Bytes;

use super::TlsFacts;
use crate::{Maildrop, MessageNumber, RefusalId, Secret, SizeKind};

/// What has to happen next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Everything received is answered: write `out`, then read more.
    NeedInput,
    /// `out` is over its water mark: write it before going on.
    Flush,
    /// Write `out`, then these octets (a listing that sessions share), then go on.
    Shared(Bytes),
    /// Carry this out and `resume`. One is open at a time.
    Effect(Effect),
    /// Write `out`, then begin the TLS handshake; whatever was read already is not there any
    /// more (had there been any, the session would have closed).
    StartTls,
    /// Write `out`; then all further octets pass between the client and the server that the
    /// session was handed on to, until `resume` is told `RelayEnded`. Call `Session::relayed`
    /// whenever some have passed.
    Relay {
        /// What the client sent behind its log-on already: it comes first.
        pending: Secret,
    },
    /// Write `out`, then put the security layer of the SASL exchange on the connection, and go
    /// on: every octet from here on passes through it, in both directions (RFC 5034 s4).
    StartLayer {
        /// What the client sent behind its last message already: it comes first, and is under
        /// the layer.
        pending: Secret,
    },
    /// Write `out` and close.
    Close(CloseReason),
}

/// Something that only the outside can do.
#[derive(Debug)]
pub enum Effect {
    /// USER and PASS: verify, then open the maildrop.
    /// Outcomes: `LoggedOn`, `HandedOn`, `LogOnRefused`.
    LogOn {
        /// The name, octets as the client sent them.
        user: Vec<u8>,
        /// Everything after `PASS` and one separator.
        password: Secret,
    },
    /// One step of a SASL exchange. Outcomes: `Challenge`, `LoggedOn`, `HandedOn`,
    /// `LogOnRefused`.
    ///
    /// `Start` and `StartWith` begin a fresh exchange: an earlier one that is still there was
    /// given up by the client, and must be dropped. `Session::sasl_exchange_is_open` tells it
    /// earlier. A client that speaks first (`MechanismOffer::client_first`) and sends no
    /// initial response gets the empty challenge without an effect; its first answer arrives as
    /// `StartWith`.
    Sasl {
        /// Which mechanism, upper-case.
        mechanism: &'static str,
        /// The client's answer to the last challenge, decoded.
        answer: SaslAnswer,
    },
    /// RETR or TOP: open the message. Outcomes: `MessageOpened`, `MessageGone`, `Failed`.
    OpenMessage {
        /// Which, as the client named it.
        number: MessageNumber,
        /// The store's number of it.
        id: u64,
    },
    /// After `MessageOpened`: send the opened message through
    /// `wire::transparency`'s encoder, after what is in `out`.
    /// Outcomes: `MessageSent`; `Failed` or none (close the connection) if it broke off.
    SendMessage {
        /// `Some(n)` for TOP: the header and `n` lines of the body; `None` for RETR.
        lines: Option<u64>,
    },
    /// QUIT in the TRANSACTION state with marks: remove these for good, all or none. What
    /// somebody else removed meanwhile is removed, as asked. Outcomes: `Committed`, `Failed`.
    Commit {
        /// The store's numbers of the marked messages, growing.
        ids: Vec<u64>,
    },
}

/// The client's side of a SASL step.
#[derive(Debug)]
pub enum SaslAnswer {
    /// The exchange begins, and there was no initial response.
    Start,
    /// The exchange begins with an initial response.
    StartWith(Secret),
    /// An answer to a challenge.
    Continue(Secret),
}

/// How an effect ended.
#[derive(Debug)]
pub enum Outcome {
    /// The client is who it says, and this is the maildrop.
    LoggedOn {
        /// The user, for the log.
        user: String,
        /// The view.
        maildrop: Arc<Maildrop>,
        /// What STAT and LIST report to this user, if not the policy's.
        sizes: Option<SizeKind>,
        /// A SASL exchange brought a security layer: `StartLayer` comes next.
        security_layer: bool,
    },
    /// The client is who it says, and is logged on at the server of the user's own site, to
    /// which everything that follows goes.
    HandedOn {
        /// The user, for the log.
        user: String,
    },
    /// A session that was handed on is over: one of the two sides closed.
    RelayEnded,
    /// The client is not let in.
    LogOnRefused(LogOnRefusal),
    /// A challenge, not yet encoded.
    Challenge(Vec<u8>),
    /// The message can be sent.
    MessageOpened,
    /// Somebody else removed it.
    MessageGone,
    /// All of it was sent.
    MessageSent,
    /// The marked messages are removed, durably.
    Committed,
    /// It did not happen, and nothing has changed.
    Failed(Blame),
    /// TLS is on.
    TlsStarted(TlsFacts),
}

impl Outcome {
    /// Whether all that follows is under a security layer.
    pub(super) fn brings_a_layer(&self) -> bool {
        matches!(self, Self::LoggedOn { security_layer, .. } if *security_layer)
    }
}

/// Why a client is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOnRefusal {
    /// Unknown user, wrong password, not permitted: the client cannot tell which.
    Credentials,
    /// The mechanism's message was malformed.
    Malformed,
    /// The user has too many sessions.
    TooManySessions,
    /// Another session has the maildrop, under exclusive access.
    InUse,
    /// It may work later (or, `Permanent`, only after an administrator acted).
    Failed(Blame),
}

/// A log-on was refused because TLS is needed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeededTls {
    /// What the refusal was called, if a name had been given.
    pub id: Option<RefusalId>,
}

/// Whether trying again makes sense (RFC 3206).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// `[SYS/TEMP]`
    Temporary,
    /// `[SYS/PERM]`
    Permanent,
}

/// Why the outside ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The inactivity timer (MS-STANXPOP3 V0003).
    Autologout,
    /// The server is shutting down.
    Shutdown,
    /// What the session depends on was restarted.
    Restart,
}

/// Why a session closed, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// QUIT.
    Quit,
    /// QUIT, but the removal did not happen.
    QuitFailed,
    /// Inactivity.
    Autologout,
    /// The server is shutting down.
    Shutdown,
    /// What the session depends on was restarted.
    Restart,
    /// It was handed on, and the other server or the client closed it.
    RelayEnded,
    /// Too many unknown or malformed commands.
    TooManyErrors,
    /// Too many failed log-ons.
    TooManyFailures,
    /// A command over the limit.
    CommandTooLong,
    /// Octets after STLS, before the handshake.
    InputBeforeTls,
    /// LMTP: a command line with a bare LF.
    BareLineFeed,
    /// LMTP: a chunk that does not say how many octets it has.
    UnknownChunk,
    /// A message broke off while it was sent.
    MessageBroken,
    /// An outcome was reported that the open effect does not have: whoever drives the session
    /// has a fault.
    UnexpectedOutcome,
}
