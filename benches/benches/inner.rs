//! The inner parts in time: `cargo bench -p mailroost-benches`, or a part of them by its name. What
//! they execute is counted by `instructions` (see README.md).

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros; a benchmark may fail"
)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mailroost_auth::{
    Argon2id, AuthError, CacheLimits, Cost, CredentialKind, DirectoryPasswords, Identity, Link,
    Mechanism, PasswordCache, PasswordHasher, PasswordSource, Scram, ScramKeys, Secret,
    UnknownUsers,
};
use mailroost_parts::{Accepting, Commands, Encoding, Listing, Part, Polling, Retrieving, Storing};
use mailroost_storage::sled_store::Durability;
use mailroost_storage::{Directory, MemoryStore, NewUser, SledStore, SledStoreOptions, UserName};

const CHUNK_OCTETS: usize = 64 * 1024;
const SMALL_OCTETS: usize = 4 * 1024;

fn measure(criterion: &mut Criterion, name: &str, mut part: impl Part) {
    criterion.bench_function(name, |bencher| bencher.iter(|| part.once()));
}

fn session(criterion: &mut Criterion) {
    measure(criterion, "ten commands", Commands::new());
    measure(criterion, "poll of 100 messages", Polling::new(100));
    measure(
        criterion,
        "listing of 10,000 messages",
        Listing::new(10_000),
    );
    measure(
        criterion,
        "RETR of one chunk",
        Retrieving::new(CHUNK_OCTETS),
    );
    measure(criterion, "LMTP transaction", Accepting::new(SMALL_OCTETS));
}

fn transparency(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunk");
    group.throughput(Throughput::Bytes(CHUNK_OCTETS as u64));
    for (name, dotted) in [("without dots", 0), ("with dots", 10)] {
        let mut part = Encoding::new(CHUNK_OCTETS, dotted);
        group.bench_function(name, |bencher| bencher.iter(|| part.once()));
    }
    group.finish();
}

/// A store that syncs nothing but its index: the disk is not what is measured.
fn sled_store(folder: &std::path::Path) -> SledStore {
    let options = SledStoreOptions {
        durability: Durability::UnsafeNoSync,
        ..SledStoreOptions::default()
    };
    SledStore::open(folder, options).unwrap()
}

fn storage(criterion: &mut Criterion) {
    measure(
        criterion,
        "delivery to memory",
        Storing::in_memory(SMALL_OCTETS),
    );
    let folder = tempfile::tempdir().unwrap();
    let store = sled_store(folder.path());
    let mut storing = Storing::to(store, SMALL_OCTETS);
    let id = storing.deliver();
    // Opening reads the header of the file and checks it.
    let bodies = storing.bodies();
    criterion.bench_function("sled store: a body is opened", |bencher| {
        bencher.iter(|| black_box(bodies.open(id).unwrap().facts()));
    });
    let mut buffer = vec![0; CHUNK_OCTETS];
    criterion.bench_function(
        "sled store: a body in memory is opened and read",
        |bencher| {
            bencher.iter(|| black_box(bodies.open_now(id, &mut buffer).unwrap().filled));
        },
    );
    measure(
        criterion,
        "sled store: delivery, bodies not synced",
        storing,
    );
}

/// One user, `ann`.
struct Keys(String);

impl PasswordSource for Keys {
    fn verify(&self, _name: &str, _password: &Secret) -> Result<Identity, AuthError> {
        Err(AuthError::UnknownUser)
    }

    fn credential(&self, _name: &str, _kind: CredentialKind) -> Result<Option<Secret>, AuthError> {
        Ok(Some(Secret::from(self.0.clone().into_bytes())))
    }
}

fn log_on(criterion: &mut Criterion) {
    let password = Secret::from(b"open sesame".to_vec());
    let hasher = Argon2id::new(Cost::default()).unwrap();
    let directory = MemoryStore::default();
    let user = NewUser {
        name: UserName::new("ann").unwrap(),
        password_hash: Some(hasher.hash(&password).unwrap()),
    };
    directory.add(user).unwrap();
    let cache = PasswordCache::new(CacheLimits::default()).unwrap();
    let passwords = DirectoryPasswords::new(Arc::new(directory), Arc::new(hasher), cache);
    // The first log-on pays for the hash.
    passwords.verify("ann", &password).unwrap();
    criterion.bench_function("log-on: a password that was proven lately", |bencher| {
        bencher.iter(|| black_box(passwords.recall(b"ann", &password)).is_some());
    });
    criterion.bench_function("log-on: the same, looked up", |bencher| {
        bencher.iter(|| black_box(passwords.verify("ann", &password)).is_ok());
    });

    let iterations = 4_096;
    let scram = Scram::sha_256(Arc::new(UnknownUsers::new([9; 32], iterations)), false);
    let keys = Keys(ScramKeys::new(&password, iterations).unwrap().stored());
    criterion.bench_function(
        "log-on: SCRAM, from first message to wrong proof",
        |bencher| {
            bencher.iter(|| {
                let mut exchange = scram.start(&Link::default());
                let first = exchange.step(b"n,,n=ann,r=rOprNGfwEbeRWgbNEkqO", &keys);
                let mailroost_auth::Progress::Challenge(challenge) = first else {
                    panic!("no challenge: {first:?}");
                };
                let nonce = String::from_utf8(challenge).unwrap();
                let nonce = nonce.split(',').next().unwrap();
                let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
                let last = format!("c=biws,{nonce},p={proof}");
                black_box(exchange.step(last.as_bytes(), &keys))
            });
        },
    );
}

criterion_group!(inner, session, transparency, storage, log_on);
criterion_main!(inner);
