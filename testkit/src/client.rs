//! A client that knows octets and lines, and nothing of POP3. It waits for nothing without a
//! deadline.

use std::future::poll_fn;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use mailroost_actors::tls::BoxedIo;
use tokio::io::{AsyncRead as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

/// How long a peer may be silent in a test: far more than a busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Octets that are read at once.
const CHUNK_OCTETS: usize = 16 * 1024;

/// One connection, client side.
pub struct Client {
    /// `None` only amid a handshake and after one that failed.
    io: Option<BoxedIo>,
    heard: Vec<u8>,
    clock: Clock,
}

/// What deadlines are measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The runtime's.
    Runtime,
    /// The machine's, while the runtime's is paused: the client keeps the runtime busy, so that
    /// its clock moves only when a test moves it.
    Machine,
}

/// What became possible first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The peer sent something.
    Heard,
    /// So many octets were written.
    Written(usize),
    /// The peer has closed.
    Ended,
}

impl Client {
    /// Connects over TCP.
    ///
    /// # Errors
    /// As the system says.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        // Small writes have to stay small.
        stream.set_nodelay(true)?;
        Ok(Self::over(Box::new(stream), Clock::Runtime))
    }

    /// Speaks through anything.
    pub fn over(io: BoxedIo, clock: Clock) -> Self {
        let heard = Vec::new();
        Self {
            io: Some(io),
            heard,
            clock,
        }
    }

    /// Makes the TLS handshake; any certificate will do. What was heard before is forgotten.
    ///
    /// # Errors
    /// If the handshake fails or takes too long; the connection is then gone.
    pub async fn start_tls(&mut self) -> Result<()> {
        let io = self.io.take().ok_or(ErrorKind::NotConnected)?;
        let connector = native_tls::TlsConnector::builder()
            .danger_accept_invalid_certs(true)
            .build()
            .map_err(Error::other)?;
        let connector = tokio_native_tls::TlsConnector::from(connector);
        let handshake = connector.connect("localhost", io);
        let stream = within(self.clock, handshake).await?;
        self.io = Some(Box::new(stream.map_err(Error::other)?));
        self.heard.clear();
        Ok(())
    }

    /// Writes all octets.
    ///
    /// # Errors
    /// If the peer has closed, or takes nothing for too long.
    pub async fn send(&mut self, octets: &[u8]) -> Result<()> {
        let clock = self.clock;
        let io = self.io.as_mut().ok_or(ErrorKind::NotConnected)?;
        let write = async {
            io.write_all(octets).await?;
            io.flush().await
        };
        within(clock, write).await?
    }

    /// Writes a line; CRLF is added.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_line(&mut self, line: &str) -> Result<()> {
        self.send(format!("{line}\r\n").as_bytes()).await
    }

    /// Reads a line; its CRLF is left out.
    ///
    /// # Errors
    /// `UnexpectedEof` if the peer closed, `TimedOut` if it says nothing.
    pub async fn line(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(end) = self.heard.windows(2).position(|pair| pair == b"\r\n") {
                let mut line: Vec<u8> = self.heard.drain(..end + 2).collect();
                line.truncate(end);
                return Ok(line);
            }
            if self.turn(b"").await? == Turn::Ended {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads lines up to the one that is a single dot, as they are on the wire: each with its
    /// CRLF, that last one left out.
    ///
    /// # Errors
    /// As [`Client::line`].
    pub async fn lines(&mut self) -> Result<Vec<u8>> {
        const END: &[u8] = b"\r\n.\r\n";
        let mut searched = 0;
        loop {
            if self.heard.starts_with(&END[2..]) {
                self.heard.drain(..END.len() - 2);
                return Ok(Vec::new());
            }
            let unseen = &self.heard[searched..];
            if let Some(end) = unseen.windows(END.len()).position(|part| part == END) {
                let end = searched + end;
                let mut lines: Vec<u8> = self.heard.drain(..end + END.len()).collect();
                lines.truncate(end + 2);
                return Ok(lines);
            }
            searched = self.heard.len().saturating_sub(END.len());
            if self.turn(b"").await? == Turn::Ended {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Sends a line and reads one.
    ///
    /// # Errors
    /// As [`Client::send`] and [`Client::line`].
    pub async fn ask(&mut self, line: &str) -> Result<String> {
        self.send_line(line).await?;
        Ok(String::from_utf8_lossy(&self.line().await?).into_owned())
    }

    /// Reads until the peer closes; returns what was not taken before.
    ///
    /// # Errors
    /// `TimedOut` if it neither says anything nor closes.
    pub async fn rest(&mut self) -> Result<Vec<u8>> {
        while self.turn(b"").await? != Turn::Ended {}
        Ok(self.take_heard())
    }

    /// Says that nothing more will be sent; the peer may still speak.
    pub async fn finish(&mut self) {
        if let Some(io) = self.io.as_mut() {
            // A peer that is gone already needs not be told.
            let _ = within(self.clock, io.shutdown()).await;
        }
    }

    /// What was heard and not taken.
    pub fn take_heard(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.heard)
    }

    /// Hears something, or writes some of `outgoing` if there is any, whichever is possible
    /// first.
    ///
    /// # Errors
    /// `TimedOut` if neither is for too long; `BrokenPipe` if the peer takes nothing any more.
    pub async fn turn(&mut self, outgoing: &[u8]) -> Result<Turn> {
        let clock = self.clock;
        let Some(io) = self.io.as_mut() else {
            return Ok(Turn::Ended);
        };
        let mut chunk = [0; CHUNK_OCTETS];
        let mut chunk = ReadBuf::new(&mut chunk);
        let turn = poll_fn(|context| -> Poll<Result<Turn>> {
            match Pin::new(&mut *io).poll_read(context, &mut chunk) {
                Poll::Ready(Ok(())) if chunk.filled().is_empty() => {
                    return Poll::Ready(Ok(Turn::Ended));
                }
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(Turn::Heard)),
                // A reset is an end, too.
                Poll::Ready(Err(_)) => return Poll::Ready(Ok(Turn::Ended)),
                Poll::Pending => {}
            }
            if outgoing.is_empty() {
                return Poll::Pending;
            }
            let written = Pin::new(&mut *io).poll_write(context, outgoing);
            written.map(|result| match result {
                Ok(octets) => Ok(Turn::Written(octets)),
                Err(_) => Err(ErrorKind::BrokenPipe.into()),
            })
        });
        let turn = within(clock, turn).await??;
        self.heard.extend_from_slice(chunk.filled());
        if let Turn::Written(_) = turn
            && let Some(io) = self.io.as_mut()
            && within(clock, io.flush()).await?.is_err()
        {
            return Err(ErrorKind::BrokenPipe.into());
        }
        Ok(turn)
    }
}

async fn within<F: Future>(clock: Clock, work: F) -> Result<F::Output> {
    match clock {
        Clock::Runtime => {
            let worked = tokio::time::timeout(PATIENCE, work).await;
            worked.map_err(|_| ErrorKind::TimedOut.into())
        }
        Clock::Machine => {
            let begun = Instant::now();
            tokio::pin!(work);
            loop {
                tokio::select! {
                    biased;
                    output = &mut work => return Ok(output),
                    () = tokio::task::yield_now() => {}
                }
                if begun.elapsed() > PATIENCE {
                    return Err(ErrorKind::TimedOut.into());
                }
            }
        }
    }
}
