//! Log-on: from a password or a SASL exchange to an open maildrop.

use std::sync::Arc;

use mailroost_auth::{Attempt, AuthError, Identity, PasswordSource, Progress, Secret, Watched};
use mailroost_protocol::{Access, ForeignSite, Outcome, SaslAnswer, SizeKind};
use mailroost_storage::UserName;
use secrecy::ExposeSecret;

use super::admission::Share;
use super::effects::{Effects, Exchanging, Opened};
use super::refuse::No;
use crate::ask::ask;
use crate::clock;
use crate::directory::{StepExchange, Stepped, VerifyPassword};
use crate::mailbox::{OpenError, OpenMaildrop, ask_mailbox};
use crate::refusal::Rule;

/// How a log-on with USER and PASS is called in the log.
const PASSWORD: &str = "password";

impl Effects {
    pub(super) async fn log_on(&mut self, user: Vec<u8>, password: Secret) -> Outcome {
        let attempt = self.attempt();
        if attempt.ban().is_some() {
            let name = String::from_utf8_lossy(&user).into_owned();
            return self.refuse_banned(&attempt, PASSWORD, Some(&name)).await;
        }
        let kept = self.may_hand_on().then(|| copy(&password));
        let (attempt, recalled) = self.recall(attempt, &user, &password);
        if let Some(identity) = recalled {
            self.settle(&attempt, Ok(())).await;
            return self.let_in(identity, kept).await;
        }
        let question = VerifyPassword {
            name: user,
            password,
            attempt,
        };
        match ask(&self.parts.directory, "the directory", question).await {
            Ok(Ok(verified)) => {
                let attempt = verified.attempt;
                self.settle(&attempt, verified.outcome.as_ref().map(drop))
                    .await;
                match verified.outcome {
                    Ok(identity) => self.let_in(identity, kept).await,
                    Err(error) => self.refuse_failed(&attempt, &error, PASSWORD),
                }
            }
            Ok(Err(not_checked)) => self.refuse_unchecked(not_checked, PASSWORD),
            Err(error) => self.refuse_unavailable(&error, None),
        }
    }

    /// Who showed this password a short time ago need not wait for a thread. The attempt is heard
    /// and counted as by the directory.
    fn recall(
        &self,
        attempt: Attempt,
        user: &[u8],
        password: &Secret,
    ) -> (Attempt, Option<Identity>) {
        let (source, throttle) = (&self.parts.passwords, &self.parts.throttle);
        let (source, throttle) = (Arc::clone(source), Arc::clone(throttle));
        let watched = Watched::new(source, throttle, attempt, clock::now());
        let recalled = watched.recall(user, password);
        (watched.into_attempt(), recalled)
    }

    pub(super) async fn sasl(&mut self, mechanism: &'static str, answer: SaslAnswer) -> Outcome {
        let client = match answer {
            SaslAnswer::Start => self.begin(mechanism, Secret::from(Vec::new())),
            SaslAnswer::StartWith(first) => self.begin(mechanism, first),
            SaslAnswer::Continue(next) => next,
        };
        let Some(exchanging) = self.exchange.take() else {
            let why = "no exchange is under way".to_owned();
            return self.refuse(No::malformed(why), Some(mechanism), None);
        };
        let (exchange, attempt) = match *exchanging {
            Exchanging::Open { exchange, attempt } => (exchange, attempt),
            Exchanging::Refused(outcome, id) => {
                self.refusal_id = id;
                return outcome;
            }
        };
        if attempt.ban().is_some() && attempt.name().is_none() {
            return self.refuse_banned(&attempt, mechanism, None).await;
        }
        let question = StepExchange {
            exchange,
            client,
            attempt,
        };
        match ask(&self.parts.directory, "the directory", question).await {
            Ok(Ok(stepped)) => self.stepped(stepped, mechanism).await,
            Ok(Err(not_checked)) => self.refuse_unchecked(not_checked, mechanism),
            Err(error) => self.refuse_unavailable(&error, None),
        }
    }

    async fn stepped(&mut self, stepped: Stepped, mechanism: &'static str) -> Outcome {
        let Stepped {
            mut exchange,
            attempt,
            progress,
        } = stepped;
        match progress {
            Progress::Challenge(challenge) => {
                let open = Exchanging::Open { exchange, attempt };
                self.exchange = Some(Box::new(open));
                Outcome::Challenge(challenge)
            }
            Progress::Refusal { challenge, why } => {
                // Counted and noted now: a client need not wait for its answer.
                self.settle(&attempt, Err(&why)).await;
                let outcome = self.refuse_failed(&attempt, &why, mechanism);
                let refused = Exchanging::Refused(outcome, self.refusal_id.take());
                self.exchange = Some(Box::new(refused));
                Outcome::Challenge(challenge)
            }
            Progress::Success(identity) => {
                self.settle(&attempt, Ok(())).await;
                let revealed = exchange.take_password();
                self.layer = exchange.take_security_layer();
                let outcome = self.let_in(identity, revealed).await;
                if self.opened.is_none() {
                    // It is of no use to the next log-on, which may be another's.
                    self.layer = None;
                }
                outcome
            }
            Progress::Failure(error) => {
                self.settle(&attempt, Err(&error)).await;
                self.refuse_failed(&attempt, &error, mechanism)
            }
        }
    }

    /// A fresh exchange; an unfinished one is dropped, which cancels it.
    fn begin(&mut self, mechanism: &str, first: Secret) -> Secret {
        let mechanisms = &self.parts.mechanisms;
        let found = mechanisms.iter().find(|known| known.name() == mechanism);
        let exchange = found.map(|mechanism| mechanism.start(&self.link));
        self.exchange = exchange.map(|exchange| {
            let attempt = self.attempt();
            Box::new(Exchanging::Open { exchange, attempt })
        });
        first
    }

    fn attempt(&self) -> Attempt {
        self.parts.throttle.attempt(self.peer.ip(), clock::now())
    }

    /// Counts what came of an attempt, then waits as long as the throttle said before anybody
    /// knew what would come of it: nothing of the outcome shows in the time. Other attempts see
    /// at once what was counted, and no thread waits.
    async fn settle(&self, attempt: &Attempt, outcome: Result<(), &AuthError>) {
        let bans = self.parts.throttle.settle(attempt, outcome, clock::now());
        for ban in bans {
            slog::warn!(self.log, "banned";
                "scope" => ban.scope.as_str(),
                "address" => ban.address.map(|address| address.to_string()),
                "seconds" => ban.left.as_secs(),
                "setting" => ban.setting(),
                "user" => ban.user.as_deref().map(str::escape_debug).map(|user| user.to_string()));
        }
        self.hold_back(attempt).await;
    }

    /// A tree that is taken down does not wait for it.
    pub(super) async fn hold_back(&self, attempt: &Attempt) {
        let delay = attempt.standing().delay;
        if delay.is_zero() {
            return;
        }
        tokio::select! {
            biased;
            () = self.signals.told() => {}
            () = tokio::time::sleep(delay) => {}
        }
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
    pub(super) fn share(&mut self, user: &UserName) -> Result<Share<UserName>, Outcome> {
        if let Some(share) = self.parts.admission.admit_user(user) {
            return Ok(share);
        }
        let no = No {
            limit: Some(self.parts.limits.sessions_per_user_max as u64),
            ..No::of_user(
                Rule::SessionsOfUser,
                "number of simultaneous connections of the user exceeded its maximum",
            )
        };
        Err(self.refuse(no, None, Some(user.as_str())))
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
        let open = OpenMaildrop { exclusive, order };
        // Its mailbox may have left a view that is good still; if not, it is asked.
        let opened = match self.parts.maildrops.open(identity.maildrop, open) {
            Some(opened) => opened,
            None => {
                let mailboxes = &self.parts.mailboxes;
                ask_mailbox(mailboxes, identity.maildrop, |mailbox| async move {
                    ask(&mailbox, "the mailbox", open).await?
                })
                .await
            }
        };
        if opened.is_err() {
            self.mark.clear();
        }
        let opened = match opened {
            Ok(opened) => opened,
            Err(OpenError::InUse) => {
                let no = No::of_user(Rule::InUse, "another session has the maildrop");
                return self.refuse(no, None, Some(&identity.to_string()));
            }
            Err(OpenError::Tree(error)) => {
                return self.refuse_unavailable(&error, Some(&identity.to_string()));
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
}

/// The same octets once more; both are wiped when dropped.
fn copy(secret: &Secret) -> Secret {
    Secret::from(secret.expose_secret().to_vec())
}
