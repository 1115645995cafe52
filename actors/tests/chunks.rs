//! How a message is read: on the session's own thread what is in memory, elsewhere what is not;
//! in turn with the other sessions; and the same octets in every case.

mod fixture;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use fixture::probe::Probe;
use fixture::{Client, Fixture, deliver, peer};
use mailroost_actors::Security;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is read at once.
const CHUNK_OCTETS: usize = 64 * 1024;

/// Whether the octets at that position are in memory.
type InMemory = fn(u64) -> bool;

/// A message of so many octets, with dots at the beginning of some lines.
fn of_octets(octets: usize) -> String {
    let mut message = "Subject: sized\r\n\r\n".to_owned();
    while message.len() < octets - 40 {
        message.push_str(".dot\r\na line of this message\r\n");
    }
    let rest = octets - message.len() - 2;
    message + &"x".repeat(rest) + "\r\n"
}

async fn retr(client: &mut Client, number: usize) -> String {
    let lines = client.ask_lines(&format!("RETR {number}")).await;
    let body = &lines[1..lines.len() - 1];
    let decoded = body
        .iter()
        .map(|line| line.strip_prefix('.').unwrap_or(line));
    decoded.map(|line| format!("{line}\r\n")).collect()
}

#[actix::test]
async fn whatever_is_in_memory_the_client_gets_the_same() {
    let sizes = [
        100,
        4_096,
        CHUNK_OCTETS - 1,
        CHUNK_OCTETS,
        CHUNK_OCTETS + 1,
        2 * CHUNK_OCTETS,
        2 * CHUNK_OCTETS + 1,
        300_000,
    ];
    // Of each message the first chunk is opened, and so many are read.
    let chunks: usize = sizes.iter().map(|size| size.div_ceil(CHUNK_OCTETS)).sum();
    let patterns: [(InMemory, usize); 4] = [
        (|_| true, 0),
        (|_| false, sizes.len() + chunks),
        (|position| position == 0, chunks - sizes.len()),
        (|position| position > 0, 2 * sizes.len()),
    ];
    for (in_memory, waits) in patterns {
        let mut fixture = Fixture::new();
        let alice = fixture.user("alice", 0);
        for size in sizes {
            deliver(&fixture.store, alice, of_octets(size).as_bytes());
        }
        let probe = fixture.probe(Probe {
            in_memory: Box::new(in_memory),
            ..Probe::default()
        });
        let tree = fixture.start();
        let mut client = Client::log_on(&tree, "alice").await;
        for (at, size) in sizes.into_iter().enumerate() {
            assert!(retr(&mut client, at + 1).await == of_octets(size), "{size}");
        }
        assert_eq!(probe.waits.load(Ordering::SeqCst), waits);
    }
}

#[actix::test]
async fn replies_to_pipelined_commands_are_gathered_up_to_a_limit() {
    const MESSAGES: usize = 300;
    let mut fixture = Fixture::new();
    let alice = fixture.user("alice", 0);
    for _ in 0..MESSAGES {
        deliver(&fixture.store, alice, of_octets(4_000).as_bytes());
    }
    let probe = fixture.probe(Probe {
        in_memory: Box::new(|_| true),
        ..Probe::default()
    });
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "alice").await;
    let commands: String = (1..=MESSAGES).map(|it| format!("RETR {it}\r\n")).collect();
    client.send(&commands).await;
    // The pipe takes 64 KiB and the buffer as much: nothing more is read until some is taken.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let read = probe.octets_read.load(Ordering::SeqCst);
    assert!(read <= 3 * 64 * 1024, "{read} octets were read ahead");
    for _ in 0..MESSAGES {
        assert!(client.line().await.starts_with("+OK"));
        while client.line().await != "." {}
    }
}

/// A client that logged on before, asks for all at once, and takes everything at once.
struct Greedy {
    says: &'static [u8],
    taken: Arc<AtomicU64>,
}

impl AsyncRead for Greedy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let says = std::mem::take(&mut self.says);
        buffer.put_slice(says);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Greedy {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.taken.fetch_add(octets.len() as u64, Ordering::SeqCst);
        Poll::Ready(Ok(octets.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[actix::test]
async fn a_session_that_never_has_to_wait_lets_the_others_have_their_turn() {
    const OCTETS: usize = 10 * 1024 * 1024;
    let mut fixture = Fixture::new();
    let alice = fixture.user("alice", 0);
    deliver(&fixture.store, alice, of_octets(OCTETS).as_bytes());
    fixture.probe(Probe {
        in_memory: Box::new(|_| true),
        ..Probe::default()
    });
    let tree = fixture.start();
    let taken = Arc::<AtomicU64>::default();
    let greedy = Greedy {
        says: b"USER alice\r\nPASS alice\r\nRETR 1\r\nRETR 1\r\nQUIT\r\n",
        taken: Arc::clone(&taken),
    };
    let served = tree.serve(Box::new(greedy), peer(), Security::Stls, None);
    served.await.unwrap();
    let (mut before, mut longest) = (0, 0);
    while before < 2 * OCTETS as u64 {
        tokio::task::yield_now().await;
        let now = taken.load(Ordering::SeqCst);
        longest = longest.max(now - before);
        before = now;
    }
    assert!(
        longest <= 2 * 256 * 1024,
        "{longest} octets were sent in one turn"
    );
}
