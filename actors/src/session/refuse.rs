//! Log-ons that are refused: one line in the log that says which rule it was, one neutral answer
//! to the client.

use mailroost_auth::{Attempt, AuthError};
use mailroost_protocol::{Blame, CloseReason, LogOnRefusal, NeededTls, Outcome};

use super::effects::{Effects, blame_of_tree};
use crate::TreeError;
use crate::directory::{NoTurn, NotChecked};
use crate::refusal::{Refused, Rule};

/// A refusal: what the client is told, and what the log is.
pub(super) struct No {
    pub(super) answer: LogOnRefusal,
    pub(super) rule: Rule,
    pub(super) setting: Option<&'static str>,
    pub(super) limit: Option<u64>,
    pub(super) why: String,
}

impl No {
    fn new(rule: Rule, answer: LogOnRefusal, why: impl Into<String>) -> Self {
        Self {
            answer,
            rule,
            setting: None,
            limit: None,
            why: why.into(),
        }
    }

    pub(super) fn malformed(why: impl Into<String>) -> Self {
        Self::new(Rule::Malformed, LogOnRefusal::Malformed, why)
    }

    /// The user is known, and has too many sessions or a maildrop that is in use.
    pub(super) fn of_user(rule: Rule, why: &str) -> Self {
        let answer = match rule {
            Rule::InUse => LogOnRefusal::InUse,
            _ => LogOnRefusal::TooManySessions,
        };
        Self::new(rule, answer, why)
    }

    /// The user belongs to a site that this server has no way to.
    pub(super) fn of_site(answer: LogOnRefusal, site: &str, why: &str) -> Self {
        Self::new(Rule::ForeignSite, answer, format!("site {site}: {why}"))
    }
}

impl Effects {
    /// Takes note, and makes the outcome. `how` is the mechanism, where that matters.
    pub(super) fn refuse(
        &mut self,
        no: No,
        how: impl Into<Option<&'static str>>,
        name: Option<&str>,
    ) -> Outcome {
        let id = self.parts.refusals.fresh_id();
        let refused = Refused {
            peer: self.peer,
            session: Some(self.number),
            name,
            how: how.into(),
            rule: no.rule,
            setting: no.setting,
            limit: no.limit,
            why: no.why,
        };
        self.parts.refusals.note(&self.parts.log, id, refused);
        self.refusal_id = Some(id);
        Outcome::LogOnRefused(no.answer)
    }

    /// The attempt failed, or fell under a ban that only the mechanism's message brought to
    /// light. The client cannot tell which.
    pub(super) fn refuse_failed(
        &mut self,
        attempt: &Attempt,
        error: &AuthError,
        how: &'static str,
    ) -> Outcome {
        if attempt.ban().is_some() {
            return self.refuse_under_ban(attempt, how, attempt.name());
        }
        let (rule, answer) = match error {
            AuthError::UnknownUser => (Rule::UnknownUser, LogOnRefusal::Credentials),
            AuthError::WrongPassword => (Rule::WrongPassword, LogOnRefusal::Credentials),
            AuthError::Malformed(_) => (Rule::Malformed, LogOnRefusal::Malformed),
            AuthError::Unavailable(_) => {
                let answer = LogOnRefusal::Failed(Blame::Temporary);
                (Rule::SourceUnavailable, answer)
            }
            // Whatever else there is or will be: the client cannot tell which.
            _ => (Rule::NotPermitted, LogOnRefusal::Credentials),
        };
        let no = No::new(rule, answer, error.to_string());
        self.refuse(no, how, attempt.name())
    }

    /// The answer is no before anything is checked, and comes as late as the latest of all.
    pub(super) async fn refuse_banned(
        &mut self,
        attempt: &Attempt,
        how: &'static str,
        name: Option<&str>,
    ) -> Outcome {
        self.hold_back(attempt).await;
        self.refuse_under_ban(attempt, how, name)
    }

    fn refuse_under_ban(
        &mut self,
        attempt: &Attempt,
        how: &'static str,
        name: Option<&str>,
    ) -> Outcome {
        let mut no = No::new(Rule::Banned, LogOnRefusal::Credentials, "banned");
        if let Some(ban) = attempt.ban() {
            no.setting = Some(ban.setting());
            no.limit = Some(self.parts.throttle.rules().failures_max(ban.scope).into());
            no.why = ban.to_string();
        }
        self.refuse(no, how, name)
    }

    /// Nobody looked at the password.
    pub(super) fn refuse_unchecked(&mut self, why: NotChecked, how: &'static str) -> Outcome {
        let answer = LogOnRefusal::Failed(Blame::Temporary);
        let mut no = match why {
            NotChecked::NoTurn(NoTurn::All(_)) => No::new(
                Rule::LogOnsWaiting,
                answer,
                "too many log-ons wait for their turn",
            ),
            NotChecked::NoTurn(NoTurn::Address(_)) => No::new(
                Rule::LogOnsWaitingOfAddress,
                answer,
                "too many log-ons of the address wait for their turn",
            ),
            NotChecked::NoTurn(NoTurn::Closed) => {
                No::new(Rule::ShuttingDown, answer, "the server is shutting down")
            }
            NotChecked::Died(ref panic) => No::new(
                Rule::SourceUnavailable,
                answer,
                format!("a check died: {panic}"),
            ),
        };
        no.limit = match why {
            NotChecked::NoTurn(NoTurn::All(limit) | NoTurn::Address(limit)) => Some(limit as u64),
            NotChecked::NoTurn(NoTurn::Closed) | NotChecked::Died(_) => None,
        };
        self.refuse(no, how, None)
    }

    /// What is needed cannot be had now, or not before somebody acted.
    pub(super) fn refuse_unavailable(&mut self, error: &TreeError, name: Option<&str>) -> Outcome {
        slog::error!(self.log, "log-on not possible"; "why" => %error);
        let answer = LogOnRefusal::Failed(blame_of_tree(error));
        let no = No::new(Rule::MaildropUnavailable, answer, error.to_string());
        self.refuse(no, None, name)
    }

    /// The protocol itself closes the session, perhaps because of a limit.
    pub(super) fn note_close(&self, reason: CloseReason) {
        let policy = &self.policy;
        let (rule, limit, why) = match reason {
            CloseReason::TooManyFailures => (
                Rule::FailuresOfSession,
                u64::from(policy.auth_failures_max),
                "too many failed log-ons",
            ),
            CloseReason::TooManyErrors => (
                Rule::ErrorsOfSession,
                u64::from(policy.protocol_errors_max),
                "too many unknown or malformed commands",
            ),
            CloseReason::CommandTooLong => (
                Rule::CommandTooLong,
                policy.command_octets_max as u64,
                "a command over the limit",
            ),
            _ordinary => return,
        };
        let refused = Refused {
            limit: Some(limit),
            ..self.refused(rule, why)
        };
        let refusals = &self.parts.refusals;
        refusals.note(&self.parts.log, refusals.fresh_id(), refused);
    }

    /// A refusal of this session.
    fn refused(&self, rule: Rule, why: &str) -> Refused<'static> {
        Refused {
            peer: self.peer,
            session: Some(self.number),
            name: None,
            how: None,
            rule,
            setting: None,
            limit: None,
            why: why.to_owned(),
        }
    }

    /// The protocol itself refused a log-on without TLS.
    pub(super) fn note_needed_tls(&mut self, needed: NeededTls) {
        let refusals = &self.parts.refusals;
        let id = needed.id.unwrap_or_else(|| refusals.fresh_id());
        let refused = self.refused(Rule::NeedsTls, "the log-on came outside TLS");
        refusals.note(&self.parts.log, id, refused);
    }
}
