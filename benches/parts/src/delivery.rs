//! A message on its way in: LMTP's dialog, and the store.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use mailroost_protocol::lmtp::{
    Addressee, LmtpEffect, LmtpOutcome, LmtpPolicy, LmtpSession, LmtpStep,
};
use mailroost_storage::{
    BodySource, Directory, MaildropStore, MemoryStore, MessageId, NewUser, OwnedMaildrop, Staging,
    UserName,
};

use crate::{Part, message};

/// One LMTP transaction on a connection that has said LHLO; what is received goes nowhere.
pub struct Accepting {
    session: LmtpSession,
    now: Instant,
    transaction: Vec<u8>,
    out: Vec<u8>,
}

impl Accepting {
    /// A message of about so many octets, one in ten of its lines with a dot.
    pub fn new(octets: usize) -> Self {
        let mut transaction =
            b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<ben@example.org>\r\nDATA\r\n".to_vec();
        for line in message(octets, 10).split_inclusive(|octet| *octet == b'\n') {
            if line.starts_with(b".") {
                transaction.push(b'.');
            }
            transaction.extend_from_slice(line);
        }
        transaction.extend_from_slice(b".\r\n");
        let now = Instant::now();
        let policy = Arc::new(LmtpPolicy::default());
        let mut accepting = Self {
            session: LmtpSession::new(policy, "[192.0.2.1]".into(), now),
            now,
            transaction,
            out: Vec::new(),
        };
        accepting.session.input(b"");
        accepting.go_on();
        accepting.session.input(b"LHLO mta.example.org\r\n");
        accepting.go_on();
        accepting
    }

    /// Returns how many messages were delivered.
    fn go_on(&mut self) -> usize {
        let mut delivered = 0;
        loop {
            let outcome = match self.session.next(self.now, &mut self.out) {
                LmtpStep::NeedInput | LmtpStep::Close(_) => return delivered,
                LmtpStep::Flush => continue,
                LmtpStep::Effect(LmtpEffect::Resolve { .. }) => LmtpOutcome::Recipient(Addressee {
                    maildrop: 1,
                    user: "ben".into(),
                }),
                LmtpStep::Effect(LmtpEffect::Begin | LmtpEffect::Refuse { .. }) => {
                    LmtpOutcome::Done
                }
                LmtpStep::Effect(LmtpEffect::Write(octets)) => {
                    black_box(octets);
                    LmtpOutcome::Done
                }
                LmtpStep::Effect(LmtpEffect::Deliver { recipients, .. }) => {
                    delivered += 1;
                    LmtpOutcome::Delivered(vec![Ok(()); recipients.len()])
                }
            };
            self.session.resume(outcome, self.now, &mut self.out);
        }
    }
}

impl Part for Accepting {
    fn once(&mut self) {
        self.out.clear();
        let transaction = std::mem::take(&mut self.transaction);
        self.session.input(black_box(&transaction));
        self.transaction = transaction;
        assert_eq!(self.go_on(), 1, "messages delivered");
    }
}

/// A delivery to a store: the message is staged, ended, and taken in by a maildrop.
pub struct Storing<S> {
    store: S,
    maildrop: Box<dyn OwnedMaildrop>,
    message: Vec<u8>,
}

impl Storing<MemoryStore> {
    /// Messages of about so many octets, to the store in memory.
    pub fn in_memory(octets: usize) -> Self {
        Self::to(MemoryStore::default(), octets)
    }
}

impl<S: MaildropStore + Directory> Storing<S> {
    /// The same to any store, which has no user of the name `ann` yet.
    pub fn to(store: S, octets: usize) -> Self {
        let name = UserName::new("ann").expect("it is a name");
        let user = NewUser {
            name,
            password_hash: None,
        };
        let user = store.add(user).expect("the name is free");
        let maildrop = store
            .open_maildrop(user.maildrop)
            .expect("the maildrop has no other owner");
        Self {
            store,
            maildrop,
            message: message(octets, 10),
        }
    }
}

impl<S: MaildropStore> Storing<S> {
    /// Delivers once more, and says which message it has become.
    pub fn deliver(&mut self) -> MessageId {
        let staging = Staging {
            received_secs: Some(1_800_000_000),
            ..Staging::default()
        };
        let mut staged = self.store.stage(staging).expect("the store takes messages");
        staged
            .write_all(black_box(&self.message))
            .expect("there is room for the message");
        let delivery = staged.finish().expect("there is room for the message");
        let taken = self.maildrop.deliver(vec![delivery]);
        taken.expect("there is room for the message")[0]
    }

    /// Where what was delivered can be read.
    pub fn bodies(&self) -> Arc<dyn BodySource> {
        self.maildrop.bodies()
    }
}

impl<S: MaildropStore> Part for Storing<S> {
    fn once(&mut self) {
        black_box(self.deliver());
    }
}
