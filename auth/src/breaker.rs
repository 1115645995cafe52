//! Leaves a server that fails alone for a while: a password source, or another site.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts failures in a row.
#[derive(Debug)]
pub struct Breaker {
    failures_max: u32,
    rest: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    rests_until: Option<Instant>,
}

impl Breaker {
    /// Rests for `rest` after `failures_max` failures in a row.
    pub fn new(failures_max: u32, rest: Duration) -> Self {
        Self {
            failures_max,
            rest,
            state: Mutex::default(),
        }
    }

    /// Whether the server may be tried now. After a rest one may; the others wait for how that
    /// one fares, or for as long again if it never tells.
    pub fn lets_try(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match state.rests_until {
            Some(until) if now < until => false,
            Some(_) => {
                state.rests_until = Some(now + self.rest);
                true
            }
            None => true,
        }
    }

    /// Whether it did not fail too often of late.
    pub fn is_closed(&self) -> bool {
        self.lock().rests_until.is_none()
    }

    /// The server does what a server does.
    pub fn worked(&self) {
        *self.lock() = State::default();
    }

    /// It does not; at `now` that was found out.
    pub fn failed(&self, now: Instant) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= self.failures_max {
            state.rests_until = Some(now + self.rest);
        }
    }

    /// Two numbers: they cannot be left half-changed, so poison means nothing.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(10);

    #[test]
    fn after_so_many_failures_in_a_row_it_rests_and_then_one_tries() {
        let (breaker, start) = (Breaker::new(3, REST), Instant::now());
        for _ in 0..2 {
            assert!(breaker.lets_try(start));
            breaker.failed(start);
        }
        assert!(breaker.lets_try(start));
        breaker.worked();
        for _ in 0..3 {
            assert!(
                breaker.lets_try(start),
                "one that worked starts the count anew"
            );
            breaker.failed(start);
        }
        assert!(!breaker.lets_try(start + REST / 2));
        assert!(breaker.lets_try(start + REST));
        assert!(!breaker.lets_try(start + REST), "one alone");
        breaker.failed(start + REST);
        assert!(!breaker.lets_try(start + REST + REST / 2));
        assert!(breaker.lets_try(start + 2 * REST));
        breaker.worked();
        assert!(breaker.lets_try(start + 2 * REST));
    }

    #[test]
    fn one_that_never_tells_how_it_fared_does_not_close_the_way_for_ever() {
        let (breaker, start) = (Breaker::new(1, REST), Instant::now());
        breaker.failed(start);
        assert!(breaker.lets_try(start + REST));
        assert!(breaker.lets_try(start + 2 * REST));
    }
}
