//! A connection under a security layer (RFC 4422 s3.7): each buffer is four octets of length, in
//! network order, and what the layer made of it.
//!
//! What is held: of what comes in, one buffer that is not whole yet, or what is left of one; of
//! what goes out, one buffer until the socket has taken it. Without either nothing is kept.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use mailroost_auth::{SecurityLayer, SecurityLayerError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tls::BoxedIo;

/// How many octets tell the length of a buffer.
const LENGTH_OCTETS: usize = 4;

/// The most octets that go out as one buffer: large enough that its overhead does not count,
/// small enough that a client with a small memory is not kept waiting.
const PLAIN_OCTETS_MAX: usize = 16 * 1024;

/// See the file's first lines.
pub(super) struct LayeredIo {
    below: BoxedIo,
    layer: Box<dyn SecurityLayer>,
    /// Received and not opened: at most what one read brought behind a buffer that is not whole.
    received: Vec<u8>,
    /// Opened and not read yet.
    plain: Vec<u8>,
    plain_read: usize,
    /// Protected and not written yet.
    out: Vec<u8>,
    out_written: usize,
}

impl LayeredIo {
    /// `pending` was received already and is under the layer.
    pub(super) fn new(below: BoxedIo, layer: Box<dyn SecurityLayer>, pending: &[u8]) -> Self {
        Self {
            below,
            layer,
            received: pending.to_vec(),
            plain: Vec::new(),
            plain_read: 0,
            out: Vec::new(),
            out_written: 0,
        }
    }

    /// Opens the first whole buffer of what was received, if there is one.
    fn open_next(&mut self) -> io::Result<bool> {
        let Some((length, rest)) = self.received.split_first_chunk::<LENGTH_OCTETS>() else {
            return Ok(false);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let length_max = self.layer.receive_octets_max();
        if length > length_max {
            let why = format!("a buffer of {length} octets, more than {length_max}");
            return Err(broken(SecurityLayerError(why)));
        }
        let Some(buffer) = rest.get(..length) else {
            return Ok(false);
        };
        self.plain = self.layer.decode(buffer).map_err(broken)?;
        self.plain_read = 0;
        self.received.drain(..LENGTH_OCTETS + length);
        if self.received.is_empty() {
            self.received = Vec::new();
        }
        Ok(true)
    }

    /// Gives away what was opened, as much as fits.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        let left = &self.plain[self.plain_read..];
        let given = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..given]);
        self.plain_read += given;
        if self.plain_read == self.plain.len() {
            self.plain = Vec::new();
            self.plain_read = 0;
        }
    }

    /// Reads once from below; 0 is the end.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut chunk = [0; 4096];
        let mut chunk = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.below).poll_read(cx, &mut chunk))?;
        self.received.extend_from_slice(chunk.filled());
        Poll::Ready(Ok(chunk.filled().len()))
    }

    /// Writes what was protected, to its end.
    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.out_written < self.out.len() {
            let left = &self.out[self.out_written..];
            let written = ready!(Pin::new(&mut self.below).poll_write(cx, left))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out_written += written;
        }
        self.out = Vec::new();
        self.out_written = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for LayeredIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.plain_read < self.plain.len() {
                self.give(buffer);
                return Poll::Ready(Ok(()));
            }
            // A buffer may be empty inside; then the next one counts.
            if self.open_next()? {
                continue;
            }
            if ready!(self.poll_receive(cx))? == 0 {
                return Poll::Ready(match self.received.is_empty() {
                    true => Ok(()),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                });
            }
        }
    }
}

impl AsyncWrite for LayeredIo {
    /// Takes octets only when all that was taken before is written: the peer that does not read
    /// stops whoever writes.
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        plain: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_write_out(cx))?;
        let taken = plain.len().min(PLAIN_OCTETS_MAX);
        let taken = taken.min(self.layer.send_octets_max());
        if taken == 0 {
            return Poll::Ready(Ok(0));
        }
        let buffer = self.layer.encode(&plain[..taken]).map_err(broken)?;
        let length = u32::try_from(buffer.len()).map_err(io::Error::other)?;
        self.out = [&length.to_be_bytes(), buffer.as_slice()].concat();
        // What does not go now goes with the next call.
        if let Poll::Ready(Err(error)) = self.poll_write_out(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_out(cx))?;
        Pin::new(&mut self.below).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_out(cx))?;
        Pin::new(&mut self.below).poll_shutdown(cx)
    }
}

fn broken(error: SecurityLayerError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// Turns octets round and puts a `#` in front; buffers of the client have at most 8 octets.
    struct Turning;

    impl SecurityLayer for Turning {
        fn receive_octets_max(&self) -> usize {
            8
        }

        fn send_octets_max(&self) -> usize {
            3
        }

        fn encode(&mut self, plain: &[u8]) -> Result<Vec<u8>, SecurityLayerError> {
            Ok(std::iter::once(b'#')
                .chain(plain.iter().rev().copied())
                .collect())
        }

        fn decode(&mut self, buffer: &[u8]) -> Result<Vec<u8>, SecurityLayerError> {
            match buffer.strip_prefix(b"#") {
                Some(rest) => Ok(rest.iter().rev().copied().collect()),
                None => Err(SecurityLayerError("it is forged".to_owned())),
            }
        }
    }

    /// The client's end, and ours under the layer.
    fn layered(pending: &[u8]) -> (DuplexStream, LayeredIo) {
        let (client, server) = duplex(64);
        (
            client,
            LayeredIo::new(Box::new(server), Box::new(Turning), pending),
        )
    }

    #[tokio::test]
    async fn what_comes_in_is_opened_however_it_is_cut() {
        let (mut client, mut layered) = layered(b"\0\0\0\x05#TA");
        for octets in [
            &b"TS"[..],
            b"\0\0",
            b"\0\x01#\0\0\0\x03#\n\r\0\0",
            b"\0\x02#A",
        ] {
            client.write_all(octets).await.unwrap();
        }
        let mut plain = [0; 7];
        layered.read_exact(&mut plain).await.unwrap();
        assert_eq!(&plain, b"STAT\r\nA");
        drop(client);
        assert_eq!(layered.read(&mut plain).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_goes_out_is_cut_to_what_the_client_takes() {
        let (mut client, mut layered) = layered(b"");
        layered.write_all(b"+OK\r\n").await.unwrap();
        layered.flush().await.unwrap();
        drop(layered);
        let mut octets = Vec::new();
        client.read_to_end(&mut octets).await.unwrap();
        assert_eq!(octets, b"\0\0\0\x04#KO+\0\0\0\x03#\n\r");
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_stops_the_writer_after_one_buffer() {
        let (_client, mut layered) = layered(b"");
        let endless = vec![b'a'; 4096];
        let write = layered.write_all(&endless);
        tokio::pin!(write);
        let waited = std::future::poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx).is_pending()));
        assert!(waited.await);
        assert!(layered.out.len() <= LENGTH_OCTETS + 4);
    }

    #[tokio::test]
    async fn too_long_a_buffer_a_forged_one_and_half_of_one_end_it() {
        for (octets, why) in [
            (&b"\0\0\0\x09#"[..], "a buffer of 9 octets, more than 8"),
            (b"STAT\r\n", "a buffer of 1398030676 octets, more than 8"),
            (b"\0\0\0\x02TA", "it is forged"),
            (b"\0\0\0\x02#", "unexpected end of file"),
        ] {
            let (mut client, mut layered) = layered(b"");
            client.write_all(octets).await.unwrap();
            drop(client);
            let error = layered.read(&mut [0; 8]).await.unwrap_err();
            assert!(error.to_string().ends_with(why), "{error}");
        }
    }
}
