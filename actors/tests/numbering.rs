//! How a view is numbered, and what goes to the protocol log.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod fixture;

use std::sync::{Arc, Mutex};

use fixture::{Client, Fixture, messages, population, until};
use mailroost_actors::{LoggedSession, ProtocolLog};
use mailroost_protocol::{CommandRecord, Policy, SortOrder};

fn descending(fixture: &Fixture) -> Policy {
    Policy {
        sort_order: SortOrder::Descending,
        ..fixture.policy.clone()
    }
}

#[actix::test]
async fn descending_begins_with_the_newest_and_unique_ids_stay_with_their_messages() {
    let mut fixture = Fixture::new();
    fixture.policy = descending(&fixture);
    fixture.user("alice", 3);
    let tree = fixture.start();
    let mut alice = Client::log_on(&tree, "alice").await;
    let unique_ids = alice.ask_lines("UIDL").await;
    assert_eq!(unique_ids[1..4], ["1 3", "2 2", "3 1"]);
    let newest = alice.ask_lines("RETR 1").await;
    assert!(newest.contains(&"Subject: 3".to_owned()), "{newest:?}");
}

#[actix::test]
async fn each_order_has_its_view_and_marks_remove_what_was_meant() {
    let fixture = Fixture::new();
    let (ascending, descending) = (fixture.policy.clone(), descending(&fixture));
    let maildrop = fixture.user("alice", 4);
    let store = fixture.store.clone();
    let tree = fixture.start();
    let mut old = Client::log_on(&tree, "alice").await;
    tree.set_policy(Arc::new(descending));
    let mut new = Client::log_on(&tree, "alice").await;
    tree.set_policy(Arc::new(ascending));
    let mut newer = Client::log_on(&tree, "alice").await;
    assert_eq!(old.ask("UIDL 1").await, "+OK 1 1");
    assert_eq!(new.ask("UIDL 1").await, "+OK 1 4");
    assert_eq!(newer.ask("UIDL 4").await, "+OK 4 4");
    // The two newest, in the order in which they are numbered there.
    new.ask("DELE 1").await;
    new.ask("DELE 2").await;
    assert!(new.ask("QUIT").await.starts_with("+OK"));
    let mut after = Client::log_on(&tree, "alice").await;
    assert_eq!(after.ask_lines("UIDL").await[1..], ["1 1", "2 2", "."]);
    for mut client in [old, newer, after] {
        client.ask("QUIT").await;
    }
    while population(&tree, "SessionSupervisor").await > 0 {
        tokio::task::yield_now().await;
    }
    tree.stop().await;
    assert_eq!(messages(&store, maildrop), 2);
}

/// Keeps what it is told, as `sequence user command`.
#[derive(Default)]
struct Kept(Mutex<Vec<String>>);

impl ProtocolLog for Kept {
    fn record(&self, session: &LoggedSession<'_>, record: CommandRecord) {
        let user = session.user.unwrap_or("-");
        let line = format!(
            "{} {user} {} {}",
            session.sequence, record.command, record.reply_octets
        );
        self.0.lock().unwrap().push(line);
    }
}

#[actix::test]
async fn every_command_is_recorded_with_all_that_was_sent_for_it() {
    let mut fixture = Fixture::new();
    fixture.user("alice", 1);
    let kept = Arc::new(Kept::default());
    fixture.protocol_log = Some(kept.clone());
    let tree = fixture.start();
    let mut alice = Client::log_on(&tree, "alice").await;
    let sent = alice.ask_lines("RETR 1").await;
    let octets: usize = sent.iter().map(|line| line.len() + 2).sum();
    alice.ask("QUIT").await;
    until(|| kept.0.lock().unwrap().len() == 6).await;
    assert_eq!(
        *kept.0.lock().unwrap(),
        [
            "0 - OpenSession 51".to_owned(),
            "1 - USER 5".to_owned(),
            "2 alice PASS 34".to_owned(),
            format!("3 alice RETR {octets}"),
            "4 alice QUIT 61".to_owned(),
            "5 alice CloseSession 0".to_owned(),
        ]
    );
}

#[actix::test]
async fn a_client_that_hangs_up_has_its_close_recorded_too() {
    let mut fixture = Fixture::new();
    fixture.user("alice", 1);
    let kept = Arc::new(Kept::default());
    fixture.protocol_log = Some(kept.clone());
    let tree = fixture.start();
    drop(Client::log_on(&tree, "alice").await);
    until(|| kept.0.lock().unwrap().len() == 4).await;
    assert_eq!(kept.0.lock().unwrap()[3], "3 alice CloseSession 0");
}
