//! From a body to the connection, in bounded chunks and with back-pressure: the next chunk is
//! read when the last one has left.
//!
//! What is in memory already is read on the thread that serves the socket, which takes a few
//! microseconds; for anything else a thread that may wait for a disk is asked.

use std::io;
use std::sync::Arc;

use mailroost_protocol::wire::transparency::MessageEncoder;
use mailroost_storage::{
    Body, BodyFacts, BodySource, MessageId, OpenedNow, StoreError, StoreErrorKind,
};

use super::chunk::Chunk;
use super::run::Line;
use crate::Machine;

/// A message that was opened, and its first chunk.
pub(super) struct OpenBody {
    facts: BodyFacts,
    chunk: Chunk,
    /// Octets of the message in the chunk.
    filled: usize,
    /// What gives the next ones, if there are any.
    rest: Option<Box<dyn Body>>,
}

/// Opens a message and reads its first chunk.
pub(super) async fn open(
    machine: &Machine,
    bodies: &Arc<dyn BodySource>,
    message: MessageId,
) -> Result<OpenBody, StoreError> {
    let mut chunk = Chunk::lend();
    if let Some(opened) = bodies.open_now(message, &mut chunk) {
        let OpenedNow {
            facts,
            filled,
            rest,
        } = opened;
        return Ok(OpenBody {
            facts,
            chunk,
            filled,
            rest,
        });
    }
    let bodies = Arc::clone(bodies);
    let (chunk, opened) = away(machine, move || {
        let opened = bodies.open(message).and_then(|mut body| {
            let filled = body.read(&mut chunk)?;
            Ok((body, filled))
        });
        (chunk, opened)
    })
    .await?;
    let (body, filled) = opened?;
    Ok(OpenBody {
        facts: body.facts(),
        chunk,
        filled,
        rest: Some(body),
    })
}

/// Sends a message after what is in the output buffer; a part of it may stay there.
pub(super) async fn send(
    message: OpenBody,
    lines: Option<u64>,
    line: &mut Line<'_>,
) -> io::Result<()> {
    let OpenBody {
        facts,
        mut chunk,
        mut filled,
        mut rest,
    } = message;
    let mut encoder = MessageEncoder::new(lines, facts.header_octets, facts.dot_lines);
    let mut scratch = Vec::new();
    let mut left = facts.octets;
    loop {
        let encoded = encoder.encode(&chunk[..filled], &mut scratch);
        left = left.saturating_sub(filled as u64);
        if encoded.complete || left == 0 {
            return line.put(encoded.octets, encoder.end()).await;
        }
        line.put(encoded.octets, b"").await?;
        let Some(mut body) = rest.take() else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        filled = match body.read_now(&mut chunk) {
            Some(filled) => filled,
            None => {
                // Before the wait, let the peer have what there is.
                line.write(&[]).await?;
                let read;
                (body, chunk, read) = away(line.machine(), move || {
                    let read = body.read(&mut chunk);
                    (body, chunk, read)
                })
                .await
                .map_err(io::Error::other)?;
                read.map_err(io::Error::other)?
            }
        };
        if filled == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        rest = Some(body);
    }
}

/// Makes a call that may wait for a disk, away from the threads that serve sockets.
async fn away<R: Send + 'static>(
    machine: &Machine,
    call: impl FnOnce() -> R + Send + 'static,
) -> Result<R, StoreError> {
    machine.blocking(call).await.map_err(|panicked| {
        let context = "the store's reader failed";
        StoreError::caused_by(StoreErrorKind::Io, context, panicked)
    })
}
