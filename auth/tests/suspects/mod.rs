//! Who may be refused, by what, and why: the tables that the test and the example go through.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mailroost_auth::{
    Argon2id, CacheLimits, ChainLink, Cost, DirectoryPasswords, HashError, Link, LinkedSource,
    Mechanism, OnWrongPassword, PasswordCache, PasswordChain, PasswordHasher, PasswordSource,
    Plain, Progress, Secret,
};
use mailroost_storage::{Directory, MemoryStore, NewUser, UserName};

/// What is wrong, with which name and password.
pub const CASES: [(&str, &str, &str); 7] = [
    ("wrong password", "alice", "wrong"),
    ("unknown user", "nobody", "wrong"),
    ("switched off", "carol", "right"),
    ("no password", "dave", "wrong"),
    ("blocked name", "guest", "wrong"),
    ("no name at all", "a/b/c/d", "wrong"),
    ("somebody else's maildrop", "alice@x.org/bob", "right"),
];

/// A source to try, and how many hashes it computed.
pub struct Stand {
    pub source: Arc<dyn PasswordSource>,
    pub hashes: Arc<AtomicUsize>,
}

/// Makes a source over a directory.
pub type MakeSource = fn(Arc<dyn Directory>, Arc<dyn PasswordHasher>) -> Arc<dyn PasswordSource>;

/// The sources.
pub fn sources() -> [(&'static str, MakeSource); 2] {
    [
        ("the directory", |directory, hasher| {
            Arc::new(own(directory, hasher))
        }),
        ("a chain with the directory", |directory, hasher| {
            let link = ChainLink {
                source: LinkedSource::Directory,
                on_wrong_password: OnWrongPassword::Next,
            };
            let own = Arc::new(own(directory, hasher));
            Arc::new(PasswordChain::new(own, vec![link]))
        }),
    ]
}

/// A mechanism that can be tried.
pub struct Tried {
    pub name: &'static str,
    /// Name and password lead to so many messages of the client and an outcome.
    pub try_log_on: fn(&dyn PasswordSource, &str, &str) -> (usize, Progress),
}

/// The mechanisms, USER and PASS among them.
pub fn mechanisms() -> [Tried; 2] {
    [
        Tried {
            name: "password",
            try_log_on: |source, name, password| {
                let outcome = source.verify_octets(name.as_bytes(), &secret(password));
                (1, outcome.map_or_else(Progress::Failure, Progress::Success))
            },
        },
        Tried {
            name: "PLAIN",
            try_log_on: |source, name, password| {
                let message = format!("\0{name}\0{password}");
                let mut exchange = Plain.start(&Link::default());
                (1, exchange.step(message.as_bytes(), source))
            },
        },
    ]
}

impl Stand {
    /// Users alice and bob, carol who may not, dave without a password.
    pub fn new(make: MakeSource) -> Self {
        let hasher = Counting {
            inner: Argon2id::new(Cost::new(7168, 1, 1).unwrap()).unwrap(),
            hashes: Arc::default(),
        };
        let store = MemoryStore::new();
        for (name, password) in [
            ("alice", true),
            ("bob", true),
            ("carol", true),
            ("dave", false),
        ] {
            let hash = password.then(|| hasher.hash(&secret("right")).unwrap());
            let mut user = store
                .add(NewUser {
                    name: UserName::new(name).unwrap(),
                    password_hash: hash,
                })
                .unwrap();
            user.pop_enabled = name != "carol";
            store.update(&user).unwrap();
        }
        let hashes = Arc::clone(&hasher.hashes);
        Self {
            source: make(Arc::new(store), Arc::new(hasher)),
            hashes,
        }
    }
}

fn own(directory: Arc<dyn Directory>, hasher: Arc<dyn PasswordHasher>) -> DirectoryPasswords {
    let none = CacheLimits {
        users_max: 0,
        ..CacheLimits::default()
    };
    DirectoryPasswords::new(directory, hasher, PasswordCache::new(none).unwrap())
}

fn secret(text: &str) -> Secret {
    Secret::from(text.as_bytes().to_vec())
}

/// Counts the checks.
struct Counting {
    inner: Argon2id,
    hashes: Arc<AtomicUsize>,
}

impl PasswordHasher for Counting {
    fn hash(&self, password: &Secret) -> Result<String, HashError> {
        self.inner.hash(password)
    }

    fn matches(&self, password: &Secret, stored: &str) -> Result<bool, HashError> {
        self.hashes.fetch_add(1, Ordering::SeqCst);
        self.inner.matches(password, stored)
    }

    fn dummy(&self) -> &str {
        self.inner.dummy()
    }
}
