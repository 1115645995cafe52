//! Who is asked after whom, what a refusal costs, and who gets a maildrop.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mailroost_storage::{Directory, MemoryStore};

use super::*;
use crate::password::{CacheLimits, HashError, PasswordHasher};
use crate::user_name::AcceptedDomains;

const AGE_SECS: u64 = 60;

/// `hash:` and the password is the hash; counts what would have been computed.
#[derive(Default)]
struct Counting(AtomicUsize);

impl PasswordHasher for Counting {
    fn hash(&self, _: &Secret) -> Result<String, HashError> {
        Err(HashError::Unavailable("nothing is hashed here".to_owned()))
    }

    fn matches(&self, password: &Secret, stored: &str) -> Result<bool, HashError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(stored.as_bytes()[5..] == *password.expose_secret())
    }

    fn dummy(&self) -> &str {
        "hash:\0"
    }
}

/// Knows one account, and counts how often it was asked and how often it pretended.
struct One {
    name: &'static str,
    outcome: Mutex<Result<ForeignAccount, AuthError>>,
    stored: Mutex<String>,
    asked: AtomicUsize,
    feigned: AtomicUsize,
}

impl One {
    fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            outcome: Mutex::new(Ok(ForeignAccount::default())),
            stored: Mutex::default(),
            asked: AtomicUsize::new(0),
            feigned: AtomicUsize::new(0),
        })
    }

    fn answers(&self, outcome: Result<ForeignAccount, AuthError>) {
        *self.outcome.lock().unwrap() = outcome;
    }

    fn counts(&self) -> (usize, usize) {
        let count = |counter: &AtomicUsize| counter.swap(0, Ordering::Relaxed);
        (count(&self.asked), count(&self.feigned))
    }
}

impl ForeignPasswords for One {
    fn check(&self, claim: &Claim<'_>, password: &Secret) -> Result<ForeignAccount, AuthError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        assert!(!password.expose_secret().is_empty());
        let known = claim
            .candidates
            .iter()
            .any(|name| name.as_str() == self.name);
        match (&*self.outcome.lock().unwrap(), known) {
            (Err(error @ AuthError::Unavailable(_)), _) => Err(error.clone()),
            (_, false) => Err(AuthError::UnknownUser),
            (Ok(account), true) if password.expose_secret() == b"right" => Ok(account.clone()),
            (Ok(_), true) => Err(AuthError::WrongPassword),
            (Err(error), true) => Err(error.clone()),
        }
    }

    fn feign(&self, _: &Secret) {
        self.feigned.fetch_add(1, Ordering::Relaxed);
    }

    fn stored(&self, _: &Claim<'_>) -> String {
        self.stored.lock().unwrap().clone()
    }
}

struct Bench {
    store: Arc<MemoryStore>,
    hasher: Arc<Counting>,
    clock: Arc<Mutex<Instant>>,
    directory: Arc<DirectoryPasswords>,
}

impl Bench {
    /// A directory in which alice has a password and bob has none.
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        for (name, hash) in [("alice", Some("hash:a secret")), ("bob", None)] {
            store
                .add(NewUser {
                    name: UserName::new(name).unwrap(),
                    password_hash: hash.map(str::to_owned),
                })
                .unwrap();
        }
        let hasher = Arc::new(Counting::default());
        let clock = Arc::new(Mutex::new(Instant::now()));
        let now = Arc::clone(&clock);
        let directory = DirectoryPasswords::new(store.clone(), hasher.clone(), cache())
            .accepting(AcceptedDomains::new(["example.org"]))
            .with_clock(move || *now.lock().unwrap());
        Self {
            store,
            hasher,
            clock,
            directory: Arc::new(directory),
        }
    }

    /// The directory's passwords, then those of `others`.
    fn chain(&self, others: Vec<(Arc<One>, OnWrongPassword, bool)>) -> PasswordChain {
        let directory = ChainLink {
            source: LinkedSource::Directory,
            on_wrong_password: OnWrongPassword::Stop,
        };
        let foreign = others
            .into_iter()
            .map(|(source, on_wrong_password, provision)| {
                let name = source.name.into();
                let cache = cache();
                let link = ForeignLink {
                    source,
                    cache,
                    provision,
                    name,
                };
                ChainLink {
                    source: LinkedSource::Foreign(link),
                    on_wrong_password,
                }
            });
        let links = std::iter::once(directory).chain(foreign).collect();
        PasswordChain::new(self.directory.clone(), links)
    }

    /// The outcome, and how many hashes it took.
    fn verify(
        &self,
        chain: &PasswordChain,
        name: &str,
        password: &str,
    ) -> (Result<String, AuthError>, usize) {
        self.hasher.0.store(0, Ordering::Relaxed);
        let outcome = chain.verify(name, &Secret::from(password.as_bytes().to_vec()));
        let outcome = outcome.map(|identity| identity.user.to_string());
        (outcome, self.hasher.0.load(Ordering::Relaxed))
    }
}

fn cache() -> PasswordCache {
    let age_max = Duration::from_secs(AGE_SECS);
    PasswordCache::new(CacheLimits {
        users_max: 10,
        age_max,
    })
    .unwrap()
}

fn ok(name: &str) -> Result<String, AuthError> {
    Ok(name.to_owned())
}

fn down() -> AuthError {
    AuthError::Unavailable("it is down".to_owned())
}

#[test]
fn who_is_unknown_to_one_source_is_looked_for_at_the_next() {
    let (bench, carol, dave) = (Bench::new(), One::new("carol"), One::new("dave"));
    let links = vec![
        (carol.clone(), OnWrongPassword::Stop, true),
        (dave.clone(), OnWrongPassword::Stop, true),
    ];
    let chain = bench.chain(links);
    assert_eq!(bench.verify(&chain, "alice", "a secret"), (ok("alice"), 1));
    assert_eq!((carol.counts(), dave.counts()), ((0, 0), (0, 0)));
    assert_eq!(bench.verify(&chain, "carol", "right"), (ok("carol"), 0));
    assert_eq!((carol.counts(), dave.counts()), ((1, 0), (0, 0)));
    assert_eq!(bench.verify(&chain, "dave", "right"), (ok("dave"), 0));
    assert_eq!((carol.counts(), dave.counts()), ((1, 0), (1, 0)));
}

#[test]
fn every_refusal_costs_one_hash_and_all_sources_their_trouble() {
    let (bench, carol, dave) = (Bench::new(), One::new("carol"), One::new("dave"));
    let links = vec![
        (carol.clone(), OnWrongPassword::Stop, true),
        (dave.clone(), OnWrongPassword::Stop, true),
    ];
    let chain = bench.chain(links);
    for (name, refusal) in [
        ("alice", AuthError::WrongPassword),
        ("carol", AuthError::WrongPassword),
        ("dave", AuthError::WrongPassword),
        ("bob", AuthError::UnknownUser),
        ("nobody", AuthError::UnknownUser),
    ] {
        assert_eq!(
            bench.verify(&chain, name, "wrong"),
            (Err(refusal), 1),
            "{name}"
        );
        for source in [&carol, &dave] {
            let (asked, feigned) = source.counts();
            assert_eq!(asked + feigned, 1, "{name}: {}", source.name);
        }
    }
    for (name, password) in [("a/b/c/d", "x"), ("", "x"), ("guest", "x"), ("carol", "")] {
        assert_eq!(bench.verify(&chain, name, password).1, 1, "{name:?}");
    }
}

#[test]
fn after_a_wrong_password_the_next_source_is_asked_where_that_is_wanted() {
    for (on_wrong_password, outcome) in [
        (OnWrongPassword::Stop, Err(AuthError::WrongPassword)),
        (OnWrongPassword::Next, ok("carol")),
    ] {
        let (bench, first, second) = (Bench::new(), One::new("carol"), One::new("carol"));
        first.answers(Err(AuthError::WrongPassword));
        let links = vec![
            (first, on_wrong_password, true),
            (second, OnWrongPassword::Stop, true),
        ];
        let chain = bench.chain(links);
        assert_eq!(bench.verify(&chain, "carol", "right").0, outcome);
        // The last word on somebody whom only the first knows is that the password was wrong.
        assert_eq!(
            bench.verify(&chain, "carol", "wrong").0,
            Err(AuthError::WrongPassword)
        );
    }
}

#[test]
fn a_source_that_does_not_answer_ends_the_search_and_is_named() {
    let (bench, carol, dave) = (Bench::new(), One::new("carol"), One::new("dave"));
    let links = vec![
        (carol.clone(), OnWrongPassword::Next, true),
        (dave.clone(), OnWrongPassword::Stop, true),
    ];
    let chain = bench.chain(links);
    carol.answers(Err(down()));
    for (name, password) in [("dave", "right"), ("nobody", "x"), ("carol", "right")] {
        let outcome = Err(AuthError::Unavailable("carol: it is down".to_owned()));
        assert_eq!(bench.verify(&chain, name, password).0, outcome);
    }
    assert_eq!(dave.counts(), (0, 0));
    assert_eq!(bench.verify(&chain, "alice", "a secret").0, ok("alice"));
    carol.answers(Ok(ForeignAccount::default()));
    assert_eq!(bench.verify(&chain, "carol", "right").0, ok("carol"));
}

#[test]
fn who_has_no_maildrop_gets_one_at_the_first_log_on_or_is_refused() {
    let (bench, carol, dave) = (Bench::new(), One::new("carol"), One::new("dave"));
    let links = vec![
        (carol.clone(), OnWrongPassword::Stop, true),
        (dave, OnWrongPassword::Stop, false),
    ];
    let chain = bench.chain(links);
    let find = |name: &str| bench.store.find(&UserName::new(name).unwrap()).unwrap();
    assert_eq!(
        bench.verify(&chain, "carol", "wrong").0,
        Err(AuthError::WrongPassword)
    );
    assert_eq!(find("carol"), None);
    carol.answers(Ok(ForeignAccount {
        site: Some("north".into()),
        quota_octets: Some(1_000_000),
        ..ForeignAccount::default()
    }));
    assert_eq!(
        bench.verify(&chain, "Carol@example.org", "right").0,
        ok("carol")
    );
    let user = find("carol").unwrap();
    assert_eq!(
        (user.password_hash, user.site.as_deref()),
        (None, Some("north"))
    );
    assert_eq!(user.quota.octets, Some(1_000_000));
    assert_eq!(bench.verify(&chain, "carol", "right").0, ok("carol"));
    assert_eq!(find("carol").unwrap().maildrop, user.maildrop);
    let (outcome, hashes) = bench.verify(&chain, "dave", "right");
    assert!(
        matches!(outcome, Err(AuthError::NotPermitted(_))),
        "{outcome:?}"
    );
    assert_eq!((find("dave"), hashes), (None, 1));
}

#[test]
fn the_source_says_whose_maildrop_it_is() {
    let (bench, carol) = (Bench::new(), One::new("carol"));
    carol.answers(Ok(ForeignAccount {
        maildrop: Some(UserName::new("bob").unwrap()),
        ..ForeignAccount::default()
    }));
    let chain = bench.chain(vec![(carol.clone(), OnWrongPassword::Stop, false)]);
    for _ in 0..2 {
        assert_eq!(bench.verify(&chain, "carol", "right").0, ok("bob"));
    }
    assert_eq!(carol.counts(), (1, 0), "it is remembered");
}

#[test]
fn what_a_source_proved_is_remembered_until_it_is_too_old_or_changes() {
    let (bench, carol) = (Bench::new(), One::new("carol"));
    let chain = bench.chain(vec![(carol.clone(), OnWrongPassword::Stop, true)]);
    let asked = || {
        assert_eq!(bench.verify(&chain, "carol", "right").0, ok("carol"));
        carol.counts().0
    };
    assert_eq!([asked(), asked()], [1, 0]);
    *carol.stored.lock().unwrap() = "another hash".to_owned();
    assert_eq!([asked(), asked()], [1, 0]);
    *bench.clock.lock().unwrap() += Duration::from_secs(AGE_SECS);
    assert_eq!([asked(), asked()], [1, 0]);
    carol.answers(Err(down()));
    assert_eq!(
        asked(),
        0,
        "who was proven can log on while the source is down"
    );
    bench
        .store
        .remove(&UserName::new("carol").unwrap())
        .unwrap();
    assert!(bench.verify(&chain, "carol", "right").0.is_err());
}

#[test]
fn a_user_whose_pop3_is_switched_off_here_is_refused_whatever_the_source_says() {
    let (bench, bob) = (Bench::new(), One::new("bob"));
    let chain = bench.chain(vec![(bob, OnWrongPassword::Stop, true)]);
    assert_eq!(bench.verify(&chain, "bob", "right").0, ok("bob"));
    let mut user = bench
        .store
        .find(&UserName::new("bob").unwrap())
        .unwrap()
        .unwrap();
    user.pop_enabled = false;
    bench.store.update(&user).unwrap();
    let (outcome, hashes) = bench.verify(&chain, "bob", "right");
    assert!(
        matches!(outcome, Err(AuthError::NotPermitted(_))),
        "{outcome:?}"
    );
    assert_eq!(hashes, 1);
}
