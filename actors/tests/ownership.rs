//! One owner for a maildrop and no more, whoever comes and goes; and who may share it.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod fixture;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use fixture::probe::{Gate, Probe, arrival};
use fixture::{Client, Fixture, deliver, peer, population, staged};
use mailroost_actors::{Security, Victim};
use mailroost_protocol::{Access, Policy};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

#[actix::test]
async fn a_mailbox_whose_store_call_takes_longer_than_the_idle_time_is_not_idle() {
    tokio::time::pause();
    let mut fixture = Fixture::new();
    let alice = fixture.user("alice", 2);
    let idle = fixture.limits.mailbox_idle;
    let (gate, arrivals, let_go) = Gate::new();
    let probe = fixture.probe(Probe {
        before_remove: Box::new(move || gate.pass()),
        ..Probe::default()
    });
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "alice").await;
    client.ask("DELE 1").await;
    client.send("QUIT\r\n").await;
    arrival(arrivals).await;
    for _ in 0..4 {
        tokio::time::advance(idle).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    let asked = tree.contents(alice);
    let answered = async {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let_go.send(()).unwrap();
        client.line().await
    };
    let (contents, answer) = tokio::join!(asked, answered);
    assert!(answer.starts_with("+OK"), "{answer}");
    assert_eq!(contents.unwrap().messages.len(), 1);
    assert_eq!(probe.owned_at_most.load(Ordering::SeqCst), 1);
}

#[actix::test]
async fn a_maildrop_that_is_retired_has_no_second_owner_while_the_first_still_works() {
    let mut fixture = Fixture::new();
    let alice = fixture.user("alice", 2);
    let (gate, arrivals, let_go) = Gate::new();
    let probe = fixture.probe(Probe {
        before_remove: Box::new(move || gate.pass()),
        ..Probe::default()
    });
    let tree = fixture.start();
    let contents = tree.contents(alice).await.unwrap();
    let first = contents.messages[0].id;
    let removing = tree.remove(alice, vec![first]);
    let others = async {
        let _arrivals = arrival(arrivals).await;
        let retired = tree.retire(alice);
        let asked_meanwhile = async {
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            let asked = tree.contents(alice).await;
            let_go.send(()).unwrap();
            let_go.send(()).unwrap();
            asked
        };
        let (retired, asked_meanwhile) = tokio::join!(retired, asked_meanwhile);
        retired.unwrap();
        assert_eq!(probe.owned.load(Ordering::SeqCst), 0, "nothing holds it");
        assert!(asked_meanwhile.is_err(), "who asks meanwhile is put off");
    };
    let (_, ()) = tokio::join!(removing, others);
    assert_eq!(tree.contents(alice).await.unwrap().messages.len(), 1);
    assert_eq!(probe.owned_at_most.load(Ordering::SeqCst), 1);
}

#[actix::test]
async fn exclusive_access_outlives_the_mailbox_supervisor() {
    let mut fixture = Fixture::new();
    let alice = fixture.user("alice", 0);
    deliver(&fixture.store, alice, &b"a line\r\n".repeat(20_000));
    fixture.policy.access = Access::Exclusive;
    fixture.policy.response_codes = true;
    let tree = fixture.start();
    let mut reader = Client::connect_with(&tree, 1024).await;
    reader.try_log_on("alice").await;
    // Takes nothing more, so that the notice does not reach it.
    assert_eq!(reader.ask("RETR 1").await, "+OK");
    tree.crash(Victim::MailboxSupervisor).await.unwrap();
    let mut second = Client::connect(&tree).await;
    let refusal = second.try_log_on("alice").await;
    assert!(refusal.starts_with("-ERR [IN-USE]"), "{refusal}");
    drop(reader);
    while population(&tree, "SessionSupervisor").await > 1 {
        tokio::task::yield_now().await;
    }
    assert!(second.try_log_on("alice").await.starts_with("+OK"));
}

#[actix::test]
async fn sessions_that_share_a_maildrop_are_not_forgotten_when_its_mailbox_was_idle() {
    tokio::time::pause();
    let fixture = Fixture::new();
    fixture.user("alice", 1);
    let policy = Policy {
        access: Access::Exclusive,
        ..fixture.policy.clone()
    };
    let idle = fixture.limits.mailbox_idle;
    let tree = fixture.start();
    let mut sharing = Client::log_on(&tree, "alice").await;
    tokio::time::sleep(idle * 3).await;
    assert_eq!(population(&tree, "MailboxSupervisor").await, 0);
    tree.set_policy(Arc::new(policy));
    let mut alone = Client::connect(&tree).await;
    assert!(alone.try_log_on("alice").await.starts_with("-ERR"));
    sharing.ask("QUIT").await;
    assert!(alone.try_log_on("alice").await.starts_with("+OK"));
}

#[actix::test]
async fn a_quit_gives_the_maildrop_back_before_it_is_answered() {
    let mut fixture = Fixture::new();
    fixture.user("alice", 1);
    fixture.policy.access = Access::Exclusive;
    let tree = fixture.start();
    let (ours, theirs) = tokio::io::duplex(4096);
    let never_closes = Box::new(NeverCloses(theirs));
    tree.serve(never_closes, peer(), Security::Stls, None)
        .await
        .unwrap();
    let mut first = Client::on(ours);
    first.line().await;
    first.try_log_on("alice").await;
    assert!(first.ask("QUIT").await.starts_with("+OK"));
    Client::log_on(&tree, "alice").await;
}

#[actix::test]
async fn a_delivery_is_not_seen_by_open_sessions_and_is_by_the_next() {
    let fixture = Fixture::new();
    let (store, alice) = (fixture.store.clone(), fixture.user("alice", 1));
    let tree = fixture.start();
    let mut before = Client::log_on(&tree, "alice").await;
    let message = staged(&store, b"Subject: new\r\n\r\nnew\r\n");
    let unique_ids = tree.deliver(alice, vec![message]).await.unwrap();
    assert_eq!(unique_ids.len(), 1);
    assert!(before.ask("STAT").await.starts_with("+OK 1 "));
    assert!(before.ask("RETR 2").await.starts_with("-ERR"));
    let mut after = Client::log_on(&tree, "alice").await;
    assert!(after.ask("STAT").await.starts_with("+OK 2 "));
    assert_eq!(after.ask_lines("RETR 2").await[3], "new");
}

#[actix::test]
async fn a_body_that_ends_too_early_breaks_the_connection_instead_of_looking_complete() {
    let mut fixture = Fixture::new();
    let alice = fixture.user("alice", 0);
    deliver(&fixture.store, alice, &b"a line\r\n".repeat(20_000));
    fixture.probe(Probe {
        reads_max: 1,
        ..Probe::default()
    });
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "alice").await;
    client.send("RETR 1\r\n").await;
    let received = client.rest().await;
    assert!(received.len() >= 64 * 1024);
    assert!(!received.ends_with("\r\n.\r\n"));
}

#[actix::test]
async fn a_session_that_dies_in_the_log_on_gives_everything_back() {
    let mut fixture = Fixture::new();
    fixture.user("alice", 1);
    fixture.limits.sessions_max = 2;
    fixture.limits.sessions_per_user_max = 1;
    let tree = fixture.start();
    for _ in 0..10 {
        let mut client = Client::connect(&tree).await;
        client.send("USER alice\r\nPASS alice\r\n").await;
        drop(client);
        while population(&tree, "SessionSupervisor").await > 0 {
            tokio::task::yield_now().await;
        }
    }
    Client::log_on(&tree, "alice").await;
}

/// A connection whose other side never lets it close in order.
struct NeverCloses(DuplexStream);

impl AsyncRead for NeverCloses {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for NeverCloses {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, octets)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }
}
