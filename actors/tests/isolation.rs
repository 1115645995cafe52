//! What one session suffers, the others do not notice.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod fixture;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use fixture::{Client, Fixture, NameIsPassword};
use mailroost_auth::{AuthError, Identity, PasswordSource, Secret};
use mailroost_storage::MemoryStore;
use mailroost_storage::{
    BodySource, Delivery, Housekeeping, MaildropId, MaildropStore, MessageId, MessageRecord,
    OwnedMaildrop, StagedBody, Staging, StoreError,
};

/// Whoever passes says so, and waits until it is let go.
struct Gate {
    arrived: Mutex<Sender<()>>,
    go: Mutex<Receiver<()>>,
}

impl Gate {
    fn new() -> (Arc<Self>, Receiver<()>, Sender<()>) {
        let (arrived, arrivals) = channel();
        let (let_go, go) = channel();
        (
            Arc::new(Self {
                arrived: Mutex::new(arrived),
                go: Mutex::new(go),
            }),
            arrivals,
            let_go,
        )
    }

    fn pass(&self) {
        self.arrived.lock().unwrap().send(()).unwrap();
        self.go.lock().unwrap().recv().unwrap();
    }
}

/// Hangs when alice is to be checked.
struct SlowForAlice(NameIsPassword, Arc<Gate>);

impl PasswordSource for SlowForAlice {
    fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError> {
        if name == "alice" {
            self.1.pass();
        }
        self.0.verify(name, password)
    }
}

/// Hangs when something is to be removed.
struct SlowDisk(MemoryStore, Arc<Gate>);
struct SlowMaildrop(Box<dyn OwnedMaildrop>, Arc<Gate>);

impl MaildropStore for SlowDisk {
    fn open_maildrop(&self, maildrop: MaildropId) -> Result<Box<dyn OwnedMaildrop>, StoreError> {
        Ok(Box::new(SlowMaildrop(
            self.0.open_maildrop(maildrop)?,
            Arc::clone(&self.1),
        )))
    }
    fn stage(&self, staging: Staging) -> Result<Box<dyn StagedBody>, StoreError> {
        self.0.stage(staging)
    }
    fn housekeeping(&self) -> Result<Housekeeping, StoreError> {
        self.0.housekeeping()
    }
    fn close(&self) -> Result<(), StoreError> {
        self.0.close()
    }
}

impl OwnedMaildrop for SlowMaildrop {
    fn id(&self) -> MaildropId {
        self.0.id()
    }
    fn revision(&self) -> u64 {
        self.0.revision()
    }
    fn messages(&self) -> &[MessageRecord] {
        self.0.messages()
    }
    fn bodies(&self) -> Arc<dyn BodySource> {
        self.0.bodies()
    }
    fn deliver(&mut self, deliveries: Vec<Delivery>) -> Result<Vec<MessageId>, StoreError> {
        self.0.deliver(deliveries)
    }
    fn remove(&mut self, messages: &[MessageId]) -> Result<usize, StoreError> {
        self.1.pass();
        self.0.remove(messages)
    }
}

#[actix::test]
async fn a_slow_password_check_stops_no_other_session() {
    let mut fixture = Fixture::new();
    fixture.user("alice", 1);
    fixture.user("bob", 1);
    let (gate, arrivals, let_go) = Gate::new();
    let passwords = NameIsPassword(fixture.store.clone());
    fixture.passwords = Arc::new(SlowForAlice(passwords, gate));
    let tree = fixture.start();
    let mut alice = Client::connect(&tree).await;
    alice.ask("USER alice").await;
    alice.send("PASS alice\r\n").await;
    tokio::task::spawn_blocking(move || arrivals.recv().unwrap())
        .await
        .unwrap();
    let mut bob = Client::log_on(&tree, "bob").await;
    assert_eq!(bob.ask("NOOP").await, "+OK");
    let_go.send(()).unwrap();
    assert!(alice.line().await.starts_with("+OK"));
}

#[actix::test]
async fn a_slow_disk_stops_no_command_of_another_session_not_even_in_the_same_maildrop() {
    let mut fixture = Fixture::new();
    fixture.user("alice", 2);
    fixture.user("bob", 1);
    let (gate, arrivals, let_go) = Gate::new();
    fixture.serving = Arc::new(SlowDisk(fixture.store.clone(), gate));
    let tree = fixture.start();
    let mut other = Client::log_on(&tree, "alice").await;
    let mut alice = Client::log_on(&tree, "alice").await;
    alice.ask("DELE 1").await;
    alice.send("QUIT\r\n").await;
    tokio::task::spawn_blocking(move || arrivals.recv().unwrap())
        .await
        .unwrap();
    assert!(other.ask("STAT").await.starts_with("+OK 2 "));
    assert_eq!(other.ask_lines("RETR 1").await[3], "body 1");
    let mut bob = Client::log_on(&tree, "bob").await;
    assert_eq!(bob.ask_lines("RETR 1").await[3], "body 1");
    let_go.send(()).unwrap();
    assert!(alice.line().await.starts_with("+OK"));
    // The other session's numbering stays, and what is gone is an error (MS-STANXPOP3 C0004).
    assert!(other.ask("RETR 1").await.starts_with("-ERR"));
    assert_eq!(other.ask_lines("RETR 2").await[3], "body 2");
    assert!(other.ask("STAT").await.starts_with("+OK 2 "));
}

#[actix::test]
async fn a_mailbox_that_dies_while_its_maildrop_is_away_does_not_get_a_second_one() {
    let mut fixture = Fixture::new();
    let alice = fixture.user("alice", 2);
    let store = fixture.store.clone();
    let (gate, arrivals, let_go) = Gate::new();
    fixture.serving = Arc::new(SlowDisk(fixture.store.clone(), gate));
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "alice").await;
    client.ask("DELE 1").await;
    client.send("QUIT\r\n").await;
    tokio::task::spawn_blocking(move || arrivals.recv().unwrap())
        .await
        .unwrap();
    tree.crash(mailroost_actors::Victim::Mailbox(alice))
        .await
        .unwrap();
    // The session asks again; the next incarnation waits for the maildrop to be put down, finds
    // the message gone, and says so.
    let_go.send(()).unwrap();
    let_go.send(()).unwrap();
    assert!(client.line().await.starts_with("+OK"));
    tree.stop().await;
    assert_eq!(fixture::messages(&store, alice), 1);
}
