//! Octets both ways between a client and a site's server, with back-pressure: of each direction
//! no more is held than one read, and nothing while it is idle.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock;
use crate::session::with_read_buffer;
use crate::tls::BoxedIo;

/// Two connections, joined.
pub(crate) struct Passage {
    pub(crate) client: BoxedIo,
    server: BoxedIo,
    to_server: Direction,
    to_client: Direction,
    at_boundary: bool,
}

/// What came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passed {
    /// Octets moved.
    Octets,
    /// One side closed, and all that it had said was passed on.
    Over,
}

/// Which side broke, and how.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("{0}")]
    Client(io::Error),
    #[error("the site's server: {0}")]
    Server(io::Error),
    #[error("the client takes nothing any more")]
    ClientStalled,
    #[error("the site's server takes nothing any more")]
    ServerStalled,
}

/// One of the two directions.
#[derive(Default)]
struct Direction {
    /// Read and not yet written, from `written` on.
    held: Vec<u8>,
    written: usize,
    unflushed: bool,
    /// Since when the receiver takes nothing.
    stalled: Option<Instant>,
    /// The sender has closed.
    ended: bool,
    /// The receiver has been told so.
    shut: bool,
    /// Octets that the receiver took.
    octets: u64,
}

/// Which end of a direction failed.
enum Fault {
    Sender(io::Error),
    Receiver(io::Error),
}

impl Passage {
    /// `pending` is what the client has said already, `behind` what the server has.
    pub(crate) fn new(client: BoxedIo, server: BoxedIo, pending: &[u8], behind: Vec<u8>) -> Self {
        Self {
            client,
            server,
            at_boundary: pending.is_empty() && (behind.is_empty() || behind.ends_with(b"\n")),
            to_server: Direction::holding(pending.to_vec()),
            to_client: Direction::holding(behind),
        }
    }

    /// Waits until something passes. A side that takes nothing for `stall` is an error; a server
    /// that says nothing for `closing` after the client closed is taken to have closed, too.
    ///
    /// Nothing is lost when this is dropped and called again.
    pub(crate) async fn pass(
        &mut self,
        stall: Duration,
        closing: Duration,
    ) -> Result<Passed, Broken> {
        let leave_by = self.to_server.shut.then(|| clock::now() + closing);
        let stalled = |direction: &Direction| direction.stalled.map(|since| since + stall);
        let (to_client, to_server) = (stalled(&self.to_client), stalled(&self.to_server));
        let limits = [to_client, to_server, leave_by];
        let Some(limit) = limits.into_iter().flatten().min() else {
            return poll_fn(|cx| self.poll(cx)).await;
        };
        let passed = tokio::time::timeout_at(limit.into(), poll_fn(|cx| self.poll(cx))).await;
        match passed {
            Ok(passed) => passed,
            Err(_elapsed) if to_client == Some(limit) => Err(Broken::ClientStalled),
            Err(_elapsed) if to_server == Some(limit) => Err(Broken::ServerStalled),
            Err(_elapsed) => Ok(Passed::Over),
        }
    }

    /// Whether the last octets came from the server, ended a line, and were taken.
    pub(crate) fn at_boundary(&self) -> bool {
        self.at_boundary && self.to_client.is_empty() && self.to_server.is_empty()
    }

    /// Octets that the server took, and that the client took.
    pub(crate) fn octets(&self) -> (u64, u64) {
        (self.to_server.octets, self.to_client.octets)
    }

    /// The server's side comes first: what it said before it closed is passed on, though the
    /// client's next command can no longer be.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Passed, Broken>> {
        let (boundary, back) = (&mut self.at_boundary, &mut self.to_client);
        let back = back.poll(cx, &mut self.server, &mut self.client, |octets| {
            *boundary = octets.ends_with(b"\n");
        });
        let back = back.map_err(|fault| match fault {
            Fault::Sender(error) => Broken::Server(error),
            Fault::Receiver(error) => Broken::Client(error),
        })?;
        if self.to_client.ended && self.to_client.is_empty() {
            return Poll::Ready(Ok(Passed::Over));
        }
        let (boundary, onward) = (&mut self.at_boundary, &mut self.to_server);
        let onward = onward.poll(cx, &mut self.client, &mut self.server, |_| {
            *boundary = false
        });
        let onward = onward.map_err(|fault| match fault {
            Fault::Sender(error) => Broken::Client(error),
            Fault::Receiver(error) => Broken::Server(error),
        })?;
        if back || onward {
            return Poll::Ready(Ok(Passed::Octets));
        }
        Poll::Pending
    }
}

impl Direction {
    fn holding(held: Vec<u8>) -> Self {
        Self {
            held,
            ..Self::default()
        }
    }

    /// Nothing is held, here or in the receiver's layer.
    fn is_empty(&self) -> bool {
        self.held.is_empty() && !self.unflushed
    }

    /// Moves what can be moved, one read at most; says whether anything was. When it was not,
    /// the task is woken when it can be.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut BoxedIo,
        to: &mut BoxedIo,
        seen: impl FnOnce(&[u8]),
    ) -> Result<bool, Fault> {
        let mut moved = false;
        let receiver = |result: Poll<io::Result<()>>| match result {
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Ready(Err(error)) => Err(Fault::Receiver(error)),
            Poll::Pending => Ok(false),
        };
        if !receiver(self.poll_give(cx, to, &mut moved))? {
            return Ok(moved);
        }
        if self.ended {
            if !self.shut && receiver(Pin::new(to).poll_shutdown(cx))? {
                (self.shut, moved) = (true, true);
            }
            return Ok(moved);
        }
        match self.poll_take(cx, from) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Err(Fault::Sender(error)),
            Poll::Pending => return Ok(moved),
        }
        if !self.held.is_empty() {
            seen(&self.held);
        }
        receiver(self.poll_give(cx, to, &mut moved))?;
        Ok(true)
    }

    /// Writes and flushes what is held.
    fn poll_give(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut BoxedIo,
        moved: &mut bool,
    ) -> Poll<io::Result<()>> {
        if !self.is_empty() {
            self.stalled.get_or_insert_with(clock::now);
        }
        while self.written < self.held.len() {
            let octets = ready!(Pin::new(&mut *to).poll_write(cx, &self.held[self.written..]))?;
            if octets == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += octets;
            self.octets += octets as u64;
            (self.unflushed, *moved) = (true, true);
            self.stalled = Some(clock::now());
        }
        self.held.clear();
        self.written = 0;
        if self.unflushed {
            ready!(Pin::new(to).poll_flush(cx))?;
            self.unflushed = false;
        }
        self.stalled = None;
        Poll::Ready(Ok(()))
    }

    /// Reads once. What waits for a read holds no memory.
    fn poll_take(&mut self, cx: &mut Context<'_>, from: &mut BoxedIo) -> Poll<io::Result<()>> {
        with_read_buffer(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            match Pin::new(from).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) => {
                    self.ended = buffer.filled().is_empty();
                    self.held.extend_from_slice(buffer.filled());
                    Poll::Ready(Ok(()))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.held = Vec::new();
                    Poll::Pending
                }
            }
        })
    }
}
