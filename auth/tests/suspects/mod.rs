//! Who may be refused, by what, and why: the tables that the test and the example go through.
//! A mechanism or a source is one row more.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    reason = "each uses its part, and a panic fails the test"
)]

mod counted;
mod mechanisms;
mod ntlm;
mod scram;
mod shuffle;
mod sources;
mod talk;
mod token;

use std::sync::Arc;

use mailroost_auth::ntlm::nt_hash;
use mailroost_auth::{PasswordHasher, PasswordSource, ScramKeys, SealingKey, Secret, app_password};
use mailroost_storage::{Credential, Directory, MemoryStore, NewUser, StoredCredential, UserName};

use counted::{CountedDirectory, CountedHasher, Counters};
pub use counted::{Counts, QuickHash};
pub use mechanisms::{Proof, Tried, mechanisms};
pub use shuffle::{Shuffle, spread};
pub use sources::{MakeSource, sources};
pub use talk::Talk;

/// Iterations of SCRAM, of everybody and of nobody.
pub const SCRAM_ITERATIONS: u32 = 4096;

/// Why somebody is refused.
pub struct Case {
    pub what: &'static str,
    pub name: &'static str,
    pub password: &'static str,
    /// A name that one user has: as many look-ups as for any other. The client itself knows that
    /// the others are no names, or has the right password for its own maildrop.
    pub of_a_user: bool,
}

/// Refusals of somebody who guesses.
pub const CASES: [Case; 9] = [
    case("wrong password", "alice", "wrong"),
    case("unknown user", "nobody", "wrong"),
    case("switched off", "carol", "right"),
    case("no password", "dave", "wrong"),
    case("password elsewhere", "erin", "wrong"),
    case("elsewhere, switched off", "frank", "right"),
    other("blocked name", "guest", "wrong"),
    other("no name at all", "a/b/c/d", "wrong"),
    other("somebody else's maildrop", "alice@x.org/bob", "right"),
];

/// Refusals of somebody who has a token, a certificate or a ticket of that name.
pub const PROVEN_CASES: [Case; 5] = [
    case("unknown user", "nobody", "right"),
    case("switched off", "carol", "right"),
    case("elsewhere, switched off", "frank", "right"),
    other("blocked name", "guest", "right"),
    other("no name at all", "a/b/c/d", "right"),
];

const fn case(what: &'static str, name: &'static str, password: &'static str) -> Case {
    Case {
        what,
        name,
        password,
        of_a_user: true,
    }
}

const fn other(what: &'static str, name: &'static str, password: &'static str) -> Case {
    Case {
        of_a_user: false,
        ..case(what, name, password)
    }
}

/// A source to try, what it counted, and the app passwords of its users.
pub struct Stand {
    pub source: Arc<dyn PasswordSource>,
    pub counters: Counters,
    pub app_password: String,
    _folder: tempfile::TempDir,
}

/// What a source is made of.
pub struct Parts {
    pub directory: Arc<dyn Directory>,
    pub hasher: Arc<dyn PasswordHasher>,
    pub key: SealingKey,
    pub counters: Counters,
    /// Holds "passwd" with erin and frank.
    pub folder: std::path::PathBuf,
}

impl Stand {
    /// Users alice and bob; carol, who may not; dave without a password; erin, and frank who may
    /// not, whose passwords are elsewhere.
    pub fn new(make: MakeSource, hasher: impl PasswordHasher) -> Self {
        let counters = Counters::default();
        let hash = hasher.hash(&secret("right")).unwrap();
        let key = SealingKey::generate().unwrap();
        let app_password = app_password::generate().unwrap();
        let store = MemoryStore::new();
        for name in ["alice", "bob", "carol", "dave", "erin", "frank"] {
            let has_password = ["alice", "bob", "carol"].contains(&name);
            let mut user = store
                .add(NewUser {
                    name: UserName::new(name).unwrap(),
                    password_hash: has_password.then(|| hash.clone()),
                })
                .unwrap();
            user.pop_enabled = !["carol", "frank"].contains(&name);
            if has_password {
                let keys = ScramKeys::new(&secret("right"), SCRAM_ITERATIONS).unwrap();
                let sealed = key.seal(&nt_hash("right"), user.maildrop).unwrap();
                user.credentials = [
                    (StoredCredential::AppPassword, app_password.stored.clone()),
                    (StoredCredential::ScramSha256, keys.stored()),
                    (StoredCredential::NtHash, sealed),
                ]
                .map(credential)
                .into();
            }
            store.update(&user).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let file = format!("erin:{hash}\nfrank:{hash}\n");
        std::fs::write(folder.path().join("passwd"), file).unwrap();
        let inner = store;
        let directory = CountedDirectory {
            inner,
            counters: counters.clone(),
        };
        let hasher = CountedHasher {
            inner: hasher,
            counters: counters.clone(),
        };
        Self {
            source: make(Parts {
                directory: Arc::new(directory),
                hasher: Arc::new(hasher),
                key,
                counters: counters.clone(),
                folder: folder.path().to_owned(),
            }),
            counters,
            app_password: app_password.shown.to_string(),
            _folder: folder,
        }
    }
}

fn credential((kind, value): (StoredCredential, String)) -> Credential {
    Credential {
        kind,
        label: "a test".into(),
        value,
        created_secs: 0,
    }
}

fn secret(text: &str) -> Secret {
    Secret::from(text.as_bytes().to_vec())
}
