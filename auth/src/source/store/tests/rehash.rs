//! Hashes from elsewhere are replaced by our own, and nothing else with them.

use mailroost_storage::MemoryStore;

use super::*;
use crate::{AnyHash, Argon2id, Cost};

#[test]
fn a_hash_from_elsewhere_is_replaced_at_the_next_good_log_on() {
    let store = Arc::new(MemoryStore::new());
    let name = UserName::new("alice").unwrap();
    let imported = "{SSHA}O54jdNDyU9TP76AX8b2FlpYylokxfGmt";
    let new = NewUser {
        name: name.clone(),
        password_hash: Some(imported.to_owned()),
    };
    store.add(new).unwrap();
    let own = Argon2id::new(Cost::new(7168, 1, 1).unwrap()).unwrap();
    let cache = PasswordCache::new(CacheLimits::default()).unwrap();
    let hasher = Arc::new(AnyHash::new(own, 2));
    let source = DirectoryPasswords::new(store.clone(), hasher, cache);
    let verify = |password: &str| {
        let password = Secret::from(password.as_bytes().to_vec());
        let outcome = source.verify("alice", &password);
        let stored = store.find(&name).unwrap().unwrap().password_hash.unwrap();
        (outcome.is_ok(), stored)
    };
    assert_eq!(verify("wrong"), (false, imported.to_owned()));
    let (is_in, stored) = verify("secret");
    assert!(is_in && stored.starts_with("$argon2id$"), "{stored}");
    assert_eq!(source.cache().len(), 1);
    assert_eq!(verify("secret"), (true, stored.clone()));
    source.cache().clear();
    assert_eq!(verify("secret"), (true, stored.clone()));
    assert_eq!(verify("wrong"), (false, stored));
}

/// Changes the password at the moment in which the old one is hashed anew.
struct Interrupting {
    own: AnyHash,
    store: Arc<MemoryStore>,
}

impl PasswordHasher for Interrupting {
    fn hash(&self, password: &Secret) -> Result<String, HashError> {
        let name = UserName::new("alice").unwrap();
        let mut user = self.store.find(&name).unwrap().unwrap();
        user.password_hash = Some("of the administrator".to_owned());
        user.pop_enabled = false;
        self.store.update(&user).unwrap();
        self.own.hash(password)
    }

    fn matches(&self, password: &Secret, stored: &str) -> Result<bool, HashError> {
        self.own.matches(password, stored)
    }

    fn dummy(&self) -> &str {
        self.own.dummy()
    }

    fn is_own(&self, stored: &str) -> bool {
        self.own.is_own(stored)
    }
}

#[test]
fn a_password_that_is_changed_while_the_old_one_is_hashed_anew_stays_changed() {
    let store = Arc::new(MemoryStore::new());
    let name = UserName::new("alice").unwrap();
    let new = NewUser {
        name: name.clone(),
        password_hash: Some("{SSHA}O54jdNDyU9TP76AX8b2FlpYylokxfGmt".to_owned()),
    };
    store.add(new).unwrap();
    let own = Argon2id::new(Cost::new(7168, 1, 1).unwrap()).unwrap();
    let hasher = Arc::new(Interrupting {
        own: AnyHash::new(own, 2),
        store: Arc::clone(&store),
    });
    let cache = PasswordCache::new(CacheLimits::default()).unwrap();
    let source = DirectoryPasswords::new(store.clone(), hasher, cache);
    let secret = Secret::from(b"secret".to_vec());
    source.verify("alice", &secret).unwrap();
    let user = store.find(&name).unwrap().unwrap();
    assert_eq!(user.password_hash.as_deref(), Some("of the administrator"));
    assert!(!user.pop_enabled);
    assert!(source.cache().is_empty(), "the old one is not remembered");
    assert!(source.verify("alice", &secret).is_err());
}
