//! The signals of a daemon. Only the daemon waits for them; the library never does.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGHUP.
    Reload,
    /// SIGTERM or SIGINT, by name.
    End(&'static str),
}

pub(super) struct Signals {
    hangup: Stream,
    terminate: Stream,
    interrupt: Stream,
}

/// SIGHUP from now on. Unlike the others it must not end a daemon that is still starting: whoever
/// sends it wants the daemon to go on.
pub(super) fn hangups() -> io::Result<Stream> {
    signal(SignalKind::hangup())
}

impl Signals {
    pub(super) fn new(hangup: Stream) -> io::Result<Self> {
        Ok(Self {
            hangup,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next one. None is lost between two calls.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::End("SIGTERM"),
            _ = self.interrupt.recv() => Signal::End("SIGINT"),
            _ = self.hangup.recv() => Signal::Reload,
        }
    }
}
