//! What the machine itself can do, measured between the rounds: the most that any server could
//! reach with these clients.

mod copy;
mod dialog;
mod s_server;

use std::time::Duration;

use crate::mail::Group;
use crate::peer::Work;
use crate::{Fault, say};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ceiling {
    /// MB/s from memory over loopback.
    Memory,
    /// MB/s of a file that is read and written over loopback.
    File,
    /// MB/s that `openssl s_server` moves in bulk.
    SServer,
    /// Connections in a second.
    Accepts,
    /// Round trips in a second on one connection.
    RoundTrips,
    /// Polls of 100 messages in a second by a server that has its replies ready.
    SmallPolls,
    /// Polls of 100,000 messages in a second by such a server.
    HugePolls,
}

impl Ceiling {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Memory,
        Self::File,
        Self::SServer,
        Self::Accepts,
        Self::RoundTrips,
        Self::SmallPolls,
        Self::HugePolls,
    ];

    /// What it is, and its unit.
    pub fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Memory => ("memory copied over loopback", "MB/s"),
            Self::File => ("a file of 10 MiB read and written over loopback", "MB/s"),
            Self::SServer => ("that file from `openssl s_server`, in bulk", "MB/s"),
            Self::Accepts => ("connections accepted and closed, 2 clients", "1/s"),
            Self::RoundTrips => ("round trips on one connection", "1/s"),
            Self::SmallPolls => (
                "polls of 100 messages, 16 clients, replies ready",
                "sessions/s",
            ),
            Self::HugePolls => (
                "polls of 100,000 messages, 1 client, replies ready",
                "sessions/s",
            ),
        }
    }

    fn measure(self, work: &Work, window: Duration) -> Result<f64, Fault> {
        match self {
            Self::Memory => copy::from_memory(window),
            Self::File => copy::from_file(work, window),
            Self::SServer => s_server::bulk(work, window),
            Self::Accepts => dialog::accepts(window),
            Self::RoundTrips => dialog::round_trips(window),
            Self::SmallPolls => dialog::polls(Group::Small, 16, window),
            Self::HugePolls => dialog::polls(Group::Huge, 1, window),
        }
    }
}

/// Measures all; one that fails is told and left out.
pub fn measure(work: &Work, window: Duration) -> Vec<(Ceiling, f64)> {
    let measured = Ceiling::ALL.into_iter().filter_map(|ceiling| {
        let figure = ceiling.measure(work, window);
        let told = figure.inspect_err(|fault| say(&format!("{}: {fault}", ceiling.text().0)));
        Some((ceiling, told.ok()?))
    });
    measured.collect()
}
