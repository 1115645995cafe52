//! A way to what arrives at the control socket, for the fuzz targets. It is compiled for them
//! alone (feature `fuzzing`) and promises nothing.

use std::io;

use bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

use super::codec::{ControlCodec, Frame};
use super::protocol::{Reply, Request};

/// The whole frames of these reads, encoded anew, and the JSON of those that have some.
///
/// # Errors
/// What arrives is not of the protocol.
pub fn recoded(reads: &[&[u8]]) -> io::Result<(Vec<u8>, Vec<Vec<u8>>)> {
    let (mut codec, mut input) = (ControlCodec::new(), BytesMut::new());
    let (mut output, mut documents) = (BytesMut::new(), Vec::new());
    for read in reads {
        input.extend_from_slice(read);
        while let Some(frame) = codec.decode(&mut input)? {
            if let Frame::Json(json) = &frame {
                documents.push(json.to_vec());
            }
            ControlCodec::new().encode(frame, &mut output)?;
        }
    }
    Ok((output.to_vec(), documents))
}

/// A request, encoded anew; `None` if it is none.
pub fn recoded_request(json: &[u8]) -> Option<Vec<u8>> {
    let request: Request = serde_json::from_slice(json).ok()?;
    serde_json::to_vec(&request).ok()
}

/// A reply, encoded anew; `None` if it is none.
pub fn recoded_reply(json: &[u8]) -> Option<Vec<u8>> {
    let reply: Reply = serde_json::from_slice(json).ok()?;
    serde_json::to_vec(&reply).ok()
}
