//! A peer that does not read: the server stops reading the message, holds little, and cuts it
//! after the write deadline.

mod fixture;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fixture::{Client, Fixture};
use mailroost_storage::MemoryStore;
use mailroost_storage::{
    Body, BodyFacts, BodySource, Delivery, Housekeeping, MaildropId, MaildropStore, MessageId,
    MessageRecord, OwnedMaildrop, StagedBody, Staging, StoreError,
};

/// Counts the octets that are read out of bodies.
struct Metered {
    inner: MemoryStore,
    read: Arc<AtomicU64>,
}

struct MeteredMaildrop(Box<dyn OwnedMaildrop>, Arc<AtomicU64>);
struct MeteredBodies(Arc<dyn BodySource>, Arc<AtomicU64>);
struct MeteredBody(Box<dyn Body>, Arc<AtomicU64>);

impl MaildropStore for Metered {
    fn open_maildrop(&self, maildrop: MaildropId) -> Result<Box<dyn OwnedMaildrop>, StoreError> {
        let owned = self.inner.open_maildrop(maildrop)?;
        Ok(Box::new(MeteredMaildrop(owned, Arc::clone(&self.read))))
    }
    fn stage(&self, staging: Staging) -> Result<Box<dyn StagedBody>, StoreError> {
        self.inner.stage(staging)
    }
    fn housekeeping(&self) -> Result<Housekeeping, StoreError> {
        self.inner.housekeeping()
    }
    fn close(&self) -> Result<(), StoreError> {
        self.inner.close()
    }
}

impl OwnedMaildrop for MeteredMaildrop {
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
        Arc::new(MeteredBodies(self.0.bodies(), Arc::clone(&self.1)))
    }
    fn deliver(&mut self, deliveries: Vec<Delivery>) -> Result<Vec<MessageId>, StoreError> {
        self.0.deliver(deliveries)
    }
    fn remove(&mut self, messages: &[MessageId]) -> Result<usize, StoreError> {
        self.0.remove(messages)
    }
}

impl BodySource for MeteredBodies {
    fn open(&self, message: MessageId) -> Result<Box<dyn Body>, StoreError> {
        Ok(Box::new(MeteredBody(
            self.0.open(message)?,
            Arc::clone(&self.1),
        )))
    }
}

impl Body for MeteredBody {
    fn facts(&self) -> BodyFacts {
        self.0.facts()
    }
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let octets = self.0.read(buffer)?;
        self.1.fetch_add(octets as u64, Ordering::SeqCst);
        Ok(octets)
    }
}

#[actix::test]
async fn a_peer_that_does_not_read_makes_the_server_stop_reading_and_is_cut() {
    tokio::time::pause();
    let mut fixture = Fixture::new();
    let alice = fixture.user("alice", 0);
    let mut staged = fixture.store.stage(Staging::default()).unwrap();
    staged.write_all(b"Subject: large\r\n\r\n").unwrap();
    for _ in 0..128 {
        staged
            .write_all(
                &b"sixty-four octets of a line that nobody will ever read ......\r\n".repeat(1024),
            )
            .unwrap();
    }
    let delivery = staged.finish().unwrap();
    fixture
        .store
        .open_maildrop(alice)
        .unwrap()
        .deliver(vec![delivery])
        .unwrap();
    let read = Arc::new(AtomicU64::new(0));
    fixture.serving = Arc::new(Metered {
        inner: fixture.store.clone(),
        read: Arc::clone(&read),
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
    let read = read.load(Ordering::SeqCst);
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
