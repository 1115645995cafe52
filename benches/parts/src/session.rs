//! Commands, and a whole poll.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use mailroost_protocol::command::Command;
use mailroost_protocol::wire::line::{Line, LineDecoder};
use mailroost_protocol::{
    Effect, Maildrop, Octets, Outcome, Policy, ScanEntry, Separators, Session, Step, TlsFacts,
    Transport,
};

use crate::Part;

/// A maildrop of so many messages.
pub(crate) fn entries(messages: usize) -> Vec<ScanEntry> {
    (0..messages as u64)
        .map(|position| ScanEntry {
            id: 1_000 + position,
            stored: Octets(8_192),
            exact: Octets(4_096 + position),
        })
        .collect()
}

/// A session, its replies, and the maildrop behind it.
pub(crate) struct Server {
    session: Session,
    maildrop: Arc<Maildrop>,
    now: Instant,
    pub(crate) out: Vec<u8>,
}

impl Server {
    /// A session within TLS, greeted.
    pub(crate) fn greeted(policy: &Arc<Policy>, maildrop: &Arc<Maildrop>) -> Self {
        let transport = Transport {
            tls: Some(TlsFacts::default()),
            stls: false,
            mechanisms: Arc::new([]),
        };
        let now = Instant::now();
        let mut server = Self {
            session: Session::new(Arc::clone(policy), transport, now),
            maildrop: Arc::clone(maildrop),
            now,
            out: Vec::new(),
        };
        server.go_on(&mut |_, _| {});
        server
    }

    /// A session that is logged on.
    pub(crate) fn logged_on(policy: &Arc<Policy>, maildrop: &Arc<Maildrop>) -> Self {
        let mut server = Self::greeted(policy, maildrop);
        server.say(b"USER ann\r\nPASS secret\r\n");
        server
    }

    /// The client says something; `out` has the replies then, but for listings.
    pub(crate) fn say(&mut self, octets: &[u8]) {
        self.say_and_send(octets, &mut |_, _| {});
    }

    /// The same; `send` puts a message into `out` when it is asked for.
    pub(crate) fn say_and_send(
        &mut self,
        octets: &[u8],
        send: &mut dyn FnMut(Option<u64>, &mut Vec<u8>),
    ) {
        self.out.clear();
        self.session.input(octets);
        self.go_on(send);
    }

    fn go_on(&mut self, send: &mut dyn FnMut(Option<u64>, &mut Vec<u8>)) {
        loop {
            let outcome = match self.session.next(self.now, &mut self.out) {
                Step::NeedInput | Step::Close(_) => return,
                Step::Flush => continue,
                Step::Shared(listing) => {
                    black_box(listing);
                    continue;
                }
                Step::Effect(Effect::LogOn { .. }) => Outcome::LoggedOn {
                    user: "ann".to_owned(),
                    maildrop: Arc::clone(&self.maildrop),
                    sizes: None,
                    security_layer: false,
                },
                Step::Effect(Effect::OpenMessage { .. }) => Outcome::MessageOpened,
                Step::Effect(Effect::SendMessage { lines }) => {
                    send(lines, &mut self.out);
                    Outcome::MessageSent
                }
                step @ (Step::Effect(Effect::Sasl { .. } | Effect::Commit { .. })
                | Step::StartTls
                | Step::Relay { .. }
                | Step::StartLayer { .. }) => panic!("nobody asked for {step:?}"),
            };
            self.session.resume(outcome, self.now, &mut self.out);
        }
    }
}

/// The commands of most sessions, taken apart: ten lines.
pub struct Commands {
    lines: LineDecoder,
}

const COMMANDS: &[u8] = b"CAPA\r\nUSER ann@example.org\r\nPASS open sesame\r\nSTAT\r\nUIDL\r\n\
                          LIST\r\nRETR 1234\r\nTOP 5 0\r\nDELE 77\r\nQUIT\r\n";

impl Commands {
    /// Nothing is read yet.
    #[expect(clippy::new_without_default, reason = "as all parts are made")]
    pub fn new() -> Self {
        Self {
            lines: LineDecoder::default(),
        }
    }
}

impl Part for Commands {
    fn once(&mut self) {
        self.lines.input(black_box(COMMANDS));
        let mut commands = 0;
        while let Some(line) = self.lines.next_line(512) {
            let Line::Complete { octets, .. } = line else {
                panic!("a line was cut");
            };
            let command = Command::parse(octets, Separators::Lenient);
            assert!(black_box(command).is_ok(), "an unknown command");
            commands += 1;
        }
        assert_eq!(commands, 10, "commands");
    }
}

/// A whole session: the greeting, USER, PASS, STAT, UIDL, QUIT.
pub struct Polling {
    policy: Arc<Policy>,
    maildrop: Arc<Maildrop>,
}

impl Polling {
    /// A maildrop of so many messages; its listing was rendered for somebody else.
    pub fn new(messages: usize) -> Self {
        let maildrop = Maildrop::new(entries(messages), Vec::new());
        maildrop.unique_id_listing();
        Self {
            policy: Arc::new(Policy::exchange2013()),
            maildrop: Arc::new(maildrop),
        }
    }
}

impl Part for Polling {
    fn once(&mut self) {
        let mut server = Server::logged_on(&self.policy, &self.maildrop);
        server.say(b"STAT\r\n");
        server.say(b"UIDL\r\n");
        server.say(b"QUIT\r\n");
        assert!(server.out.starts_with(b"+OK"), "the session ended badly");
    }
}
