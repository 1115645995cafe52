//! From a body to the connection, in bounded chunks and with back-pressure: the next chunk is
//! read when the last one has left.

use std::io;
use std::sync::Arc;

use mailroost_protocol::wire::transparency::MessageEncoder;
use mailroost_storage::{Body, BodySource, MessageId, StoreError, StoreErrorKind};

use super::run::Line;
use crate::Machine;

/// Octets read at once. Larger chunks gain nothing measurable over loopback.
const CHUNK_OCTETS: u64 = 64 * 1024;
/// A chunk up to this size is copied behind what is in the output buffer already, so that the
/// replies to pipelined commands leave together.
const COPIED_OCTETS_MAX: usize = 4 * 1024;

/// A message that was opened, and its first chunk.
pub(super) struct OpenBody {
    body: Box<dyn Body>,
    buffer: Vec<u8>,
    filled: usize,
}

/// Opens a message and reads its first chunk, away from the threads that serve sockets.
pub(super) async fn open(
    machine: &Machine,
    bodies: Arc<dyn BodySource>,
    message: MessageId,
) -> Result<OpenBody, StoreError> {
    blocking(machine, move || {
        let mut body = bodies.open(message)?;
        let octets = body.facts().octets.clamp(1, CHUNK_OCTETS);
        let octets = usize::try_from(octets).expect("a chunk's size fits into a usize");
        let mut buffer = vec![0; octets];
        let filled = body.read(&mut buffer)?;
        Ok(OpenBody {
            body,
            buffer,
            filled,
        })
    })
    .await
}

/// Sends a message after what is in the output buffer. The termination line stays there.
pub(super) async fn send(
    message: OpenBody,
    lines: Option<u64>,
    line: &mut Line<'_>,
) -> io::Result<()> {
    let OpenBody {
        mut body,
        mut buffer,
        mut filled,
    } = message;
    let facts = body.facts();
    let mut encoder = MessageEncoder::new(lines, facts.header_octets, facts.dot_lines);
    let mut scratch = Vec::new();
    let mut left = facts.octets;
    loop {
        let encoded = encoder.encode(&buffer[..filled], &mut scratch);
        let complete = encoded.complete;
        if encoded.octets.len() <= COPIED_OCTETS_MAX {
            line.out.extend_from_slice(encoded.octets);
        } else {
            line.write(encoded.octets).await?;
        }
        scratch.clear();
        left = left.saturating_sub(filled as u64);
        if complete || left == 0 {
            break;
        }
        if filled == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // What follows a short first chunk is a longer wait: let the peer have what there is.
        line.write(&[]).await?;
        (body, buffer, filled) = blocking(line.machine(), move || {
            let filled = body.read(&mut buffer)?;
            Ok((body, buffer, filled))
        })
        .await
        .map_err(io::Error::other)?;
    }
    encoder.finish(&mut line.out);
    Ok(())
}

async fn blocking<R: Send + 'static>(
    machine: &Machine,
    call: impl FnOnce() -> Result<R, StoreError> + Send + 'static,
) -> Result<R, StoreError> {
    match machine.blocking(call).await {
        Ok(done) => done,
        Err(panicked) => Err(StoreError::caused_by(
            StoreErrorKind::Io,
            "the store's reader failed",
            panicked,
        )),
    }
}
