//! Who is let in, and that every refusal costs one hash.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mailroost_storage::{MaildropId, NewUser, StoreError, StoreErrorKind, UserName};

use super::*;
use crate::password::CacheLimits;

mod recent;
mod rehash;

const AGE_SECS: u64 = 60;

/// A directory that can be told to fail.
#[derive(Default)]
struct Users {
    users: Mutex<BTreeMap<UserName, User>>,
    broken: Mutex<bool>,
}

impl Users {
    fn put(&self, name: &str, hash: Option<&str>, pop_enabled: bool) {
        let mut users = self.users.lock().unwrap();
        let name = UserName::new(name).unwrap();
        let maildrop = users
            .get(&name)
            .map_or(MaildropId(users.len() as u64), |known| known.maildrop);
        let new = NewUser {
            name: name.clone(),
            password_hash: hash.map(str::to_owned),
        };
        let user = User {
            pop_enabled,
            use_protocol_defaults: false,
            exact_rfc822_size: Some(true),
            site: Some("north-1".into()),
            ..User::new(new, maildrop, 0)
        };
        users.insert(name, user);
    }
}

impl Directory for Users {
    fn find(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        if *self.broken.lock().unwrap() {
            return Err(StoreError::new(StoreErrorKind::Io, "read the directory"));
        }
        Ok(self.users.lock().unwrap().get(name).cloned())
    }

    fn resolve(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        self.find(name)
    }

    fn add(&self, _: NewUser) -> Result<User, StoreError> {
        Err(StoreError::new(
            StoreErrorKind::Invalid,
            "these users do not change",
        ))
    }

    fn update(&self, _: &User) -> Result<(), StoreError> {
        Err(StoreError::new(
            StoreErrorKind::Invalid,
            "these users do not change",
        ))
    }

    fn update_if(&self, _: &User, user: &User) -> Result<bool, StoreError> {
        self.update(user).map(|()| true)
    }

    fn remove(&self, _: &UserName) -> Result<User, StoreError> {
        Err(StoreError::new(
            StoreErrorKind::Invalid,
            "these users do not change",
        ))
    }

    fn list(&self, _: Option<&UserName>, _: usize) -> Result<Vec<User>, StoreError> {
        Ok(self.users.lock().unwrap().values().cloned().collect())
    }
}

/// `hash:` and the password is the hash; counts what would have been computed.
#[derive(Default)]
struct Counting(AtomicUsize);

impl PasswordHasher for Counting {
    fn hash(&self, password: &Secret) -> Result<String, HashError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(format!(
            "hash:{}",
            String::from_utf8_lossy(password.expose_secret())
        ))
    }

    fn matches(&self, password: &Secret, stored: &str) -> Result<bool, HashError> {
        let hashed = stored
            .strip_prefix("hash:")
            .ok_or(HashError::Stored("no hash"))?;
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(hashed.as_bytes() == password.expose_secret())
    }

    fn dummy(&self) -> &str {
        "hash:\0"
    }
}

/// A source with a few users, a clock that stands, and the count of hashes.
struct Bench {
    users: Arc<Users>,
    hasher: Arc<Counting>,
    clock: Arc<Mutex<Instant>>,
    source: DirectoryPasswords,
}

impl Bench {
    fn new() -> Self {
        let users = Arc::new(Users::default());
        users.put("alice", Some("hash:a secret"), true);
        users.put("bob@contoso.com", Some("hash:b secret"), true);
        users.put("carol", None, true);
        users.put("dave", Some("hash:d secret"), false);
        users.put("erin", Some("$6$damaged"), true);
        users.put("guest", Some("hash:g secret"), true);
        users.put("frank", Some("hash:"), true);
        let hasher = Arc::new(Counting::default());
        let clock = Arc::new(Mutex::new(Instant::now()));
        let limits = CacheLimits {
            users_max: 10,
            age_max: Duration::from_secs(AGE_SECS),
        };
        let now = Arc::clone(&clock);
        let source = DirectoryPasswords::new(
            Arc::clone(&users) as Arc<dyn Directory>,
            Arc::clone(&hasher) as Arc<dyn PasswordHasher>,
            PasswordCache::new(limits).unwrap(),
        )
        .accepting(AcceptedDomains::new(["contoso.com", "contoso"]))
        .with_clock(move || *now.lock().unwrap());
        Self {
            users,
            hasher,
            clock,
            source,
        }
    }

    /// The outcome, and how many hashes it took.
    fn verify(&self, name: &str, password: &str) -> (Result<String, AuthError>, usize) {
        let before = self.hasher.0.load(Ordering::Relaxed);
        let password = Secret::from(password.as_bytes().to_vec());
        let outcome = self.source.verify_octets(name.as_bytes(), &password);
        let hashes = self.hasher.0.load(Ordering::Relaxed) - before;
        (outcome.map(|identity| identity.user.to_string()), hashes)
    }

    fn pass(&self, secs: u64) {
        *self.clock.lock().unwrap() += Duration::from_secs(secs);
    }
}

fn is_not_permitted(outcome: &Result<String, AuthError>) -> bool {
    matches!(outcome, Err(AuthError::NotPermitted(_)))
}

#[test]
fn the_right_password_lets_in_with_the_users_maildrop_and_overrides() {
    let bench = Bench::new();
    let password = Secret::from(b"b secret".to_vec());
    let identity = bench.source.verify("bob", &password).unwrap();
    assert_eq!(
        identity,
        Identity {
            delegate: None,
            user: UserName::new("bob@contoso.com").unwrap(),
            maildrop: MaildropId(1),
            exact_rfc822_size: Some(true),
            site: Some("north-1".into()),
        }
    );
}

#[test]
fn every_refusal_costs_exactly_one_hash() {
    let bench = Bench::new();
    for (name, password, expected) in [
        ("nobody", "a secret", AuthError::UnknownUser),
        ("nobody@contoso.com", "a secret", AuthError::UnknownUser),
        ("", "a secret", AuthError::UnknownUser),
        ("a/b/c/d", "a secret", AuthError::UnknownUser),
        ("al ice", "a secret", AuthError::UnknownUser),
        ("alice@fabrikam.com", "a secret", AuthError::UnknownUser),
        ("alice", "wrong", AuthError::WrongPassword),
        ("alice", "", AuthError::WrongPassword),
        ("carol", "anything", AuthError::WrongPassword),
        ("carol", "", AuthError::WrongPassword),
        ("dave", "wrong", AuthError::WrongPassword),
        ("frank", "", AuthError::WrongPassword),
        ("nobody", "\0", AuthError::UnknownUser),
    ] {
        assert_eq!(
            bench.verify(name, password),
            (Err(expected), 1),
            "{name:?} {password:?}"
        );
    }
    for (name, password) in [
        ("dave", "d secret"),
        ("erin", "anything"),
        ("guest", "g secret"),
        ("guest", "wrong"),
        ("Contoso\\Anonymous", "anything"),
    ] {
        let (outcome, hashes) = bench.verify(name, password);
        assert!(is_not_permitted(&outcome), "{name:?}: {outcome:?}");
        assert_eq!(hashes, 1, "{name:?}");
    }
}

#[test]
fn a_name_that_is_not_utf_8_is_unknown_after_one_hash() {
    let bench = Bench::new();
    let outcome = bench
        .source
        .verify_octets(b"al\xffice", &Secret::from(b"a secret".to_vec()));
    assert_eq!(outcome, Err(AuthError::UnknownUser));
    assert_eq!(bench.hasher.0.load(Ordering::Relaxed), 1);
}

#[test]
fn a_proven_password_is_remembered_and_a_wrong_one_never() {
    let bench = Bench::new();
    assert_eq!(
        bench.verify("alice", "wrong"),
        (Err(AuthError::WrongPassword), 1)
    );
    assert_eq!(
        bench.verify("alice", "wrong"),
        (Err(AuthError::WrongPassword), 1)
    );
    assert_eq!(
        bench.verify("alice", "a secret"),
        (Ok("alice".to_owned()), 1)
    );
    assert_eq!(
        bench.verify("alice", "a secret"),
        (Ok("alice".to_owned()), 0)
    );
    assert_eq!(
        bench.verify("CONTOSO\\Alice", "a secret"),
        (Ok("alice".to_owned()), 0)
    );
    assert_eq!(
        bench.verify("alice", "wrong"),
        (Err(AuthError::WrongPassword), 1)
    );
    assert_eq!(
        bench.verify("alice", "a secret"),
        (Ok("alice".to_owned()), 0)
    );
}

#[test]
fn what_is_remembered_is_forgotten_in_time() {
    let bench = Bench::new();
    assert_eq!(bench.verify("alice", "a secret").1, 1);
    bench.pass(AGE_SECS - 1);
    assert_eq!(bench.verify("alice", "a secret").1, 0);
    bench.pass(1);
    assert_eq!(
        bench.verify("alice", "a secret"),
        (Ok("alice".to_owned()), 1)
    );
    bench.source.cache().clear();
    assert_eq!(bench.verify("alice", "a secret").1, 1);
}

#[test]
fn a_changed_password_counts_at_once() {
    let bench = Bench::new();
    assert_eq!(bench.verify("alice", "a secret").1, 1);
    bench.users.put("alice", Some("hash:new secret"), true);
    assert_eq!(
        bench.verify("alice", "a secret"),
        (Err(AuthError::WrongPassword), 1)
    );
    assert_eq!(
        bench.verify("alice", "new secret"),
        (Ok("alice".to_owned()), 1)
    );
}

#[test]
fn switching_pop3_off_counts_at_once_and_costs_the_hash() {
    let bench = Bench::new();
    assert_eq!(bench.verify("alice", "a secret").1, 1);
    bench.users.put("alice", Some("hash:a secret"), false);
    for _ in 0..2 {
        let (outcome, hashes) = bench.verify("alice", "a secret");
        assert!(is_not_permitted(&outcome), "{outcome:?}");
        assert_eq!(hashes, 1);
    }
}

#[test]
fn the_name_forms_lead_to_the_stored_name() {
    let bench = Bench::new();
    for (name, password, user) in [
        ("ALICE", "a secret", "alice"),
        ("alice@contoso.com", "a secret", "alice"),
        ("Contoso/alice", "a secret", "alice"),
        ("bob@Contoso.com", "b secret", "bob@contoso.com"),
        ("CONTOSO\\bob", "b secret", "bob@contoso.com"),
        ("contoso\\alice\\alice", "a secret", "alice"),
        ("bob@contoso.com/bob", "b secret", "bob@contoso.com"),
    ] {
        assert_eq!(
            bench.verify(name, password).0,
            Ok(user.to_owned()),
            "{name}"
        );
    }
}

#[test]
fn a_stored_whole_name_comes_before_the_stored_alias() {
    let bench = Bench::new();
    bench
        .users
        .put("alice@contoso.com", Some("hash:whole"), true);
    assert_eq!(
        bench.verify("alice@contoso.com", "whole").0,
        Ok("alice@contoso.com".to_owned())
    );
    assert_eq!(bench.verify("alice", "a secret").0, Ok("alice".to_owned()));
}

#[test]
fn delegates_are_refused_after_their_password_was_proven() {
    let bench = Bench::new();
    for name in [
        "contoso/alice/bob",
        "alice@contoso.com/bob",
        "alice@contoso.com/nobody",
    ] {
        assert!(
            is_not_permitted(&bench.verify(name, "a secret").0),
            "{name}"
        );
        assert_eq!(
            bench.verify(name, "b secret"),
            (Err(AuthError::WrongPassword), 1),
            "{name}"
        );
    }
}

#[test]
fn a_directory_that_fails_is_unavailable() {
    let bench = Bench::new();
    *bench.users.broken.lock().unwrap() = true;
    let (outcome, _) = bench.verify("alice", "a secret");
    assert_eq!(
        outcome,
        Err(AuthError::Unavailable("read the directory".to_owned()))
    );
}

#[test]
fn argon2id_and_the_directory_work_together() {
    let hasher = crate::Argon2id::new(crate::Cost::default()).unwrap();
    let hash = hasher
        .hash(&Secret::from(b"p\xc3\xa4ss w\xc3\xb6rd ".to_vec()))
        .unwrap();
    let users = Arc::new(Users::default());
    users.put("alice", Some(&hash), true);
    let cache = PasswordCache::new(CacheLimits::default()).unwrap();
    let source = DirectoryPasswords::new(users, Arc::new(hasher), cache);
    let verify =
        |name, password: &str| source.verify(name, &Secret::from(password.as_bytes().to_vec()));
    assert!(verify("alice", "päss wörd ").is_ok());
    assert!(verify("alice", "päss wörd ").is_ok());
    assert_eq!(verify("alice", "päss wörd"), Err(AuthError::WrongPassword));
    assert_eq!(verify("bob", "päss wörd "), Err(AuthError::UnknownUser));
}

#[test]
fn debug_shows_no_user_and_no_secret() {
    let bench = Bench::new();
    assert_eq!(bench.verify("alice", "a secret").1, 1);
    let text = format!("{:?}", bench.source);
    assert!(
        !text.contains("alice") && !text.contains("secret"),
        "{text}"
    );
}

#[test]
fn an_app_password_lets_in_without_a_hash_and_a_wrong_one_costs_one() {
    let bench = Bench::new();
    let new = crate::app_password::generate().unwrap();
    let mut user = bench
        .users
        .find(&UserName::new("carol").unwrap())
        .unwrap()
        .unwrap();
    user.credentials = vec![mailroost_storage::Credential {
        kind: StoredCredential::AppPassword,
        label: "telephone".into(),
        value: new.stored.clone(),
        created_secs: 0,
    }];
    bench
        .users
        .users
        .lock()
        .unwrap()
        .insert(user.name.clone(), user);
    assert_eq!(
        bench.verify("carol", &new.shown),
        (Ok("carol".to_owned()), 0)
    );
    assert_eq!(
        bench.verify("alice", &new.shown),
        (Err(AuthError::WrongPassword), 1)
    );
    let wrong = new.shown.replace(['0', '1', '2', '3'], "z");
    let wrong = format!("{}zzz", &wrong[..wrong.len() - 3]);
    assert_eq!(
        bench.verify("carol", &wrong),
        (Err(AuthError::WrongPassword), 1)
    );
}
