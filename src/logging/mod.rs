//! The log: lines for people or for programs, written by a thread of their own.
//!
//! Nothing here is global. What wants to log is given a [`slog::Logger`].
//!
//! One event is one line, whatever its values hold: both forms replace every control
//! character and every character that changes how others are shown. What a client sent is
//! logged as [`Harmless`], which also shortens it.

pub(crate) mod fields;
pub(crate) mod harmless;
mod human;
mod json;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use slog::{Drain, Level, Logger, OwnedKVList, Record};
use slog_async::{Async, AsyncGuard, OverflowStrategy};
use slog_term::FullFormat;

pub use harmless::Harmless;

/// The most records that wait for the writing thread; then whoever logs waits too, and nothing
/// is dropped. A burst of session ends fits.
const WAITING_MAX: usize = 4096;

/// What a line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Time (UTC), level, message, `key: value`.
    Human {
        /// With the terminal's colours.
        colour: bool,
    },
    /// A JSON object with `ts` (RFC 3339, UTC), `level`, `msg` and the values.
    Json,
}

impl Form {
    /// Human and in colour if standard error is a terminal, JSON if it is not.
    pub fn for_stderr() -> Self {
        if io::stderr().is_terminal() {
            Self::Human { colour: true }
        } else {
            Self::Json
        }
    }
}

/// A logger and the thread that writes what it is given.
///
/// Dropping it writes everything that was logged before. What is logged later, by a clone of
/// the logger that is still about, is lost: drop it last.
pub struct Logging {
    logger: Logger,
    level: Arc<AtomicUsize>,
    _writes_the_rest: AsyncGuard,
}

impl Logging {
    /// Writes to standard error. What cannot be written is given up: a log that is gone stops
    /// nobody.
    pub fn to_stderr(form: Form, level: Level) -> Self {
        Self::to_writer(form, level, io::stderr())
    }

    /// Writes to anything, whole lines at a time.
    pub fn to_writer<W: Write + Send + 'static>(form: Form, level: Level, out: W) -> Self {
        match form {
            Form::Human { colour } => {
                let lines = FullFormat::new(human::HumanLines::new(out, colour));
                Self::over(
                    lines.use_utc_timestamp().use_original_order().build(),
                    level,
                )
            }
            Form::Json => {
                let lines = slog_json::Json::new(json::JsonLines::new(out));
                Self::over(lines.add_default_keys().build(), level)
            }
        }
    }

    fn over<D: Drain + Send + 'static>(drain: D, level: Level) -> Self {
        let (queue, guard) = Async::new(drain.ignore_res())
            .chan_size(WAITING_MAX)
            .overflow_strategy(OverflowStrategy::Block)
            .thread_name("log".to_owned())
            .build_with_guard();
        let level = Arc::new(AtomicUsize::new(level.as_usize()));
        let gate = Gate {
            level: Arc::clone(&level),
            drain: queue.ignore_res(),
        };
        Self {
            logger: Logger::root(gate, slog::o!()),
            level,
            _writes_the_rest: guard,
        }
    }

    /// The logger, to be cloned and given away.
    pub fn logger(&self) -> &Logger {
        &self.logger
    }

    /// Changes what is important enough to be written, from now on.
    pub fn set_level(&self, level: Level) {
        self.level.store(level.as_usize(), Ordering::Relaxed);
    }
}

/// Lets only important records through. The level can change while it is in use.
struct Gate<D> {
    level: Arc<AtomicUsize>,
    drain: D,
}

impl<D: Drain<Ok = (), Err = slog::Never>> Drain for Gate<D> {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), slog::Never> {
        if self.is_enabled(record.level()) {
            self.drain.log(record, values)
        } else {
            Ok(())
        }
    }

    fn is_enabled(&self, level: Level) -> bool {
        level.as_usize() <= self.level.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
