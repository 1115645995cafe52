//! Drives a session without a network: carries out its effects against messages in memory and
//! keeps what a client would see.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use secrecy::ExposeSecret;

use crate::session::{Blame, INPUT_OCTETS_MAX, LogOnRefusal, OUT_WATER_MARK};
use crate::wire::transparency::MessageEncoder;
use crate::{
    CloseReason, Effect, Maildrop, MechanismOffer, Octets, Outcome, Policy, SaslAnswer, ScanEntry,
    Session, Step, TlsFacts, Transport,
};

/// Chunks small enough that messages have several.
const CHUNK_OCTETS: usize = 7;

/// The server behind the session: one user, `alice` with the password `open sesame`.
pub(super) struct World {
    pub(super) messages: Vec<Vec<u8>>,
    pub(super) maildrop: Arc<Maildrop>,
    /// Store's numbers of messages that somebody else removed.
    pub(super) gone: BTreeSet<u64>,
    /// What the session asked to remove.
    pub(super) committed: Option<Vec<u64>>,
    /// How log-ons and commits end, if not well.
    pub(super) log_on_refusal: Option<LogOnRefusal>,
    /// The user belongs to another site, whose server takes the session.
    pub(super) hands_on: bool,
    pub(super) brings_a_layer: bool,
    pub(super) failure: Option<Blame>,
    /// What was tried, in clear.
    pub(super) log_ons: Vec<(Vec<u8>, Vec<u8>)>,
    sasl_steps: u32,
}

impl World {
    pub(super) fn new(messages: &[&str]) -> Self {
        let entries = messages
            .iter()
            .zip(1u64..)
            .map(|(message, position)| ScanEntry {
                id: 6_498 + position,
                stored: Octets(message.len() as u64 + 100),
                exact: Octets(message.len() as u64),
            });
        let mut world = Self::with_maildrop(Maildrop::new(entries.collect(), Vec::new()));
        world.messages = messages
            .iter()
            .map(|message| message.as_bytes().to_vec())
            .collect();
        world
    }

    pub(super) fn with_maildrop(maildrop: Maildrop) -> Self {
        Self {
            messages: Vec::new(),
            maildrop: Arc::new(maildrop),
            gone: BTreeSet::new(),
            committed: None,
            log_on_refusal: None,
            hands_on: false,
            brings_a_layer: false,
            failure: None,
            log_ons: Vec::new(),
            sasl_steps: 0,
        }
    }

    fn log_on(&mut self, user: &[u8], password: &[u8]) -> Outcome {
        self.log_ons.push((user.to_vec(), password.to_vec()));
        match self.log_on_refusal {
            Some(refusal) => Outcome::LogOnRefused(refusal),
            None if self.hands_on => Outcome::HandedOn {
                user: "alice".to_owned(),
            },
            None if user == b"alice" && password == b"open sesame" => Outcome::LoggedOn {
                user: "alice".to_owned(),
                maildrop: Arc::clone(&self.maildrop),
                sizes: None,
                security_layer: self.brings_a_layer,
            },
            None => Outcome::LogOnRefused(LogOnRefusal::Credentials),
        }
    }

    /// PLAIN, and RIDDLE: the server asks twice, and wants `1` and `2`.
    fn sasl(&mut self, mechanism: &str, answer: SaslAnswer) -> Outcome {
        let said = match &answer {
            SaslAnswer::Start => Vec::new(),
            SaslAnswer::StartWith(octets) | SaslAnswer::Continue(octets) => {
                octets.expose_secret().to_vec()
            }
        };
        match (mechanism, answer) {
            ("PLAIN", SaslAnswer::StartWith(_)) => {
                let mut parts = said.split(|octet| *octet == 0).skip(1);
                match (parts.next(), parts.next()) {
                    (Some(user), Some(password)) => self.log_on(user, password),
                    _ => Outcome::LogOnRefused(LogOnRefusal::Malformed),
                }
            }
            ("RIDDLE", SaslAnswer::Start) => {
                self.sasl_steps = 1;
                Outcome::Challenge(b"one?".to_vec())
            }
            ("RIDDLE", SaslAnswer::Continue(_)) if self.sasl_steps == 1 && said == b"1" => {
                self.sasl_steps = 2;
                Outcome::Challenge(Vec::new())
            }
            ("RIDDLE", SaslAnswer::Continue(_)) if self.sasl_steps == 2 && said == b"2" => {
                self.log_on(b"alice", b"open sesame")
            }
            _ => Outcome::LogOnRefused(LogOnRefusal::Credentials),
        }
    }
}

/// A session, the world behind it, and the client's side of the wire.
pub(super) struct Connection {
    pub(super) session: Session,
    pub(super) world: World,
    pub(super) now: Instant,
    /// What the client received and did not take yet.
    pub(super) received: Vec<u8>,
    pub(super) closed: Option<CloseReason>,
    /// The session waits for the handshake.
    pub(super) starting_tls: bool,
    /// What was given to the server that the session was handed on to.
    pub(super) relayed: Option<Vec<u8>>,
    /// How many octets were said before a security layer began, and what was for it already.
    pub(super) layer_began: Option<(usize, Vec<u8>)>,
    /// Effects stay open until `carry_out` is called.
    pub(super) holds_effects: bool,
    pub(super) held: Option<Effect>,
    opened: Option<usize>,
}

pub(super) fn tls_facts() -> TlsFacts {
    TlsFacts {
        version: "TLSv1.3".to_owned(),
        cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
        ..TlsFacts::default()
    }
}

pub(super) fn transport(tls: bool) -> Transport {
    let mechanism = |name, plaintext, client_first| MechanismOffer {
        name,
        plaintext,
        client_first,
        ..MechanismOffer::default()
    };
    Transport {
        tls: tls.then(tls_facts),
        stls: true,
        mechanisms: Arc::new([
            mechanism("RIDDLE", false, false),
            mechanism("PLAIN", true, true),
        ]),
    }
}

impl Connection {
    /// A connection inside TLS, greeted.
    pub(super) fn new(policy: Policy, world: World) -> Self {
        Self::over(policy, world, transport(true))
    }

    /// A connection without TLS, greeted.
    pub(super) fn in_clear(policy: Policy, world: World) -> Self {
        Self::over(policy, world, transport(false))
    }

    fn over(policy: Policy, world: World, transport: Transport) -> Self {
        let now = Instant::now();
        let mut connection = Self {
            session: Session::new(Arc::new(policy), transport, now),
            world,
            now,
            received: Vec::new(),
            closed: None,
            starting_tls: false,
            relayed: None,
            layer_began: None,
            holds_effects: false,
            held: None,
            opened: None,
        };
        connection.run();
        connection
    }

    /// A connection that is logged on, with nothing left to read.
    pub(super) fn logged_on(policy: Policy, world: World) -> Self {
        let mut connection = Self::new(policy, world);
        connection.send(b"USER alice\r\nPASS open sesame\r\n");
        assert!(
            connection
                .take()
                .ends_with("+OK User successfully logged on.\r\n")
        );
        connection
    }

    /// Sends octets, in reads of the size that a session takes.
    pub(super) fn send(&mut self, octets: &[u8]) {
        for read in octets.chunks(INPUT_OCTETS_MAX) {
            if self.closed.is_none() {
                self.session.input(read);
                self.run();
            }
        }
    }

    /// Sends a command and takes what came for it.
    pub(super) fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes());
        self.take()
    }

    /// Takes what the client received.
    pub(super) fn take(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.received)).unwrap()
    }

    /// Ends the handshake that STLS began.
    pub(super) fn handshake(&mut self) {
        assert!(self.starting_tls);
        self.starting_tls = false;
        let mut out = Vec::new();
        self.session
            .resume(Outcome::TlsStarted(tls_facts()), self.now, &mut out);
        assert!(out.is_empty(), "nothing is said of itself inside TLS");
        self.run();
    }

    /// Carries out the effect that is held.
    pub(super) fn carry_out(&mut self) {
        let effect = self.held.take().unwrap();
        self.holds_effects = false;
        self.effect(effect);
        self.run();
    }

    pub(super) fn run(&mut self) {
        loop {
            let mut out = Vec::new();
            let step = self.session.next(self.now, &mut out);
            assert!(
                out.len() < OUT_WATER_MARK + 1_024,
                "{} octets wait",
                out.len()
            );
            self.received.append(&mut out);
            match step {
                Step::NeedInput => return,
                Step::Flush => {}
                Step::Shared(listing) => self.received.extend_from_slice(&listing),
                Step::Effect(effect) if self.holds_effects => {
                    self.held = Some(effect);
                    return;
                }
                Step::Effect(effect) => self.effect(effect),
                Step::StartTls => {
                    self.starting_tls = true;
                    return;
                }
                Step::Relay { pending } => {
                    self.relayed = Some(pending.expose_secret().to_vec());
                }
                Step::StartLayer { pending } => {
                    self.layer_began =
                        Some((self.received.len(), pending.expose_secret().to_vec()));
                }
                Step::Close(reason) => {
                    self.closed = Some(reason);
                    return;
                }
            }
        }
    }

    fn effect(&mut self, effect: Effect) {
        let outcome = match effect {
            Effect::LogOn { user, password } => self.world.log_on(&user, password.expose_secret()),
            Effect::Sasl { mechanism, answer } => self.world.sasl(mechanism, answer),
            Effect::OpenMessage { number, id } => match self.world.failure {
                Some(blame) => Outcome::Failed(blame),
                None if self.world.gone.contains(&id) => Outcome::MessageGone,
                None => {
                    self.opened = Some(number.position());
                    Outcome::MessageOpened
                }
            },
            Effect::SendMessage { lines } => {
                let before = self.received.len();
                self.send_message(lines);
                self.session.log_sent((self.received.len() - before) as u64);
                Outcome::MessageSent
            }
            Effect::Commit { ids } => match self.world.failure {
                Some(blame) => Outcome::Failed(blame),
                None => {
                    self.world.committed = Some(ids);
                    Outcome::Committed
                }
            },
        };
        let mut out = Vec::new();
        self.session.resume(outcome, self.now, &mut out);
        self.received.append(&mut out);
    }

    fn send_message(&mut self, lines: Option<u64>) {
        let message = &self.world.messages[self.opened.take().unwrap()];
        let header = memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |at| at + 4);
        let mut encoder = MessageEncoder::new(lines, header as u64, true);
        let mut scratch = Vec::new();
        for chunk in message.chunks(CHUNK_OCTETS) {
            let encoded = encoder.encode(chunk, &mut scratch);
            self.received.extend_from_slice(encoded.octets);
            if encoded.complete {
                break;
            }
        }
        self.received.extend_from_slice(encoder.end());
    }
}

/// Plays a script of lines that begin with `C: ` and `S: ` and checks every reply. It is played
/// line by line, all at once, and octet by octet; the client must see the same.
pub(super) fn play(open: impl Fn() -> Connection, script: &str) {
    let lines = script
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty());
    let (mut said, mut expected) = (String::new(), String::new());
    let mut by_line = open();
    for line in lines {
        if let Some(command) = line.strip_prefix("C: ") {
            assert_eq!(by_line.take(), expected, "before {line:?}");
            expected.clear();
            said.push_str(command);
            said.push_str("\r\n");
            by_line.send(format!("{command}\r\n").as_bytes());
        } else {
            let reply = line
                .strip_prefix("S: ")
                .expect("a script has C: and S: lines");
            expected.push_str(reply);
            expected.push_str("\r\n");
        }
    }
    assert_eq!(by_line.take(), expected, "at the end");

    let whole = |cut: usize| {
        let mut connection = open();
        said.as_bytes()
            .chunks(cut)
            .for_each(|octets| connection.send(octets));
        (connection.take(), connection.closed)
    };
    let at_once = whole(said.len());
    assert_eq!(at_once.1, by_line.closed);
    assert_eq!(whole(1), at_once);
    let replies: String = script
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("S: "))
        .map(|line| format!("{line}\r\n"))
        .collect();
    assert_eq!(at_once.0, replies);
}
