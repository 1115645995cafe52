//! What an attacker learns from a refusal: nothing, by the number of hashes, of look-ups, of
//! messages and of iterations, by what the caller is told, or by the time.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod suspects;

use mailroost_auth::AuthError;
use suspects::{
    Case, Counts, Proof, QuickHash, Shuffle, Stand, Talk, Tried, mechanisms, sources, spread,
};

/// Nothing; and a soft hyphen, which SASLprep leaves out: the password counts in two forms.
const ENDINGS: [&str; 2] = ["", "\u{ad}"];

/// By how much the middle of one kind of refusal may be away from that of another.
const APART_MAX: f64 = 0.25;
/// How often each kind is measured, and how often all of it is tried again: what else the machine
/// does may show in some rounds, a leak shows in all.
const ROUNDS: usize = 50;
const ATTEMPTS: u64 = 5;

/// What one refusal came to, seen from both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    counts: Counts,
    challenges: Vec<usize>,
    iterations: u32,
}

fn refuse(stand: &Stand, mechanism: &Tried, case: &Case, ending: &str) -> Seen {
    stand.counters.take();
    let mut talk = Talk::new(&*stand.source);
    let password = format!("{}{ending}", case.password);
    (mechanism.log_on)(&mut talk, stand, case.name, &password);
    let refusal = talk.outcome.unwrap().unwrap_err();
    let is_told_alike = matches!(
        refusal,
        AuthError::UnknownUser | AuthError::WrongPassword | AuthError::NotPermitted(_)
    );
    assert!(
        is_told_alike,
        "{}, {}: {refusal}",
        mechanism.name, case.what
    );
    Seen {
        counts: stand.counters.take(),
        challenges: talk.challenges,
        iterations: talk.iterations,
    }
}

#[test]
fn every_refusal_costs_the_same_hashes_look_ups_messages_and_iterations() {
    let mut apart = Vec::new();
    for (source, make) in sources() {
        let stand = Stand::new(make, QuickHash);
        for (mechanism, ending) in mechanisms().iter().flat_map(|m| ENDINGS.map(|e| (m, e))) {
            // A client that keeps its password prepares it itself.
            if mechanism.proof != Proof::Password && !ending.is_empty() {
                continue;
            }
            let cases = mechanism.cases();
            let first = refuse(&stand, mechanism, &cases[0], ending);
            assert_eq!(first.counts.hashes > 0, mechanism.proof == Proof::Password);
            for case in cases {
                let mut seen = refuse(&stand, mechanism, case, ending);
                if !case.of_a_user {
                    seen.counts.look_ups = first.counts.look_ups;
                }
                if seen != first {
                    apart.push(format!(
                        "{} by {} at {source}, ending {ending:?}: {seen:?}, not {first:?}",
                        case.what, mechanism.name
                    ));
                }
            }
        }
    }
    assert!(apart.is_empty(), "{}", apart.join("\n"));
}

#[test]
fn a_good_log_on_works_by_every_mechanism_at_every_source() {
    for (source, make) in sources() {
        let stand = Stand::new(make, QuickHash);
        for mechanism in mechanisms() {
            let mut talk = Talk::new(&*stand.source);
            (mechanism.log_on)(&mut talk, &stand, "alice", "right");
            let outcome = talk.outcome.unwrap();
            assert!(
                outcome.is_ok(),
                "{} at {source}: {outcome:?}",
                mechanism.name
            );
        }
    }
}

/// Thousands of samples in an order of chance; whoever can guess at a password must not be told
/// whose there is by the time that it takes. Secrets that are not shown are the directory's.
#[test]
fn every_refusal_takes_the_same_time() {
    for (source, make) in sources() {
        let stand = Stand::new(make, QuickHash);
        for mechanism in mechanisms() {
            let is_measured = match mechanism.proof {
                Proof::Password => true,
                Proof::Secret => source == sources()[0].0,
                Proof::Given => false,
            };
            if is_measured {
                let mut seen = Vec::new();
                let alike = (0..ATTEMPTS).any(|seed| {
                    let (apart, medians) = farthest(&stand, &mechanism, seed);
                    seen.push(medians);
                    apart <= APART_MAX
                });
                assert!(alike, "{} at {source}: {seen:?}", mechanism.name);
            }
        }
    }
}

/// How far the median of one case is from that of the first, at most, as a part of it; and all
/// medians in microseconds.
fn farthest(stand: &Stand, mechanism: &Tried, seed: u64) -> (f64, Vec<f64>) {
    let cases: Vec<&Case> = mechanism.cases().iter().filter(|c| c.of_a_user).collect();
    let mut samples = vec![Vec::with_capacity(ROUNDS); cases.len()];
    let mut shuffle = Shuffle::new(seed);
    for _ in 0..ROUNDS {
        for turn in shuffle.turns(cases.len()) {
            let mut talk = Talk::new(&*stand.source);
            (mechanism.log_on)(&mut talk, stand, cases[turn].name, cases[turn].password);
            samples[turn].push(talk.took.as_secs_f64() * 1e6);
        }
    }
    let medians = samples.iter_mut().map(|samples| spread(samples).0);
    let medians: Vec<f64> = medians.collect();
    let apart = medians.iter().map(|one| (one / medians[0] - 1.0).abs());
    (apart.fold(0.0, f64::max), medians)
}
