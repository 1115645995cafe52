//! How long each kind of refusal takes, by every source and mechanism of the test's tables:
//! `cargo run --release -p mailroost-auth --example refusal_times [ROUNDS [SEED]]`.
//!
//! The cases take turns in an order of chance, so that neither the order nor what the machine does
//! meanwhile meets one of them more than another. Printed are median and median absolute deviation
//! of the time that the thread was on a CPU, in microseconds, how many parts of a hundred a case is
//! apart from the first, and how many deviations.
#![allow(clippy::print_stdout, reason = "it is there to print")]
#![allow(clippy::unwrap_used, reason = "nobody is there to handle it")]

#[path = "../tests/suspects/mod.rs"]
mod suspects;

use mailroost_auth::{AnyHash, Argon2id, Cost};
use suspects::{Shuffle, Stand, Talk, Tried, mechanisms, sources, spread};

/// The least that is accepted: the less a hash takes, the better what is beside it can be seen.
const MEMORY_KIB: u32 = 7 * 1024;

fn main() {
    let mut arguments = std::env::args().skip(1).map_while(|text| text.parse().ok());
    let rounds = arguments.next().unwrap_or(1000);
    let mut shuffle = Shuffle::new(arguments.next().unwrap_or(1));
    let mut samples = 0;
    for (source, make) in sources() {
        let own = Argon2id::new(Cost::new(MEMORY_KIB, 1, 1).unwrap()).unwrap();
        let stand = Stand::new(make, AnyHash::new(own, 1));
        for mechanism in mechanisms() {
            println!("{} at {source}", mechanism.name);
            samples += measure(&stand, &mechanism, rounds, &mut shuffle);
        }
    }
    println!("{samples} samples");
}

fn measure(stand: &Stand, mechanism: &Tried, rounds: u64, shuffle: &mut Shuffle) -> usize {
    let cases = mechanism.cases();
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..rounds {
        for turn in shuffle.turns(cases.len()) {
            let (case, mut talk) = (&cases[turn], Talk::new(&*stand.source));
            (mechanism.log_on)(&mut talk, stand, case.name, case.password);
            times[turn].push(talk.took.as_secs_f64() * 1e6);
        }
    }
    let (first, _) = spread(&mut times[0]);
    for (times, case) in times.iter_mut().zip(cases) {
        let (median, deviation) = spread(times);
        let apart = median - first;
        println!(
            "  {:<26} {median:>8.1} us, {deviation:>6.1}; {:>+6.1} %, {:>+6.2} deviations",
            case.what,
            100.0 * apart / first,
            apart / deviation
        );
    }
    times.iter().map(Vec::len).sum()
}
