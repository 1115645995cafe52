//! What one session suffers, the others do not notice.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod fixture;

use std::sync::Arc;

use fixture::probe::{Gate, Probe, arrival};
use fixture::{Client, Fixture, NameIsPassword};
use mailroost_auth::{AuthError, Identity, PasswordSource, Secret};

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
    arrival(arrivals).await;
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
    fixture.probe(Probe {
        before_remove: Box::new(move || gate.pass()),
        ..Probe::default()
    });
    let tree = fixture.start();
    let mut other = Client::log_on(&tree, "alice").await;
    let mut alice = Client::log_on(&tree, "alice").await;
    alice.ask("DELE 1").await;
    alice.send("QUIT\r\n").await;
    arrival(arrivals).await;
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
    fixture.probe(Probe {
        before_remove: Box::new(move || gate.pass()),
        ..Probe::default()
    });
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "alice").await;
    client.ask("DELE 1").await;
    client.send("QUIT\r\n").await;
    arrival(arrivals).await;
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
