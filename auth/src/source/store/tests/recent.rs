//! Whole log-ons of a short time ago: they are known without a look-up, and end with any change.

use mailroost_storage::MemoryStore;

use super::*;

struct Recalling {
    store: MemoryStore,
    clock: Arc<Mutex<Instant>>,
    source: DirectoryPasswords,
}

impl Recalling {
    /// `alice` and `bob`, whose passwords are `a` and `b`.
    fn new() -> Self {
        let store = MemoryStore::new();
        for (name, hash) in [("alice", "hash:a"), ("bob", "hash:b")] {
            let name = UserName::new(name).unwrap();
            let password_hash = Some(hash.to_owned());
            store
                .add(NewUser {
                    name,
                    password_hash,
                })
                .unwrap();
        }
        let clock = Arc::new(Mutex::new(Instant::now()));
        let limits = CacheLimits {
            users_max: 10,
            age_max: Duration::from_secs(AGE_SECS),
        };
        let now = Arc::clone(&clock);
        let source = DirectoryPasswords::new(
            Arc::new(store.clone()),
            Arc::new(Counting::default()),
            PasswordCache::new(limits).unwrap(),
        )
        .with_clock(move || *now.lock().unwrap());
        Self {
            store,
            clock,
            source,
        }
    }

    fn verify(&self, name: &str, password: &str) -> bool {
        let password = Secret::from(password.as_bytes().to_vec());
        self.source.verify(name, &password).is_ok()
    }

    fn recall(&self, name: &str, password: &str) -> Option<String> {
        let password = Secret::from(password.as_bytes().to_vec());
        let identity = self.source.recall(name.as_bytes(), &password);
        identity.map(|identity| identity.to_string())
    }

    fn pass(&self, secs: u64) {
        *self.clock.lock().unwrap() += Duration::from_secs(secs);
    }
}

#[test]
fn who_came_in_is_recalled_and_who_did_not_is_not() {
    let recalling = Recalling::new();
    assert_eq!(recalling.recall("alice", "a"), None);
    assert!(recalling.verify("alice", "a"));
    assert_eq!(recalling.recall("alice", "a").as_deref(), Some("alice"));
    for (name, password) in [("alice", "b"), ("bob", "b"), ("nobody", "a")] {
        assert_eq!(recalling.recall(name, password), None, "{name}");
    }
    assert!(!recalling.verify("alice", "b"));
    assert_eq!(recalling.recall("alice", "b"), None);
}

#[test]
fn any_change_of_a_user_ends_it() {
    let recalling = Recalling::new();
    let alice = UserName::new("alice").unwrap();
    let changes: [fn(&mut User); 3] = [
        |user| user.pop_enabled = false,
        |user| user.pop_enabled = true,
        |user| user.password_hash = Some("hash:new".to_owned()),
    ];
    for change in changes {
        let before = recalling.verify("alice", "a");
        assert_eq!(recalling.recall("alice", "a").is_some(), before);
        let mut user = recalling.store.find(&alice).unwrap().unwrap();
        change(&mut user);
        recalling.store.update(&user).unwrap();
        assert_eq!(recalling.recall("alice", "a"), None);
    }
    assert!(!recalling.verify("alice", "a") && recalling.verify("alice", "new"));
    assert!(recalling.recall("alice", "new").is_some());
    recalling.store.remove(&alice).unwrap();
    assert_eq!(recalling.recall("alice", "new"), None);
}

#[test]
fn it_lasts_no_longer_than_the_proof_whatever_happens_meanwhile() {
    let recalling = Recalling::new();
    assert!(recalling.verify("alice", "a"));
    recalling.pass(AGE_SECS - 1);
    assert!(recalling.verify("alice", "a"));
    assert!(recalling.recall("alice", "a").is_some());
    recalling.pass(1);
    assert_eq!(recalling.recall("alice", "a"), None);
    assert!(recalling.verify("alice", "a"));
    recalling
        .source
        .cache()
        .forget(&UserName::new("alice").unwrap());
    assert_eq!(recalling.recall("alice", "a"), None);
}
