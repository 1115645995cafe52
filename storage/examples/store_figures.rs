//! Measures the sled store: `store_figures FOLDER [MAILDROPS MESSAGES_EACH]`, in release. It fills
//! FOLDER, which must not be there, with 10,000 maildrops of 100 messages, and removes it at the
//! end; with `keep` instead of numbers it measures kept and shared bodies alone. The figures in
//! ARCHITECTURE.md come from here.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "for people, and it may fail"
)]

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailroost_storage::sled_store::Durability;
use mailroost_storage::{
    Directory, MaildropId, MaildropStore, NewUser, Removal, SledStore, SledStoreOptions, Staging,
    UserName,
};

const SMALL_BODY: &[u8] = b"From: a@example.org\r\nSubject: small\r\n\r\nA small body.\r\n";
const LARGE_OCTETS: usize = 10 << 20;
const CHUNK_OCTETS: usize = 64 << 10;

fn options() -> SledStoreOptions {
    SledStoreOptions {
        events: Arc::new(|event| println!("    event: {event}")),
        ..SledStoreOptions::default()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = PathBuf::from(arguments.first().expect("a folder as first argument"));
    let number = |place: usize, default: u64| {
        arguments
            .get(place)
            .map_or(default, |text| text.parse().expect("a number"))
    };
    match arguments.get(1).map(String::as_str) {
        Some("hold") => hold(&folder),
        Some("measure") => measure_open(&folder),
        Some("keep") => {
            keep_and_purge(&folder);
            share(&folder);
        }
        Some(_) | None => everything(&folder, number(1, 10_000), number(2, 100)),
    }
}

fn everything(folder: &Path, maildrops: u64, messages_each: u64) {
    assert!(!folder.exists(), "{} is there already", folder.display());
    fill(folder, maildrops, messages_each);
    println!(
        "files: index {}",
        mebibytes(disk_use(&folder.join("index")))
    );
    println!("files: all {}", mebibytes(disk_use(folder)));
    again(folder, "measure", "after a clean end");
    kill(folder);
    again(folder, "measure", "after kill -9");
    fs::rename(folder.join("index"), folder.join("index.away")).unwrap();
    again(folder, "measure", "without an index");
    fs::remove_dir_all(folder.join("index.away")).unwrap();
    retrieve(folder);
    deliver(folder, 1, 2_000);
    deliver(folder, 16, 500);
    remove_all(folder);
    fs::remove_dir_all(folder).unwrap();
    keep_and_purge(folder);
    share(folder);
}

/// Users and messages, nothing synced.
fn fill(folder: &Path, maildrops: u64, messages_each: u64) {
    let begun = Instant::now();
    let unsafe_options = SledStoreOptions {
        durability: Durability::UnsafeNoSync,
        ..options()
    };
    let store = SledStore::open(folder, unsafe_options).unwrap();
    for n in 0..maildrops {
        let id = add_user(&store, &format!("user{n:06}"));
        let mut maildrop = store.open_maildrop(id).unwrap();
        let batch = (0..messages_each)
            .map(|_| staged(&store, SMALL_BODY))
            .collect();
        maildrop.deliver(batch).unwrap();
    }
    println!(
        "filled: {:?}, {:?}",
        begun.elapsed(),
        store.statistics().unwrap()
    );
    store.close().unwrap();
    println!("filling process: {} MiB resident", resident_mebibytes());
}

fn add_user(store: &SledStore, name: &str) -> MaildropId {
    let name = UserName::new(name).unwrap();
    store
        .add(NewUser {
            name,
            password_hash: None,
        })
        .unwrap()
        .maildrop
}

fn staged(store: &SledStore, octets: &[u8]) -> mailroost_storage::Delivery {
    let mut staged = store.stage(Staging::default()).unwrap();
    staged.write_all(octets).unwrap();
    staged.finish().unwrap()
}

/// Runs a part in a process of its own, so that its memory is its own.
fn again(folder: &Path, part: &str, title: &str) {
    println!("{title}:");
    let program = std::env::current_exe().unwrap();
    assert!(
        Command::new(program)
            .arg(folder)
            .arg(part)
            .status()
            .unwrap()
            .success()
    );
}

fn measure_open(folder: &Path) {
    let begun = Instant::now();
    let store = SledStore::open(folder, options()).unwrap();
    println!(
        "    open: {:?}, {} MiB resident",
        begun.elapsed(),
        resident_mebibytes()
    );
    let begun = Instant::now();
    let ids = store.maildrops().unwrap();
    let mut messages = 0;
    for id in &ids {
        messages += store.open_maildrop(*id).unwrap().messages().len();
    }
    println!(
        "    {} maildrops with {messages} messages opened one by one: {:?} ({:?} each), {} MiB resident",
        ids.len(),
        begun.elapsed(),
        begun.elapsed() / u32::try_from(ids.len()).unwrap(),
        resident_mebibytes()
    );
    store.close().unwrap();
}

/// A process with the store open and a delivery just made, until its standard input ends.
fn hold(folder: &Path) {
    let store = SledStore::open(folder, options()).unwrap();
    let mut maildrop = store.open_maildrop(MaildropId(1)).unwrap();
    maildrop.deliver(vec![staged(&store, SMALL_BODY)]).unwrap();
    println!("    ready");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn kill(folder: &Path) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg(folder)
        .arg("hold")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = [0; 9];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut told)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}

fn retrieve(folder: &Path) {
    let store = SledStore::open(folder, options()).unwrap();
    let id = add_user(&store, "large");
    let mut maildrop = store.open_maildrop(id).unwrap();
    let mut octets = b"Subject: large\r\n\r\n".to_vec();
    while octets.len() < LARGE_OCTETS {
        octets.extend_from_slice(&[b'x'; 76]);
        octets.extend_from_slice(b"\r\n");
    }
    let begun = Instant::now();
    let message = maildrop.deliver(vec![staged(&store, &octets)]).unwrap()[0];
    println!("delivery of 10 MiB: {:?}", begun.elapsed());
    let source = maildrop.bodies();
    let mut buffer = vec![0; CHUNK_OCTETS];
    let rounds = 200;
    let begun = Instant::now();
    for _ in 0..rounds {
        let mut body = source.open(message).unwrap();
        while body.read(&mut buffer).unwrap() > 0 {}
    }
    let each = begun.elapsed() / rounds;
    let rate = octets.len() as f64 / each.as_secs_f64() / 1e6;
    println!("RETR of 10 MiB in chunks of 64 KiB, cached: {each:?}, {rate:.0} MB/s");
    drop(maildrop);
    store.close().unwrap();
}

/// Durable deliveries of 4 KiB, each writer into a maildrop of its own.
fn deliver(folder: &Path, writers: u64, each: u32) {
    let store = Arc::new(SledStore::open(folder, options()).unwrap());
    let mut octets = b"Subject: four\r\n\r\n".to_vec();
    octets.resize(4094, b'x');
    octets.extend_from_slice(b"\r\n");
    let octets: Arc<[u8]> = octets.into();
    let begun = Instant::now();
    let threads: Vec<_> = (0..writers)
        .map(|n| {
            let (store, octets) = (Arc::clone(&store), Arc::clone(&octets));
            std::thread::spawn(move || {
                let mut maildrop = store.open_maildrop(MaildropId(n + 1)).unwrap();
                let mut slowest = Duration::ZERO;
                for _ in 0..each {
                    let begun = Instant::now();
                    maildrop.deliver(vec![staged(&store, &octets)]).unwrap();
                    slowest = slowest.max(begun.elapsed());
                }
                slowest
            })
        })
        .collect();
    let slowest = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .max()
        .unwrap();
    let all = writers as f64 * f64::from(each);
    println!(
        "durable delivery of 4 KiB, {writers} writers: {:.0} messages/s, {:?} each, slowest {slowest:?}",
        all / begun.elapsed().as_secs_f64(),
        begun.elapsed() / each
    );
    store.close().unwrap();
}

fn remove_all(folder: &Path) {
    println!("disk before removing all: {}", mebibytes(disk_use(folder)));
    let unsafe_options = SledStoreOptions {
        durability: Durability::UnsafeNoSync,
        ..options()
    };
    let store = SledStore::open(folder, unsafe_options).unwrap();
    let begun = Instant::now();
    for id in store.maildrops().unwrap() {
        let mut maildrop = store.open_maildrop(id).unwrap();
        let messages: Vec<_> = maildrop.messages().iter().map(|record| record.id).collect();
        maildrop.remove(&messages, &Removal::default()).unwrap();
    }
    println!(
        "all removed: {:?}, {:?}",
        begun.elapsed(),
        store.statistics().unwrap()
    );
    store.close().unwrap();
    println!("disk after: all {}", mebibytes(disk_use(folder)));
    println!(
        "disk after: index {}",
        mebibytes(disk_use(&folder.join("index")))
    );
}

/// 20,000 messages of 16 KiB: removed and kept, then purged.
fn keep_and_purge(folder: &Path) {
    let store = SledStore::open(folder, options()).unwrap();
    let id = add_user(&store, "keeper");
    let mut octets = b"Subject: sixteen\r\n\r\n".to_vec();
    octets.resize((16 << 10) - 2, b'x');
    octets.extend_from_slice(b"\r\n");
    let mut maildrop = store.open_maildrop(id).unwrap();
    for _ in 0..200 {
        let batch = (0..100).map(|_| staged(&store, &octets)).collect();
        maildrop.deliver(batch).unwrap();
    }
    let told = |what: &str| {
        let (all, index) = (disk_use(folder), disk_use(&folder.join("index")));
        println!(
            "disk {what}: {}, of it index {}",
            mebibytes(all),
            mebibytes(index)
        );
    };
    told("before a removal of 20,000 messages of 16 KiB");
    let messages: Vec<_> = maildrop.messages().iter().map(|record| record.id).collect();
    let removal = Removal {
        at_secs: 1,
        session: Some("figures".into()),
        keep: true,
    };
    let begun = Instant::now();
    for part in messages.chunks(100) {
        maildrop.remove(part, &removal).unwrap();
    }
    println!("removed and kept, 100 at a time: {:?}", begun.elapsed());
    told("after it, kept");
    let begun = Instant::now();
    let moved = maildrop.undelete(&messages[..1_000], 99).unwrap().len();
    println!(
        "{moved} of them brought back at once: {:?}",
        begun.elapsed()
    );
    told("after that");
    let begun = Instant::now();
    let purged = maildrop.purge(2).unwrap();
    println!("purged {}: {:?}", purged.messages, begun.elapsed());
    told("after the purge");
    drop(maildrop);
    store.close().unwrap();
    fs::remove_dir_all(folder).unwrap();
}

/// One message of 1 MiB for 1,000 maildrops.
fn share(folder: &Path) {
    let store = SledStore::open(folder, options()).unwrap();
    let ids: Vec<_> = (0..1_000)
        .map(|n| add_user(&store, &format!("user{n}")))
        .collect();
    let before = disk_use(folder);
    let mut staged = store.stage(Staging::default()).unwrap();
    staged.write_all(b"Subject: to all\r\n\r\n").unwrap();
    for _ in 0..(1 << 20) / 64 {
        staged.write_all(&[b'x'; 62]).unwrap();
        staged.write_all(b"\r\n").unwrap();
    }
    let begun = Instant::now();
    let shared = staged.finish_shared().unwrap();
    for (n, id) in ids.iter().enumerate() {
        let trace = format!("Delivered-To: user{n}\r\n");
        let delivery = shared.delivery(trace.as_bytes()).unwrap();
        let mut maildrop = store.open_maildrop(*id).unwrap();
        maildrop.deliver(vec![delivery]).unwrap();
    }
    drop(shared);
    println!("1 MiB to 1,000 maildrops, durable: {:?}", begun.elapsed());
    // A file with many names is counted once.
    let mut seen = HashSet::new();
    let after = disk_use_once(folder, &mut seen);
    println!("disk for it: {}", mebibytes(after.saturating_sub(before)));
    store.close().unwrap();
    fs::remove_dir_all(folder).unwrap();
}

fn disk_use_once(path: &Path, seen: &mut HashSet<u64>) -> u64 {
    let metadata = fs::symlink_metadata(path).unwrap();
    let own = if seen.insert(metadata.ino()) {
        metadata.blocks() * 512
    } else {
        0
    };
    if !metadata.is_dir() {
        return own;
    }
    let below = fs::read_dir(path).unwrap();
    let below = below.map(|entry| disk_use_once(&entry.unwrap().path(), seen));
    own + below.sum::<u64>()
}

fn resident_mebibytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

fn disk_use(path: &Path) -> u64 {
    let metadata = fs::symlink_metadata(path).unwrap();
    let below = if metadata.is_dir() {
        fs::read_dir(path)
            .unwrap()
            .map(|entry| disk_use(&entry.unwrap().path()))
            .sum()
    } else {
        0
    };
    metadata.blocks() * 512 + below
}

fn mebibytes(octets: u64) -> String {
    format!("{:.1} MiB", octets as f64 / (1 << 20) as f64)
}
