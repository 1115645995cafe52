//! A session as a pure state machine.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::{Maildrop, MessageNumber, Policy, Secret, SizeKind};

/// One session. It is a value: it can be moved, dropped, and driven by anything.
///
/// ```text
/// loop {
///     match session.next(now, &mut out) {
///         NeedInput   => write out; read; session.input(octets)
///         Flush       => write out
///         Shared(b)   => write out, then b
///         Effect(e)   => (out may be written first) carry it out; session.resume(outcome, now, &mut out)
///         StartTls    => write out; handshake; session.resume(Outcome::TlsStarted(facts), ..)
///         Close(why)  => write out; close
///     }
/// }
/// ```
pub struct Session {}

impl Session {
    /// A session on a connection that was just made. The first `next` writes the greeting.
    pub fn new(_policy: Arc<Policy>, _transport: Transport, _now: Instant) -> Self {
        todo!()
    }

    /// Takes what the client sent. Call it only after `NeedInput`: what does not yet make a
    /// line is kept, within the limits of the policy; what is over them is swallowed.
    pub fn input(&mut self, _octets: &[u8]) {
        todo!()
    }

    /// Goes on as far as possible: all complete commands that were received are answered into
    /// `out`, until something else has to happen first.
    pub fn next(&mut self, _now: Instant, _out: &mut Vec<u8>) -> Step {
        todo!()
    }

    /// Reports how an effect ended.
    pub fn resume(&mut self, _outcome: Outcome, _now: Instant, _out: &mut Vec<u8>) {
        todo!()
    }

    /// When the session is to be ended for inactivity, if nothing is received before.
    pub fn deadline(&self) -> Instant {
        todo!()
    }

    /// Ends it without entering UPDATE, with the notice for `ending` if the policy has one and
    /// nothing is in the midst of being sent. The next `next` says `Close`.
    pub fn end(&mut self, _ending: Ending, _out: &mut Vec<u8>) {
        todo!()
    }

    /// What the log says of the session.
    pub fn summary(&self) -> &Summary {
        todo!()
    }
}

/// The connection as the session finds it.
#[derive(Debug, Clone)]
pub struct Transport {
    /// TLS is on already (implicit TLS, or a resumed value).
    pub tls: Option<TlsFacts>,
    /// A certificate is there, so that STLS can be offered.
    pub stls: bool,
    /// The mechanisms that could be offered, in the order of CAPA's SASL line.
    pub mechanisms: Arc<[MechanismOffer]>,
}

/// A mechanism as far as CAPA and AUTH need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MechanismOffer {
    /// Upper-case name.
    pub name: &'static str,
    /// It shows the password to whoever reads the connection.
    pub plaintext: bool,
    /// It is never offered without TLS.
    pub tls: bool,
    /// An initial response is allowed (RFC 5034 s4).
    pub client_first: bool,
}

/// What the log should know of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// For example `TLSv1.3`.
    pub version: String,
    /// For example `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
}

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
    /// Write `out` and close.
    Close(CloseReason),
}

/// Something that only the outside can do.
#[derive(Debug)]
pub enum Effect {
    /// USER and PASS: verify, then open the maildrop.
    /// Outcomes: `LoggedOn`, `LogOnRefused`.
    LogOn {
        /// The name, octets as the client sent them.
        user: Vec<u8>,
        /// Everything after `PASS` and one separator.
        password: Secret,
    },
    /// One step of a SASL exchange. Outcomes: `Challenge`, `LoggedOn`, `LogOnRefused`.
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
    /// Outcomes: `MessageSent`, or none (close the connection) if it broke off.
    SendMessage {
        /// `Some(n)` for TOP: the header and `n` lines of the body; `None` for RETR.
        lines: Option<u64>,
    },
    /// QUIT in the TRANSACTION state with marks: remove these for good, all or none.
    /// Outcomes: `Committed`, `Failed`.
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
    },
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
    /// Too many unknown or malformed commands.
    TooManyErrors,
    /// Too many failed log-ons.
    TooManyFailures,
    /// A command over the limit.
    CommandTooLong,
    /// Octets after STLS, before the handshake.
    InputBeforeTls,
}

/// What the log says of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Who logged on.
    pub user: Option<String>,
    /// Commands received.
    pub commands: u64,
    /// Messages sent by RETR.
    pub retrieved: u64,
    /// Messages sent by TOP.
    pub topped: u64,
    /// Messages marked as deleted at the end.
    pub marked: u64,
    /// Messages removed by QUIT.
    pub removed: u64,
    /// Failed log-ons.
    pub auth_failures: u64,
    /// TLS, if it was on.
    pub tls: Option<TlsFacts>,
}
