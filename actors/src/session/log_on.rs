//! Log-on: from a password or a SASL exchange to an open maildrop.

use mailroost_auth::{AuthError, Identity, Progress, Secret};
use mailroost_protocol::{Access, Blame, ForeignSite, LogOnRefusal, Outcome, SaslAnswer, SizeKind};
use mailroost_storage::UserName;
use secrecy::ExposeSecret;

use super::admission::Share;
use super::effects::{Effects, Opened, refusal_of_tree};
use crate::ask::ask;
use crate::directory::{StepExchange, VerifyPassword};
use crate::mailbox::{OpenError, OpenMaildrop, ask_mailbox};

/// Of a name that a client made up, the log shows no more characters than this.
const LOGGED_NAME_CHARACTERS_MAX: usize = 128;

impl Effects {
    pub(super) async fn log_on(&mut self, user: Vec<u8>, password: Secret) -> Outcome {
        let name = String::from_utf8_lossy(&user).into_owned();
        let kept = self.may_hand_on().then(|| copy(&password));
        let question = VerifyPassword {
            name: user,
            password,
        };
        match ask(&self.parts.directory, "the directory", question).await {
            Ok(Ok(identity)) => self.let_in(identity, kept).await,
            Ok(Err(error)) => self.refuse(&error, "password", Some(&name)),
            Err(error) => self.unanswered(&error),
        }
    }

    pub(super) async fn sasl(&mut self, mechanism: &'static str, answer: SaslAnswer) -> Outcome {
        let client = match answer {
            SaslAnswer::Start => self.begin(mechanism, Secret::from(Vec::new())),
            SaslAnswer::StartWith(first) => self.begin(mechanism, first),
            SaslAnswer::Continue(next) => next,
        };
        let Some(exchange) = self.exchange.take() else {
            return Outcome::LogOnRefused(LogOnRefusal::Malformed);
        };
        let question = StepExchange { exchange, client };
        match ask(&self.parts.directory, "the directory", question).await {
            Ok(stepped) => match stepped.progress {
                Progress::Challenge(challenge) => {
                    self.exchange = stepped.exchange;
                    Outcome::Challenge(challenge)
                }
                Progress::Success(identity) => {
                    let mut ended = stepped.exchange;
                    let revealed = ended.as_mut().and_then(|ended| ended.take_password());
                    self.layer = ended.and_then(|mut ended| ended.take_security_layer());
                    self.let_in(identity, revealed).await
                }
                Progress::Failure(error) => self.refuse(&error, mechanism, None),
            },
            Err(error) => self.unanswered(&error),
        }
    }

    /// A fresh exchange; an unfinished one is dropped, which cancels it.
    fn begin(&mut self, mechanism: &str, first: Secret) -> Secret {
        let mechanisms = &self.parts.mechanisms;
        let found = mechanisms.iter().find(|known| known.name() == mechanism);
        self.exchange = found.map(|mechanism| mechanism.start(&self.link));
        first
    }

    /// Whether a password may be needed once more after it was checked.
    fn may_hand_on(&self) -> bool {
        match self.policy.foreign_site {
            ForeignSite::HandOn => !self.parts.sites.is_empty(),
            ForeignSite::Refuse => false,
        }
    }

    /// The client is who it says: its maildrop is here, or at another site.
    async fn let_in(&mut self, identity: Identity, password: Option<Secret>) -> Outcome {
        match identity.site.clone() {
            Some(site) if !self.parts.sites.is_own(&site) => {
                // Boxed: it is rare and large, and every session would carry it.
                Box::pin(self.hand_on(identity, &site, password)).await
            }
            Some(_) | None => self.open_maildrop(identity).await,
        }
    }

    /// One of the user's shares of sessions, or the refusal.
    pub(super) fn share(&self, user: &UserName) -> Result<Share<UserName>, Outcome> {
        self.parts.admission.admit_user(user).ok_or_else(|| {
            slog::warn!(self.log, "log-on refused";
                "user" => %user,
                "why" => "number of simultaneous connections of the user exceeded its maximum",
                "maximum" => self.parts.limits.sessions_per_user_max);
            Outcome::LogOnRefused(LogOnRefusal::TooManySessions)
        })
    }

    async fn open_maildrop(&mut self, identity: Identity) -> Outcome {
        let share = match self.share(identity.who()) {
            Ok(share) => share,
            Err(refused) => return refused,
        };
        let exclusive = match self.policy.access {
            Access::Exclusive => true,
            Access::Snapshot => false,
        };
        let order = self.policy.sort_order;
        // Seen before the maildrop is open, so that who retires it does not miss us.
        self.mark.set(identity.maildrop);
        let mailboxes = &self.parts.mailboxes;
        let opened = ask_mailbox(mailboxes, identity.maildrop, |mailbox| async move {
            ask(&mailbox, "the mailbox", OpenMaildrop { exclusive, order }).await?
        })
        .await;
        if opened.is_err() {
            self.mark.clear();
        }
        let opened = match opened {
            Ok(opened) => opened,
            Err(OpenError::InUse) => {
                slog::info!(self.log, "log-on refused";
                    "user" => %identity, "why" => "another session has the maildrop");
                return Outcome::LogOnRefused(LogOnRefusal::InUse);
            }
            Err(OpenError::Tree(error)) => {
                slog::error!(self.log, "maildrop cannot be opened";
                    "user" => %identity, "why" => %error);
                return Outcome::LogOnRefused(refusal_of_tree(&error));
            }
        };
        self.exchange = None;
        self.opened = Some(Opened {
            maildrop: identity.maildrop,
            bodies: opened.bodies,
            _lock: opened.lock,
            _share: share,
        });
        slog::debug!(self.log, "logged on"; "user" => %identity);
        Outcome::LoggedOn {
            user: identity.to_string(),
            maildrop: opened.view,
            security_layer: self.layer.is_some(),
            sizes: identity.exact_rfc822_size.map(|exact| match exact {
                true => SizeKind::Exact,
                false => SizeKind::Stored,
            }),
        }
    }

    /// One line in the log that says which it was; the client does not learn it.
    fn refuse(&self, error: &AuthError, how: &str, name: Option<&str>) -> Outcome {
        let name: String = name
            .unwrap_or("-")
            .chars()
            .take(LOGGED_NAME_CHARACTERS_MAX)
            .flat_map(char::escape_debug)
            .collect();
        slog::warn!(self.log, "log-on failed"; "how" => how, "name" => name, "why" => %error);
        Outcome::LogOnRefused(match error {
            AuthError::Malformed(_) => LogOnRefusal::Malformed,
            AuthError::Unavailable(_) => LogOnRefusal::Failed(Blame::Temporary),
            // Whatever else there is or will be: the client cannot tell which.
            _ => LogOnRefusal::Credentials,
        })
    }

    fn unanswered(&self, error: &crate::TreeError) -> Outcome {
        slog::error!(self.log, "log-on not possible"; "why" => %error);
        Outcome::LogOnRefused(refusal_of_tree(error))
    }
}

/// The same octets once more; both are wiped when dropped.
fn copy(secret: &Secret) -> Secret {
    Secret::from(secret.expose_secret().to_vec())
}
