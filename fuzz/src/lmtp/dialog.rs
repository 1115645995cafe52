//! An LMTP session and the server behind it: whoever is named there is, and what becomes of
//! messages is decided by the input.

use std::sync::Arc;
use std::time::Instant;

use mailroost_protocol::CloseReason;
use mailroost_protocol::lmtp::{
    Addressee, DeliveryRefusal, LmtpEffect, LmtpOutcome, LmtpSession, LmtpStep, LmtpSummary, Trace,
};

use super::Scene;

/// What happened because of some octets.
#[derive(Debug, Default)]
pub struct Events {
    /// What was said.
    pub said: Vec<u8>,
    /// A message was begun, and whether there is a place for it.
    pub begun: Option<bool>,
    /// What was written of it.
    pub written: Vec<u8>,
    /// Messages that are complete: how many recipients each has, and whether it is delivered.
    pub ended: Vec<(usize, bool)>,
    pub closed: Option<CloseReason>,
}

/// All that happened, but for the reasons of refusals.
#[derive(Debug, PartialEq, Eq)]
pub struct Story {
    said: String,
    delivered: Vec<(Vec<String>, Vec<u8>)>,
    /// How many messages.
    refused: usize,
    summary: LmtpSummary,
    closed: Option<CloseReason>,
}

pub struct Dialog<'a> {
    session: LmtpSession,
    now: Instant,
    decisions: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    room: usize,
    /// The message at hand.
    place: Vec<u8>,
    story: Story,
}

impl<'a> Dialog<'a> {
    pub fn new(scene: &Scene<'a>) -> Self {
        let now = Instant::now();
        let policy = Arc::new(scene.policy.clone());
        Self {
            session: LmtpSession::new(policy, "[192.0.2.1]".into(), now),
            now,
            decisions: scene.decisions.iter().cycle(),
            room: scene.room,
            place: Vec::new(),
            story: Story {
                said: String::new(),
                delivered: Vec::new(),
                refused: 0,
                summary: LmtpSummary::default(),
                closed: None,
            },
        }
    }

    /// Takes the greeting.
    pub fn greeted(&mut self) -> Events {
        self.go_on()
    }

    pub fn input(&mut self, octets: &[u8]) -> Events {
        if self.story.closed.is_some() {
            return Events::default();
        }
        self.session.input(octets);
        self.go_on()
    }

    pub fn story(mut self) -> Story {
        self.story.summary = self.session.summary().clone();
        self.story
    }

    fn go_on(&mut self) -> Events {
        let mut events = Events::default();
        loop {
            match self.session.next(self.now, &mut events.said) {
                LmtpStep::NeedInput => break,
                LmtpStep::Flush => {}
                LmtpStep::Effect(effect) => {
                    let outcome = self.carry_out(effect, &mut events);
                    self.session.resume(outcome, self.now, &mut events.said);
                }
                LmtpStep::Close(reason) => {
                    events.closed = Some(reason);
                    self.story.closed = Some(reason);
                    break;
                }
            }
        }
        let said = std::str::from_utf8(&events.said).expect("replies are UTF-8");
        for line in said.split_inclusive('\n') {
            // A message can have several faults, and which is found first depends on the cuts.
            self.story.said += match line.as_bytes().first() {
                Some(b'4' | b'5') => "refused\n",
                _ => line,
            };
        }
        events
    }

    fn decision(&mut self) -> u8 {
        self.decisions.next().copied().unwrap_or_default()
    }

    fn carry_out(&mut self, effect: LmtpEffect, events: &mut Events) -> LmtpOutcome {
        match effect {
            LmtpEffect::Resolve { path, names } => {
                assert!(!names.is_empty() && names.iter().all(|name| !name.is_empty()));
                assert!(!path.as_str().contains(['\r', '\n', '\0']));
                match self.decision() & 3 {
                    3 => LmtpOutcome::RecipientRefused(DeliveryRefusal::UnknownUser),
                    _ => LmtpOutcome::Recipient(Addressee {
                        maildrop: 1,
                        user: names[0].as_str().into(),
                    }),
                }
            }
            LmtpEffect::Begin => {
                self.place.clear();
                let fails = self.decision() & 7 == 7;
                events.begun = Some(!fails);
                match fails {
                    true => LmtpOutcome::Failed(DeliveryRefusal::Trouble),
                    false => LmtpOutcome::Done,
                }
            }
            LmtpEffect::Write(octets) => {
                assert!(!octets.is_empty());
                events.written.extend_from_slice(&octets);
                self.place.extend_from_slice(&octets);
                match self.place.len() > self.room {
                    true => LmtpOutcome::Failed(DeliveryRefusal::Full),
                    false => LmtpOutcome::Done,
                }
            }
            LmtpEffect::Deliver { recipients, trace } => {
                events.ended.push((recipients.len(), true));
                let mut to = Vec::new();
                for recipient in &*recipients {
                    check_trace(&trace.lines(&recipient.path, "id", 1_793_000_000), &trace);
                    to.push(recipient.path.as_str().to_owned());
                }
                self.story
                    .delivered
                    .push((to, std::mem::take(&mut self.place)));
                let answers = recipients.iter().map(|_| match self.decision() & 7 {
                    7 => Err(DeliveryRefusal::OverQuota),
                    6 => Err(DeliveryRefusal::Trouble),
                    _ => Ok(()),
                });
                LmtpOutcome::Delivered(answers.collect())
            }
            LmtpEffect::Refuse { recipients, .. } => {
                events.ended.push((recipients.len(), false));
                self.story.refused += 1;
                LmtpOutcome::Done
            }
        }
    }
}

/// Nothing that a client said makes a line of its own in the trace, or a field.
fn check_trace(lines: &[u8], trace: &Trace) {
    let text = std::str::from_utf8(lines).expect("the trace is UTF-8");
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    let begins = [
        "Return-Path: <",
        "Delivered-To: ",
        "Received: from ",
        "\tby ",
        "\t",
    ];
    assert_eq!(lines.len(), begins.len(), "{trace:?}");
    for (line, begin) in lines.iter().zip(begins) {
        let rest = line.strip_prefix(begin).expect("the lines of a trace");
        assert!(!rest.chars().any(char::is_control), "{line:?}");
    }
}
