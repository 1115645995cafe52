//! What TLS writes leaves in few calls: its records wait for one another until it flushes, or
//! until there are many.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use mailroost_actors::tls::BoxedIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What waits at most: four full records of 16 KiB, and a few small ones.
const WAITING_OCTETS_MAX: usize = 72 * 1024;

/// A connection below TLS. Idle, it holds no buffer.
pub(super) struct Gathered {
    below: BoxedIo,
    waiting: Vec<u8>,
    /// Octets of these that have left.
    left: usize,
}

impl Gathered {
    pub(super) fn new(below: BoxedIo) -> Self {
        Self {
            below,
            waiting: Vec::new(),
            left: 0,
        }
    }

    /// Has all that waits leave.
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.left < self.waiting.len() {
            let octets = &self.waiting[self.left..];
            match ready!(Pin::new(&mut self.below).poll_write(cx, octets))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.left += written,
            }
        }
        self.waiting = Vec::new();
        self.left = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gathered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Gathered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.waiting.len() + octets.len() > WAITING_OCTETS_MAX {
            ready!(self.poll_leave(cx))?;
        }
        self.waiting.extend_from_slice(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_leave(cx))?;
        Pin::new(&mut self.below).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_leave(cx))?;
        Pin::new(&mut self.below).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// Notes how much each write brings, and takes no more than so much of it.
    struct Noted(Arc<Mutex<Vec<usize>>>, usize);

    impl AsyncRead for Noted {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Noted {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            octets: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = octets.len().min(self.1);
            self.0.lock().unwrap().push(taken);
            Poll::Ready(Ok(taken))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn records_leave_together_and_no_buffer_stays_behind() {
        let writes = Arc::<Mutex<Vec<usize>>>::default();
        let noted = Noted(Arc::clone(&writes), usize::MAX);
        let mut gathered = Gathered::new(Box::new(noted));
        for record in [27, 16_406, 16_406, 16_406, 16_406, 25] {
            gathered.write_all(&vec![0; record]).await.unwrap();
        }
        assert!(writes.lock().unwrap().is_empty());
        gathered.flush().await.unwrap();
        assert_eq!(*writes.lock().unwrap(), [65_676]);
        assert_eq!(gathered.waiting.capacity(), 0);
        gathered.flush().await.unwrap();
        gathered.shutdown().await.unwrap();
        assert_eq!(writes.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn no_more_waits_than_the_limit_says() {
        let writes = Arc::<Mutex<Vec<usize>>>::default();
        let noted = Noted(Arc::clone(&writes), 10_000);
        let mut gathered = Gathered::new(Box::new(noted));
        for _ in 0..100 {
            gathered.write_all(&[0; 16_406]).await.unwrap();
            assert!(gathered.waiting.len() <= WAITING_OCTETS_MAX);
        }
        gathered.shutdown().await.unwrap();
        assert_eq!(writes.lock().unwrap().iter().sum::<usize>(), 1_640_600);
    }

    #[tokio::test]
    async fn a_peer_that_reads_slowly_gets_all_of_it_in_order() {
        let (ours, mut theirs) = duplex(1_000);
        let sent: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
        let mut gathered = Gathered::new(Box::new(ours));
        let sending = async {
            for record in sent.chunks(16_406) {
                gathered.write_all(record).await.unwrap();
            }
            gathered.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let (_, read) = tokio::join!(sending, theirs.read_to_end(&mut received));
        read.unwrap();
        assert!(received == sent);
    }
}
