//! The player on the pure session: no socket, no thread, no waiting. What is compared is
//! exact: a single octet more than written is a failure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailroost_auth::{Exchange as SaslExchange, Link, Progress};
use mailroost_protocol::wire::transparency::MessageEncoder;
use mailroost_protocol::{
    CloseReason, Effect, Ending, LogOnRefusal, Outcome, Policy, SaslAnswer, Session, Step,
    TlsFacts, Transport,
};
use secrecy::ExposeSecret as _;

use super::beats::{Beat, Exchange, beats};
use super::ear::Ear;
use super::world::{Opened, World, refusal};
use super::{Chunking, Difference, Failure, Played};
use crate::dialog::Dialog;
use crate::expect::UniqueIds;
use crate::transcript::{Direction, Tls, Transcript};

/// Steps of a session between two inputs: more is a session that goes round in circles.
const STEPS_MAX: usize = 1_000_000;

/// Plays a transcript on the pure session.
///
/// # Errors
/// Where it went otherwise than written.
pub fn play(transcript: &Transcript, chunking: Chunking) -> Result<Played, Box<Failure>> {
    let how = format!("on the pure session, {chunking:?}");
    let world = match World::new(&transcript.stage) {
        Ok(world) => world,
        Err(why) => {
            let difference = Difference::new(1, format!("the stage cannot be set: {why}"));
            return Err(Box::new(difference.into_failure(
                transcript,
                how,
                Dialog::default(),
            )));
        }
    };
    let mut player = Player {
        world,
        policy: Arc::new(transcript.stage.settings.policy()),
        tls: transcript.stage.tls,
        chunking,
        now: Instant::now(),
        connections: BTreeMap::new(),
        ids: UniqueIds::default(),
        dialog: Dialog::default(),
    };
    match player.play(transcript) {
        Ok(()) => Ok(Played::Purely),
        Err(difference) => Err(Box::new(difference.into_failure(
            transcript,
            how,
            player.dialog,
        ))),
    }
}

struct Player {
    world: World,
    policy: Arc<Policy>,
    tls: Tls,
    chunking: Chunking,
    now: Instant,
    connections: BTreeMap<u8, Connection>,
    ids: UniqueIds,
    dialog: Dialog,
}

struct Connection {
    number: u8,
    session: Session,
    ear: Ear,
    state: State,
    maildrop: Option<usize>,
    opened: Option<Opened>,
    sasl: Option<Box<dyn SaslExchange>>,
    /// What it is refused with when the client has acknowledged that.
    refused: Option<LogOnRefusal>,
    chunk_octets: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The session waits for the client's handshake.
    Handshake,
    Closed(Option<CloseReason>),
}

impl Player {
    fn play(&mut self, transcript: &Transcript) -> Result<(), Difference> {
        for beat in beats(&transcript.steps, self.chunking) {
            match beat {
                Beat::Exchange(exchange) => self.exchange(&exchange)?,
                Beat::Direct(line, direction) => self.direct(line, direction)?,
            }
        }
        let last = transcript.steps.last().map_or(0, |step| step.line);
        for connection in self.connections.values_mut() {
            connection.ear.settle(&mut self.ids, true)?;
            connection.ear.silent(last)?;
        }
        Ok(())
    }

    fn exchange(&mut self, exchange: &Exchange<'_>) -> Result<(), Difference> {
        let line = exchange.line;
        let mut connection = self.take(exchange.connection, line)?;
        let writes = exchange.writes(self.chunking);
        let mut result = Ok(());
        for octets in &writes {
            self.dialog.client(connection.number, octets);
            match connection.state {
                State::Open => connection.session.input(octets),
                // What should be a handshake is none: the connection breaks.
                State::Handshake => self.close(&mut connection, None),
                State::Closed(_) => {}
            }
            result = result.and(self.drive(&mut connection, line));
        }
        connection.ear.expect(&exchange.expects);
        result = result.and_then(|()| {
            let settled = connection.ear.settle(&mut self.ids, false)?;
            if settled {
                connection.ear.silent(line)
            } else {
                Err(connection.ear.missing(line, "no more came"))
            }
        });
        self.connections.insert(connection.number, connection);
        result
    }

    fn direct(&mut self, line: usize, direction: &Direction) -> Result<(), Difference> {
        self.dialog.event(direction.to_string());
        match direction {
            Direction::Tls(number) => self.handshake(*number, line),
            Direction::Timer(span) => self.timer(*span, line),
            Direction::Cut(number) => {
                let mut connection = self.take(*number, line)?;
                self.close(&mut connection, None);
                connection.ear.silent(line)
            }
            Direction::Closed(number) => {
                let mut connection = self.take(*number, line)?;
                if !matches!(connection.state, State::Closed(_)) {
                    return Err(Difference::new(line, "the server did not close"));
                }
                connection.ear.settle(&mut self.ids, true)?;
                connection.ear.silent(line)
            }
            Direction::Deliver(name) => {
                self.world.deliver(name);
                Ok(())
            }
            Direction::RemovedElsewhere(nth) => self
                .world
                .remove_elsewhere(*nth)
                .map_err(|why| Difference::new(line, why)),
            Direction::Undelete(nth) => self
                .world
                .undelete(*nth)
                .map_err(|why| Difference::new(line, why)),
            // There is no actor here that could die.
            Direction::KillMailbox => Ok(()),
            Direction::FailStore => {
                self.world.failing = true;
                Ok(())
            }
            Direction::Shutdown => self.end_all(|_, _| true, Ending::Shutdown, line),
        }
    }

    fn handshake(&mut self, number: u8, line: usize) -> Result<(), Difference> {
        let mut connection = self.take(number, line)?;
        let result = if connection.state == State::Handshake {
            connection.state = State::Open;
            let mut out = Vec::new();
            let outcome = Outcome::TlsStarted(facts());
            connection.session.resume(outcome, self.now, &mut out);
            self.say(&mut connection, &mut out);
            self.drive(&mut connection, line)
        } else if self.tls == Tls::Implicit {
            Ok(())
        } else {
            Err(Difference::new(
                line,
                "the server does not wait for a TLS handshake",
            ))
        };
        self.connections.insert(number, connection);
        result
    }

    fn timer(&mut self, span: Duration, line: usize) -> Result<(), Difference> {
        self.now += span;
        self.end_all(
            |session, now| session.deadline() <= now,
            Ending::Autologout,
            line,
        )
    }

    fn end_all(
        &mut self,
        which: fn(&Session, Instant) -> bool,
        ending: Ending,
        line: usize,
    ) -> Result<(), Difference> {
        for (number, mut connection) in std::mem::take(&mut self.connections) {
            let open = !matches!(connection.state, State::Closed(_));
            let mut result = Ok(());
            if open && which(&connection.session, self.now) {
                let mut out = Vec::new();
                connection.session.end(ending, &mut out);
                self.say(&mut connection, &mut out);
                connection.state = State::Open;
                result = self.drive(&mut connection, line);
            }
            self.connections.insert(number, connection);
            result?;
        }
        Ok(())
    }

    /// Lets the session go on until it needs something that only the transcript can give.
    fn drive(&mut self, connection: &mut Connection, line: usize) -> Result<(), Difference> {
        let mut out = Vec::new();
        for _ in 0..STEPS_MAX {
            if connection.state != State::Open {
                return Ok(());
            }
            let step = connection.session.next(self.now, &mut out);
            if let Step::Effect(effect) = step {
                let outcome = self.perform(connection, effect, &mut out);
                connection.session.resume(outcome, self.now, &mut out);
                continue;
            }
            self.say(connection, &mut out);
            match step {
                Step::NeedInput => return Ok(()),
                Step::Flush | Step::Effect(_) => {}
                Step::Shared(octets) => self.say(connection, &mut octets.to_vec()),
                Step::StartTls => connection.state = State::Handshake,
                // There is no other server to hand it on to, and no mechanism with a layer.
                Step::Relay { .. } | Step::StartLayer { .. } => self.close(connection, None),
                Step::Close(reason) => self.close(connection, Some(reason)),
            }
        }
        Err(Difference::new(
            line,
            format!("the session made {STEPS_MAX} steps without input"),
        ))
    }

    fn perform(&mut self, to: &mut Connection, effect: Effect, out: &mut Vec<u8>) -> Outcome {
        match effect {
            Effect::LogOn { user, password } => {
                let result = self.world.log_on(&user, &password);
                self.logged_on(to, result)
            }
            Effect::Sasl { mechanism, answer } => self.sasl(to, mechanism, answer),
            Effect::OpenMessage { id, .. } => {
                let maildrop = to.maildrop.expect("messages are opened after the log-on");
                to.opened = self.world.open(maildrop, id);
                if to.opened.is_some() {
                    Outcome::MessageOpened
                } else {
                    Outcome::MessageGone
                }
            }
            Effect::SendMessage { lines } => {
                let opened = to
                    .opened
                    .take()
                    .expect("a message is sent after it was opened");
                encode(&opened, lines, to.chunk_octets, out);
                Outcome::MessageSent
            }
            Effect::Commit { ids } => {
                let maildrop = to.maildrop.expect("marks are committed after the log-on");
                self.world.commit(maildrop, &ids)
            }
        }
    }

    fn sasl(&mut self, to: &mut Connection, name: &str, answer: SaslAnswer) -> Outcome {
        let offered = self
            .world
            .mechanisms
            .iter()
            .find(|offered| offered.name() == name);
        let mechanism = offered.expect("a session uses what it was told to offer");
        let octets = match &answer {
            SaslAnswer::Start => &[],
            SaslAnswer::StartWith(secret) | SaslAnswer::Continue(secret) => secret.expose_secret(),
        };
        let refused = to.refused.take();
        if let (SaslAnswer::Continue(_), Some(refused)) = (&answer, refused) {
            return Outcome::LogOnRefused(refused);
        }
        let exchange = match &answer {
            SaslAnswer::Continue(_) => to.sasl.get_or_insert_with(|| mechanism.start(&link())),
            _ => to.sasl.insert(mechanism.start(&link())),
        };
        match exchange.step(octets, &self.world.accounts) {
            Progress::Challenge(challenge) => Outcome::Challenge(challenge),
            Progress::Refusal { challenge, why } => {
                to.refused = Some(refusal(why));
                Outcome::Challenge(challenge)
            }
            Progress::Success(identity) => {
                let result = self.world.let_in(&identity);
                self.logged_on(to, result)
            }
            Progress::Failure(error) => Outcome::LogOnRefused(refusal(error)),
        }
    }

    fn logged_on<E>(&self, to: &mut Connection, result: Result<usize, E>) -> Outcome
    where
        E: Into<LogOnRefusal>,
    {
        match result {
            Ok(maildrop) => {
                to.maildrop = Some(maildrop);
                self.world.logged_on(maildrop)
            }
            Err(refusal) => Outcome::LogOnRefused(refusal.into()),
        }
    }

    fn say(&mut self, connection: &mut Connection, out: &mut Vec<u8>) {
        self.dialog.server(connection.number, out);
        connection.ear.hear(out);
        out.clear();
    }

    fn close(&mut self, connection: &mut Connection, reason: Option<CloseReason>) {
        if let Some(maildrop) = connection.maildrop.take() {
            self.world.release(maildrop);
        }
        connection.state = State::Closed(reason);
    }

    /// The connection, made now if it was not there. It has to be put back.
    fn take(&mut self, number: u8, line: usize) -> Result<Connection, Difference> {
        if let Some(connection) = self.connections.remove(&number) {
            return Ok(connection);
        }
        let transport = Transport {
            tls: (self.tls == Tls::Implicit).then(facts),
            stls: self.tls == Tls::Available,
            mechanisms: self.world.offers(),
        };
        let session = Session::new(Arc::clone(&self.policy), transport, self.now);
        let mut connection = Connection {
            number,
            session,
            ear: Ear::default(),
            state: State::Open,
            maildrop: None,
            opened: None,
            sasl: None,
            refused: None,
            chunk_octets: match self.chunking {
                Chunking::Lines => 65_536,
                Chunking::Whole => 4_096,
                Chunking::Split(seed) => 1 + (seed % 61) as usize,
                Chunking::Octets => 1,
            },
        };
        self.drive(&mut connection, line)?;
        Ok(connection)
    }
}

fn encode(message: &Opened, lines: Option<u64>, chunk_octets: usize, out: &mut Vec<u8>) {
    let mut encoder = MessageEncoder::new(lines, message.header_octets, message.dot_lines);
    let mut scratch = Vec::new();
    for chunk in message.octets.chunks(chunk_octets) {
        let encoded = encoder.encode(chunk, &mut scratch);
        out.extend_from_slice(encoded.octets);
        if encoded.complete {
            break;
        }
    }
    out.extend_from_slice(encoder.end());
}

fn facts() -> TlsFacts {
    TlsFacts {
        version: "TLSv1.3".to_owned(),
        cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
        channel_binding: true,
        client_certificate: false,
    }
}

fn link() -> Link {
    Link::default()
}
