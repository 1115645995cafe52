//! Any sequence of commands, against a small model of the marks.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::driver::{Connection, World};
use crate::{Policy, REPLY_OCTETS_MAX, SizeKind};

const MESSAGES: [&str; 5] = [
    "Subject: one\r\n\r\nbody\r\n",
    "Subject: two\r\n\r\n.\r\n..\r\nline\r\n",
    "no header end",
    "",
    "Subject: five\r\n\r\n1\r\n2\r\n3\r\n4\r\n",
];

#[derive(Debug, Clone)]
enum Act {
    Stat,
    List(Option<u32>),
    Uidl(Option<u32>),
    Retr(u32),
    Top(u32, u64),
    Dele(u32),
    Rset,
    Noop,
    /// Another session removes the message of this position.
    Vanish(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let number = || 0u32..8;
    prop_oneof![
        1 => Just(Act::Stat),
        1 => proptest::option::of(number()).prop_map(Act::List),
        1 => proptest::option::of(number()).prop_map(Act::Uidl),
        1 => number().prop_map(Act::Retr),
        1 => (number(), 0u64..6).prop_map(|(number, lines)| Act::Top(number, lines)),
        3 => number().prop_map(Act::Dele),
        1 => Just(Act::Rset),
        1 => Just(Act::Noop),
        1 => (0u64..5).prop_map(Act::Vanish),
    ]
}

/// What a session is to say, in the plainest way to find it.
struct Model {
    marked: BTreeSet<usize>,
    gone: BTreeSet<usize>,
}

impl Model {
    fn visible(&self) -> Vec<usize> {
        (0..MESSAGES.len())
            .filter(|position| !self.marked.contains(position))
            .collect()
    }

    fn position(&self, number: u32) -> Option<usize> {
        let position = (number as usize).checked_sub(1)?;
        self.visible().contains(&position).then_some(position)
    }

    fn listing(&self, entry: impl Fn(usize) -> String) -> Option<String> {
        let lines: String = self
            .visible()
            .into_iter()
            .map(|at| entry(at) + "\r\n")
            .collect();
        Some(format!("+OK\r\n{lines}.\r\n"))
    }

    /// The whole reply, or `None` for any `-ERR` line.
    fn reply(&mut self, act: &Act) -> Option<String> {
        let size = |at: usize| format!("{} {}", at + 1, MESSAGES[at].len());
        let unique_id = |at: usize| format!("{} {}", at + 1, 6_499 + at);
        match *act {
            Act::Stat => {
                let octets: usize = self.visible().iter().map(|at| MESSAGES[*at].len()).sum();
                Some(format!("+OK {} {octets}\r\n", self.visible().len()))
            }
            Act::List(None) => self.listing(size),
            Act::Uidl(None) => self.listing(unique_id),
            Act::List(Some(number)) => self
                .position(number)
                .map(|at| format!("+OK {}\r\n", size(at))),
            Act::Uidl(Some(number)) => self
                .position(number)
                .map(|at| format!("+OK {}\r\n", unique_id(at))),
            Act::Retr(number) => self.fetched(number, u64::MAX),
            Act::Top(number, lines) => self.fetched(number, lines),
            Act::Dele(number) => {
                let position = self.position(number)?;
                self.marked.insert(position);
                Some("+OK\r\n".to_owned())
            }
            Act::Rset => {
                self.marked.clear();
                Some("+OK\r\n".to_owned())
            }
            Act::Noop => Some("+OK\r\n".to_owned()),
            Act::Vanish(_) => unreachable!("not a command"),
        }
    }

    fn fetched(&self, number: u32, lines: u64) -> Option<String> {
        let position = self.position(number).filter(|at| !self.gone.contains(at))?;
        let mut reply = "+OK\r\n".to_owned();
        let mut body_lines = None;
        for line in MESSAGES[position].split_terminator("\r\n") {
            match &mut body_lines {
                Some(sent) if *sent == lines => break,
                Some(sent) => *sent += 1,
                None if line.is_empty() => body_lines = Some(0),
                None => {}
            }
            if line.starts_with('.') {
                reply.push('.');
            }
            reply.push_str(line);
            reply.push_str("\r\n");
        }
        Some(reply + ".\r\n")
    }
}

fn command(act: &Act) -> Option<String> {
    Some(match act {
        Act::Stat => "STAT".to_owned(),
        Act::List(None) => "LIST".to_owned(),
        Act::Uidl(None) => "UIDL".to_owned(),
        Act::List(Some(number)) => format!("LIST {number}"),
        Act::Uidl(Some(number)) => format!("UIDL {number}"),
        Act::Retr(number) => format!("RETR {number}"),
        Act::Top(number, lines) => format!("TOP {number} {lines}"),
        Act::Dele(number) => format!("DELE {number}"),
        Act::Rset => "RSET".to_owned(),
        Act::Noop => "NOOP".to_owned(),
        Act::Vanish(_) => return None,
    })
}

proptest! {
    #[test]
    fn marks_are_kept_as_the_model_keeps_them(acts in proptest::collection::vec(act(), 0..40)) {
        let policy = Policy {
            sizes: SizeKind::Exact, protocol_errors_max: 10_000, ..Policy::exchange2013()
        };
        let mut connection = Connection::logged_on(policy, World::new(&MESSAGES));
        let mut model = Model { marked: BTreeSet::new(), gone: BTreeSet::new() };
        for act in &acts {
            let Some(command) = command(act) else {
                if let Act::Vanish(position) = act {
                    model.gone.insert(usize::try_from(*position).unwrap());
                    connection.world.gone.insert(6_499 + position);
                }
                continue;
            };
            let reply = connection.ask(&command);
            match model.reply(act) {
                Some(expected) => prop_assert_eq!(reply, expected, "{}", command),
                None => {
                    prop_assert!(reply.starts_with("-ERR "), "{} {}", command, reply);
                    prop_assert_eq!(reply.lines().count(), 1);
                }
            }
        }
        connection.ask("QUIT");
        let marked: Vec<u64> = model.marked.iter().map(|position| 6_499 + *position as u64).collect();
        prop_assert_eq!(connection.world.committed, Some(marked).filter(|ids| !ids.is_empty()));
    }

    #[test]
    fn every_reply_begins_as_a_reply_does(
        lines in proptest::collection::vec(line(), 0..60),
        texts in "[ -Z\\\\-~\u{e9}\u{20ac}]{0,160}",
        tls in any::<bool>(),
    ) {
        let mut policy = Policy { response_codes: true, ..Policy::exchange2013() };
        for text in crate::Text::ALL {
            // What is not acceptable is refused, and the default stays.
            let _ = policy.texts.replace(*text, &texts);
        }
        let world = World::new(&MESSAGES);
        let mut connection = if tls {
            Connection::new(policy, world)
        } else {
            Connection::in_clear(policy, world)
        };
        prop_assert!(connection.take().starts_with("+OK"));
        for line in lines {
            let amid_auth = is_amid_auth(&connection);
            connection.send(&line);
            connection.send(b"\r\n");
            if connection.closed.is_some() || connection.starting_tls {
                break;
            }
            let reply = connection.take();
            let first = reply.split_inclusive("\r\n").next().unwrap_or_default();
            prop_assert!(
                first.starts_with("+OK") || first.starts_with("-ERR ")
                    || (first.starts_with("+ ") && (amid_auth || line.to_ascii_uppercase().starts_with(b"AUTH"))),
                "{:?} {:?}", line, reply
            );
            prop_assert!(first.len() <= REPLY_OCTETS_MAX && first.ends_with("\r\n"));
        }
    }
}

fn is_amid_auth(connection: &Connection) -> bool {
    connection.session.sasl_exchange_is_open()
}

/// Lines that are commands, nearly commands, or nothing of the sort.
pub(super) fn line() -> impl Strategy<Value = Vec<u8>> {
    let known = prop_oneof![
        Just("USER alice"),
        Just("PASS open sesame"),
        Just("PASS x"),
        Just("AUTH RIDDLE"),
        Just("AUTH PLAIN"),
        Just("AUTH"),
        Just("MQ=="),
        Just("Mg=="),
        Just("*"),
        Just("CAPA"),
        Just("STAT"),
        Just("LIST"),
        Just("UIDL"),
        Just("RETR 1"),
        Just("TOP 2 1"),
        Just("DELE 1"),
        Just("RSET"),
        Just("NOOP"),
        Just("STLS"),
        Just("LIST 4294967297"),
    ];
    prop_oneof![
        8 => known.prop_map(|line| line.as_bytes().to_vec()),
        1 => "[A-Z]{3,4} [0-9 \t]{0,6}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(
            any::<u8>().prop_filter("no line end", |octet| *octet != b'\n'), 0..80),
    ]
}
