//! What happened, in order: all of it in one number, and the last of it to be read.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Events that are kept for whoever has to understand a failure.
const KEPT_EVENTS: usize = 60;

/// See the file's first lines.
#[derive(Debug)]
pub(crate) struct Trace {
    hasher: DefaultHasher,
    events: u64,
    last: VecDeque<String>,
    aloud: bool,
}

impl Trace {
    /// Nothing has happened yet. `aloud`: every event is printed.
    pub(crate) fn new(aloud: bool) -> Self {
        Self {
            hasher: DefaultHasher::new(),
            events: 0,
            last: VecDeque::new(),
            aloud,
        }
    }

    /// One more event at that time of the run.
    pub(crate) fn note(&mut self, at: Duration, event: &str) {
        self.events += 1;
        (at, event).hash(&mut self.hasher);
        let line = format!("{:>6} {:>11.3} s  {event}", self.events, at.as_secs_f64());
        if self.aloud {
            self.say(&line);
        }
        if self.last.len() == KEPT_EVENTS {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// Something beside the events.
    #[expect(clippy::print_stderr, reason = "asked for by whoever replays a seed")]
    pub(crate) fn say(&self, line: &str) {
        eprintln!("{line}");
    }

    /// Whether every event is printed.
    pub(crate) fn is_aloud(&self) -> bool {
        self.aloud
    }

    /// Events so far.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// The same for the same events at the same times, and hardly ever otherwise.
    pub(crate) fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    /// The last events, one on each line.
    pub(crate) fn tail(&self) -> String {
        self.last.iter().map(|line| format!("{line}\n")).collect()
    }
}
