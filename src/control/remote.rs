//! A user's maildrop at the other end of a conversation, as the import and the export of
//! `storage` want to see it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use mailroost_storage::{
    Body, BodyFacts, BodySource, Delivery, Housekeeping, MaildropId, MaildropStore, MessageId,
    OwnedMaildrop, SharedBody, StagedBody, Staging, StoreError, StoreErrorKind,
};

use super::client::{Client, ClientError};

/// One conversation, used by one thread at a time.
type Shared = Arc<Mutex<Client>>;

fn lock(client: &Shared) -> MutexGuard<'_, Client> {
    client.lock().unwrap_or_else(PoisonError::into_inner)
}

fn store_error(error: ClientError) -> StoreError {
    match error {
        ClientError::Fault(fault) => StoreError::from(&fault),
        error => StoreError::new(StoreErrorKind::Io, error.to_string()),
    }
}

/// Stages messages in a server's store. One at a time: a staging has the conversation to
/// itself until it is finished.
#[derive(Clone)]
pub struct RemoteStore(Shared);

impl RemoteStore {
    /// Over a conversation.
    pub fn new(client: Client) -> Self {
        Self(Arc::new(Mutex::new(client)))
    }

    /// Delivers what was staged, all or none.
    ///
    /// # Errors
    /// `OverQuota`, if it is not ignored; what the store says.
    pub fn deliver(
        &self,
        user: &str,
        deliveries: Vec<Delivery>,
        ignore_quota: bool,
    ) -> Result<Vec<MessageId>, StoreError> {
        let tokens = deliveries
            .into_iter()
            .map(|delivery| {
                delivery
                    .material
                    .downcast::<Token>()
                    .map(|token| token.spend())
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| StoreError::new(StoreErrorKind::Invalid, "staged in another store"))?;
        lock(&self.0)
            .deliver_staged(user, tokens, ignore_quota)
            .map_err(store_error)
    }
}

impl MaildropStore for RemoteStore {
    fn open_maildrop(&self, maildrop: MaildropId) -> Result<Box<dyn OwnedMaildrop>, StoreError> {
        let context = format!("maildrop {maildrop} is the server's");
        Err(StoreError::new(StoreErrorKind::Busy, context))
    }

    fn stage(&self, staging: Staging) -> Result<Box<dyn StagedBody>, StoreError> {
        let begun =
            lock(&self.0).begin_stage(staging.received_secs, staging.carried_unique_id.clone());
        begun.map_err(store_error)?;
        let (client, octets_left) = (self.0.clone(), staging.octets_max);
        let carried_unique_id = staging.carried_unique_id;
        Ok(Box::new(RemoteStaging {
            client,
            carried_unique_id,
            octets_left,
            ended: false,
        }))
    }

    fn housekeeping(&self) -> Result<Housekeeping, StoreError> {
        Ok(Housekeeping::default())
    }

    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

struct RemoteStaging {
    client: Shared,
    carried_unique_id: Option<Box<str>>,
    octets_left: Option<u64>,
    ended: bool,
}

impl Write for RemoteStaging {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if let Some(left) = &mut self.octets_left {
            *left = left.checked_sub(octets.len() as u64).ok_or_else(|| {
                let error = StoreError::new(StoreErrorKind::Invalid, "the message is too large");
                io::Error::new(io::ErrorKind::FileTooLarge, error)
            })?;
        }
        let sent = lock(&self.client).send_chunk(octets);
        sent.map(|()| octets.len())
            .map_err(|error| io::Error::other(store_error(error)))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StagedBody for RemoteStaging {
    fn finish(mut self: Box<Self>) -> Result<Delivery, StoreError> {
        self.ended = true;
        let (token, facts, received_secs) = lock(&self.client).end_stage().map_err(store_error)?;
        let material = Token {
            client: self.client.clone(),
            token: Some(token),
        };
        Ok(Delivery {
            facts,
            received_secs,
            carried_unique_id: self.carried_unique_id.take(),
            material: Box::new(material),
        })
    }

    /// Import has one recipient for each message.
    fn finish_shared(self: Box<Self>) -> Result<Box<dyn SharedBody>, StoreError> {
        let context = "a message that goes to a server through its control socket is not shared";
        Err(StoreError::new(StoreErrorKind::Invalid, context))
    }
}

/// What was begun has to be ended before the conversation can go on.
impl Drop for RemoteStaging {
    fn drop(&mut self) {
        if !self.ended {
            let mut client = lock(&self.client);
            // If the connection is broken, so will the next request say.
            let _ = client
                .end_stage()
                .and_then(|(token, ..)| client.discard(token));
        }
    }
}

/// A staged message at the server; dropped, it is let go of there.
struct Token {
    client: Shared,
    token: Option<u64>,
}

impl Token {
    fn spend(mut self) -> u64 {
        self.token.take().unwrap_or_default()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if let Some(token) = self.token {
            let _ = lock(&self.client).discard(token);
        }
    }
}

/// Reads the messages of a user's maildrop, one at a time.
pub struct RemoteBodies {
    client: Shared,
    user: String,
}

impl RemoteBodies {
    /// Over a conversation.
    pub fn new(client: Client, user: &str) -> Self {
        Self {
            client: Arc::new(Mutex::new(client)),
            user: user.into(),
        }
    }
}

impl BodySource for RemoteBodies {
    fn open(&self, message: MessageId) -> Result<Box<dyn Body>, StoreError> {
        let facts = lock(&self.client)
            .begin_read(&self.user, message.0)
            .map_err(store_error)?;
        let client = self.client.clone();
        Ok(Box::new(RemoteBody {
            client,
            facts,
            chunk: Bytes::new(),
            ended: false,
        }))
    }
}

struct RemoteBody {
    client: Shared,
    facts: BodyFacts,
    chunk: Bytes,
    ended: bool,
}

impl RemoteBody {
    fn next_chunk(&mut self) -> Result<(), StoreError> {
        match lock(&self.client).read_chunk() {
            Ok(Some(chunk)) => self.chunk = chunk,
            Ok(None) => self.ended = true,
            Err(error) => {
                self.ended = true;
                return Err(store_error(error));
            }
        }
        Ok(())
    }
}

impl Body for RemoteBody {
    fn facts(&self) -> BodyFacts {
        self.facts
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StoreError> {
        while self.chunk.is_empty() && !self.ended {
            self.next_chunk()?;
        }
        let octets = self.chunk.len().min(buffer.len());
        self.chunk.copy_to_slice(&mut buffer[..octets]);
        Ok(octets)
    }
}

/// What is on its way has to arrive before the conversation can go on.
impl Drop for RemoteBody {
    fn drop(&mut self) {
        while !self.ended {
            let _ = self.next_chunk();
        }
    }
}
