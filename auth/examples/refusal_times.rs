//! How long each kind of refusal takes, by every source and mechanism of the test's tables:
//! `cargo run --release -p mailroost-auth --example refusal_times [ROUNDS]`.
//!
//! The cases take turns, so that whatever the machine does meanwhile meets all of them. Printed
//! are median and median absolute deviation in microseconds, and by how many deviations a case
//! is apart from the first.
#![allow(clippy::print_stdout, reason = "it is there to print")]

#[path = "../tests/suspects/mod.rs"]
mod suspects;

use std::time::Instant;

use suspects::{CASES, Stand, mechanisms, sources};

fn main() {
    let rounds = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let rounds: usize = rounds.unwrap_or(1000);
    for (source_name, source) in sources() {
        let stand = Stand::new(source);
        for mechanism in mechanisms() {
            let mut times = vec![Vec::with_capacity(rounds); CASES.len()];
            let before = stand.hashes.load(std::sync::atomic::Ordering::SeqCst);
            for _ in 0..rounds {
                for (times, (_, name, password)) in times.iter_mut().zip(CASES) {
                    let began = Instant::now();
                    drop((mechanism.try_log_on)(&*stand.source, name, password));
                    times.push(began.elapsed().as_secs_f64() * 1e6);
                }
            }
            let hashes = stand.hashes.load(std::sync::atomic::Ordering::SeqCst) - before;
            println!(
                "{} at {source_name}, {rounds} rounds, {hashes} hashes",
                mechanism.name
            );
            let (first, _) = spread(&mut times[0].clone());
            for (mut times, (case, ..)) in times.into_iter().zip(CASES) {
                let (median, deviation) = spread(&mut times);
                let apart = (median - first).abs() / deviation;
                println!("  {case:<26} {median:>8.1} us, {deviation:>6.1}, {apart:>5.2} apart");
            }
        }
    }
}

/// Median, and median of the distances from it.
fn spread(times: &mut [f64]) -> (f64, f64) {
    let middle = median(times);
    let mut distances: Vec<f64> = times.iter().map(|time| (time - middle).abs()).collect();
    (middle, median(&mut distances))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
