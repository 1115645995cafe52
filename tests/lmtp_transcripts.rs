//! Plays the LMTP dialogs of `tests/transcripts/lmtp`, on the pure session and over TCP.
//!
//! As in the POP3 dialogs, `C:` is a line of the client and `S:` one of the server, in which
//! `...` is free text. `\n`, `\r` and `\0` in a client's line are those octets. `set:` is a line
//! of `[lmtp]`. Users are ann and ben.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;
mod mta;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailroost::protocol::lmtp::{
    Addressee, DeliveryRefusal, LmtpEffect, LmtpOutcome, LmtpPolicy, LmtpSession, LmtpStep,
    Nonconforming,
};
use mta::place;

/// One dialog.
struct Dialog {
    name: String,
    /// Lines of `[lmtp]`.
    settings: String,
    lines: Vec<Line>,
}

enum Line {
    Client(Vec<u8>),
    Server(String),
}

impl Dialog {
    fn load_all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/lmtp");
        let files = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let dialogs: Vec<_> = files.map(|file| Self::load(&file)).collect();
        assert!(dialogs.len() >= 6);
        dialogs
    }

    fn load(file: &Path) -> Self {
        let name = file.display().to_string();
        let text = fs::read_to_string(file).unwrap();
        let (head, dialog) = text.split_once("\n\n").unwrap();
        assert!(
            head.starts_with("# "),
            "{name}: the first line says why it is kept"
        );
        assert!(
            head.contains("\ntags: RFC") || head.contains("\ntags: STANXPOP3"),
            "{name}"
        );
        let settings = head.lines().filter_map(|line| line.strip_prefix("set: "));
        let lines = dialog.lines().map(|line| match line.split_at(3) {
            ("C: ", said) => Line::Client(octets(said)),
            ("S: ", said) => Line::Server(said.to_owned()),
            _ => panic!("{name}: {line:?}"),
        });
        Self {
            settings: settings.map(|line| format!("{line}\n")).collect(),
            lines: lines.collect(),
            name,
        }
    }

    /// Plays it to a server that is given the client's octets and gives back its own lines.
    fn play(&self, mut send: impl FnMut(&[u8]), mut receive: impl FnMut() -> String) {
        for (number, line) in (1..).zip(&self.lines) {
            match line {
                Line::Client(octets) => send(octets),
                Line::Server(expected) => {
                    let said = receive();
                    let fits = match expected.strip_suffix("...") {
                        Some(begin) => said.starts_with(begin),
                        None => said == *expected,
                    };
                    assert!(
                        fits,
                        "{}: line {number}: {expected:?}, not {said:?}",
                        self.name
                    );
                }
            }
        }
    }
}

/// A client's line with its CRLF.
fn octets(said: &str) -> Vec<u8> {
    let said = said
        .replace("\\n", "\n")
        .replace("\\r", "\r")
        .replace("\\0", "\0");
    format!("{said}\r\n").into_bytes()
}

/// The answer of a directory with ann and ben, and of a store that takes everything.
fn carry_out(effect: LmtpEffect) -> LmtpOutcome {
    match effect {
        LmtpEffect::Resolve { names, .. } => {
            let known = |user: &str| names.iter().any(|name| name.eq_ignore_ascii_case(user));
            match [("ann", 1), ("ben", 2)]
                .into_iter()
                .find(|(user, _)| known(user))
            {
                Some((user, maildrop)) => LmtpOutcome::Recipient(Addressee {
                    maildrop,
                    user: user.into(),
                }),
                None => LmtpOutcome::RecipientRefused(DeliveryRefusal::UnknownUser),
            }
        }
        LmtpEffect::Begin | LmtpEffect::Write(_) | LmtpEffect::Refuse { .. } => LmtpOutcome::Done,
        LmtpEffect::Deliver { recipients, .. } => {
            LmtpOutcome::Delivered(vec![Ok(()); recipients.len()])
        }
    }
}

#[test]
fn every_dialog_holds_on_the_pure_session() {
    for dialog in Dialog::load_all() {
        let nonconforming = if dialog.settings.contains("refuse") {
            Nonconforming::Refuse
        } else {
            Nonconforming::Repair
        };
        let policy = Arc::new(LmtpPolicy {
            host: "pop.example.org".into(),
            nonconforming,
            ..LmtpPolicy::default()
        });
        let now = Instant::now();
        let session = LmtpSession::new(policy, "local".into(), now);
        let session = std::cell::RefCell::new((session, Vec::new()));
        let go_on = || {
            let (session, out) = &mut *session.borrow_mut();
            loop {
                match session.next(now, out) {
                    LmtpStep::NeedInput | LmtpStep::Close(_) => return,
                    LmtpStep::Flush => {}
                    LmtpStep::Effect(effect) => session.resume(carry_out(effect), now, out),
                }
            }
        };
        let send = |octets: &[u8]| {
            session.borrow_mut().0.input(octets);
            go_on();
        };
        let receive = || {
            let out = &mut session.borrow_mut().1;
            let end = out.iter().position(|octet| *octet == b'\n');
            let end = end.unwrap_or_else(|| panic!("{}: nothing was said", dialog.name));
            let line: Vec<u8> = out.drain(..=end).collect();
            String::from_utf8(line)
                .unwrap()
                .trim_end_matches("\r\n")
                .to_owned()
        };
        go_on();
        dialog.play(send, receive);
        let rest = &session.borrow().1;
        assert!(
            rest.is_empty(),
            "{}: {}",
            dialog.name,
            String::from_utf8_lossy(rest)
        );
    }
}

#[test]
fn every_dialog_holds_over_tcp() {
    for dialog in Dialog::load_all() {
        let place = place(&["ann", "ben"], &dialog.settings);
        let daemon = place.daemon();
        let tcp = TcpStream::connect(&daemon.lmtp[0]).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut writer = tcp.try_clone().unwrap();
        let mut reader = BufReader::new(tcp);
        let send = |octets: &[u8]| writer.write_all(octets).unwrap();
        let receive = || {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line.trim_end_matches("\r\n").to_owned()
        };
        dialog.play(send, receive);
    }
}
