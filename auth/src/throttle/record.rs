//! The failures of one address, network, user or pair: a number that decays, and bans that grow.

use std::time::{Duration, Instant};

use super::rules::ThrottleRules;
use crate::limits::THROTTLE_GUESSES_KEPT;

/// Of the failures until a ban, this share is free of delays: who mistypes a few times waits for
/// nothing.
const FREE_SHARE: f64 = 0.3;

/// What is remembered.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Failures, as they were at `at`.
    score: f64,
    at: Instant,
    /// Bans in a row.
    pub(super) bans: u32,
    banned_until: Option<Instant>,
    banned_for: Duration,
    /// Keyed digests of the wrong passwords that were last counted, oldest first.
    guesses: Vec<u64>,
}

impl Record {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            score: 0.0,
            at: now,
            bans: 0,
            banned_until: None,
            banned_for: Duration::ZERO,
            guesses: Vec::new(),
        }
    }

    /// Failures that are not yet forgotten.
    pub(super) fn score(&self, half_life: Duration, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at).as_secs_f64();
        self.score * (-age / half_life.as_secs_f64().max(1.0)).exp2()
    }

    /// How much longer it is banned, if it is.
    pub(super) fn ban_left(&self, now: Instant) -> Option<Duration> {
        let left = self.banned_until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Whether this guess was counted a short while ago; if not, it is remembered.
    pub(super) fn knows(&mut self, guess: u64) -> bool {
        if self.guesses.contains(&guess) {
            return true;
        }
        if self.guesses.len() >= THROTTLE_GUESSES_KEPT {
            self.guesses.remove(0);
        }
        self.guesses.push(guess);
        false
    }

    /// Counts a failure. Says for how long it is banned, if that is the failure too many.
    pub(super) fn fail(
        &mut self,
        rules: &ThrottleRules,
        failures_max: f64,
        now: Instant,
    ) -> Option<Duration> {
        self.score = (self.score(rules.half_life, now) + 1.0).min(failures_max);
        self.at = now;
        // The failures until a ban decay meanwhile, so that the last one need not be whole.
        if self.score < failures_max - 0.5 || rules.ban_first.is_zero() {
            return None;
        }
        if let Some(until) = self.banned_until
            && now.saturating_duration_since(until) > self.banned_for
        {
            // It behaved for as long as it had been banned.
            self.bans = 0;
        }
        let doubled = rules.ban_first.saturating_mul(1 << self.bans.min(24));
        self.banned_for = doubled.min(rules.ban_max.max(rules.ban_first));
        self.banned_until = Some(now + self.banned_for);
        self.bans = self.bans.saturating_add(1);
        Some(self.banned_for)
    }

    /// How long the next log-on waits: nothing at first, then from the first delay to the
    /// longest, growing with each failure by the same factor.
    pub(super) fn delay(&self, rules: &ThrottleRules, failures_max: f64, now: Instant) -> Duration {
        let free = failures_max * FREE_SHARE;
        let score = self.score(rules.half_life, now);
        // Half a failure is what decays between two attempts that follow each other.
        if score < free - 0.5 || score < 0.5 || rules.delay_max.is_zero() {
            return Duration::ZERO;
        }
        let (first, most) = (
            rules.delay_first.as_secs_f64(),
            rules.delay_max.as_secs_f64(),
        );
        let share = ((score - free) / (failures_max - free)).clamp(0.0, 1.0);
        Duration::from_secs_f64(first.min(most) * (most / first.min(most)).powf(share))
    }
}
