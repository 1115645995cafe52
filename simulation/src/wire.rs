//! The network: connections that delay, dribble, fill up, break and fall silent. Octets of one
//! direction arrive in order; connections do not wait for each other.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::dice::Dice;

/// How a connection behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conduct {
    /// The longest way of an octet, in milliseconds.
    pub(crate) delay_millis: usize,
    /// Octets under way in one direction, beyond which a writer waits.
    pub(crate) window: usize,
    /// Each octet arrives alone.
    pub(crate) dribbles: bool,
}

impl Conduct {
    /// Nothing to complain of.
    pub(crate) const CALM: Self = Self {
        delay_millis: 0,
        window: 65_536,
        dribbles: false,
    };
}

/// More than a greeting or a refusal has.
const LINE_OCTETS: usize = 200;

/// One direction.
#[derive(Default)]
struct Stretch {
    under_way: VecDeque<(Instant, Vec<u8>)>,
    octets: usize,
    ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

struct Link {
    dice: Dice,
    conduct: Conduct,
    /// To the server, from the server.
    ways: [Stretch; 2],
    /// Broken: both ends are told.
    cut: bool,
    /// Half-open: nothing arrives any more, and nobody is told.
    silent: bool,
    /// When the server last read or wrote an octet.
    served_at: Instant,
    server_is_there: bool,
}

/// A hold on a connection that does not keep it.
#[derive(Clone)]
pub(crate) struct Line(Arc<Mutex<Link>>);

/// One end.
pub(crate) struct End {
    line: Line,
    server: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// A connection: the client's end and the server's.
pub(crate) fn connection(conduct: Conduct, dice: Dice) -> (End, End) {
    let line = Line(Arc::new(Mutex::new(Link {
        dice,
        conduct,
        ways: Default::default(),
        cut: false,
        silent: false,
        served_at: Instant::now(),
        server_is_there: true,
    })));
    let end = |server| End {
        line: line.clone(),
        server,
        sleep: None,
    };
    (end(false), end(true))
}

impl Line {
    /// Breaks it, with all that is under way.
    pub(crate) fn cut(&self) {
        let mut link = self.lock();
        link.cut = true;
        link.wake();
    }

    /// From now on nothing arrives, and nobody is told.
    pub(crate) fn fall_silent(&self) {
        self.lock().silent = true;
    }

    /// Whether the network is why nothing comes.
    pub(crate) fn is_disturbed(&self) -> bool {
        let link = self.lock();
        link.cut || link.silent
    }

    /// Whether a line fits into it without anybody waiting.
    pub(crate) fn holds_a_line(&self) -> bool {
        self.lock().conduct.window >= LINE_OCTETS
    }

    /// How long a line is under way at most.
    pub(crate) fn way_of_a_line(&self) -> Duration {
        let conduct = self.lock().conduct;
        let parts = LINE_OCTETS.div_ceil(conduct.window);
        Duration::from_millis((conduct.delay_millis * parts) as u64)
    }

    /// When the server last read or wrote an octet.
    pub(crate) fn served_at(&self) -> Instant {
        self.lock().served_at
    }

    /// Whether the server still has its end.
    pub(crate) fn is_served(&self) -> bool {
        self.lock().server_is_there
    }

    /// A link is whole whenever the lock is free, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, Link> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    fn wake(&mut self) {
        for way in &mut self.ways {
            let wakers = [way.reader.take(), way.writer.take()];
            wakers.into_iter().flatten().for_each(Waker::wake);
        }
    }

    fn write(&mut self, way: usize, octets: &[u8]) -> Poll<io::Result<usize>> {
        if self.cut || (self.ways[way].ended) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = self.conduct.window.saturating_sub(self.ways[way].octets);
        let taken = octets.len().min(room);
        if taken == 0 && !octets.is_empty() {
            return Poll::Pending;
        }
        let delay = self.dice.millis(self.conduct.delay_millis);
        let stretch = &mut self.ways[way];
        let last = stretch.under_way.back().map(|(at, _)| *at);
        let at = (Instant::now() + delay).max(last.unwrap_or_else(Instant::now));
        stretch.octets += taken;
        stretch.under_way.push_back((at, octets[..taken].to_vec()));
        stretch.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(taken))
    }

    /// What has arrived, or when something will.
    fn read(
        &mut self,
        way: usize,
        into: &mut ReadBuf<'_>,
    ) -> Result<io::Result<()>, Option<Instant>> {
        if self.cut {
            return Ok(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if self.silent {
            return Err(None);
        }
        let most = if self.conduct.dribbles { 1 } else { usize::MAX };
        let stretch = &mut self.ways[way];
        let Some((at, octets)) = stretch.under_way.front_mut() else {
            return if stretch.ended { Ok(Ok(())) } else { Err(None) };
        };
        if *at > Instant::now() {
            return Err(Some(*at));
        }
        let taken = octets.len().min(into.remaining()).min(most);
        into.put_slice(&octets[..taken]);
        octets.drain(..taken);
        if octets.is_empty() {
            stretch.under_way.pop_front();
        }
        stretch.octets -= taken;
        stretch.writer.take().into_iter().for_each(Waker::wake);
        Ok(Ok(()))
    }
}

impl End {
    /// The connection.
    pub(crate) fn line(&self) -> Line {
        self.line.clone()
    }

    fn ways(&self) -> (usize, usize) {
        if self.server { (0, 1) } else { (1, 0) }
    }
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (from, _) = self.ways();
        loop {
            let read = {
                let mut link = self.line.lock();
                let before = into.filled().len();
                let read = link.read(from, into);
                if self.server && into.filled().len() > before {
                    link.served_at = Instant::now();
                }
                if read.is_err() {
                    link.ways[from].reader = Some(cx.waker().clone());
                }
                read
            };
            match read {
                Ok(done) => return Poll::Ready(done),
                Err(None) => return Poll::Pending,
                Err(Some(at)) => {
                    let mut sleep = Box::pin(tokio::time::sleep_until(at));
                    if sleep.as_mut().poll(cx).is_pending() {
                        self.sleep = Some(sleep);
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let (_, to) = self.ways();
        let mut link = self.line.lock();
        let written = link.write(to, octets);
        match written {
            Poll::Pending => link.ways[to].writer = Some(cx.waker().clone()),
            Poll::Ready(_) if self.server => link.served_at = Instant::now(),
            Poll::Ready(_) => {}
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (_, to) = self.ways();
        let mut link = self.line.lock();
        link.ways[to].ended = true;
        link.wake();
        Poll::Ready(Ok(()))
    }
}

/// What was written still arrives; what is written to it does not.
impl Drop for End {
    fn drop(&mut self) {
        let (from, to) = self.ways();
        let mut link = self.line.lock();
        if self.server {
            link.server_is_there = false;
        }
        link.ways[to].ended = true;
        link.ways[from].ended = true;
        link.wake();
    }
}
