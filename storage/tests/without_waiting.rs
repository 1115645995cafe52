//! Bodies that are opened and read without waiting for a disk: the same octets, whatever part of
//! them is in memory, and nothing at all where none is.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod support;

use std::fs::File;
use std::io::{self, IoSliceMut, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use mailroost_storage::faulty::split_mix;
use mailroost_storage::sled_store::files::{DiskFiles, Files};
use mailroost_storage::{
    BodySource, MaildropStore, MessageId, OpenedNow, SledStore, SledStoreOptions, Staging,
    StoreErrorKind,
};
use proptest::prelude::*;
use rustix::io::{ReadWriteFlags, preadv2};
use support::{deliver, message, user};
use tempfile::TempDir;

/// What a chunk of a session takes.
const CHUNK_OCTETS: usize = 64 * 1024;

/// A disk of which some is in memory, as a sequence from a seed says: nothing of it, all of it, or
/// a part.
#[derive(Debug)]
struct PartlyInMemory(Mutex<u64>);

impl PartlyInMemory {
    fn dice(&self, sides: u64) -> u64 {
        split_mix(&mut self.0.lock().unwrap()) % sides
    }
}

impl Files for PartlyInMemory {
    fn open_cached(&self, path: &Path) -> Option<File> {
        match self.dice(4) {
            0 => None,
            _ => File::open(path).ok(),
        }
    }
    fn read_cached(
        &self,
        file: &File,
        buffers: &mut [IoSliceMut<'_>],
        offset: u64,
    ) -> Option<usize> {
        let wanted: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let mut octets = match self.dice(4) {
            0 => return None,
            1 => vec![0; wanted.min(self.dice(5_000) as usize)],
            _ => vec![0; wanted],
        };
        let count = self.read_at(file, &mut octets, offset).unwrap();
        let mut rest = &octets[..count];
        for buffer in buffers {
            let (now, later) = rest.split_at(rest.len().min(buffer.len()));
            buffer[..now.len()].copy_from_slice(now);
            rest = later;
        }
        Some(count)
    }
    fn create(&self, path: &Path) -> io::Result<File> {
        DiskFiles.create(path)
    }
    fn open(&self, path: &Path, writing: bool) -> io::Result<File> {
        DiskFiles.open(path, writing)
    }
    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        DiskFiles.read_at(file, buffer, offset)
    }
    fn write_at(&self, file: &File, octets: &[u8], offset: u64) -> io::Result<()> {
        DiskFiles.write_at(file, octets, offset)
    }
    fn sync(&self, file: &File) -> io::Result<()> {
        DiskFiles.sync(file)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        DiskFiles.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        DiskFiles.link(from, to)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        DiskFiles.unlink(path)
    }
    fn sync_file_system(&self, folder: &File) -> io::Result<()> {
        DiskFiles.sync_file_system(folder)
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        DiskFiles.sync_folder(path)
    }
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        DiskFiles.create_folder(path)
    }
    fn free_octets(&self, path: &Path) -> io::Result<u64> {
        DiskFiles.free_octets(path)
    }
}

/// Reads a message as a session does: without waiting where that goes, else with.
fn read_as_a_session(bodies: &dyn BodySource, message: MessageId) -> Vec<u8> {
    let mut buffer = vec![0; CHUNK_OCTETS];
    let (facts, filled, mut rest) = match bodies.open_now(message, &mut buffer) {
        Some(OpenedNow {
            facts,
            filled,
            rest,
        }) => (facts, filled, rest),
        None => {
            let body = bodies.open(message).unwrap();
            (body.facts(), 0, Some(body))
        }
    };
    let mut octets = buffer[..filled].to_vec();
    while (octets.len() as u64) < facts.octets {
        let body = rest.as_mut().unwrap();
        let read = body.read_now(&mut buffer);
        let count = read.unwrap_or_else(|| body.read(&mut buffer).unwrap());
        assert!(count > 0, "{} of {} octets", octets.len(), facts.octets);
        octets.extend_from_slice(&buffer[..count]);
    }
    octets
}

/// A message whose lines begin with dots here and there.
fn of_octets(octets: usize) -> Vec<u8> {
    let mut message = b"Subject: sized\r\n\r\n".to_vec();
    while message.len() < octets {
        message.extend_from_slice(b"a line of a message\r\n.one with a dot\r\n..two\r\n");
    }
    message.truncate(octets.saturating_sub(2).max(18));
    if let Some(last @ b'\r') = message.last_mut() {
        // Cut amid a line end: a second CR would not be stored.
        *last = b'x';
    }
    message.extend_from_slice(b"\r\n");
    message
}

fn near_a_chunks_end() -> impl Strategy<Value = usize> {
    let edge = prop_oneof![
        Just(4_096_usize),
        Just(CHUNK_OCTETS - 160),
        Just(CHUNK_OCTETS),
        Just(2 * CHUNK_OCTETS - 160),
        Just(2 * CHUNK_OCTETS),
    ];
    prop_oneof![
        20_usize..40_000,
        (edge, 0_usize..6).prop_map(|(edge, past)| edge - 3 + past),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_in_memory_the_octets_are_the_same(
        seed in any::<u64>(), octets in near_a_chunks_end(), trace in 0_usize..40,
    ) {
        let folder = TempDir::new().unwrap();
        let options = SledStoreOptions {
            files: Arc::new(PartlyInMemory(Mutex::new(seed))),
            ..SledStoreOptions::default()
        };
        let store = SledStore::open(folder.path(), options).unwrap();
        let mut maildrop = store.open_maildrop(user(&store, "ann")).unwrap();
        let whole = of_octets(octets);
        let mut staged = store.stage(Staging::default()).unwrap();
        staged.write_all(&whole).unwrap();
        let shared = staged.finish_shared().unwrap();
        let trace = "Received: x\r\n".repeat(trace).into_bytes();
        let deliveries = vec![
            support::stage(&store, &whole).unwrap(),
            shared.delivery(&trace).unwrap(),
        ];
        let ids = maildrop.deliver(deliveries).unwrap();
        let bodies = maildrop.bodies();
        for _ in 0..8 {
            prop_assert!(read_as_a_session(&*bodies, ids[0]) == whole);
            prop_assert!(read_as_a_session(&*bodies, ids[1]) == [&trace[..], &whole].concat());
        }
    }
}

/// Whether the system reads a file's first octet without waiting. If not, it may begin to fetch
/// it: ask once.
fn is_in_memory(path: &Path) -> bool {
    let mut octet = [0];
    let mut octet = [IoSliceMut::new(&mut octet)];
    let file = File::open(path).unwrap();
    preadv2(file, &mut octet, 0, ReadWriteFlags::NOWAIT) == Ok(1)
}

/// Asks the system to forget a file's octets.
fn forget(path: &Path) {
    let file = File::open(path).unwrap();
    file.sync_all().unwrap();
    let advice = nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED;
    nix::fcntl::posix_fadvise(&file, 0, 0, advice).unwrap();
}

/// What the system does with the first message's file tells what it does with the second's.
#[test]
fn the_systems_word_decides() {
    let folder = TempDir::new().unwrap();
    let store = SledStore::open(folder.path(), SledStoreOptions::default()).unwrap();
    let mut maildrop = store.open_maildrop(user(&store, "ann")).unwrap();
    let ids = deliver(&store, &mut *maildrop, &[1, 2]).unwrap();
    let bodies = maildrop.bodies();
    let path = |at: usize| folder.path().join(format!("bodies/01/1/{}", ids[at]));
    let mut buffer = vec![0; CHUNK_OCTETS];
    let mut second_opened = || {
        let opened = bodies.open_now(ids[1], &mut buffer)?;
        assert!(opened.rest.is_none());
        Some(buffer[..opened.filled].to_vec())
    };
    let in_memory = is_in_memory(&path(0));
    let expected = in_memory.then(|| message(2));
    assert_eq!(second_opened(), expected, "just written");
    forget(&path(0));
    forget(&path(1));
    let in_memory = is_in_memory(&path(0));
    let expected = in_memory.then(|| message(2));
    assert_eq!(second_opened(), expected, "forgotten");
    assert!(read_as_a_session(&*bodies, ids[1]) == message(2));
}

#[test]
fn what_is_wrong_is_left_to_the_call_that_says_what() {
    let folder = TempDir::new().unwrap();
    let store = SledStore::open(folder.path(), SledStoreOptions::default()).unwrap();
    let mut maildrop = store.open_maildrop(user(&store, "ann")).unwrap();
    let ids = deliver(&store, &mut *maildrop, &[1, 2, 3, 5]).unwrap();
    let bodies = maildrop.bodies();
    let path = |at: usize| folder.path().join(format!("bodies/01/1/{}", ids[at]));
    let change = |at: usize, change: fn(&mut Vec<u8>)| {
        let mut octets = std::fs::read(path(at)).unwrap();
        change(&mut octets);
        std::fs::write(path(at), octets).unwrap();
    };
    change(0, |octets| octets[20] ^= 1);
    change(1, |octets| octets.truncate(octets.len() - 1));
    change(2, |octets| octets.push(b'x'));
    std::fs::copy(path(3), path(0).with_file_name("77")).unwrap();
    let mut buffer = vec![0; CHUNK_OCTETS];
    for id in [ids[0], ids[1], ids[2], MessageId(77)] {
        assert!(bodies.open_now(id, &mut buffer).is_none(), "{id}");
        let error = bodies.open(id).err().unwrap();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{id}");
    }
    assert!(bodies.open_now(MessageId(4711), &mut buffer).is_none());
}
