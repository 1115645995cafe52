//! The only place that asks for the time: tokio's clock, which a test can pause, and the
//! calendar's.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Now, on a clock that tests can stop and move.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Now, in seconds since 1970-01-01 UTC.
pub(crate) fn now_secs() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Milliseconds since 1970-01-01 UTC, for people who look things up.
pub(crate) fn wall_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
