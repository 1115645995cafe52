//! The settings and limits of a sled store, each with its reason.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::event::EventSink;
use super::files::{DiskFiles, Files};

/// How a sled store is opened.
#[derive(Clone)]
pub struct SledStoreOptions {
    /// Where the high-water marks are kept, if not in the store's folder. Elsewhere they survive
    /// a restore of the store's folder from yesterday, so that no unique-id is used again.
    pub high_water_folder: Option<PathBuf>,
    /// sled's cache, in octets: a hint. 128 MiB hold the packed index of ten million messages;
    /// a smaller cache than index makes every log-on read the disk.
    pub cache_octets: u64,
    /// How many commits may wait for the committer; more callers wait for a place. As many as
    /// there may be mailboxes at work at once.
    pub queue_length: usize,
    /// How many waiting commits share one flush. More would make the first wait for the last.
    pub commits_per_flush_max: usize,
    /// Octets of each of the log's two segments: what a checkpoint has to make durable at most, and
    /// what the start after a crash has to read twice. 64 MiB are 8,000 messages of 4 KiB.
    pub log_octets: u64,
    /// How long nobody commits until a checkpoint makes durable in files and index what the log
    /// has, so that a start after a crash finds little to do.
    pub log_idle: Duration,
    /// Octets of a message's file up to which it is made durable by the log; a larger one is synced
    /// by itself. A copy in the log costs as much as its write, a sync some hundred kilobytes.
    pub logged_octets_max: u64,
    /// Where the index is examined before it is used: sled can panic or spin on a damaged file.
    pub probe: Probe,
    /// How long that may take, and a second more for each 16 MiB of index. A sound index of a
    /// million messages takes under a second.
    pub probe_deadline: Duration,
    /// How many numbers the high-water mark runs ahead: one more sync per that many messages,
    /// and at most that many numbers skipped after a crash.
    pub high_water_block: u64,
    /// Milliseconds between sled's own rounds, which rewrite sparse parts of its file; without
    /// them the file only grows. Durability does not depend on them.
    pub tidy_ms: Option<u64>,
    /// Octets that stay free: deliveries are refused (`Full`) beyond it, because sled itself
    /// cannot go on after it met a full disk.
    pub reserve_octets: u64,
    /// The same for removals, which make room but write a little first.
    pub removal_reserve_octets: u64,
    /// Whether bodies are synced.
    pub durability: Durability,
    /// The disk.
    pub files: Arc<dyn Files>,
    /// Who is told of what an operator should know.
    pub events: EventSink,
}

/// Whether what is acknowledged survives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It does.
    Full,
    /// It does not: nothing is synced. To fill a store for a measurement, never for mail.
    UnsafeNoSync,
}

/// Where an index that may be damaged is opened for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// In a thread. A panic is caught; a thread that spins is left behind and reported.
    Thread,
    /// In a process that is killed at the deadline: `program arguments… FOLDER`. It calls
    /// [`super::probe`](fn@super::probe) on the folder and exits with 0 if the index is sound,
    /// with [`super::DAMAGED_STATUS`] if that says `Corrupt`, and else with another status.
    Child {
        /// The program, usually the running one.
        program: PathBuf,
        /// What stands before the folder.
        arguments: Vec<String>,
    },
}

impl Default for SledStoreOptions {
    fn default() -> Self {
        Self {
            high_water_folder: None,
            cache_octets: 128 << 20,
            queue_length: 1024,
            commits_per_flush_max: 256,
            log_octets: 64 << 20,
            log_idle: Duration::from_secs(5),
            logged_octets_max: 64 << 10,
            probe: Probe::Thread,
            probe_deadline: Duration::from_secs(30),
            high_water_block: 64,
            tidy_ms: Some(5_000),
            reserve_octets: 32 << 20,
            removal_reserve_octets: 8 << 20,
            durability: Durability::Full,
            files: Arc::new(DiskFiles),
            events: Arc::new(|_| {}),
        }
    }
}
