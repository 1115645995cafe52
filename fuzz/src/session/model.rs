//! What a POP3 session is to do, written a second time, from the specifications and as plainly as
//! can be: it shares no code with the session.

use std::collections::BTreeSet;

use mailroost_protocol::{
    CloseReason, LogOnRefusal, MechanismOffer, OverlongCommand, Policy, TlsFacts, Transport,
};

use super::replies::Reply;

/// A session's twin.
pub struct Model {
    pub(super) policy: Policy,
    pub(super) tls: Option<TlsFacts>,
    pub(super) stls: bool,
    pub(super) mechanisms: Vec<MechanismOffer>,
    pub(super) messages: u64,
    pub state: State,
    /// What was received and not used.
    pub buffer: Vec<u8>,
    /// The rest of a line over its limit is yet to come.
    pub swallowing: bool,
    /// What has been said, and not been compared yet.
    pub replies: Vec<Reply>,
    protocol_errors: u32,
    pub counts: Counts,
    /// The next refusal of a log-on has a name.
    pub named: bool,
    /// A log-on was refused for want of TLS.
    pub needed_tls: bool,
    pub(super) marked: BTreeSet<u64>,
    pub(super) vanished: Vanished,
}

/// What the summary has to say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub commands: u64,
    pub retrieved: u64,
    pub topped: u64,
    pub marked: u64,
    pub removed: u64,
    pub auth_failures: u64,
}

/// Messages that were asked for in vain.
#[derive(Default)]
pub(super) struct Vanished {
    pub(super) last: u64,
    pub(super) repeats: u32,
    pub(super) total: u64,
}

/// What the session is at, and so what is to happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// A command comes next; `user` is who was named by USER.
    Authorization {
        user: Option<Vec<u8>>,
    },
    /// An answer to a challenge comes next.
    Answer {
        mechanism: &'static str,
        begun: bool,
    },
    LogOn {
        user: Vec<u8>,
        password: Vec<u8>,
    },
    Sasl {
        mechanism: &'static str,
        answer: SaslSaid,
    },
    StartTls,
    Transaction,
    Open {
        at: u64,
        lines: Option<u64>,
    },
    Send {
        at: u64,
        lines: Option<u64>,
    },
    Layer {
        pending: Vec<u8>,
    },
    Commit {
        ids: Vec<u64>,
    },
    Relay {
        pending: Vec<u8>,
        at_boundary: bool,
    },
    Closed(CloseReason),
}

/// The client's part of a SASL step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaslSaid {
    Start,
    StartWith(Vec<u8>),
    Continue(Vec<u8>),
}

/// What is wrong with a command.
pub(super) enum Wrong {
    /// It is one of those that end a session when they come one after the other.
    Counted,
    /// It wants TLS first.
    NeedsTls,
    /// An everyday thing: no such message.
    Everyday,
}

/// What becomes of a command.
pub(super) type Verdict = Result<Done, Wrong>;

/// A command was understood.
pub(super) enum Done {
    /// It ends a row of errors.
    Well,
    /// It does not: part of a SASL exchange.
    Undecided,
}

impl Model {
    pub fn new(policy: Policy, transport: &Transport, messages: u64) -> Self {
        Self {
            policy,
            tls: transport.tls.clone(),
            stls: transport.stls,
            mechanisms: transport.mechanisms.to_vec(),
            messages,
            state: State::Authorization { user: None },
            buffer: Vec::new(),
            swallowing: false,
            replies: vec![Reply::Ok],
            protocol_errors: 0,
            counts: Counts::default(),
            named: false,
            needed_tls: false,
            marked: BTreeSet::new(),
            vanished: Vanished::default(),
        }
    }

    /// The client sent this.
    pub fn input(&mut self, octets: &[u8]) {
        match self.state {
            State::StartTls if !octets.is_empty() => self.close(CloseReason::InputBeforeTls),
            State::StartTls | State::Commit { .. } | State::Relay { .. } | State::Closed(_) => {}
            _ => {
                for octet in octets {
                    match (self.swallowing, octet) {
                        (true, b'\n') => self.swallowing = false,
                        (true, _) => {}
                        (false, _) => self.buffer.push(*octet),
                    }
                }
            }
        }
    }

    /// Goes on until something has to happen.
    pub fn go_on(&mut self) {
        loop {
            let limit = match self.state {
                State::Answer { .. } => self.policy.continuation_octets_max,
                State::Authorization { .. } | State::Transaction => self.policy.command_octets_max,
                _ => return,
            };
            let Some(line) = self.line(limit) else { return };
            let state = self.state.clone();
            let verdict = match (state, line) {
                (State::Answer { mechanism, begun }, line) => {
                    self.answer_to_challenge(mechanism, begun, line)
                }
                (_, None) if self.policy.overlong_command == OverlongCommand::Close => {
                    self.counts.commands += 1;
                    self.replies.push(Reply::err());
                    self.close(CloseReason::CommandTooLong);
                    return;
                }
                (_, None) => {
                    self.counts.commands += 1;
                    Err(Wrong::Counted)
                }
                (state, Some(line)) => {
                    self.counts.commands += 1;
                    self.command(state == State::Transaction, &line)
                }
            };
            self.judge(verdict);
        }
    }

    /// The next line, without its end; `Some(None)` for one that is over the limit.
    fn line(&mut self, limit: usize) -> Option<Option<Vec<u8>>> {
        let end = self.buffer.iter().position(|octet| *octet == b'\n');
        match end {
            Some(end) if end < limit => {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                Some(Some(line))
            }
            Some(end) => {
                self.buffer.drain(..=end);
                Some(None)
            }
            None if self.buffer.len() >= limit => {
                self.buffer.clear();
                self.swallowing = true;
                Some(None)
            }
            None => None,
        }
    }

    fn judge(&mut self, verdict: Verdict) {
        match verdict {
            Ok(Done::Well) => self.protocol_errors = 0,
            Ok(Done::Undecided) => {}
            Err(Wrong::Everyday) => self.replies.push(Reply::err()),
            Err(wrong @ (Wrong::Counted | Wrong::NeedsTls)) => {
                let named = match wrong {
                    Wrong::NeedsTls => {
                        self.needed_tls = true;
                        std::mem::take(&mut self.named)
                    }
                    Wrong::Counted | Wrong::Everyday => false,
                };
                self.replies.push(Reply::Err { code: None, named });
                self.protocol_errors += 1;
                if self.protocol_errors >= self.policy.protocol_errors_max {
                    self.replies.push(Reply::err());
                    self.close(CloseReason::TooManyErrors);
                }
            }
        }
    }

    pub(super) fn close(&mut self, reason: CloseReason) {
        self.forget_input();
        self.state = State::Closed(reason);
    }

    pub(super) fn forget_input(&mut self) {
        self.buffer.clear();
        self.swallowing = false;
    }

    /// The handshake is done: nothing that was said before counts any more, but failures.
    pub(super) fn secured(&mut self, facts: TlsFacts) {
        self.forget_input();
        self.protocol_errors = 0;
        self.tls = Some(facts);
        self.state = State::Authorization { user: None };
    }

    /// A log-on did not succeed.
    pub(super) fn refused(&mut self, refusal: LogOnRefusal) {
        use mailroost_protocol::Blame;
        let code = match refusal {
            LogOnRefusal::Credentials => Some("AUTH"),
            LogOnRefusal::Malformed => None,
            LogOnRefusal::InUse => Some("IN-USE"),
            LogOnRefusal::TooManySessions | LogOnRefusal::Failed(Blame::Temporary) => {
                Some("SYS/TEMP")
            }
            LogOnRefusal::Failed(Blame::Permanent) => Some("SYS/PERM"),
        };
        let named = std::mem::take(&mut self.named);
        self.replies.push(Reply::Err { code, named });
        self.state = State::Authorization { user: None };
        self.counts.auth_failures += 1;
        if self.counts.auth_failures >= u64::from(self.policy.auth_failures_max) {
            self.replies.push(Reply::err());
            self.close(CloseReason::TooManyFailures);
        }
    }
}
