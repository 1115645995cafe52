//! Takes messages in: reads them on a thread that may block, in bounded pieces.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

use mailroost_storage::{Delivery, MaildropStore, Staging, StoreError};

use super::ServerError;

/// Octets that are read at once; a whole message is never in memory.
const PIECE_OCTETS: usize = 64 * 1024;

/// Runs something that may block (a disk, a password hash) away from the threads that serve
/// sockets.
///
/// # Errors
/// What `work` says; `Unavailable` if it panicked.
pub async fn blocking<T, E, F>(work: F) -> Result<T, ServerError>
where
    T: Send + 'static,
    E: Into<ServerError> + Send + 'static,
    F: FnOnce() -> Result<T, E> + Send + 'static,
{
    match actix_rt::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(ServerError::Unavailable("the blocking thread")),
    }
}

/// Reads a message to its end and stages it: durable, not yet visible. `reader` may block.
///
/// # Errors
/// `Reading` if `reader` fails; what the store says. Nothing is left behind then.
pub async fn stage(
    store: Arc<dyn MaildropStore>,
    staging: Staging,
    mut reader: impl Read + Send + 'static,
) -> Result<Delivery, ServerError> {
    blocking(move || {
        let mut body = store.stage(staging)?;
        let mut piece = vec![0; PIECE_OCTETS];
        loop {
            match reader.read(&mut piece) {
                Ok(0) => return Ok(body.finish()?),
                Ok(octets) => body.write_all(&piece[..octets]).map_err(store_error)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ServerError::Reading(error)),
            }
        }
    })
    .await
}

/// What the store said through [`Write`], unwrapped.
fn store_error(error: std::io::Error) -> StoreError {
    match error.downcast::<StoreError>() {
        Ok(error) => error,
        Err(error) => StoreError::io("writing a message", error),
    }
}
