//! A peer that does not read: the server stops reading the message, holds little, and cuts it
//! after the write deadline.

mod fixture;

use std::sync::atomic::Ordering;
use std::time::Duration;

use fixture::probe::Probe;
use fixture::{Client, Fixture, deliver};

#[actix::test]
async fn a_peer_that_does_not_read_makes_the_server_stop_reading_and_is_cut() {
    stops_reading_and_cuts(false).await;
}

#[actix::test]
async fn a_message_in_memory_is_not_read_any_further_for_such_a_peer() {
    stops_reading_and_cuts(true).await;
}

async fn stops_reading_and_cuts(in_memory: bool) {
    tokio::time::pause();
    let mut fixture = Fixture::new();
    let alice = fixture.user("alice", 0);
    let line = b"sixty-four octets of a line that nobody will ever read ......\r\n";
    let body = line.repeat(128 * 1024);
    deliver(
        &fixture.store,
        alice,
        &[b"Subject: large\r\n\r\n".as_slice(), &body].concat(),
    );
    let probe = fixture.probe(Probe {
        in_memory: Box::new(move |_| in_memory),
        ..Probe::default()
    });
    let write_stall = fixture.limits.write_stall;
    let tree = fixture.start();
    let mut client = Client::connect_with(&tree, 4096).await;
    client.try_log_on("alice").await;

    client.send("RETR 1\r\n").await;
    let asked = tokio::time::Instant::now();
    let sessions = async {
        loop {
            let sessions = tree.census().await.children[3].population;
            if sessions == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    sessions.await;
    let cut_after = asked.elapsed();
    assert!(
        cut_after >= write_stall && cut_after < write_stall * 2,
        "{cut_after:?}"
    );
    let read = probe.octets_read.load(Ordering::SeqCst);
    assert!(
        read <= 2 * 64 * 1024,
        "{read} octets were read for a peer that takes none"
    );
}

#[actix::test]
async fn a_client_that_only_sends_is_not_read_without_bound() {
    tokio::time::pause();
    let fixture = Fixture::new();
    fixture.user("alice", 1);
    let tree = fixture.start();
    let mut client = Client::connect_with(&tree, 4096).await;
    client.try_log_on("alice").await;
    // Commands whose replies nobody takes: the server must stop taking commands, not hoard.
    let command = "NOOP\r\n".repeat(64);
    let flood = async {
        for _ in 0..1_000_000 {
            client.send(&command).await;
        }
    };
    let patience = Duration::from_secs(60);
    assert!(
        tokio::time::timeout(patience, flood).await.is_err(),
        "it took 384 MB of commands"
    );
}
