//! The session's connection: read without a buffer of its own, written with back-pressure.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::tls::BoxedIo;

/// The most that one read takes: also the most that a session can have waiting in its input
/// while something else goes on.
const READ_OCTETS_MAX: usize = 16 * 1024;

thread_local! {
    /// Lent to whoever reads at the moment, so that an idle session has no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_OCTETS_MAX].into());
}

/// Lends this thread's read buffer of `READ_OCTETS_MAX` octets to one read.
pub(crate) fn with_read_buffer<R>(read: impl FnOnce(&mut [u8]) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| read(scratch))
}

/// A connection, plain or not.
pub(crate) enum Stream {
    /// The common case, without a virtual call.
    Tcp(TcpStream),
    /// TLS, or anything that an embedding program made up.
    Other(BoxedIo),
}

impl Stream {
    /// Waits for octets and hands them to `take`, which must not block. 0 is the end.
    pub(crate) async fn read(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, &mut take)).await
    }

    /// The same without waiting: `None` if nothing is there.
    pub(crate) async fn read_now(
        &mut self,
        mut take: impl FnMut(&[u8]),
    ) -> Option<io::Result<usize>> {
        poll_fn(|cx| {
            Poll::Ready(match self.poll_read(cx, &mut take) {
                Poll::Ready(read) => Some(read),
                Poll::Pending => None,
            })
        })
        .await
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        take: &mut impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        with_read_buffer(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(match self {
                Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, &mut buffer),
                Self::Other(other) => Pin::new(other).poll_read(cx, &mut buffer),
            })?;
            let octets = buffer.filled().len();
            if octets > 0 {
                take(buffer.filled());
                // It may have been a password, and whoever reads next overwrites a part of it.
                buffer.filled_mut().fill(0);
            }
            Poll::Ready(Ok(octets))
        })
    }

    /// Writes all of these, one after the other, in one call where the system lets us. A peer
    /// that takes nothing for `stall` is an error of the kind `TimedOut`.
    pub(crate) async fn write_all<const N: usize>(
        &mut self,
        parts: [&[u8]; N],
        stall: Duration,
    ) -> io::Result<()> {
        let mut parts = parts.map(IoSlice::new);
        let mut parts = &mut parts[..];
        // The empty ones at the front are passed over, here and below.
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            let written = {
                let mut write = poll_fn(|cx| self.poll_write(cx, parts));
                // A timer is only taken out when the peer really makes us wait.
                match poll_once(&mut write).await {
                    Some(written) => written?,
                    None => match tokio::time::timeout(stall, write).await {
                        Ok(written) => written?,
                        Err(_elapsed) => return Err(io::ErrorKind::TimedOut.into()),
                    },
                }
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut parts, written);
        }
        Ok(())
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, parts),
            Self::Other(other) => Pin::new(other).poll_write_vectored(cx, parts),
        }
    }

    /// Pushes out what a layer below may have kept.
    pub(crate) async fn flush(&mut self, stall: Duration) -> io::Result<()> {
        match self {
            // A socket keeps nothing.
            Self::Tcp(_) => Ok(()),
            Self::Other(other) => {
                let flush = poll_fn(|cx| Pin::new(&mut *other).poll_flush(cx));
                in_time(stall, flush).await
            }
        }
    }

    /// Whether nothing stands between this and the system.
    pub(crate) fn is_socket(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            Self::Other(_) => false,
        }
    }

    /// Takes what still comes, to the end of the connection or to `octets_max`.
    pub(crate) async fn discard(&mut self, octets_max: usize) {
        let mut left = octets_max;
        while left > 0 {
            match self.read(|_| {}).await {
                Ok(0) | Err(_) => return,
                Ok(octets) => left = left.saturating_sub(octets),
            }
        }
    }

    /// Says that no more will be written, and waits until that is under way.
    pub(crate) async fn shut_down(&mut self, stall: Duration) -> io::Result<()> {
        let shut = poll_fn(|cx| match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Other(other) => Pin::new(other).poll_shutdown(cx),
        });
        in_time(stall, shut).await
    }

    /// As a value that a TLS layer can be put on.
    pub(crate) fn into_boxed(self) -> BoxedIo {
        match self {
            Self::Tcp(tcp) => Box::new(tcp),
            Self::Other(other) => other,
        }
    }
}

async fn in_time(stall: Duration, call: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    match tokio::time::timeout(stall, call).await {
        Ok(done) => done,
        Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// One poll of a future that may be polled again later.
async fn poll_once<F: Future + Unpin>(fut: &mut F) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match Pin::new(&mut *fut).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}
