//! Carries requests out, the same for a daemon and for a store that was opened for one command.

use std::collections::HashMap;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use mailroost_storage::{Body, Delivery, MessageId, Staging, StoreError};
use tokio::sync::mpsc;

use super::codec::{CHUNK_OCTETS, Frame, FrameStream};
use super::protocol::{Fault, FaultKind, MessageRow, PROTOCOL, Reply, Request};
use super::{credential, directory, refusals, upkeep};
use crate::server::{ServerError, ServerHandle, blocking, stage};

/// Users, messages or bans in one page of a listing; with the longest names it stays below the
/// longest frame.
pub(super) const PAGE_ROWS: usize = 1000;

/// Staged messages that wait for their delivery in one conversation.
const STAGED_MAX: usize = 256;

/// Chunks between the socket and the disk.
const CHUNKS_WAITING: usize = 2;

/// One client's requests, one after the other.
pub(super) struct Conversation {
    frames: FrameStream,
    server: ServerHandle,
    staged: HashMap<u64, Delivery>,
    next_token: u64,
}

impl Conversation {
    pub(super) fn new(frames: FrameStream, server: ServerHandle) -> Self {
        Self {
            frames,
            server,
            staged: HashMap::new(),
            next_token: 0,
        }
    }

    /// Until the client hangs up.
    pub(super) async fn run(mut self) -> io::Result<()> {
        while let Some(frame) = self.frames.receive().await? {
            let Frame::Json(text) = frame else {
                return Err(out_of_place());
            };
            let request = match serde_json::from_slice(&text) {
                Ok(request) => request,
                Err(error) => {
                    // What follows a request that is not understood is not known either.
                    let message = format!("not a request of this server: {error}");
                    let fault = Fault::new(FaultKind::Protocol, message);
                    return self.reply(Reply::Failed { fault }).await;
                }
            };
            match request {
                Request::Stage {
                    received_secs,
                    carried_unique_id,
                } => {
                    let octets_max = self.server.message_octets_max();
                    let staging = Staging {
                        octets_max,
                        received_secs,
                        carried_unique_id,
                    };
                    self.stage(staging).await?;
                }
                Request::Read { user, id } => self.read(&user, MessageId(id)).await?,
                request => {
                    let reply = self.execute(request).await;
                    self.reply(reply.unwrap_or_else(|fault| Reply::Failed { fault }))
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// Carries out a request that has neither a message with it nor in its reply.
    async fn execute(&mut self, request: Request) -> Result<Reply, Fault> {
        let server = &self.server;
        Ok(match request {
            Request::Hello => Reply::Hello {
                protocol: PROTOCOL,
                pid: std::process::id(),
            },
            Request::AddUser {
                name,
                password_hash,
            } => directory::add_user(server, &name, password_hash).await?,
            Request::SetPassword {
                name,
                password_hash,
                derived,
            } => directory::set_password(server, &name, password_hash, derived).await?,
            Request::SetUser { name, changes } => {
                directory::set_user(server, &name, changes).await?
            }
            Request::RemoveUser { name } => directory::remove_user(server, &name).await?,
            Request::AppPasswords { user, action } => {
                credential::app_passwords(server, &user, action).await?
            }
            Request::User { name } => directory::user(server, &name).await?,
            Request::Users { after } => directory::users(server, after).await?,
            Request::Discard { token } => {
                self.staged.remove(&token);
                Reply::Done
            }
            Request::Deliver {
                user,
                tokens,
                ignore_quota,
            } => self.deliver(&user, &tokens, ignore_quota).await?,
            Request::Usage { name } => upkeep::usage(server, &name).await?,
            Request::Deleted { user, after } => upkeep::deleted(server, &user, after).await?,
            Request::Undelete {
                user,
                ids,
                ignore_quota,
            } => upkeep::undelete(server, &user, ids, ignore_quota).await?,
            Request::Purge {
                user,
                deleted_before_secs,
            } => upkeep::purge(server, &user, deleted_before_secs).await?,
            Request::Retain { after, dry_run } => upkeep::retain(server, after, dry_run).await?,
            Request::Messages { user, after } => messages(server, &user, after).await?,
            Request::Remove { user, ids } => remove(server, &user, ids).await?,
            Request::Census => Reply::Census {
                tree: server.census().await.into(),
            },
            Request::Bans => refusals::bans(server),
            Request::ClearBans { whom } => refusals::clear_bans(server, whom.as_deref()),
            Request::Refusal { id } => refusals::refusal(server, &id)?,
            Request::Stage { .. } | Request::Read { .. } => {
                return Err(Fault::new(
                    FaultKind::Protocol,
                    "a message does not belong here",
                ));
            }
        })
    }

    async fn deliver(
        &mut self,
        user: &str,
        tokens: &[u64],
        ignore_quota: bool,
    ) -> Result<Reply, Fault> {
        let user = self.server.user(user).await?;
        let deliveries = tokens.iter().map(|token| self.staged.remove(token));
        let Some(deliveries) = deliveries.collect::<Option<Vec<_>>>() else {
            return Err(Fault::new(
                FaultKind::Protocol,
                "a message that was not staged",
            ));
        };
        let tree = self.server.tree();
        let terms = upkeep::terms(&self.server, &user, ignore_quota);
        let ids = tree.deliver_on(terms, user.maildrop, deliveries).await;
        let ids = ids.map_err(ServerError::from)?;
        Ok(Reply::Delivered {
            ids: ids.into_iter().map(|id| id.0).collect(),
        })
    }

    /// Takes a message in while it arrives. All of it is read even when the store has already
    /// refused it, so that the client gets to know why.
    async fn stage(&mut self, staging: Staging) -> io::Result<()> {
        let (chunks, arriving) = mpsc::channel(CHUNKS_WAITING);
        let reader = Arriving {
            chunks: arriving,
            chunk: Bytes::new(),
            complete: false,
        };
        let staged = actix_rt::spawn(stage(self.server.store().clone(), staging, reader));
        loop {
            match self.frames.receive().await? {
                Some(Frame::Chunk(chunk)) => drop(chunks.send(Some(chunk)).await),
                Some(Frame::End) => break,
                Some(Frame::Json(_)) => return Err(out_of_place()),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        drop(chunks.send(None).await);
        let delivery = match staged.await {
            Ok(Ok(_)) if self.staged.len() >= STAGED_MAX => Err(Fault::new(
                FaultKind::Protocol,
                "too many messages wait for delivery",
            )),
            Ok(staged) => staged.map_err(Fault::from),
            Err(_) => Err(Fault::new(
                FaultKind::Unavailable,
                "the staging of a message failed",
            )),
        };
        let reply = match delivery {
            Ok(delivery) => {
                let (facts, received_secs) = (delivery.facts.into(), delivery.received_secs);
                self.next_token += 1;
                self.staged.insert(self.next_token, delivery);
                Reply::Staged {
                    token: self.next_token,
                    facts,
                    received_secs,
                }
            }
            Err(fault) => Reply::Failed { fault },
        };
        self.reply(reply).await
    }

    /// Sends a message, chunk by chunk as the client takes it.
    async fn read(&mut self, user: &str, id: MessageId) -> io::Result<()> {
        let body = match open(&self.server, user, id).await {
            Ok(body) => body,
            Err(fault) => return self.reply(Reply::Failed { fault }).await,
        };
        self.reply(Reply::Body {
            facts: body.facts().into(),
        })
        .await?;
        let (chunks, mut leaving) = mpsc::channel(CHUNKS_WAITING);
        actix_rt::task::spawn_blocking(move || pump(body, &chunks));
        loop {
            let fault = match leaving.recv().await {
                Some(Ok(end)) if end.is_empty() => return self.frames.send(Frame::End).await,
                Some(Ok(chunk)) => {
                    self.frames.send(Frame::Chunk(chunk)).await?;
                    continue;
                }
                Some(Err(error)) => ServerError::Store(error).into(),
                None => Fault::new(FaultKind::Unavailable, "the reading of a message failed"),
            };
            return self.reply(Reply::Failed { fault }).await;
        }
    }

    async fn reply(&mut self, reply: Reply) -> io::Result<()> {
        self.frames
            .send(Frame::Json(serde_json::to_vec(&reply)?.into()))
            .await
    }
}

fn out_of_place() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a frame out of place")
}

async fn messages(server: &ServerHandle, user: &str, after: Option<u64>) -> Result<Reply, Fault> {
    let contents = server.contents(user).await?;
    let begin = match after {
        Some(after) => contents
            .messages
            .partition_point(|message| message.id.0 <= after),
        None => 0,
    };
    let page = contents.messages[begin..].iter().take(PAGE_ROWS);
    Ok(Reply::Messages {
        messages: page.map(MessageRow::from).collect(),
    })
}

async fn remove(server: &ServerHandle, user: &str, ids: Vec<u64>) -> Result<Reply, Fault> {
    let ids = ids.into_iter().map(MessageId).collect();
    Ok(Reply::Removed {
        count: server.remove(user, ids).await?,
    })
}

async fn open(server: &ServerHandle, user: &str, id: MessageId) -> Result<Box<dyn Body>, Fault> {
    let bodies = server.contents(user).await?.bodies;
    Ok(blocking(move || bodies.open(id)).await?)
}

/// Reads a body to its end, on a thread that may block. The end is an empty chunk: a channel
/// that closes without one is a reading that broke off.
pub(super) fn pump(mut body: Box<dyn Body>, chunks: &mpsc::Sender<Result<Bytes, StoreError>>) {
    loop {
        let mut chunk = vec![0; CHUNK_OCTETS];
        let chunk = body.read(&mut chunk).map(|octets| {
            chunk.truncate(octets);
            Bytes::from(chunk)
        });
        let last = chunk.as_ref().map_or(true, Bytes::is_empty);
        // Nobody receives any more when the client has hung up.
        if chunks.blocking_send(chunk).is_err() || last {
            return;
        }
    }
}

/// A message on its way in, for a thread that may block. `None` is its end; a channel that
/// closes before is a client that hung up.
struct Arriving {
    chunks: mpsc::Receiver<Option<Bytes>>,
    chunk: Bytes,
    complete: bool,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() && !self.complete {
            match self.chunks.blocking_recv() {
                Some(Some(chunk)) => self.chunk = chunk,
                Some(None) => self.complete = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let octets = self.chunk.len().min(buffer.len());
        self.chunk.copy_to_slice(&mut buffer[..octets]);
        Ok(octets)
    }
}
