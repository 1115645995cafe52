//! The frames of the control socket.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

/// The longest frame: the numbers of two million messages in JSON, which are removed all or none.
/// A page of a listing and a chunk are much less.
const FRAME_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// Octets of a message in one chunk.
pub(super) const CHUNK_OCTETS: usize = 64 * 1024;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// A request or a reply.
    Json(Bytes),
    /// Octets of a message.
    Chunk(Bytes),
    /// The message is complete.
    End,
}

/// Frames from octets and back.
pub(super) struct ControlCodec(LengthDelimitedCodec);

impl ControlCodec {
    pub(super) fn new() -> Self {
        let mut lengths = LengthDelimitedCodec::builder();
        Self(lengths.max_frame_length(FRAME_OCTETS_MAX).new_codec())
    }
}

impl Decoder for ControlCodec {
    type Item = Frame;
    type Error = io::Error;

    fn decode(&mut self, octets: &mut BytesMut) -> io::Result<Option<Frame>> {
        let Some(mut frame) = self.0.decode(octets)? else {
            return Ok(None);
        };
        let kind = frame.first().copied();
        frame.advance(usize::from(kind.is_some()));
        match kind {
            Some(b'J') => Ok(Some(Frame::Json(frame.freeze()))),
            Some(b'C') => Ok(Some(Frame::Chunk(frame.freeze()))),
            Some(b'E') if frame.is_empty() => Ok(Some(Frame::End)),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a frame of this protocol",
            )),
        }
    }
}

impl Encoder<Frame> for ControlCodec {
    type Error = io::Error;

    fn encode(&mut self, frame: Frame, octets: &mut BytesMut) -> io::Result<()> {
        let (kind, rest) = match frame {
            Frame::Json(rest) => (b'J', rest),
            Frame::Chunk(rest) => (b'C', rest),
            Frame::End => (b'E', Bytes::new()),
        };
        if rest.len() >= FRAME_OCTETS_MAX {
            let text = format!("a frame of {} octets is too long", rest.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        octets.reserve(rest.len() + 5);
        // The length fits: it is far below 2^32.
        octets.put_u32(rest.len() as u32 + 1);
        octets.put_u8(kind);
        octets.extend_from_slice(&rest);
        Ok(())
    }
}

/// A connection as frames.
pub(super) struct FrameStream {
    stream: UnixStream,
    codec: ControlCodec,
    input: BytesMut,
    output: BytesMut,
}

impl FrameStream {
    pub(super) fn new(stream: UnixStream) -> Self {
        let codec = ControlCodec::new();
        Self {
            stream,
            codec,
            input: BytesMut::new(),
            output: BytesMut::new(),
        }
    }

    /// The next frame; `None` when the peer has hung up between two.
    pub(super) async fn receive(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.input)? {
                return Ok(Some(frame));
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return match self.input.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }

    pub(super) async fn send(&mut self, frame: Frame) -> io::Result<()> {
        self.output.clear();
        self.codec.encode(frame, &mut self.output)?;
        self.stream.write_all(&self.output).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> [Frame; 3] {
        [
            Frame::Json(Bytes::from_static(b"{}")),
            Frame::Chunk(Bytes::from_static(b"x")),
            Frame::End,
        ]
    }

    #[test]
    fn frames_come_back_octet_by_octet() {
        let mut octets = BytesMut::new();
        for frame in frames() {
            ControlCodec::new().encode(frame, &mut octets).unwrap();
        }
        let (mut codec, mut arrived, mut seen) = (ControlCodec::new(), BytesMut::new(), Vec::new());
        for octet in octets {
            arrived.put_u8(octet);
            seen.extend(codec.decode(&mut arrived).unwrap());
        }
        assert_eq!(seen, frames());
    }

    #[test]
    fn a_large_maildrop_is_removed_in_one_frame() {
        let request = crate::control::protocol::Request::Remove {
            user: "ann".into(),
            ids: (1..=1_000_000).collect(),
        };
        let frame = Frame::Json(serde_json::to_vec(&request).unwrap().into());
        let (mut codec, mut octets) = (ControlCodec::new(), BytesMut::new());
        codec.encode(frame.clone(), &mut octets).unwrap();
        assert_eq!(codec.decode(&mut octets).unwrap(), Some(frame));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let decode = |octets: &[u8]| ControlCodec::new().decode(&mut BytesMut::from(octets));
        assert!(decode(&[0, 0, 0, 0]).is_err());
        assert!(decode(&[0, 0, 0, 1, b'X']).is_err());
        assert!(decode(&[0, 0, 0, 2, b'E', 0]).is_err());
        assert!(decode(&[0xff, 0, 0, 0]).is_err());
        assert!(
            ControlCodec::new()
                .encode(
                    Frame::Chunk(Bytes::from(vec![0; FRAME_OCTETS_MAX])),
                    &mut BytesMut::new()
                )
                .is_err()
        );
    }
}
