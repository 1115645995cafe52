//! Those who talk to the tree: what they say, what they hear, and what they may expect.

pub(crate) mod attacker;
pub(crate) mod lmtp;
pub(crate) mod pop3;
pub(crate) mod view;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::wire::{End, Line};
use crate::world::World;

/// Nothing that is asked takes longer than this, whatever the weather.
const PATIENCE: Duration = Duration::from_secs(4 * 3_600);

/// The connection is over. Whether it may be was judged already.
#[derive(Debug)]
pub(crate) struct Over;

/// A client's end of a connection, in lines.
pub(crate) struct Talker {
    end: End,
    line: Line,
    pub(crate) world: Arc<World>,
    /// For the trace.
    pub(crate) name: String,
    received: Vec<u8>,
    excuses: u64,
    excused_at_first: bool,
    /// Somebody will end it, for a reason that the client knows.
    pub(crate) may_end: bool,
}

impl Talker {
    pub(crate) fn new(end: End, world: Arc<World>, name: String) -> Self {
        Self {
            line: end.line(),
            end,
            excuses: world.excuses(),
            excused_at_first: world.was_excused_lately(),
            world,
            name,
            received: Vec::new(),
            may_end: false,
        }
    }

    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// Says it in one go, to the last octet.
    pub(crate) async fn say(&mut self, octets: &[u8]) -> Result<(), Over> {
        let said = tokio::time::timeout(PATIENCE, self.write(octets)).await;
        match said {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.ended()),
            Err(_) if self.line.is_disturbed() => Err(Over),
            Err(_) => Err(self.wrong("nothing is taken for hours")),
        }
    }

    /// The first line. A refusal is written without waiting: what does not go into the window is
    /// lost.
    pub(crate) async fn greeting(&mut self) -> Result<String, Over> {
        let was_allowed = self.may_end;
        self.may_end |= !self.line.holds_a_line();
        let greeting = self.hear().await?;
        self.may_end = was_allowed;
        Ok(greeting)
    }

    /// The next line, without its end.
    pub(crate) async fn hear(&mut self) -> Result<String, Over> {
        loop {
            if let Some(line) = self.line_received()? {
                return Ok(line);
            }
            match tokio::time::timeout(PATIENCE, self.receive()).await {
                Ok(true) => {}
                Ok(false) => return Err(self.ended()),
                Err(_) if self.line.is_disturbed() => return Err(Over),
                Err(_) => return Err(self.wrong("no answer for hours")),
            }
        }
    }

    /// One command, one line.
    pub(crate) async fn ask(&mut self, command: &str) -> Result<String, Over> {
        self.unasked()?;
        self.say(format!("{command}\r\n").as_bytes()).await?;
        let answer = self.hear().await?;
        self.note(&format!("{command} -> {answer}"));
        Ok(answer)
    }

    /// Takes what has come by itself; it can only be a notice, after which all is over.
    fn unasked(&mut self) -> Result<(), Over> {
        match self.received.is_empty() || self.may_end || self.is_excused() {
            true => Ok(()),
            false => Err(self.wrong("something came that nobody asked for")),
        }
    }

    /// Nothing more than the end of the connection.
    pub(crate) async fn hear_the_end(&mut self) -> Result<(), Over> {
        let was_allowed = std::mem::replace(&mut self.may_end, true);
        match self.hear().await {
            Err(Over) => {
                self.may_end = was_allowed;
                Ok(())
            }
            Ok(line) => Err(self.wrong(&format!("{line:?} came where the end was expected"))),
        }
    }

    /// An answer that a live server does not give: either it is a notice before the end, or it
    /// is wrong.
    pub(crate) async fn refused(&mut self, command: &str, answer: &str) -> Over {
        let _ = self.hear_the_end().await;
        if !self.may_end && !self.is_excused() {
            return self.wrong(&format!("{command} was answered with {answer:?}"));
        }
        Over
    }

    pub(crate) fn note(&self, event: &str) {
        self.world.note(&format!("{}: {event}", self.name));
    }

    pub(crate) fn wrong(&self, what: &str) -> Over {
        self.world.wrong(format!("{}: {what}", self.name));
        Over
    }

    /// Whether there is a reason why the connection may end.
    pub(crate) fn is_excused(&self) -> bool {
        let excused = self.excused_at_first || self.world.excuses() != self.excuses;
        excused || self.line.is_disturbed()
    }

    /// The connection ended: that has a reason, or is wrong.
    fn ended(&self) -> Over {
        self.note("the connection ends");
        if !self.may_end && !self.is_excused() {
            return self.wrong("the connection ended without a reason");
        }
        Over
    }

    fn line_received(&mut self) -> Result<Option<String>, Over> {
        let Some(at) = self.received.windows(2).position(|two| two == b"\r\n") else {
            return Ok(None);
        };
        let line: Vec<u8> = self.received.drain(..at + 2).collect();
        match String::from_utf8(line) {
            Ok(mut line) => {
                line.truncate(at);
                Ok(Some(line))
            }
            Err(_) => Err(self.wrong("a line is not text")),
        }
    }

    /// Writes all of it, and takes meanwhile what comes: who only writes, while the server waits
    /// for its answers to be taken, waits for ever. False if the connection is over.
    async fn write(&mut self, octets: &[u8]) -> bool {
        let mut left = octets;
        let mut taken = [0; 4096];
        while !left.is_empty() {
            let mut into = ReadBuf::new(&mut taken);
            let wrote = poll_fn(|cx| match Pin::new(&mut self.end).poll_write(cx, left) {
                Poll::Ready(wrote) => Poll::Ready(wrote),
                Poll::Pending => {
                    let read = Pin::new(&mut self.end).poll_read(cx, &mut into);
                    read.map_ok(|()| 0)
                }
            });
            match wrote.await {
                Ok(0) if into.filled().is_empty() => return false,
                Ok(octets) => left = &left[octets..],
                Err(_) => return false,
            }
            self.received.extend_from_slice(into.filled());
        }
        true
    }

    /// False at the end.
    async fn receive(&mut self) -> bool {
        let mut octets = [0; 4096];
        match self.end.read(&mut octets).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.received.extend_from_slice(&octets[..count]);
                true
            }
        }
    }
}
