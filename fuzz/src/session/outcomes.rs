//! How effects end, for the session and for its model.

use mailroost_protocol::{Blame, CloseReason, Ending, LogOnRefusal, Outcome, TlsFacts};

use super::mail;
use super::model::{Model, State};
use super::replies::Reply;

/// How an effect ended.
#[derive(Debug, Clone)]
pub enum Ended {
    LoggedOn { security_layer: bool },
    HandedOn,
    Refused(LogOnRefusal),
    Challenge(Vec<u8>),
    Opened,
    Gone,
    Sent,
    Committed,
    Failed(Blame),
    TlsStarted(TlsFacts),
    Relayed,
}

impl Ended {
    /// What a decision comes to where this is what has to happen.
    pub fn decided(state: &State, decision: u8) -> Self {
        use LogOnRefusal::{Credentials, InUse, Malformed, TooManySessions};
        let log_on = [
            Self::LoggedOn {
                security_layer: false,
            },
            Self::Refused(Credentials),
            Self::Refused(Malformed),
            Self::Refused(InUse),
            Self::Refused(TooManySessions),
            Self::Refused(LogOnRefusal::Failed(Blame::Permanent)),
            Self::Failed(Blame::Temporary),
            Self::HandedOn,
        ];
        let log_on = |decision: u8| log_on[usize::from(decision % 8)].clone();
        // What no effect of that kind ends with; the session may close, and nothing else.
        let nonsense = [Self::Sent, Self::Relayed, Self::Committed];
        let pick = decision & 0x1f;
        match (state, pick) {
            (State::Closed(_), _) => log_on(pick),
            (_, 0x1f) => nonsense[usize::from(decision >> 5) % 3].clone(),
            (State::Sasl { .. }, 8..=15) => Self::Challenge(vec![decision; usize::from(pick - 8)]),
            (State::Sasl { .. }, 16) => Self::LoggedOn {
                security_layer: true,
            },
            (State::LogOn { .. } | State::Sasl { .. }, _) => log_on(pick),
            (State::Open { .. }, 1) => Self::Gone,
            (State::Send { .. } | State::Commit { .. } | State::Open { .. }, 2) => {
                Self::Failed(Blame::Temporary)
            }
            (State::Send { .. } | State::Commit { .. } | State::Open { .. }, 3) => {
                Self::Failed(Blame::Permanent)
            }
            (State::Open { .. }, _) => Self::Opened,
            (State::Send { .. }, _) => Self::Sent,
            (State::Commit { .. }, _) => Self::Committed,
            (State::Relay { .. }, _) => Self::Relayed,
            (State::StartTls, _) => Self::TlsStarted(TlsFacts {
                channel_binding: pick & 1 == 1,
                client_certificate: pick & 2 == 2,
                ..TlsFacts::default()
            }),
            (
                State::Authorization { .. }
                | State::Answer { .. }
                | State::Transaction
                | State::Layer { .. },
                _,
            ) => unreachable!("nothing is open"),
        }
    }

    /// For the session.
    pub fn outcome(&self, messages: u64) -> Outcome {
        let user = "alice".to_owned();
        match self.clone() {
            Self::LoggedOn { security_layer } => Outcome::LoggedOn {
                user,
                maildrop: mail::maildrop(messages),
                sizes: None,
                security_layer,
            },
            Self::HandedOn => Outcome::HandedOn { user },
            Self::Refused(refusal) => Outcome::LogOnRefused(refusal),
            Self::Challenge(octets) => Outcome::Challenge(octets),
            Self::Opened => Outcome::MessageOpened,
            Self::Gone => Outcome::MessageGone,
            Self::Sent => Outcome::MessageSent,
            Self::Committed => Outcome::Committed,
            Self::Failed(blame) => Outcome::Failed(blame),
            Self::TlsStarted(facts) => Outcome::TlsStarted(facts),
            Self::Relayed => Outcome::RelayEnded,
        }
    }
}

impl Model {
    /// An effect ended so.
    pub fn resume(&mut self, ended: &Ended) {
        let code = |blame: &Blame| match blame {
            Blame::Temporary => "SYS/TEMP",
            Blame::Permanent => "SYS/PERM",
        };
        match (self.state.clone(), ended) {
            (State::Closed(_), _) => {}
            (State::LogOn { .. } | State::Sasl { .. }, Ended::LoggedOn { security_layer }) => {
                self.replies.push(Reply::Ok);
                self.state = State::Transaction;
                if *security_layer {
                    let pending = std::mem::take(&mut self.buffer);
                    self.forget_input();
                    self.state = State::Layer { pending };
                }
            }
            (State::LogOn { .. } | State::Sasl { .. }, Ended::HandedOn) => {
                self.replies.push(Reply::Ok);
                let pending = std::mem::take(&mut self.buffer);
                self.forget_input();
                let at_boundary = pending.is_empty();
                self.state = State::Relay {
                    pending,
                    at_boundary,
                };
            }
            (State::LogOn { .. } | State::Sasl { .. }, Ended::Refused(why)) => self.refused(*why),
            (State::LogOn { .. } | State::Sasl { .. }, Ended::Failed(blame)) => {
                self.refused(LogOnRefusal::Failed(*blame));
            }
            (State::Sasl { mechanism, .. }, Ended::Challenge(octets)) => {
                self.replies.push(Reply::Challenge(octets.clone()));
                self.state = State::Answer {
                    mechanism,
                    begun: true,
                };
            }
            (State::Open { at, lines }, Ended::Opened) => {
                self.replies.push(Reply::Ok);
                self.state = State::Send { at, lines };
            }
            (State::Open { at, .. }, Ended::Gone) => self.gone(at),
            (State::Open { .. }, Ended::Failed(blame)) => {
                self.replies.push(Reply::err_with(code(blame)));
                self.state = State::Transaction;
            }
            (State::Send { lines, .. }, Ended::Sent) => {
                match lines {
                    None => self.counts.retrieved += 1,
                    Some(_) => self.counts.topped += 1,
                }
                self.state = State::Transaction;
            }
            (State::Send { .. }, Ended::Failed(_)) => self.close(CloseReason::MessageBroken),
            (State::Commit { ids }, Ended::Committed) => {
                self.counts.removed = ids.len() as u64;
                self.replies.push(Reply::Ok);
                self.close(CloseReason::Quit);
            }
            (State::Commit { .. }, Ended::Failed(blame)) => {
                self.replies.push(Reply::err_with(code(blame)));
                self.close(CloseReason::QuitFailed);
            }
            (State::StartTls, Ended::TlsStarted(facts)) => self.secured(facts.clone()),
            (State::Relay { .. }, Ended::Relayed) => self.close(CloseReason::RelayEnded),
            _ => self.close(CloseReason::UnexpectedOutcome),
        }
    }

    /// RETR and TOP end a session that asks in vain too often.
    fn gone(&mut self, at: u64) {
        self.replies.push(Reply::err());
        self.state = State::Transaction;
        let repeats_max = self.policy.protocol_errors_max;
        let vanished = &mut self.vanished;
        vanished.repeats = match vanished.last == at + 1 {
            true => vanished.repeats + 1,
            false => 1,
        };
        vanished.last = at + 1;
        vanished.total += 1;
        if vanished.repeats > repeats_max
            || vanished.total > 2 * self.messages + u64::from(repeats_max)
        {
            self.replies.push(Reply::err());
            self.close(CloseReason::TooManyErrors);
        }
    }

    /// The session is ended from outside: with a notice where none can be taken for a part of
    /// something else, and never amid UPDATE.
    pub fn end(&mut self, ending: Ending) {
        let (reason, reply) = match ending {
            Ending::Autologout => {
                let wanted = self.policy.closing_notice;
                (CloseReason::Autologout, wanted.then(Reply::err))
            }
            Ending::Shutdown => (CloseReason::Shutdown, Some(Reply::err_with("SYS/TEMP"))),
            Ending::Restart => (CloseReason::Restart, Some(Reply::err_with("SYS/TEMP"))),
        };
        match &self.state {
            State::Commit { .. } | State::Closed(_) => return,
            State::StartTls
            | State::Send { .. }
            | State::Layer { .. }
            | State::Relay {
                at_boundary: false, ..
            } => {}
            State::Authorization { .. }
            | State::Answer { .. }
            | State::LogOn { .. }
            | State::Sasl { .. }
            | State::Transaction
            | State::Open { .. }
            | State::Relay { .. } => self.replies.extend(reply),
        }
        self.close(reason);
    }
}
