//! Carries out what the protocol asks for, and reports how it ended.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mailroost_auth::{Attempt, Exchange, Link, SecurityLayer};
use mailroost_protocol::{Blame, Effect, Outcome, Policy, RefusalId};
use mailroost_storage::{BodySource, MaildropId, MessageId, StoreError, StoreErrorKind, UserName};

use super::admission::Share;
use super::body::{self, OpenBody};
use super::handed_on::HandedOn;
use super::retrieved::Retrieved;
use super::run::Line;
use super::{OpenedMark, SessionParts, Signals};
use crate::TreeError;
use crate::ask::ask;
use crate::mailbox::{AccessLock, CommitDeletions, ask_mailbox, blame_of};

/// What a session holds outside the protocol's state.
pub(super) struct Effects {
    pub(super) parts: Arc<SessionParts>,
    pub(super) policy: Arc<Policy>,
    pub(super) mark: Arc<OpenedMark>,
    pub(super) signals: Arc<Signals>,
    /// The session's number, as the log has it.
    pub(super) number: u64,
    pub(super) peer: SocketAddr,
    pub(super) log: slog::Logger,
    pub(super) link: Link,
    /// What the exchange negotiated, until it is put on the connection.
    pub(super) layer: Option<Box<dyn SecurityLayer>>,
    pub(super) exchange: Option<Box<Exchanging>>,
    /// What the refusal is called that the outcome stands for.
    pub(super) refusal_id: Option<RefusalId>,
    pub(super) opened: Option<Opened>,
    pub(super) onward: Option<HandedOn>,
    message: Option<(MessageId, OpenBody)>,
    /// Boxed: a session that retrieves nothing does without.
    retrieved: Option<Box<Retrieved>>,
}

/// A SASL exchange between two messages of the client.
pub(super) enum Exchanging {
    /// It goes on with the next one.
    Open {
        exchange: Box<dyn Exchange>,
        attempt: Attempt,
    },
    /// It was refused and noted, and the client gets its answer when it has acknowledged that.
    Refused(Outcome, Option<RefusalId>),
}

/// What it holds from log-on to the end. Dropping it gives all of it back.
pub(super) struct Opened {
    pub(super) maildrop: MaildropId,
    pub(super) bodies: Arc<dyn BodySource>,
    pub(super) _lock: AccessLock,
    pub(super) _share: Share<UserName>,
}

impl Effects {
    pub(super) fn new(
        parts: Arc<SessionParts>,
        policy: Arc<Policy>,
        mark: Arc<OpenedMark>,
        signals: Arc<Signals>,
        (number, peer): (u64, SocketAddr),
        log: slog::Logger,
    ) -> Self {
        let link = Link::default();
        Self {
            parts,
            policy,
            mark,
            signals,
            number,
            peer,
            log,
            link,
            exchange: None,
            layer: None,
            refusal_id: None,
            opened: None,
            onward: None,
            message: None,
            retrieved: None,
        }
    }

    /// TLS is on: what was begun before is forgotten.
    pub(super) fn tls_started(&mut self, link: Link) {
        self.exchange = None;
        self.layer = None;
        self.link = link;
    }

    /// The session is over: its maildrop is given back, before the client can know it.
    pub(super) fn put_down(&mut self) {
        self.exchange = None;
        self.layer = None;
        self.message = None;
        self.opened = None;
        self.onward = None;
        self.mark.clear();
    }

    /// Does what `effect` asks for. An error means that the connection is broken, or has to be.
    pub(super) async fn carry_out(
        &mut self,
        effect: Effect,
        line: &mut Line<'_>,
    ) -> io::Result<Outcome> {
        Ok(match effect {
            Effect::LogOn { user, password } => self.log_on(user, password).await,
            Effect::Sasl { mechanism, answer } => self.sasl(mechanism, answer).await,
            Effect::OpenMessage { id, .. } => self.open_message(MessageId(id)).await,
            Effect::SendMessage { lines } => {
                let Some((id, message)) = self.message.take() else {
                    return Err(io::Error::other("no message is open"));
                };
                body::send(message, lines, line).await?;
                if lines.is_none() {
                    self.note_retrieved(id);
                }
                Outcome::MessageSent
            }
            Effect::Commit { ids } => self.commit(ids.into_iter().map(MessageId).collect()).await,
        })
    }

    async fn open_message(&mut self, message: MessageId) -> Outcome {
        let Some(opened) = &self.opened else {
            return Outcome::Failed(Blame::Permanent);
        };
        match body::open(&self.parts.machine, &opened.bodies, message).await {
            Ok(body) => {
                self.message = Some((message, body));
                Outcome::MessageOpened
            }
            Err(error) if error.kind() == StoreErrorKind::Gone => Outcome::MessageGone,
            Err(error) => {
                slog::warn!(self.log, "message cannot be read";
                    "message" => message.0, "why" => %error);
                Outcome::Failed(blame_of(error.kind()))
            }
        }
    }

    /// A message was sent whole.
    fn note_retrieved(&mut self, message: MessageId) {
        if let Some(opened) = &self.opened {
            let maildrop = opened.maildrop;
            let retrieved = self
                .retrieved
                .get_or_insert_with(|| Box::new(Retrieved::of(maildrop)));
            retrieved.add(message);
        }
    }

    /// What was in the output buffer was written.
    pub(super) fn flushed(&mut self) {
        if let Some(retrieved) = &mut self.retrieved {
            retrieved.flushed();
        }
    }

    /// What was retrieved and nobody knows of yet.
    pub(super) fn take_retrieved(&mut self) -> Option<Box<Retrieved>> {
        self.retrieved.take()
    }

    async fn commit(&mut self, messages: Vec<MessageId>) -> Outcome {
        let Some(opened) = &self.opened else {
            return Outcome::Failed(Blame::Permanent);
        };
        let (maildrop, number) = (opened.maildrop, self.number);
        let retrieved = self.retrieved.take();
        let read = retrieved.map_or_else(Vec::new, |retrieved| retrieved.all());
        // Asking again is safe: what is gone already is passed over.
        let mailboxes = &self.parts.mailboxes;
        let committed: Result<usize, TreeError> = ask_mailbox(mailboxes, maildrop, |mailbox| {
            let commit = CommitDeletions {
                messages: messages.clone(),
                read: read.clone(),
                by: Some(number.to_string().into()),
            };
            async move { ask(&mailbox, "the mailbox", commit).await? }
        })
        .await;
        match committed {
            Ok(_removed) => Outcome::Committed,
            Err(error) => {
                slog::error!(self.log, "marked messages were not removed"; "why" => %error);
                Outcome::Failed(blame_of_tree(&error))
            }
        }
    }
}

/// Whether it helps the client to try again later.
pub(super) fn blame_of_tree(error: &TreeError) -> Blame {
    match error {
        TreeError::Store(error) => blame_of(StoreError::kind(error)),
        TreeError::Unavailable(_) => Blame::Temporary,
    }
}
