//! Draining: nobody new, everybody to a command boundary, QUITs that were received committed.

mod fixture;

use std::time::Duration;

use fixture::{Client, Fixture, deliver, messages, peer};
use mailroost_actors::{Ended, Security};

const PATIENCE: Duration = Duration::from_secs(30);

#[actix::test]
async fn idle_sessions_end_with_a_notice_and_nothing_is_removed() {
    let fixture = Fixture::new();
    let (store, alice) = (fixture.store.clone(), fixture.user("alice", 2));
    let tree = fixture.start();
    let mut anonymous = Client::connect(&tree).await;
    let mut client = Client::log_on(&tree, "alice").await;
    client.ask("DELE 1").await;
    tree.drain(PATIENCE).await;
    for notice in [anonymous.rest().await, client.rest().await] {
        assert!(
            notice.starts_with("-ERR") && notice.lines().count() == 1,
            "{notice:?}"
        );
    }
    assert_eq!(tree.ended().await, Ended::Stopped);
    assert_eq!(messages(&store, alice), 2);
}

#[actix::test]
async fn a_quit_that_was_received_is_committed_and_answered() {
    let fixture = Fixture::new();
    let (store, alice) = (fixture.store.clone(), fixture.user("alice", 3));
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "alice").await;
    client.send("DELE 1\r\nDELE 3\r\nQUIT\r\n").await;
    tree.drain(PATIENCE).await;
    let replies = client.rest().await;
    assert_eq!(
        replies
            .lines()
            .filter(|line| line.starts_with("+OK"))
            .count(),
        3,
        "{replies}"
    );
    assert_eq!(messages(&store, alice), 1);
}

#[actix::test]
async fn a_message_that_is_being_sent_is_sent_to_its_end() {
    let fixture = Fixture::new();
    let alice = fixture.user("alice", 0);
    let line = b"a line of a message that takes its time\r\n";
    deliver(
        &fixture.store,
        alice,
        &[b"S: x\r\n\r\n".as_slice(), &line.repeat(20_000)].concat(),
    );
    let tree = fixture.start();
    let mut client = Client::connect_with(&tree, 1024).await;
    client.try_log_on("alice").await;
    assert_eq!(client.ask("RETR 1").await, "+OK");
    let read = async {
        let mut lines = 0;
        while client.line().await != "." {
            lines += 1;
        }
        (lines, client.rest().await)
    };
    let ((lines, notice), ()) = tokio::join!(read, tree.drain(PATIENCE));
    assert_eq!(lines, 20_002);
    assert!(notice.starts_with("-ERR"), "{notice}");
}

#[actix::test]
async fn a_session_that_does_not_come_to_an_end_is_cut_when_patience_is_over() {
    tokio::time::pause();
    let fixture = Fixture::new();
    let alice = fixture.user("alice", 0);
    deliver(
        &fixture.store,
        alice,
        &b"a line that nobody reads\r\n".repeat(20_000),
    );
    let tree = fixture.start();
    let mut client = Client::connect_with(&tree, 1024).await;
    client.try_log_on("alice").await;
    assert_eq!(client.ask("RETR 1").await, "+OK");
    let asked = tokio::time::Instant::now();
    tree.drain(PATIENCE).await;
    assert_eq!(asked.elapsed().as_secs(), PATIENCE.as_secs());
    assert!(!client.rest().await.ends_with("\r\n.\r\n"));
}

#[actix::test]
async fn stopping_twice_or_after_the_end_does_nothing_more() {
    let tree = Fixture::new().start();
    tree.stop().await;
    tree.stop().await;
    tree.drain(PATIENCE).await;
    assert_eq!(tree.ended().await, Ended::Stopped);
    assert!(
        tree.contents(mailroost_storage::MaildropId(1))
            .await
            .is_err()
    );
}

#[actix::test]
async fn a_stop_comes_to_an_end_although_new_connections_keep_coming() {
    tokio::time::pause();
    let tree = Fixture::new().start();
    let mut connections = Vec::new();
    let keep_coming = async {
        for _ in 0..2000 {
            let (ours, theirs) = tokio::io::duplex(4096);
            let served = tree.serve(Box::new(theirs), peer(), Security::Stls, None);
            if served.await.is_err() {
                return;
            }
            connections.push(ours);
        }
    };
    let both = async { tokio::join!(tree.stop(), keep_coming) };
    let stopped = tokio::time::timeout(Duration::from_secs(5), both).await;
    assert!(stopped.is_ok(), "sessions that came late were waited for");
}

#[actix::test]
async fn a_stop_does_not_wait_for_a_drain_that_is_under_way() {
    tokio::time::pause();
    let fixture = Fixture::new();
    let alice = fixture.user("alice", 0);
    deliver(&fixture.store, alice, &b"unread\r\n".repeat(20_000));
    let tree = fixture.start();
    let mut client = Client::connect_with(&tree, 1024).await;
    client.try_log_on("alice").await;
    assert_eq!(client.ask("RETR 1").await, "+OK");
    let asked = tokio::time::Instant::now();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        tree.stop().await;
    };
    tokio::join!(tree.drain(PATIENCE), stop);
    assert_eq!(asked.elapsed().as_secs(), 1);
}

#[actix::test]
async fn who_comes_during_a_drain_is_told_so() {
    let fixture = Fixture::new();
    let alice = fixture.user("alice", 0);
    deliver(&fixture.store, alice, &b"unread\r\n".repeat(20_000));
    let tree = fixture.start();
    let mut reader = Client::connect_with(&tree, 1024).await;
    reader.try_log_on("alice").await;
    assert_eq!(reader.ask("RETR 1").await, "+OK");
    let late = async {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let refusal = Client::dial(&tree, 4096).await.rest().await;
        drop(reader);
        refusal
    };
    let ((), refusal) = tokio::join!(tree.drain(PATIENCE), late);
    assert!(
        refusal.starts_with("-ERR") && refusal.lines().count() == 1,
        "{refusal:?}"
    );
}
