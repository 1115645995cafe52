//! Runs clients side by side for a time and says how it went.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Fault;

/// Enough for a client that keeps its buffers on the heap.
const STACK_OCTETS: usize = 512 * 1024;

/// Load that is not measured comes first: so much, or a quarter of the window if that is less.
const WARM_UP: Duration = Duration::from_millis(300);

/// How long is waited for the first operation where none fits into the window.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much, how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Clients side by side.
    pub clients: usize,
    /// The measured time.
    pub window: Duration,
    /// Whether some load comes before it.
    pub warm_up: bool,
}

/// What one operation did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Work {
    /// Messages that were fetched or delivered.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
}

/// What was measured.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Seconds from the first to the last operation.
    pub seconds: f64,
    /// Operations that ended in the window, microseconds each, in order of their length.
    pub micros: Vec<u32>,
    /// All that they did.
    pub work: Work,
}

impl Measured {
    /// Operations in a second.
    pub fn rate(&self) -> f64 {
        self.micros.len() as f64 / self.seconds.max(f64::EPSILON)
    }

    /// Messages in a second.
    pub fn messages_rate(&self) -> f64 {
        self.work.messages as f64 / self.seconds.max(f64::EPSILON)
    }

    /// Millions of octets in a second.
    pub fn megabytes_rate(&self) -> f64 {
        self.work.octets as f64 / 1e6 / self.seconds.max(f64::EPSILON)
    }

    /// The length that `share` of the operations did not pass, in milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let last = self.micros.len().saturating_sub(1);
        let place = (last as f64 * share).round() as usize;
        f64::from(self.micros.get(place).copied().unwrap_or(0)) / 1e3
    }
}

/// What a client does, again and again: it gets its number and the number of its round, and ends
/// with `None` when it has nothing more to do.
pub trait Client: Send {
    /// One operation.
    ///
    /// # Errors
    /// What went wrong; the run ends with it.
    fn operate(&mut self, round: usize) -> Result<Option<Work>, Fault>;
}

/// Runs `plan.clients` clients, each made by `make` with its number.
///
/// # Errors
/// The first fault of any client.
pub fn drive<C: Client>(
    plan: Plan,
    make: impl Fn(usize) -> Result<C, Fault> + Sync,
) -> Result<Measured, Fault> {
    let begin = Barrier::new(plan.clients);
    let stop = AtomicBool::new(false);
    let results: Vec<Result<Measured, Fault>> = std::thread::scope(|scope| {
        let (make, begin, stop) = (&make, &begin, &stop);
        let run = move |number| {
            let client = make(number);
            begin.wait();
            let outcome = client.and_then(|client| run(plan, client, stop));
            if outcome.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            outcome
        };
        let threads: Vec<_> = (0..plan.clients)
            .map(|number| {
                std::thread::Builder::new()
                    .stack_size(STACK_OCTETS)
                    .spawn_scoped(scope, move || run(number))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| match thread.map(|thread| thread.join()) {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(Fault::text("a client panicked")),
                Err(error) => Err(error.into()),
            })
            .collect()
    });
    let mut all = Measured::default();
    for result in results {
        let one = result?;
        all.seconds = all.seconds.max(one.seconds);
        all.micros.extend(one.micros);
        all.work.messages += one.work.messages;
        all.work.octets += one.work.octets;
    }
    all.micros.sort_unstable();
    match all.micros.is_empty() {
        true => Err(Fault::text("nothing was done in time")),
        false => Ok(all),
    }
}

/// Does something for each number below `count`, by `threads` threads that share them.
///
/// # Errors
/// The first fault of any of them.
pub fn side_by_side(
    threads: usize,
    count: usize,
    operate: impl Fn(usize) -> Result<(), Fault> + Sync,
) -> Result<(), Fault> {
    std::thread::scope(|scope| {
        let operate = &operate;
        let running: Vec<_> = (0..threads)
            .map(|first| scope.spawn(move || (first..count).step_by(threads).try_for_each(operate)))
            .collect();
        running
            .into_iter()
            .try_for_each(|thread| match thread.join() {
                Ok(outcome) => outcome,
                Err(_) => Err(Fault::text("a thread panicked")),
            })
    })
}

fn run<C: Client>(plan: Plan, mut client: C, stop: &AtomicBool) -> Result<Measured, Fault> {
    let mut measured = Measured::default();
    let warm_up = if plan.warm_up {
        WARM_UP.min(plan.window / 4)
    } else {
        Duration::ZERO
    };
    let mut begun = Instant::now() + warm_up;
    let end = begun + plan.window;
    let mut last = begun;
    for round in 0.. {
        let before = Instant::now();
        // An operation that is longer than the window counts as well.
        let over = match measured.micros.is_empty() {
            true => before >= end + PATIENCE,
            false => before >= end,
        };
        if over || stop.load(Ordering::Relaxed) {
            break;
        }
        let Some(work) = client.operate(round)? else {
            break;
        };
        let after = Instant::now();
        if before >= begun {
            if measured.micros.is_empty() {
                begun = before;
            }
            let micros = after.duration_since(before).as_micros();
            measured
                .micros
                .push(u32::try_from(micros).unwrap_or(u32::MAX));
            measured.work.messages += work.messages;
            measured.work.octets += work.octets;
            last = after;
        }
    }
    measured.seconds = last.duration_since(begun).as_secs_f64();
    Ok(measured)
}
