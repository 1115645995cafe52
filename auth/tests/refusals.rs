//! What an attacker learns from a refusal: nothing, by the number of hashes, of steps, or by what
//! the caller is told. A mechanism or a source is one row more in a table.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod suspects;

use std::sync::atomic::Ordering;

use mailroost_auth::{AuthError, Progress};
use suspects::{CASES, Stand, mechanisms, sources};

#[test]
fn every_refusal_costs_the_same_hashes_and_the_same_messages() {
    for (source_name, source) in sources() {
        for mechanism in mechanisms() {
            let stand = Stand::new(source);
            let mut seen = Vec::new();
            for (case, name, password) in CASES {
                stand.hashes.store(0, Ordering::SeqCst);
                let (messages, outcome) = (mechanism.try_log_on)(&*stand.source, name, password);
                let Progress::Failure(error) = outcome else {
                    panic!(
                        "{case} by {} at {source_name} is no refusal",
                        mechanism.name
                    );
                };
                let told = matches!(
                    error,
                    AuthError::UnknownUser | AuthError::WrongPassword | AuthError::NotPermitted(_)
                );
                assert!(told, "{case} by {}: {error}", mechanism.name);
                seen.push((case, messages, stand.hashes.load(Ordering::SeqCst)));
            }
            let (_, messages, hashes) = seen[0];
            let same = seen.iter().all(|(_, m, h)| (*m, *h) == (messages, hashes));
            assert!(
                same && hashes > 0,
                "{} at {source_name}: {seen:?}",
                mechanism.name
            );
        }
    }
}

#[test]
fn a_good_log_on_still_works() {
    for (_, source) in sources() {
        for mechanism in mechanisms() {
            let stand = Stand::new(source);
            let (_, outcome) = (mechanism.try_log_on)(&*stand.source, "alice", "right");
            assert!(
                matches!(outcome, Progress::Success(_)),
                "{}",
                mechanism.name
            );
        }
    }
}
