//! How long to wait before a restart: nothing at first, longer the faster a child dies.

use std::time::{Duration, Instant};

/// The first wait.
const FIRST: Duration = Duration::from_millis(10);
/// No wait is longer: a maildrop should not be away for longer than a client retries.
const LONGEST: Duration = Duration::from_secs(1);
/// A child that lived this long has earned a fresh start.
const FORGIVEN_AFTER: Duration = Duration::from_secs(5);

/// Grows by doubling, and forgets.
#[derive(Debug)]
pub(crate) struct BackOff {
    wait: Duration,
    last: Option<Instant>,
}

impl BackOff {
    /// Has seen no restart yet.
    pub(crate) fn new() -> Self {
        Self {
            wait: Duration::ZERO,
            last: None,
        }
    }

    /// The wait before the restart that is due `now`.
    pub(crate) fn next(&mut self, now: Instant) -> Duration {
        let forgiven = self
            .last
            .is_none_or(|last| now.duration_since(last) > FORGIVEN_AFTER);
        self.last = Some(now);
        if forgiven {
            self.wait = Duration::ZERO;
        }
        let wait = self.wait;
        self.wait = (self.wait * 2).clamp(FIRST, LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_second_and_are_forgiven_later() {
        let mut back_off = BackOff::new();
        let start = Instant::now();
        let waits: Vec<u128> = (0..10).map(|_| back_off.next(start).as_millis()).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(
            back_off.next(start + Duration::from_secs(6)),
            Duration::ZERO
        );
    }
}
