//! A message on its way into the store, in pieces: what the wire brings is small, and each walk
//! to a thread that may block has its price.

use std::io::Write;
use std::sync::Arc;

use mailroost_storage::{
    MaildropStore, SharedBody, StagedBody, Staging, StoreError, StoreErrorKind,
};

use crate::Machine;

/// Octets that are written at once. Nothing is read meanwhile, so this and what was read last is
/// all that a connection holds of a message.
const PIECE_OCTETS: usize = 256 * 1024;

/// See the file's first lines. Dropped, it leaves nothing behind.
pub(super) struct Incoming {
    /// Lent to a blocking thread while it writes.
    body: Option<Box<dyn StagedBody>>,
    piece: Vec<u8>,
    machine: Machine,
    /// Octets so far.
    pub(super) octets: u64,
}

impl Incoming {
    /// Makes a place for a message.
    pub(super) async fn begin(
        store: Arc<dyn MaildropStore>,
        machine: Machine,
    ) -> Result<Self, StoreError> {
        let body = blocking(&machine, move || store.stage(Staging::default())).await?;
        Ok(Self {
            body: Some(body),
            piece: Vec::new(),
            machine,
            octets: 0,
        })
    }

    /// Takes the next octets. After an error there is nothing more to be done with it.
    pub(super) async fn write(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.octets += octets.len() as u64;
        self.piece.extend_from_slice(octets);
        if self.piece.len() < PIECE_OCTETS {
            return Ok(());
        }
        let (mut body, piece) = (self.take_body()?, std::mem::take(&mut self.piece));
        let (body, mut piece) = blocking(&self.machine, move || {
            body.write_all(&piece).map_err(store_error)?;
            Ok((body, piece))
        })
        .await?;
        piece.clear();
        self.piece = piece;
        self.body = Some(body);
        Ok(())
    }

    /// The message is complete: its octets are durable, and nobody has it yet.
    pub(super) async fn finish(mut self) -> Result<Box<dyn SharedBody>, StoreError> {
        let (mut body, piece) = (self.take_body()?, std::mem::take(&mut self.piece));
        blocking(&self.machine, move || {
            body.write_all(&piece).map_err(store_error)?;
            body.finish_shared()
        })
        .await
    }

    fn take_body(&mut self) -> Result<Box<dyn StagedBody>, StoreError> {
        let lost = || StoreError::new(StoreErrorKind::Io, "a message was lost while written");
        self.body.take().ok_or_else(lost)
    }
}

impl Drop for Incoming {
    /// A file is unlinked, which may block.
    fn drop(&mut self) {
        if let (Some(body), Ok(_inside)) = (self.body.take(), tokio::runtime::Handle::try_current())
        {
            drop(self.machine.blocking(move || drop(body)));
        }
    }
}

/// Runs a call of the store on a thread that may block. One that panics is an error like others.
pub(super) async fn blocking<R: Send + 'static>(
    machine: &Machine,
    call: impl FnOnce() -> Result<R, StoreError> + Send + 'static,
) -> Result<R, StoreError> {
    let called = machine.blocking(call).await;
    called.unwrap_or_else(|panicked| {
        Err(StoreError::new(
            StoreErrorKind::Io,
            format!("a call of the store did not return: {panicked}"),
        ))
    })
}

/// What the store said through [`Write`], unwrapped.
fn store_error(error: std::io::Error) -> StoreError {
    match error.downcast::<StoreError>() {
        Ok(error) => error,
        Err(error) => StoreError::io("writing a message", error),
    }
}
