//! A whole POP3 session against a model of one: whatever a client sends, however it is cut, and
//! however effects end, the session says and asks for what the model says and asks for.
//!
//! What holds besides: it never panics; each command has one reply; nothing that was said before
//! TLS or a security layer counts behind it; only QUIT commits, and only what is marked; errors
//! are counted; no more is kept of the client's octets than the model keeps.

mod mail;
mod model;
mod outcomes;
mod replies;
mod scene;
mod verbs;

use std::sync::Arc;
use std::time::Instant;

use mailroost_protocol::session::OUT_WATER_MARK;
use mailroost_protocol::{Effect, Ending, RefusalId, SaslAnswer, Session, Step};
use secrecy::ExposeSecret;

use model::{Counts, Model, SaslSaid, State};
use outcomes::Ended;
use scene::{Decisions, Scene};

/// Replies of one turn beyond the water mark: CAPA is the longest that is not cut into pieces.
const REPLY_OCTETS_MAX: usize = 1_024;

/// The target.
pub fn session(data: &[u8]) {
    let scene = Scene::new(data);
    let now = Instant::now();
    let mut session = Session::new(Arc::new(scene.policy.clone()), scene.transport.clone(), now);
    if scene.keeps_log {
        session.keep_log(now);
    }
    let mut twins = Twins {
        model: Model::new(scene.policy.clone(), &scene.transport, scene.messages),
        session,
        messages: scene.messages,
        decisions: scene.decisions,
        rest: scene.octets,
        wire: Vec::new(),
        now,
    };
    twins.turn();
    while twins.go_on() {}
    twins.compare_the_end();
}

/// The session and its model, side by side.
struct Twins<'a> {
    session: Session,
    model: Model,
    messages: u64,
    decisions: Decisions<'a>,
    /// What the client has not sent yet.
    rest: &'a [u8],
    /// What the session wrote and was not compared yet.
    wire: Vec<u8>,
    now: Instant,
}

impl Twins<'_> {
    /// Lets both go on until something has to happen, and compares what they said and want.
    fn turn(&mut self) {
        self.model.go_on();
        let step = self.step();
        match (&self.model.state, step) {
            (
                State::Authorization { .. } | State::Answer { .. } | State::Transaction,
                Step::NeedInput,
            )
            | (State::StartTls, Step::StartTls) => {}
            (State::Closed(expected), Step::Close(reason)) => assert_eq!(reason, *expected),
            (State::Layer { pending }, Step::StartLayer { pending: found })
            | (State::Relay { pending, .. }, Step::Relay { pending: found }) => {
                assert_eq!(found.expose_secret(), pending.as_slice());
            }
            (state, Step::Effect(effect)) => compare_effect(state, &effect),
            (state, step) => panic!("{state:?} is expected, not {step:?}"),
        }
        self.compare_replies();
        if matches!(self.model.state, State::Layer { .. }) {
            self.model.state = State::Transaction;
            self.turn();
        }
    }

    /// Runs the session to the next thing that has to happen.
    fn step(&mut self) -> Step {
        loop {
            let mut out = Vec::new();
            let step = self.session.next(self.now, &mut out);
            assert!(
                out.len() < OUT_WATER_MARK + REPLY_OCTETS_MAX,
                "{} octets wait",
                out.len()
            );
            self.wire.append(&mut out);
            match step {
                Step::Flush => {}
                Step::Shared(listing) => self.wire.extend_from_slice(&listing),
                step => return step,
            }
        }
    }

    fn compare_replies(&mut self) {
        let mut wire = self.wire.as_slice();
        for reply in self.model.replies.drain(..) {
            wire = reply.take(wire, &self.model.policy);
        }
        assert!(wire.is_empty(), "nobody asked for {wire:?}");
        self.wire.clear();
        self.session.log().for_each(drop);
        let needed_tls = self.session.take_needed_tls().is_some();
        assert_eq!(needed_tls, std::mem::take(&mut self.model.needed_tls));
    }

    /// The next thing that happens; `false` is the end.
    fn go_on(&mut self) -> bool {
        match &self.model.state {
            State::Closed(_) => return false,
            State::Authorization { .. } | State::Answer { .. } | State::Transaction => {
                if self.rest.is_empty() {
                    return false;
                }
                match self.decisions.next() {
                    ending @ 0xfd..=0xff => self.end(ending),
                    octets => self.read(octets),
                }
                self.turn();
            }
            _ => self.carry_out(),
        }
        true
    }

    /// A read of so many octets; 0 is all of them.
    fn read(&mut self, octets: u8) {
        let wanted = match octets {
            0 => mailroost_protocol::session::INPUT_OCTETS_MAX,
            octets => octets.into(),
        };
        let (read, rest) = self.rest.split_at(wanted.min(self.rest.len()));
        self.rest = rest;
        self.session.input(read);
        self.model.input(read);
    }

    fn end(&mut self, ending: u8) {
        let ending = match ending {
            0xfd => Ending::Autologout,
            0xfe => Ending::Shutdown,
            _ => Ending::Restart,
        };
        self.session.end(ending, &mut self.wire);
        self.model.end(ending);
    }

    /// Carries out what is open, perhaps slowly, or after the session was ended.
    fn carry_out(&mut self) {
        let decision = self.decisions.next();
        if decision & 0x40 != 0 {
            self.read(decision | 1);
            self.nothing_happens();
        }
        if decision & 0x80 != 0 {
            let ending = self.decisions.next();
            self.end(ending);
            self.nothing_happens();
        }
        if let State::Relay { at_boundary, .. } = &mut self.model.state {
            *at_boundary = decision & 1 == 1;
            self.session.relayed(self.now, *at_boundary);
        }
        let ended = Ended::decided(&self.model.state, decision);
        if let State::LogOn { .. } | State::Sasl { .. } = self.model.state {
            self.session.name_refusal(RefusalId::new(1, 2));
            self.model.named = true;
        }
        if let (State::Send { at, lines }, Ended::Sent) = (&self.model.state, &ended) {
            let mut wire = Vec::new();
            mail::send(*at, *lines, usize::from(decision), &mut wire);
            assert_eq!(wire, mail::sent(*at, *lines));
            self.session.log_sent(wire.len() as u64);
        }
        self.session
            .resume(ended.outcome(self.messages), self.now, &mut self.wire);
        self.model.resume(&ended);
        self.turn();
    }

    /// While an effect is open the session waits, whatever comes.
    fn nothing_happens(&mut self) {
        let before = self.wire.len();
        match (self.step(), &self.model.state) {
            (Step::Close(reason), State::Closed(expected)) => assert_eq!(reason, *expected),
            (Step::StartTls, State::StartTls) => {}
            (Step::NeedInput, state) => assert!(!matches!(state, State::Closed(_))),
            (step, state) => panic!("{step:?} while {state:?} is open"),
        }
        assert_eq!(self.wire.len(), before);
    }

    fn compare_the_end(&mut self) {
        let summary = self.session.summary();
        let counts = Counts {
            commands: summary.commands,
            retrieved: summary.retrieved,
            topped: summary.topped,
            marked: summary.marked,
            removed: summary.removed,
            auth_failures: summary.auth_failures,
        };
        assert_eq!(counts, self.model.counts);
        assert!(self.session.deadline() > self.now);
        // Of the client's octets no more is kept than what no line was made of.
        let shown = format!("{:?}", self.session);
        let (waiting, swallowing) = (self.model.buffer.len(), self.model.swallowing);
        let expected = format!("waiting: {waiting}, swallowing: {swallowing}");
        assert!(shown.contains(&expected), "{expected}: {shown}");
    }
}

fn compare_effect(state: &State, effect: &Effect) {
    match (state, effect) {
        (
            State::LogOn { user, password },
            Effect::LogOn {
                user: who,
                password: shown,
            },
        ) => {
            assert_eq!((who, shown.expose_secret()), (user, password.as_slice()));
        }
        (
            State::Sasl { mechanism, answer },
            Effect::Sasl {
                mechanism: which,
                answer: said,
            },
        ) => {
            assert_eq!(which, mechanism);
            let said = match said {
                SaslAnswer::Start => SaslSaid::Start,
                SaslAnswer::StartWith(said) => SaslSaid::StartWith(said.expose_secret().to_vec()),
                SaslAnswer::Continue(said) => SaslSaid::Continue(said.expose_secret().to_vec()),
            };
            assert_eq!(said, *answer);
        }
        (State::Open { at, .. }, Effect::OpenMessage { number, id }) => {
            assert_eq!(u64::from(number.value()), at + 1);
            assert_eq!(*id, mail::id(*at));
        }
        (State::Send { lines, .. }, Effect::SendMessage { lines: wanted }) => {
            assert_eq!(wanted, lines);
        }
        (State::Commit { ids }, Effect::Commit { ids: named }) => assert_eq!(named, ids),
        (state, effect) => panic!("{state:?} is expected, not {effect:?}"),
    }
}

/// RFC 4648 s4, strictly: whole groups of four, padding at the end alone, no bits left over.
fn base64_decoded(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let padding = text
        .iter()
        .rev()
        .take_while(|octet| **octet == b'=')
        .count();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let (mut bits, mut held, mut octets) = (0_u32, 0, Vec::new());
    for octet in &text[..text.len() - padding] {
        let value = ALPHABET.iter().position(|known| known == octet)?;
        bits = bits << 6 | value as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    (bits == 0).then_some(octets)
}
