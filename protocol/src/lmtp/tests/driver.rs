//! A connection to a server in memory: three users, and every message that they were given.

use std::sync::Arc;
use std::time::Instant;

use super::super::{
    Addressee, DeliveryRefusal, LmtpEffect, LmtpOutcome, LmtpPolicy, LmtpSession, LmtpStep,
};
use crate::CloseReason;
use crate::session::{INPUT_OCTETS_MAX, OUT_WATER_MARK};

/// The beginning of most dialogs.
pub(super) const HELLO: &str = "LHLO mta.example\r\n";

/// The server behind the session: `ann`, `ben`, and `cay`, who is over quota.
#[derive(Default)]
pub(super) struct World {
    /// What was delivered: user, sender, message.
    pub(super) delivered: Vec<(String, String, Vec<u8>)>,
    /// Refused as a whole: why.
    pub(super) refused: Vec<&'static str>,
    /// The message at hand.
    place: Option<Vec<u8>>,
    /// `Begin` fails.
    pub(super) no_place: bool,
    /// `Write` fails from so many octets on.
    pub(super) room: Option<usize>,
    /// The most octets that were written at once.
    pub(super) write_max: usize,
}

/// A session and the client's side of the wire.
pub(super) struct Connection {
    pub(super) session: LmtpSession,
    pub(super) world: World,
    pub(super) now: Instant,
    pub(super) received: Vec<u8>,
    pub(super) closed: Option<CloseReason>,
}

impl Connection {
    pub(super) fn new(policy: LmtpPolicy) -> Self {
        let now = Instant::now();
        let policy = Arc::new(policy);
        let mut connection = Self {
            session: LmtpSession::new(policy, "[192.0.2.1]".into(), now),
            world: World::default(),
            now,
            received: Vec::new(),
            closed: None,
        };
        connection.go_on();
        connection
    }

    /// Sends octets in reads of at most `INPUT_OCTETS_MAX`.
    pub(super) fn send(&mut self, octets: &[u8]) {
        for read in octets.chunks(INPUT_OCTETS_MAX) {
            if self.closed.is_none() {
                self.session.input(read);
                self.go_on();
            }
        }
    }

    /// What the client got since the last time.
    pub(super) fn take(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.received)).unwrap()
    }

    /// The codes of the replies that the client got since the last time, one for each line.
    pub(super) fn codes(&mut self) -> Vec<u16> {
        let said = self.take();
        said.lines()
            .map(|line| line[..3].parse().unwrap())
            .collect()
    }

    pub(super) fn go_on(&mut self) {
        loop {
            let before = self.received.len();
            let step = self.session.next(self.now, &mut self.received);
            assert!(self.received.len() - before < 2 * OUT_WATER_MARK);
            if !self.session.message_is_open() && !matches!(step, LmtpStep::Effect(_)) {
                self.world.place = None;
            }
            match step {
                LmtpStep::NeedInput => return,
                LmtpStep::Flush => {}
                LmtpStep::Close(reason) => {
                    self.closed = Some(reason);
                    return;
                }
                LmtpStep::Effect(effect) => {
                    let outcome = self.world.carry_out(effect);
                    self.session.resume(outcome, self.now, &mut self.received);
                }
            }
        }
    }
}

impl World {
    fn carry_out(&mut self, effect: LmtpEffect) -> LmtpOutcome {
        match effect {
            LmtpEffect::Resolve { names, .. } => {
                let known = ["ann", "ben", "cay"].into_iter().zip(1u64..);
                let mut known = known.filter(|(user, _)| names.iter().any(|name| name == user));
                match known.next() {
                    Some((user, maildrop)) => LmtpOutcome::Recipient(Addressee {
                        maildrop,
                        user: user.into(),
                    }),
                    None => LmtpOutcome::RecipientRefused(DeliveryRefusal::UnknownUser),
                }
            }
            LmtpEffect::Begin if self.no_place => LmtpOutcome::Failed(DeliveryRefusal::Trouble),
            LmtpEffect::Begin => {
                self.place = Some(Vec::new());
                LmtpOutcome::Done
            }
            LmtpEffect::Write(octets) => {
                self.write_max = self.write_max.max(octets.len());
                let place = self.place.as_mut().unwrap();
                if self
                    .room
                    .is_some_and(|room| place.len() + octets.len() > room)
                {
                    return LmtpOutcome::Failed(DeliveryRefusal::Full);
                }
                place.extend_from_slice(&octets);
                LmtpOutcome::Done
            }
            LmtpEffect::Deliver { recipients, trace } => {
                let message = self.place.take().unwrap();
                let answers = recipients.iter().map(|recipient| {
                    let user = &*recipient.addressee.user;
                    if user == "cay" {
                        return Err(DeliveryRefusal::OverQuota);
                    }
                    let copy = (user.to_owned(), trace.sender().to_owned(), message.clone());
                    self.delivered.push(copy);
                    Ok(())
                });
                LmtpOutcome::Delivered(answers.collect())
            }
            LmtpEffect::Refuse { why, .. } => {
                self.refused.push(why);
                LmtpOutcome::Done
            }
        }
    }
}
