//! Carries requests out, the same for a daemon and for a store that was opened for one command.

use std::collections::HashMap;
use std::io::{self, Read};
use std::time::SystemTime;

use bytes::{Buf, Bytes};
use mailroost_protocol::RefusalIdError;
use mailroost_storage::{
    Body, Credential, Delivery, MessageId, NewUser, Staging, StoreError, StoredCredential, User,
    UserName,
};
use tokio::sync::mpsc;

use super::codec::{CHUNK_OCTETS, Frame, FrameStream};
use super::credential;
use super::protocol::{
    Fault, FaultKind, MessageRow, PROTOCOL, Reply, Request, SiteChange, Sizes, UserChanges,
};
use super::upkeep;
use super::user::{DerivedSecrets, UserRow};
use crate::server::{ServerError, ServerHandle, blocking, stage};

/// Users or messages in one page of a listing; with the longest names it stays below the
/// longest frame.
const PAGE_ROWS: usize = 1000;

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
            } => shown(server, add_user(server, &name, password_hash).await?),
            Request::SetPassword {
                name,
                password_hash,
                derived,
            } => {
                check_hash(server, password_hash.clone()).await?;
                update(server, &name, |user| {
                    set_password(user, password_hash, derived);
                    Ok(())
                })
                .await?
            }
            Request::SetUser { name, changes } => {
                update(server, &name, |user| change(user, changes)).await?
            }
            Request::RemoveUser { name } => shown(server, server.remove_user(&name).await?),
            Request::AppPasswords { user, action } => {
                credential::app_passwords(server, &user, action).await?
            }
            Request::User { name } => shown(server, server.user(&name).await?),
            Request::Users { after } => users(server, after).await?,
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
            Request::Remove { user, ids } => {
                let ids = ids.into_iter().map(MessageId).collect();
                Reply::Removed {
                    count: server.remove(&user, ids).await?,
                }
            }
            Request::Census => Reply::Census {
                tree: server.census().await.into(),
            },
            Request::Bans => {
                let bans = server.tree().bans().into_iter().take(PAGE_ROWS);
                Reply::Bans {
                    bans: bans.map(Into::into).collect(),
                }
            }
            Request::ClearBans { whom } => Reply::Removed {
                count: server.tree().throttle().clear(whom.as_deref()),
            },
            Request::Refusal { id } => {
                let id = id.parse().map_err(|error: RefusalIdError| {
                    Fault::new(FaultKind::Invalid, error.to_string())
                })?;
                Reply::Refusal {
                    found: server.tree().refusal(id).map(Into::into),
                }
            }
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

async fn add_user(
    server: &ServerHandle,
    name: &str,
    password_hash: Option<String>,
) -> Result<User, Fault> {
    let name = UserName::new(name).map_err(ServerError::from)?;
    check_hash(server, password_hash.clone()).await?;
    let directory = server.directory().clone();
    Ok(blocking(move || {
        directory.add(NewUser {
            name,
            password_hash,
        })
    })
    .await?)
}

/// A hash that cannot be checked would lock its user out. Trying it costs what a log-on costs.
async fn check_hash(server: &ServerHandle, password_hash: Option<String>) -> Result<(), Fault> {
    match password_hash {
        Some(stored) => Ok(server.check_password_hash(stored).await?),
        None => Ok(()),
    }
}

/// What was made of the old password proves nothing any more.
fn set_password(user: &mut User, password_hash: Option<String>, derived: DerivedSecrets) {
    user.password_hash = password_hash;
    user.credentials.retain(|credential| match credential.kind {
        StoredCredential::ScramSha256 | StoredCredential::NtHash => false,
        StoredCredential::AppPassword => true,
    });
    let age = SystemTime::UNIX_EPOCH.elapsed();
    let created_secs = age.map_or(0, |age| age.as_secs());
    let DerivedSecrets {
        nt_hash,
        scram_keys,
    } = derived;
    let kept = [
        (StoredCredential::NtHash, nt_hash),
        (StoredCredential::ScramSha256, scram_keys),
    ];
    for (kind, value) in kept {
        user.credentials.extend(value.map(|value| Credential {
            kind,
            label: "password".into(),
            value,
            created_secs,
        }));
    }
}

async fn update(
    server: &ServerHandle,
    name: &str,
    change: impl FnOnce(&mut User) -> Result<(), Fault>,
) -> Result<Reply, Fault> {
    let mut user = server.user(name).await?;
    change(&mut user)?;
    let (directory, changed) = (server.directory().clone(), user.clone());
    blocking(move || directory.update(&changed)).await?;
    Ok(shown(server, user))
}

fn shown(server: &ServerHandle, user: User) -> Reply {
    let user = UserRow::new(user, server.exact_rfc822_size());
    Reply::User { user }
}

fn change(user: &mut User, changes: UserChanges) -> Result<(), Fault> {
    if let Some(pop_enabled) = changes.pop_enabled {
        user.pop_enabled = pop_enabled;
    }
    if let Some(use_protocol_defaults) = changes.use_protocol_defaults {
        user.use_protocol_defaults = use_protocol_defaults;
    }
    match changes.sizes {
        Some(Sizes::Default) => user.exact_rfc822_size = None,
        Some(Sizes::Exact) => user.exact_rfc822_size = Some(true),
        Some(Sizes::Stored) => user.exact_rfc822_size = Some(false),
        None => {}
    }
    match changes.site {
        Some(SiteChange::Any) => user.site = None,
        Some(SiteChange::Of(site)) => user.site = Some(site.into()),
        None => {}
    }
    let (quota, retention) = (&mut user.quota, &mut user.retention);
    for (limit, place) in [
        (changes.quota_octets, &mut quota.octets),
        (changes.quota_messages, &mut quota.messages),
        (changes.retain_read_secs, &mut retention.read_secs),
        (changes.retain_unread_secs, &mut retention.unread_secs),
    ] {
        if let Some(limit) = limit {
            *place = limit.stored();
        }
    }
    if let Some(delegate) = changes.delegate {
        upkeep::change_delegate(user, delegate)?;
    }
    match changes.alias {
        Some(alias) => upkeep::change_alias(user, alias),
        None => Ok(()),
    }
}

async fn users(server: &ServerHandle, after: Option<String>) -> Result<Reply, Fault> {
    let after = after
        .map(|name| UserName::new(&name))
        .transpose()
        .map_err(ServerError::from)?;
    let directory = server.directory().clone();
    let users = blocking(move || directory.list(after.as_ref(), PAGE_ROWS)).await?;
    let exact = server.exact_rfc822_size();
    let rows = users.into_iter().map(|user| UserRow::new(user, exact));
    Ok(Reply::Users {
        users: rows.collect(),
    })
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
