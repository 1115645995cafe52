//! The throttle on a clock that only the test moves.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{CredentialKind, Identity, PasswordSource};

const MINUTE: Duration = Duration::from_secs(60);

fn throttle(rules: ThrottleRules) -> Throttle {
    Throttle::new(rules, AcceptedDomains::new(["contoso.com"])).unwrap()
}

fn strict() -> Throttle {
    throttle(ThrottleRules::default())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn guess(throttle: &Throttle, user: &str, password: &str) -> Option<u64> {
    Some(throttle.guess(user, &Secret::from(password.as_bytes().to_vec())))
}

/// So many different wrong passwords.
fn fail(throttle: &Throttle, from: IpAddr, user: &str, times: u32, now: Instant) -> Vec<Ban> {
    let failed = |number: u32| {
        let guess = guess(throttle, user, &format!("{from} {number} {now:?}"));
        throttle.failed(from, Some(user), guess, now)
    };
    (0..times).flat_map(failed).collect()
}

#[test]
fn delays_begin_after_a_few_failures_and_grow_to_the_longest() {
    let (throttle, now, home) = (strict(), Instant::now(), ip("192.0.2.1"));
    let mut delays = Vec::new();
    for _ in 0..9 {
        fail(
            &throttle,
            home,
            "alice",
            1,
            now + Duration::from_millis(delays.len() as u64),
        );
        delays.push(throttle.standing(home, Some("alice"), now).delay);
    }
    assert_eq!(delays[..2], [Duration::ZERO; 2]);
    assert_eq!(delays[2], Duration::from_secs(1));
    assert!(delays[2..].is_sorted_by(|a, b| a < b), "{delays:?}");
    assert!(delays[8] > Duration::from_secs(9) && delays[8] < Duration::from_secs(15));
    // Another user from there waits for the address alone, which is more patient.
    let other = throttle.standing(home, Some("bob"), now).delay;
    assert!(other > Duration::ZERO && other < delays[8], "{other:?}");
    assert_eq!(
        throttle.standing(ip("192.0.2.2"), Some("bob"), now),
        Standing::default()
    );
}

#[test]
fn the_failure_too_many_bans_and_each_ban_is_twice_as_long() {
    let (throttle, mut now, home) = (strict(), Instant::now(), ip("192.0.2.1"));
    let mut lengths = Vec::new();
    for _ in 0..4 {
        let bans = fail(&throttle, home, "alice", 10, now);
        let [ban, ..] = bans.as_slice() else {
            panic!("no ban after {lengths:?}");
        };
        assert_eq!(
            (ban.scope, ban.user.as_deref()),
            (Scope::Pair, Some("alice"))
        );
        assert_eq!(ban.setting(), "auth.throttle.pair_failures");
        let standing = throttle.standing(home, Some("alice"), now);
        assert_eq!(standing.delay, Duration::from_secs(15));
        assert_eq!(standing.ban.as_ref(), Some(ban));
        lengths.push(ban.left.as_secs());
        now += ban.left;
        assert_eq!(throttle.standing(home, Some("alice"), now).ban, None);
    }
    assert_eq!(lengths, [300, 600, 1200, 2400]);
    // As long without a failure as the last ban took, and it begins anew.
    now += Duration::from_secs(2401);
    assert_eq!(
        fail(&throttle, home, "alice", 10, now)[0].left.as_secs(),
        300
    );
}

#[test]
fn a_ban_has_a_longest_time() {
    let rules = ThrottleRules {
        ban_max: Duration::from_secs(1000),
        ..ThrottleRules::default()
    };
    let (throttle, mut now) = (throttle(rules), Instant::now());
    for _ in 0..40 {
        let ban = fail(&throttle, ip("192.0.2.1"), "alice", 10, now).remove(0);
        assert!(ban.left <= Duration::from_secs(1000));
        now += ban.left;
    }
}

#[test]
fn half_of_it_is_forgotten_after_each_half_life() {
    let (throttle, now, home) = (strict(), Instant::now(), ip("192.0.2.1"));
    fail(&throttle, home, "alice", 9, now);
    let delay = |minutes| {
        throttle
            .standing(home, Some("alice"), now + MINUTE * minutes)
            .delay
    };
    assert!(delay(0) > delay(5) && delay(5) > delay(15));
    assert!(delay(15) > Duration::ZERO);
    assert_eq!(delay(30), Duration::ZERO);
}

#[test]
fn the_same_wrong_password_counts_once_wherever_it_comes_from() {
    let (throttle, now, phone) = (strict(), Instant::now(), ip("192.0.2.1"));
    let old = guess(&throttle, "alice", "last year's");
    for minutes in 0..1000 {
        assert_eq!(
            throttle.failed(phone, Some("alice"), old, now + MINUTE * minutes),
            []
        );
    }
    // It wanders through a thousand addresses: once for each, once for the user.
    for low in 0..1000_u32 {
        let from = IpAddr::V4((0x0a00_0000 + low).into());
        assert_eq!(throttle.failed(from, Some("alice"), old, now), []);
    }
    assert_eq!(throttle.bans(now), []);
    assert_eq!(
        throttle.standing(ip("198.51.100.1"), Some("alice"), now),
        Standing::default()
    );
    // One password tried with many names is no phone.
    for user in 0..20 {
        let user = format!("user{user}");
        let guess = guess(&throttle, &user, "Summer2026");
        throttle.failed(phone, Some(&user), guess, now);
    }
    assert_eq!(
        throttle.standing(phone, None, now).ban.unwrap().scope,
        Scope::Address
    );
}

#[test]
fn where_a_user_logged_on_before_nobody_elsewhere_locks_the_user_out() {
    let (throttle, now, home) = (strict(), Instant::now(), ip("192.0.2.1"));
    throttle.succeeded(home, "alice", now);
    let botnet = |now| {
        for low in 0..100_u32 {
            let from = IpAddr::V4((0x0a00_0000 + low).into());
            fail(&throttle, from, "alice", 1, now);
        }
    };
    botnet(now);
    let strange = throttle
        .standing(ip("198.51.100.1"), Some("alice"), now)
        .ban;
    assert_eq!(strange.unwrap().scope, Scope::User);
    assert_eq!(
        throttle.standing(home, Some("alice"), now),
        Standing::default()
    );
    // Not for ever.
    let later = now + THROTTLE_FAMILIAR;
    botnet(later);
    assert!(throttle.standing(home, Some("alice"), later).ban.is_some());
}

#[test]
fn each_user_behind_an_address_makes_it_more_patient_up_to_a_limit() {
    let (now, nat) = (Instant::now(), ip("192.0.2.1"));
    for (friends, patience) in [(0, 20), (1, 40), (3, 80), (7, 160), (50, 160)] {
        let throttle = strict();
        for friend in 0..friends {
            for _ in 0..5 {
                throttle.succeeded(nat, &format!("friend{friend}"), now);
            }
        }
        let mut failures = 0;
        while throttle.standing(nat, None, now).ban.is_none() {
            fail(&throttle, nat, &format!("victim{failures}"), 1, now);
            failures += 1;
        }
        assert_eq!(failures, patience, "with {friends} friends");
    }
}

#[test]
fn a_good_log_on_forgives_the_pair() {
    let (throttle, now, home) = (strict(), Instant::now(), ip("192.0.2.1"));
    fail(&throttle, home, "alice", 8, now);
    throttle.succeeded(home, "alice", now);
    assert_eq!(
        throttle.standing(home, Some("alice"), now),
        Standing::default()
    );
}

#[test]
fn the_addresses_of_a_64_are_counted_together_too() {
    let (throttle, now) = (strict(), Instant::now());
    let from = |low: u32| ip(&format!("2001:db8:0:7::{low:x}"));
    for low in 0..60 {
        fail(&throttle, from(low), &format!("user{low}"), 1, now);
    }
    let ban = throttle.standing(from(0xffff), None, now).ban.unwrap();
    assert_eq!(
        (ban.scope, ban.address),
        (Scope::Network, Some(ip("2001:db8:0:7::")))
    );
    assert_eq!(
        throttle.standing(ip("2001:db8:0:8::"), None, now),
        Standing::default()
    );
    // One user's pair is with the /64.
    fail(&throttle, ip("2001:db8:9::1"), "alice", 5, now);
    let bans = fail(&throttle, ip("2001:db8:9::2"), "alice", 5, now);
    assert_eq!(bans[0].scope, Scope::Pair);
}

#[test]
fn an_address_is_the_same_in_both_families() {
    let (throttle, now) = (strict(), Instant::now());
    fail(&throttle, ip("::ffff:192.0.2.1"), "alice", 10, now);
    assert!(
        throttle
            .standing(ip("192.0.2.1"), Some("alice"), now)
            .ban
            .is_some()
    );
}

#[test]
fn who_is_trusted_is_not_counted() {
    let (throttle, now) = (strict(), Instant::now());
    for from in ["127.0.0.1", "::1", "::ffff:127.3.2.1"] {
        assert_eq!(fail(&throttle, ip(from), "alice", 500, now), []);
        assert_eq!(
            throttle.standing(ip(from), Some("alice"), now),
            Standing::default()
        );
    }
    assert_eq!(throttle.records(), 0);
}

#[test]
fn nothing_is_counted_under_rules_that_are_off() {
    let (throttle, now, home) = (
        throttle(ThrottleRules::off()),
        Instant::now(),
        ip("192.0.2.1"),
    );
    assert_eq!(fail(&throttle, home, "alice", 500, now), []);
    assert_eq!(
        throttle.standing(home, Some("alice"), now),
        Standing::default()
    );
}

#[test]
fn other_rules_keep_what_is_remembered() {
    let (throttle, now, home) = (strict(), Instant::now(), ip("192.0.2.1"));
    fail(&throttle, home, "alice", 10, now);
    throttle.set_rules(ThrottleRules {
        close_banned: true,
        pair_failures: 50,
        ..ThrottleRules::default()
    });
    assert!(throttle.standing(home, Some("alice"), now).ban.is_some());
    assert_eq!(throttle.closes(home, now), None);
    fail(&throttle, home, "bob", 10, now);
    assert_eq!(throttle.closes(home, now).unwrap().scope, Scope::Address);
    throttle.set_rules(ThrottleRules::off());
    assert_eq!(
        throttle.standing(home, Some("alice"), now),
        Standing::default()
    );
}

#[test]
fn every_way_to_write_a_name_is_the_same_account() {
    let throttle = strict();
    for name in [
        "alice",
        "ALICE",
        "contoso.com\\Alice",
        "alice@CONTOSO.com",
        "Contoso.com/alice",
    ] {
        assert_eq!(&*throttle.account(name), "alice");
    }
    assert_eq!(&*throttle.account("alice@contoso.com/shared"), "alice");
    assert_eq!(
        &*throttle.account("alice@fabrikam.com"),
        "alice@fabrikam.com"
    );
    assert_eq!(&*throttle.account("a/b/c/d"), "a/b/c/d");
    assert_eq!(throttle.account(&"\u{130}".repeat(500)).len(), 255);
}

#[test]
fn bans_are_listed_and_cleared_by_address_or_name() {
    let (throttle, now) = (strict(), Instant::now());
    fail(&throttle, ip("192.0.2.1"), "alice", 10, now);
    fail(&throttle, ip("192.0.2.2"), "bob", 10, now);
    fail(&throttle, ip("192.0.2.2"), "carol", 10, now + MINUTE);
    let scopes = |throttle: &Throttle| -> Vec<_> {
        let bans = throttle.bans(now + MINUTE);
        bans.into_iter()
            .map(|ban| (ban.scope, ban.user.map(String::from)))
            .collect()
    };
    let pair = |user: &str| (Scope::Pair, Some(user.to_owned()));
    let address = (Scope::Address, None);
    assert_eq!(
        scopes(&throttle),
        [address.clone(), pair("carol"), pair("alice"), pair("bob")]
    );
    assert_eq!(throttle.clear(Some("CONTOSO.COM\\alice")), 2);
    assert_eq!(scopes(&throttle), [address, pair("carol"), pair("bob")]);
    assert_eq!(throttle.clear(Some("192.0.2.2")), 3);
    assert_eq!(scopes(&throttle), []);
    fail(&throttle, ip("192.0.2.2"), "bob", 10, now);
    assert!(throttle.clear(None) > 0);
    assert_eq!((throttle.records(), throttle.clear(None)), (0, 0));
}

#[test]
fn many_addresses_push_out_no_ban_and_take_no_more_room() {
    let rules = ThrottleRules {
        records_max: 256,
        ..ThrottleRules::default()
    };
    let (throttle, now, bad) = (throttle(rules), Instant::now(), ip("192.0.2.1"));
    fail(&throttle, bad, "alice", 20, now);
    for low in 0..20_000_u32 {
        fail(
            &throttle,
            IpAddr::V4((0x0a00_0000 + low).into()),
            &format!("u{low}"),
            2,
            now,
        );
    }
    assert!(throttle.standing(bad, Some("alice"), now).ban.is_some());
    assert!(throttle.records() <= 4 * 256, "{}", throttle.records());
}

#[test]
fn debug_shows_neither_key_nor_names() {
    let (throttle, now) = (strict(), Instant::now());
    fail(&throttle, ip("192.0.2.1"), "alice", 3, now);
    let text = format!("{throttle:?}");
    assert!(
        text.starts_with("Throttle { rules: ThrottleRules {"),
        "{text}"
    );
    assert!(!text.contains("alice") && !text.contains("key"));
}

/// Everybody's keys are "keys".
struct Keys;

impl PasswordSource for Keys {
    fn verify(&self, _: &str, _: &Secret) -> Result<Identity, AuthError> {
        Err(AuthError::WrongPassword)
    }

    fn credential(&self, _: &str, _: CredentialKind) -> Result<Option<Secret>, AuthError> {
        Ok(Some(Secret::from(b"keys".to_vec())))
    }

    fn admit(&self, _: &str, _: Option<&str>) -> Result<Identity, AuthError> {
        panic!("nobody is admitted who is banned");
    }
}

fn watched(throttle: &Arc<Throttle>, from: IpAddr, now: Instant) -> Watched {
    let attempt = throttle.attempt(from, now);
    Watched::new(Arc::new(Keys), Arc::clone(throttle), attempt, now)
}

/// SCRAM shows the salt: another one after the ban would say that there is such a user.
#[test]
fn a_banned_users_keys_are_those_of_before_and_admit_nobody() {
    let (throttle, now, home) = (Arc::new(strict()), Instant::now(), ip("192.0.2.1"));
    fail(&throttle, home, "alice", 10, now);
    let source = watched(&throttle, home, now);
    let kept = source.credential("alice", CredentialKind::ScramSha256);
    assert_eq!(kept.unwrap().unwrap().expose_secret(), b"keys");
    assert!(matches!(
        source.admit("alice", None),
        Err(AuthError::NotPermitted(_))
    ));
    assert!(source.into_attempt().ban().is_some());
}

#[test]
fn a_claim_is_heard_where_nobody_was_asked_about_and_stands_as_its_user_does() {
    let (throttle, now, home) = (Arc::new(strict()), Instant::now(), ip("192.0.2.1"));
    fail(&throttle, home, "alice", 10, now);
    let claiming = watched(&throttle, home, now);
    claiming.hears_claim("contoso.com\\ALICE");
    let attempt = claiming.into_attempt();
    assert_eq!(attempt.name(), Some("contoso.com\\ALICE"));
    assert_eq!(attempt.ban().unwrap().scope, Scope::Pair);
    // Whom the source was asked about counts more than what the client says.
    let asked = watched(&throttle, home, now);
    let _ = asked.verify("bob", &Secret::from(b"x".to_vec()));
    asked.hears_claim("alice");
    assert_eq!(asked.into_attempt().name(), Some("bob"));
    // Mechanisms have longer messages than names.
    let long = watched(&throttle, home, now);
    long.hears_claim(&"é".repeat(10_000));
    assert_eq!(long.into_attempt().name().map(str::len), Some(254));
}

#[test]
fn another_spelling_is_no_other_user() {
    let (throttle, now, home) = (strict(), Instant::now(), ip("192.0.2.1"));
    let spellings = ["alice", "al\u{ad}ice", "\u{ff41}lice", "contoso.com/alice"];
    for (milliseconds, spelling) in (0..).zip(spellings) {
        let user = throttle.account(spelling);
        let at = now + Duration::from_millis(milliseconds);
        fail(&throttle, home, &user, 3, at);
    }
    assert!(throttle.standing(home, Some("alice"), now).ban.is_some());
}

proptest! {
    /// Whatever happens in whatever order: a delay is within its limits, a ban ends, and a name
    /// that does not exist stands as one that does.
    #[test]
    fn the_rules_hold_for_every_history(
        steps in proptest::collection::vec((0..4_u8, 0..3_u8, 0..40_u64, 0..5_u8), 1..200),
    ) {
        let throttle = strict();
        let mut now = Instant::now();
        for (from, user, wait, password) in steps {
            now += Duration::from_secs(wait);
            let from = ip(&format!("192.0.2.{from}"));
            let user = format!("user{user}");
            let standing = throttle.standing(from, Some(&user), now);
            prop_assert!(standing.delay <= Duration::from_secs(15));
            if let Some(ban) = &standing.ban {
                prop_assert!(ban.left <= Duration::from_secs(86_400));
                prop_assert_eq!(throttle.standing(from, Some(&user), now + ban.left).ban
                    .filter(|next| next.scope == ban.scope), None);
            } else if password == 0 {
                throttle.succeeded(from, &user, now);
            } else {
                let guess = guess(&throttle, &user, &format!("{password} {wait}"));
                throttle.failed(from, Some(&user), guess, now);
            }
        }
    }
}
