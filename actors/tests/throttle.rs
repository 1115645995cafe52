//! Who guesses waits, then is banned; nobody else notices (MS-STANXPOP3 V0001, C0005).
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod fixture;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fixture::lines::Lines;
use fixture::{Client, Fixture, NameIsPassword, population};
use mailroost_actors::{Security, TreeHandle};
use mailroost_auth::throttle::Scope;
use mailroost_auth::{AuthError, Identity, PasswordSource, Plain, Secret, ThrottleRules};

const REFUSED: &str = "-ERR Logon failure: unknown user name or bad password.";

/// Counts how often a password was looked at.
struct Counting(NameIsPassword, Arc<AtomicUsize>);

impl PasswordSource for Counting {
    fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.verify(name, password)
    }
}

/// A fixture in which nobody is trusted, with the users alice and bob.
fn strict() -> (Fixture, Arc<AtomicUsize>) {
    let mut fixture = Fixture::new();
    fixture.user("alice", 1);
    fixture.user("bob", 1);
    let looks = Arc::new(AtomicUsize::new(0));
    let passwords = NameIsPassword(fixture.store.clone());
    fixture.passwords = Arc::new(Counting(passwords, Arc::clone(&looks)));
    fixture.throttle = ThrottleRules {
        trusted: Vec::new(),
        ..ThrottleRules::default()
    };
    fixture.mechanisms = vec![Arc::new(Plain)];
    (fixture, looks)
}

async fn dial(tree: &TreeHandle, from: &str) -> Client {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let peer = format!("{from}:50000").parse().unwrap();
    let served = tree.serve(Box::new(theirs), peer, Security::Stls, None);
    served.await.unwrap();
    Client::on(ours)
}

/// One log-on on a connection of its own: the answer, and how long it took.
async fn try_once(tree: &TreeHandle, from: &str, name: &str, password: &str) -> (String, Duration) {
    let mut client = dial(tree, from).await;
    client.line().await;
    client.ask(&format!("USER {name}")).await;
    let began = tokio::time::Instant::now();
    let answer = client.ask(&format!("PASS {password}")).await;
    (answer, began.elapsed())
}

/// Different wrong passwords.
async fn guess(tree: &TreeHandle, from: &str, name: &str, times: usize) -> Vec<Duration> {
    let mut delays = Vec::new();
    for number in 0..times {
        let (answer, delay) = try_once(tree, from, name, &format!("wrong{number}")).await;
        assert_eq!(answer, REFUSED);
        delays.push(delay);
    }
    delays
}

#[actix::test]
async fn delays_grow_over_reconnects_and_are_the_same_for_right_and_wrong() {
    tokio::time::pause();
    let mut all = Vec::new();
    for (name, password) in [("alice", "alice"), ("alice", "no"), ("nobody", "no")] {
        let (fixture, _) = strict();
        let tree = fixture.start();
        let delays = guess(&tree, "192.0.2.1", name, 6).await;
        assert_eq!(delays[..3], [Duration::ZERO; 3]);
        assert!(delays[3..].is_sorted_by(|a, b| a < b), "{delays:?}");
        let (_, delay) = try_once(&tree, "192.0.2.1", name, password).await;
        all.push(delay);
        // Somebody elsewhere waits for nothing.
        let (_, elsewhere) = try_once(&tree, "192.0.2.2", "bob", "bob").await;
        assert_eq!(elsewhere, Duration::ZERO);
    }
    assert!(all[0] > Duration::from_secs(3), "{all:?}");
    let apart = all
        .iter()
        .max()
        .unwrap()
        .abs_diff(*all.iter().min().unwrap());
    assert!(apart <= Duration::from_millis(5), "{all:?}");
}

#[actix::test]
async fn a_ban_answers_in_the_same_octets_and_looks_at_no_password() {
    tokio::time::pause();
    let (fixture, looks) = strict();
    let tree = fixture.start();
    guess(&tree, "192.0.2.1", "alice", 10).await;
    assert_eq!(looks.swap(0, Ordering::SeqCst), 10);
    for (from, name) in [("192.0.2.1", "alice"), ("192.0.2.1", "ALICE")] {
        let (answer, delay) = try_once(&tree, from, name, "alice").await;
        assert_eq!((answer.as_str(), delay.as_secs()), (REFUSED, 15));
    }
    assert_eq!(looks.load(Ordering::SeqCst), 0);
    // By SASL it is the same.
    let mut client = dial(&tree, "192.0.2.1").await;
    client.line().await;
    assert_eq!(client.ask("AUTH PLAIN AGFsaWNlAGFsaWNl").await, REFUSED);
    assert_eq!(looks.load(Ordering::SeqCst), 0);
    assert!(
        try_once(&tree, "192.0.2.2", "alice", "alice")
            .await
            .0
            .starts_with("+OK")
    );
    // It ends by itself, and by hand.
    assert_eq!(tree.bans()[0].scope, Scope::Pair);
    assert!(tree.throttle().clear(Some("alice")) > 0);
    assert!(
        try_once(&tree, "192.0.2.1", "alice", "alice")
            .await
            .0
            .starts_with("+OK")
    );
}

#[actix::test]
async fn a_phone_with_an_old_password_bans_nobody() {
    tokio::time::pause();
    let (fixture, _) = strict();
    let tree = fixture.start();
    for _ in 0..200 {
        let (answer, delay) = try_once(&tree, "192.0.2.1", "alice", "last year's").await;
        assert_eq!((answer.as_str(), delay), (REFUSED, Duration::ZERO));
    }
    assert_eq!(tree.bans(), []);
}

#[actix::test]
async fn a_banned_address_is_closed_at_once_where_the_rules_say_so() {
    tokio::time::pause();
    let (mut fixture, _) = strict();
    fixture.throttle.close_banned = true;
    let lines = Lines::default();
    fixture.log = lines.logger();
    let tree = fixture.start();
    // A little is forgotten while it waits, so that it takes a few more than twenty.
    for user in 0..25 {
        if tree.bans().is_empty() {
            guess(&tree, "192.0.2.1", &format!("user{user}"), 1).await;
        }
    }
    assert_eq!(dial(&tree, "192.0.2.1").await.rest().await, "");
    let failed = lines.with("log-on failed");
    let last = failed.last().unwrap();
    assert!(last.contains("rule=banned;") && last.contains("auth.throttle.address_failures"));
    assert!(
        dial(&tree, "192.0.2.2")
            .await
            .line()
            .await
            .starts_with("+OK")
    );
}

#[actix::test]
async fn who_waits_holds_no_thread_and_no_shutdown() {
    tokio::time::pause();
    let (mut fixture, _) = strict();
    fixture.limits.password_checks_max = 1;
    let tree = fixture.start();
    guess(&tree, "192.0.2.1", "alice", 9).await;
    let mut waiting = dial(&tree, "192.0.2.1").await;
    waiting.line().await;
    waiting.ask("USER alice").await;
    waiting.send("PASS wrong\r\n").await;
    let (answer, delay) = try_once(&tree, "192.0.2.2", "bob", "bob").await;
    assert!(answer.starts_with("+OK"), "{answer}");
    assert_eq!(delay, Duration::ZERO);
    let began = tokio::time::Instant::now();
    tree.drain(Duration::from_secs(60)).await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert!(waiting.rest().await.starts_with(REFUSED));
}

#[actix::test]
async fn malformed_messages_reach_no_password_check_and_count_for_no_ban() {
    let (mut fixture, looks) = strict();
    fixture.policy.protocol_errors_max = 10_000;
    fixture.policy.auth_failures_max = 10_000;
    let tree = fixture.start();
    let flood = async {
        let mut client = dial(&tree, "192.0.2.1").await;
        client.line().await;
        for number in 0..1000 {
            // Not base64; no NUL; three NULs.
            let message = ["!", "YWxpY2U=", "AAAAYQ=="][number % 3];
            let answer = client.ask(&format!("AUTH PLAIN {message}")).await;
            assert!(answer.starts_with("-ERR"), "{answer}");
        }
    };
    let good = async {
        for _ in 0..100 {
            let (answer, _) = try_once(&tree, "192.0.2.2", "bob", "bob").await;
            assert!(answer.starts_with("+OK"), "{answer}");
        }
    };
    tokio::join!(flood, good);
    assert_eq!(looks.load(Ordering::SeqCst), 100);
    assert_eq!(tree.bans(), []);
    assert!(
        try_once(&tree, "192.0.2.1", "alice", "alice")
            .await
            .0
            .starts_with("+OK")
    );
}

#[actix::test]
async fn ten_thousand_exchanges_that_are_given_up_leave_nothing_behind() {
    let (mut fixture, looks) = strict();
    fixture.policy.protocol_errors_max = 10_000;
    let tree = fixture.start();
    for round in 0..1000 {
        let mut client = dial(&tree, "192.0.2.1").await;
        client.line().await;
        for _ in 0..10 {
            assert_eq!(client.ask("AUTH PLAIN").await, "+ ");
            assert!(client.ask("*").await.starts_with("-ERR"));
        }
        // Some end with QUIT, some amid an exchange.
        if round % 2 == 0 {
            client.ask("QUIT").await;
        } else {
            client.ask("AUTH PLAIN").await;
        }
    }
    while population(&tree, "SessionSupervisor").await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        (tree.throttle().records(), looks.load(Ordering::SeqCst)),
        (0, 0)
    );
}

/// Knows everybody's right password without being asked for long.
struct Recalling(NameIsPassword);

impl PasswordSource for Recalling {
    fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError> {
        self.0.verify(name, password)
    }

    fn recall(&self, name: &[u8], password: &Secret) -> Option<Identity> {
        self.0.verify_octets(name, password).ok()
    }
}

#[actix::test]
async fn who_is_recalled_waits_is_banned_and_is_forgiven_like_everybody() {
    tokio::time::pause();
    let (mut fixture, _) = strict();
    fixture.passwords = Arc::new(Recalling(NameIsPassword(fixture.store.clone())));
    let tree = fixture.start();
    let delays = guess(&tree, "192.0.2.1", "alice", 6).await;
    let (answer, delay) = try_once(&tree, "192.0.2.1", "alice", "alice").await;
    assert!(answer.starts_with("+OK") && delay > delays[5], "{delay:?}");
    // The pair's failures are forgotten, the address's are not.
    let (_, delay) = try_once(&tree, "192.0.2.3", "alice", "alice").await;
    assert_eq!(delay, Duration::ZERO);
    guess(&tree, "192.0.2.2", "bob", 10).await;
    let (answer, delay) = try_once(&tree, "192.0.2.2", "bob", "bob").await;
    assert_eq!((answer.as_str(), delay.as_secs()), (REFUSED, 15));
}
