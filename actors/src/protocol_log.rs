//! The way to a protocol log: what a session did, command by command, and whose it was.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use mailroost_protocol::{CommandRecord, Session};

/// Keeps a protocol log.
pub trait ProtocolLog: Send + Sync + 'static {
    /// Takes a record. It is called on threads that serve sockets, also while a session that
    /// panicked is taken down: it must neither block nor panic.
    fn record(&self, session: &LoggedSession<'_>, record: CommandRecord);
}

/// Whose record it is.
#[derive(Debug, Clone, Copy)]
pub struct LoggedSession<'a> {
    /// The session's number, unique since the tree started.
    pub number: u64,
    /// Which record of the session it is, from 0.
    pub sequence: u64,
    /// The server's end of the connection, if it is a socket.
    pub local: Option<SocketAddr>,
    /// The client's end.
    pub peer: SocketAddr,
    /// Who is logged on.
    pub user: Option<&'a str>,
}

/// Passes on what one session records.
pub(crate) struct Recorder {
    log: Arc<dyn ProtocolLog>,
    number: u64,
    sequence: u64,
    local: Option<SocketAddr>,
    peer: SocketAddr,
}

impl Recorder {
    pub(crate) fn new(
        log: &Arc<dyn ProtocolLog>,
        number: u64,
        local: Option<SocketAddr>,
        peer: SocketAddr,
    ) -> Self {
        Self {
            log: Arc::clone(log),
            number,
            sequence: 0,
            local,
            peer,
        }
    }

    /// Passes on what was answered since the last time.
    pub(crate) fn pass_on(&mut self, session: &mut Session) {
        let records: Vec<CommandRecord> = session.log().collect();
        for record in records {
            let session = LoggedSession {
                number: self.number,
                sequence: self.sequence,
                local: self.local,
                peer: self.peer,
                user: session.summary().user.as_deref(),
            };
            self.log.record(&session, record);
            self.sequence += 1;
        }
    }

    /// The session is over.
    pub(crate) fn close(&mut self, session: &mut Session, why: &str, now: Instant) {
        session.log_end(why, now);
        self.pass_on(session);
    }
}
