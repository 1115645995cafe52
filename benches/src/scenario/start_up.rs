//! From the start of the program to its greeting, over a store of many messages.

use std::time::Instant;

use crate::Fault;
use crate::peer::{Mailroost, Running, Work};

/// How one start went.
#[derive(Debug, Clone, Copy)]
pub struct StartUp {
    /// From the start of the process to the greetings at all doors, in milliseconds.
    pub millis: f64,
    /// The memory of the server then, in MiB.
    pub mebibytes: f64,
}

/// Starts the server `times` times, each after a clean end.
///
/// # Errors
/// If it does not greet.
pub fn start_up(peer: &Mailroost, work: &Work, times: usize) -> Result<Vec<StartUp>, Fault> {
    (0..times)
        .map(|_| {
            let begun = Instant::now();
            let running = Running::start(peer, work)?;
            let millis = begun.elapsed().as_secs_f64() * 1e3;
            let mebibytes = running.memory_kib() as f64 / 1024.0;
            running.end()?;
            Ok(StartUp { millis, mebibytes })
        })
        .collect()
}
