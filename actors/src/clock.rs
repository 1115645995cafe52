//! The only place that asks for the time: tokio's clock, which a test can pause.

use std::time::Instant;

/// Now, on a clock that tests can stop and move.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
