//! Carries out what the protocol asks for, and tells the log what became of each message.

use std::sync::Arc;

use mailroost_protocol::lmtp::{
    Addressee, DeliveryRefusal, LmtpEffect, LmtpOutcome, Path, Recipient, Trace,
};
use mailroost_storage::{StoreError, StoreErrorKind, User, UserName};

use super::DeliveryParts;
use super::fan_out::{Delivered, fan_out};
use super::incoming::{Incoming, blocking};
use crate::TreeError;

/// What a connection holds outside the protocol's state.
pub(super) struct Effects {
    parts: Arc<DeliveryParts>,
    number: u64,
    log: slog::Logger,
    incoming: Option<Incoming>,
    /// Messages so far, for their names in trace and log.
    messages: u64,
}

impl Effects {
    pub(super) fn new(parts: Arc<DeliveryParts>, number: u64, log: slog::Logger) -> Self {
        Self {
            parts,
            number,
            log,
            incoming: None,
            messages: 0,
        }
    }

    /// Nobody wants the message at hand any more.
    pub(super) fn give_up_message(&mut self) {
        self.incoming = None;
    }

    /// Does what `effect` asks for. `sender` is for the log.
    pub(super) async fn carry_out(&mut self, effect: LmtpEffect, sender: &str) -> LmtpOutcome {
        match effect {
            LmtpEffect::Resolve { path, names } => self.resolve(&path, names, sender).await,
            LmtpEffect::Begin => {
                self.incoming = None;
                match Incoming::begin(Arc::clone(&self.parts.store), self.parts.machine.clone())
                    .await
                {
                    Ok(incoming) => {
                        self.incoming = Some(incoming);
                        self.messages += 1;
                        LmtpOutcome::Done
                    }
                    Err(error) => self.failed(&error),
                }
            }
            LmtpEffect::Write(octets) => match &mut self.incoming {
                Some(incoming) => match incoming.write(&octets).await {
                    Ok(()) => LmtpOutcome::Done,
                    Err(error) => self.failed(&error),
                },
                None => LmtpOutcome::Failed(DeliveryRefusal::Trouble),
            },
            LmtpEffect::Deliver { recipients, trace } => self.deliver(&recipients, trace).await,
            LmtpEffect::Refuse {
                recipients,
                trace,
                why,
            } => {
                let octets = self.incoming.take().map_or(0, |message| message.octets);
                for recipient in &*recipients {
                    self.log_refusal(recipient, &trace, octets, &why);
                }
                LmtpOutcome::Done
            }
        }
    }

    async fn resolve(&self, path: &Path, names: Vec<String>, sender: &str) -> LmtpOutcome {
        let directory = Arc::clone(&self.parts.directory);
        let found = blocking(&self.parts.machine, move || {
            for name in names {
                // What no user can be called is nobody's name.
                let Ok(name) = UserName::new(&name) else {
                    continue;
                };
                if let Some(user) = directory.resolve(&name)? {
                    return Ok(Some(user));
                }
            }
            Ok(None)
        });
        let refusal = match found.await {
            Ok(Some(User { name, maildrop, .. })) => {
                return LmtpOutcome::Recipient(Addressee {
                    maildrop: maildrop.0,
                    user: name.as_str().into(),
                });
            }
            Ok(None) => DeliveryRefusal::UnknownUser,
            Err(error) => {
                slog::error!(self.log, "the directory cannot be asked"; "why" => %error);
                DeliveryRefusal::Trouble
            }
        };
        slog::info!(self.log, "recipient refused";
            "from" => sender, "to" => path.as_str(), "why" => format!("{refusal:?}"));
        LmtpOutcome::RecipientRefused(refusal)
    }

    async fn deliver(&mut self, recipients: &Arc<[Recipient]>, trace: Trace) -> LmtpOutcome {
        let Some(incoming) = self.incoming.take() else {
            return LmtpOutcome::Delivered(vec![Err(DeliveryRefusal::Trouble); recipients.len()]);
        };
        let octets = incoming.octets;
        let trace = Arc::new(trace);
        let shared = match incoming.finish().await {
            Ok(shared) => shared,
            Err(error) => {
                for recipient in &**recipients {
                    self.log_refusal(recipient, &trace, octets, &error);
                }
                let refusal = refusal_of(error.kind());
                return LmtpOutcome::Delivered(vec![Err(refusal); recipients.len()]);
            }
        };
        let id = format!("{}-{}", self.number, self.messages);
        let answers = fan_out(&self.parts, shared, recipients, &trace, &id).await;
        let answers = recipients.iter().zip(answers).map(|(recipient, answer)| {
            self.log_answer(recipient, &trace, octets, &answer);
            match &*answer {
                Ok(_) => Ok(()),
                Err(TreeError::Store(error)) => Err(refusal_of(error.kind())),
                Err(TreeError::Unavailable(_)) => Err(DeliveryRefusal::Trouble),
            }
        });
        LmtpOutcome::Delivered(answers.collect())
    }

    fn log_answer(&self, recipient: &Recipient, trace: &Trace, octets: u64, answer: &Delivered) {
        match answer {
            Ok(message) => slog::info!(self.log, "delivered";
                "message" => self.messages, "from" => trace.sender(),
                "to" => recipient.path.as_str(), "user" => &*recipient.addressee.user,
                "octets" => octets, "unique_id" => message.0),
            Err(error) => self.log_refusal(recipient, trace, octets, error),
        }
    }

    fn log_refusal(
        &self,
        recipient: &Recipient,
        trace: &Trace,
        octets: u64,
        why: &dyn std::fmt::Display,
    ) {
        slog::warn!(self.log, "not delivered";
            "message" => self.messages, "from" => trace.sender(),
            "to" => recipient.path.as_str(), "user" => &*recipient.addressee.user,
            "octets" => octets, "why" => %why);
    }

    fn failed(&mut self, error: &StoreError) -> LmtpOutcome {
        slog::error!(self.log, "a message cannot be stored"; "why" => %error);
        self.incoming = None;
        LmtpOutcome::Failed(refusal_of(error.kind()))
    }
}

fn refusal_of(kind: StoreErrorKind) -> DeliveryRefusal {
    match kind {
        StoreErrorKind::NotFound => DeliveryRefusal::UnknownUser,
        StoreErrorKind::OverQuota => DeliveryRefusal::OverQuota,
        StoreErrorKind::Full => DeliveryRefusal::Full,
        // The MTA keeps the message meanwhile, also where an operator has to act first.
        _ => DeliveryRefusal::Trouble,
    }
}
