//! How often a child may be restarted within a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Restarts left. A fresh one is full.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    restarts_max: usize,
    window: Duration,
    spent: VecDeque<Instant>,
}

impl Budget {
    /// `restarts_max` restarts within `window`.
    pub(crate) fn new(restarts_max: usize, window: Duration) -> Self {
        Self {
            restarts_max,
            window,
            spent: VecDeque::new(),
        }
    }

    /// No restart at all: for temporary children.
    pub(crate) fn none() -> Self {
        Self::new(0, Duration::ZERO)
    }

    /// Takes one restart out of it. False if there is none left.
    pub(crate) fn spend(&mut self, now: Instant) -> bool {
        while self
            .spent
            .front()
            .is_some_and(|at| now.duration_since(*at) > self.window)
        {
            self.spent.pop_front();
        }
        if self.spent.len() >= self.restarts_max {
            return false;
        }
        self.spent.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_refills_when_its_window_has_passed() {
        let start = Instant::now();
        let mut budget = Budget::new(2, Duration::from_secs(10));
        assert!(budget.spend(start));
        assert!(budget.spend(start + Duration::from_secs(1)));
        assert!(!budget.spend(start + Duration::from_secs(10)));
        assert!(budget.spend(start + Duration::from_secs(11)));
        assert!(!budget.spend(start + Duration::from_secs(11)));
    }
}
