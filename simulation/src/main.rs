//! Plays seeds: `mailroost-simulation --seeds 1000`, `--seed 17` to play one again aloud.
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::process::ExitCode;

use mailroost_simulation::{Outcome, run, watch_panics};

/// What was asked for.
struct Wanted {
    from: u64,
    seeds: u64,
    aloud: bool,
}

fn main() -> ExitCode {
    let wanted = match wanted(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(what) => {
            println!("{what}\nusage: mailroost-simulation [--from K] [--seeds N] | --seed K");
            return ExitCode::from(2);
        }
    };
    watch_panics();
    let (mut events, mut failures) = (0, 0_u64);
    for seed in wanted.from..wanted.from.saturating_add(wanted.seeds) {
        let outcome = run(seed, wanted.aloud);
        events += outcome.events;
        if outcome.wrong.is_some() {
            failures += 1;
            report(seed, &outcome);
        }
        if wanted.aloud {
            println!("seed {seed}: digest {:016x}", outcome.digest);
        }
    }
    println!(
        "{} seeds from {}, {events} events, {failures} failures",
        wanted.seeds, wanted.from
    );
    if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn report(seed: u64, outcome: &Outcome) {
    let what = outcome.wrong.as_deref().unwrap_or_default();
    println!(
        "{}\nseed {seed}, event {}: {what}\nreplay with: make simulate SEED={seed}\n",
        outcome.tail, outcome.events
    );
}

fn wanted(mut arguments: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let mut wanted = Wanted {
        from: 0,
        seeds: 50,
        aloud: false,
    };
    while let Some(option) = arguments.next() {
        let number = arguments.next().and_then(|number| number.parse().ok());
        let number = number.ok_or_else(|| format!("{option} needs a number"))?;
        match option.as_str() {
            "--from" => wanted.from = number,
            "--seeds" => wanted.seeds = number,
            "--seed" => {
                wanted = Wanted {
                    from: number,
                    seeds: 1,
                    aloud: true,
                }
            }
            _ => return Err(format!("{option} is no option")),
        }
    }
    Ok(wanted)
}
