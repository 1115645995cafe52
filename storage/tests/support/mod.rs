//! What the tests of the sled store share: messages from seeds, reading, events.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]
#![allow(dead_code, reason = "each test file uses its part")]

pub mod known;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use mailroost_storage::faulty::split_mix;
use mailroost_storage::sled_store::{Finding, Probe, verify};
use mailroost_storage::{
    BodySource, DeletedRecord, Delivery, Directory, MaildropId, MaildropStore, MessageId, NewUser,
    OwnedMaildrop, Removal, SharedBody, SledStore, SledStoreOptions, Staging, StoreError,
    StoreEvent, UserName,
};
use tempfile::TempDir;

/// The message of a seed: a header, and lines, some of which begin with dots.
pub fn message(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut octets = format!("Subject: {seed}\r\nX-Seed: {seed}\r\n\r\n").into_bytes();
    for _ in 0..split_mix(&mut state) % 20 {
        let dots = ".".repeat((split_mix(&mut state) % 3) as usize);
        let filler = "x".repeat((split_mix(&mut state) % 300) as usize);
        octets.extend_from_slice(format!("{dots}{filler}\r\n").as_bytes());
    }
    // One in four is large enough to be shared.
    if seed.is_multiple_of(4) {
        octets.extend_from_slice(&b"a line of a large message\r\n".repeat(700));
    }
    octets
}

/// The message of a seed as a body for many and, as its trace, its first line.
pub fn stage_shared(
    store: &impl MaildropStore,
    seed: u64,
) -> Result<(Box<dyn SharedBody>, Vec<u8>), StoreError> {
    let octets = message(seed);
    let trace = octets.iter().position(|octet| *octet == b'\n').unwrap() + 1;
    let mut staged = store.stage(Staging::default())?;
    let _ = staged.write_all(&octets[trace..]);
    Ok((staged.finish_shared()?, octets[..trace].to_vec()))
}

/// A removal whose bodies are kept.
pub fn keeping(at_secs: u64) -> Removal {
    Removal {
        at_secs,
        session: Some(format!("session-{at_secs}").into()),
        keep: true,
    }
}

pub fn stage(store: &impl MaildropStore, octets: &[u8]) -> Result<Delivery, StoreError> {
    let mut staged = store.stage(Staging::default())?;
    // What a write says is said again at the end.
    let _ = staged.write_all(octets);
    staged.finish()
}

pub fn deliver(
    store: &impl MaildropStore,
    maildrop: &mut dyn OwnedMaildrop,
    seeds: &[u64],
) -> Result<Vec<MessageId>, StoreError> {
    let deliveries: Result<Vec<Delivery>, StoreError> = seeds
        .iter()
        .map(|seed| stage(store, &message(*seed)))
        .collect();
    maildrop.deliver(deliveries?)
}

pub fn read(source: &dyn BodySource, message: MessageId) -> Result<Vec<u8>, StoreError> {
    let mut body = source.open(message)?;
    let mut octets = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match body.read(&mut buffer)? {
            0 => return Ok(octets),
            count => octets.extend_from_slice(&buffer[..count]),
        }
    }
}

pub fn user(store: &impl Directory, name: &str) -> MaildropId {
    let name = UserName::new(name).unwrap();
    match store.find(&name).unwrap() {
        Some(user) => user.maildrop,
        None => {
            store
                .add(NewUser {
                    name,
                    password_hash: None,
                })
                .unwrap()
                .maildrop
        }
    }
}

/// Maildrops, their messages and the octets of these, and their deleted messages.
pub type Contents = Vec<(MaildropId, Vec<(MessageId, Vec<u8>)>, Vec<DeletedRecord>)>;

/// All that is in the store.
pub fn contents(store: &SledStore) -> Contents {
    let mut all = Vec::new();
    for id in store.maildrops().unwrap() {
        let maildrop = store.open_maildrop(id).unwrap();
        let source = maildrop.bodies();
        let messages = maildrop.messages().iter().map(|record| {
            let octets = read(&*source, record.id).unwrap();
            assert_eq!(octets.len() as u64, record.exact_octets);
            (record.id, octets)
        });
        all.push((id, messages.collect(), maildrop.deleted().unwrap()));
    }
    all
}

/// Options, and the events that will have been told.
pub fn watched() -> (SledStoreOptions, Arc<Mutex<Vec<StoreEvent>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    let options = SledStoreOptions {
        events: Arc::new(move |event: &StoreEvent| sink.lock().unwrap().push(event.clone())),
        cache_octets: 8 << 20,
        ..SledStoreOptions::default()
    };
    (options, events)
}

/// The probe in a process: this test binary again, which runs only `entry`; see [`probe_entry`].
pub fn child_probe(entry: &str) -> Probe {
    Probe::Child {
        program: std::env::current_exe().unwrap(),
        arguments: vec![
            "--exact".to_owned(),
            entry.to_owned(),
            "--nocapture".to_owned(),
        ],
    }
}

/// What the test called `entry` does: nothing, unless it was started as a probe.
pub fn probe_entry() {
    let Some(folder) = std::env::args()
        .skip(1)
        .find(|argument| argument.ends_with("/index"))
    else {
        return;
    };
    let status = match mailroost_storage::sled_store::probe(Path::new(&folder)) {
        Ok(_) => 0,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            mailroost_storage::sled_store::DAMAGED_STATUS
        }
    };
    std::process::exit(status);
}

/// What verification finds.
pub fn findings(folder: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let options = SledStoreOptions::default();
    let sums = verify(folder, &options, &mut |finding| {
        findings.push(finding.clone())
    })
    .unwrap();
    assert_eq!(sums.damages + sums.notes, findings.len() as u64);
    findings
}

/// What tells of commits, as it was.
pub struct Before(TempDir);

impl Before {
    /// Remembers index and log of a store.
    pub fn a_commit(folder: &Path) -> Self {
        let before = Self(TempDir::new().unwrap());
        for name in ["index", "log"] {
            copy_folder(&folder.join(name), &before.0.path().join(name));
        }
        before
    }

    /// Has them be as they were.
    pub fn come_back(&self, folder: &Path) {
        for name in ["index", "log"] {
            fs::remove_dir_all(folder.join(name)).unwrap();
            copy_folder(&self.0.path().join(name), &folder.join(name));
        }
    }
}

pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
