//! Hashes that are made here, and those from elsewhere that can be checked.

use super::*;

fn secret(octets: &[u8]) -> Secret {
    Secret::from(octets.to_vec())
}

fn cheap() -> Argon2id {
    Argon2id::new(Cost::new(HASH_MEMORY_KIB_MIN, 1, 1).unwrap()).unwrap()
}

#[test]
fn a_hash_matches_its_password_and_no_other() {
    let hasher = cheap();
    let stored = hasher.hash(&secret(b" a\0b \xff")).unwrap();
    assert!(
        stored.starts_with("$argon2id$v=19$m=7168,t=1,p=1$"),
        "{stored}"
    );
    assert_eq!(hasher.matches(&secret(b" a\0b \xff"), &stored), Ok(true));
    for other in [&b" a\0b "[..], b" a", b"", b" a\0b \xff "] {
        assert_eq!(hasher.matches(&secret(other), &stored), Ok(false));
    }
}

#[test]
fn every_check_takes_as_much_work_as_the_costliest_one_seen() {
    let hasher = cheap();
    let heaviest = |hasher: &Argon2id| hasher.heaviest.load(Ordering::Relaxed);
    let costly = Argon2id::new(Cost::new(2 * HASH_MEMORY_KIB_MIN, 2, 1).unwrap()).unwrap();
    let stored = costly.hash(&secret(b"x")).unwrap();
    assert_eq!(heaviest(&hasher), u64::from(HASH_MEMORY_KIB_MIN));
    assert_eq!(hasher.matches(&secret(b"x"), &stored), Ok(true));
    assert_eq!(heaviest(&hasher), 4 * u64::from(HASH_MEMORY_KIB_MIN));
    // Now what stands for nobody takes as long as the costly one; four times as long as before
    // is more than any noise. The fastest of several counts.
    let quickest = |stored: &str| {
        let once = || {
            let began = std::time::Instant::now();
            assert_eq!(hasher.matches(&secret(b"y"), stored), Ok(false));
            began.elapsed()
        };
        (0..5).map(|_| once()).min().unwrap()
    };
    let (nobody, somebody) = (quickest(hasher.dummy()), quickest(&stored));
    assert!(nobody * 2 > somebody, "{nobody:?} {somebody:?}");
}

#[test]
fn two_hashes_of_one_password_differ() {
    let hasher = cheap();
    assert_ne!(hasher.hash(&secret(b"x")), hasher.hash(&secret(b"x")));
}

#[test]
fn the_default_is_19_mib_and_two_passes() {
    let hasher = Argon2id::new(Cost::default()).unwrap();
    assert!(
        hasher
            .dummy()
            .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
    );
}

#[test]
fn the_dummy_has_the_form_of_a_hash_and_matches_nothing() {
    let hasher = cheap();
    let stored = hasher.hash(&secret(b"x")).unwrap();
    assert_eq!(hasher.dummy().len(), stored.len());
    assert_eq!(hasher.matches(&secret(b""), hasher.dummy()), Ok(false));
    assert_eq!(hasher.matches(&secret(b"x"), hasher.dummy()), Ok(false));
}

/// Made with the reference implementation (the command `argon2` of Debian's package).
#[test]
fn a_hash_from_elsewhere_matches() {
    let stored = "$argon2id$v=19$m=4096,t=3,p=1$c29tZXNhbHRzb21lc2FsdA\
                  $BvuA7SfebsIC3f4gSy7/Ei1s6+hsEfaOuCZMbl/y/Sg";
    assert_eq!(cheap().matches(&secret(b"password"), stored), Ok(true));
}

#[test]
fn a_stored_hash_that_costs_too_much_is_refused_not_run() {
    let tail = "c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for cost in [
        "m=4194304,t=1,p=1",
        "m=4294967295,t=1,p=1",
        "m=19456,t=4294967295,p=1",
        "m=19456,t=33,p=1",
        "m=262144,t=5,p=1",
        "m=19456,t=2,p=17",
    ] {
        assert_eq!(
            cheap().matches(&secret(b"x"), &format!("$argon2id$v=19${cost}${tail}")),
            Err(HashError::Stored("its cost is outside the accepted range")),
            "{cost}"
        );
    }
}

#[test]
fn what_is_no_argon2id_hash_is_refused() {
    let tail = "m=8192,t=1,p=1$c29tZXNhbHRzb21lc2FsdA";
    let result = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for stored in [
        String::new(),
        "password".to_owned(),
        "$6$abcdefgh$ABCDEFGH".to_owned(),
        format!("$argon2i$v=19${tail}${result}"),
        format!("$argon2d$v=19${tail}${result}"),
        format!("$argon2id$v=16${tail}${result}"),
        format!("$argon2id${tail}${result}"),
        format!("$argon2id$v=19${tail}"),
        format!("$argon2id$v=19${tail}$AAAAAAAAAAAAAAA"),
        "$argon2id$v=19$m=8192,t=1,p=1".to_owned(),
        "$argon2id$v=19$m=8192,t=0,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
    ] {
        let outcome = cheap().matches(&secret(b"x"), &stored);
        assert!(
            matches!(outcome, Err(HashError::Stored(_))),
            "{stored}: {outcome:?}"
        );
    }
}

#[test]
fn passwords_that_are_empty_or_too_long_are_not_hashed() {
    let hasher = cheap();
    for octets in [0, PASSWORD_OCTETS_MAX + 1] {
        let outcome = hasher.hash(&secret(&vec![b'x'; octets]));
        assert_eq!(outcome, Err(HashError::Password { octets }));
    }
    assert!(
        hasher
            .hash(&secret(&vec![b'x'; PASSWORD_OCTETS_MAX]))
            .is_ok()
    );
}

#[test]
fn a_cost_names_what_is_outside_its_range() {
    let error = Cost::new(1024, 2, 1).unwrap_err().to_string();
    assert_eq!(
        error,
        "the cost of a password hash: memory in KiB is 1024, accepted is 7168 to 262144"
    );
    assert!(Cost::new(19456, 0, 1).is_err());
    assert!(Cost::new(19456, 2, 0).is_err());
    assert!(Cost::new(262_144, 4, 16).is_ok());
}
