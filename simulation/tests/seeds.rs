//! Seeds that are always played, and the proof that a seed plays the same run each time.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use mailroost_simulation::{run, watch_panics};

/// So many in `make test`; `make simulate SEEDS=n` plays as many as are wanted.
const SEEDS: u64 = 50;

#[test]
fn what_must_always_hold_holds_for_each_seed() {
    watch_panics();
    for seed in 0..SEEDS {
        let outcome = run(seed, false);
        assert_eq!(
            outcome.wrong, None,
            "{}\nseed {seed}, event {}; replay with: make simulate SEED={seed}",
            outcome.tail, outcome.events
        );
    }
}

#[test]
fn a_seed_plays_the_same_run_each_time_and_another_seed_another() {
    watch_panics();
    let mut digests = Vec::new();
    // The last of them stands on the real store.
    for seed in 1004..1008 {
        let (first, second) = (run(seed, false), run(seed, false));
        assert_eq!(first, second, "seed {seed} is two runs");
        assert!(
            first.events > 100,
            "seed {seed} has {} events",
            first.events
        );
        digests.push(first.digest);
    }
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 4);
}
