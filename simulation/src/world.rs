//! What outlives a life of the tree: the run's time, its chance, its weather, its books, and what
//! was found wrong.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mailroost_actors::Simulation;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::books::Books;
use crate::dice::Dice;
use crate::plan::Plan;
use crate::trace::Trace;

/// When runs begin, in seconds since 1970-01-01 UTC.
const FIRST_SECOND: u64 = 1_700_000_000;
/// Streams of chance; parties count from the last.
pub(crate) const PLAN_STREAM: u64 = 0;
const MACHINE_STREAM: u64 = 1;
const WEATHER_STREAM: u64 = 2;
const PARTY_STREAM: u64 = 100;

/// Longer than any wait before a restart.
const EXCUSE_LASTS: Duration = Duration::from_secs(10);

/// See the file's first lines.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) plan: Plan,
    pub(crate) violated: Notify,
    state: Mutex<State>,
    books: Mutex<Books>,
}

struct State {
    trace: Trace,
    machine: Dice,
    weather: Dice,
    parties: u64,
    /// How long the lives before took, and when this one began.
    before: Duration,
    began: Option<Instant>,
    last: Duration,
    store: Store,
    wrong: Option<String>,
    excuses: u64,
    excused_at: Option<Duration>,
    timer_excuses: u64,
}

/// How the store is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// It does what it is asked.
    Well,
    /// Calls take seconds.
    Slow,
    /// Some calls fail.
    Failing,
    /// Some calls panic.
    Panicking,
    /// A write could not be made durable: nothing is accepted until a restart.
    Poisoned,
}

/// What becomes of a call of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is done.
    Done,
    /// It is refused, and nothing was done.
    Refused,
    /// It panics before, or after, it was done.
    Panics { done: bool },
    /// It was done, or was not, and cannot be made durable.
    Poisons { done: bool },
}

impl World {
    pub(crate) fn new(seed: u64, aloud: bool) -> Self {
        let plan = Plan::of(&mut Dice::new(seed, PLAN_STREAM));
        let books = Books::new(&plan);
        Self {
            seed,
            plan,
            violated: Notify::new(),
            state: Mutex::new(State {
                trace: Trace::new(aloud),
                machine: Dice::new(seed, MACHINE_STREAM),
                weather: Dice::new(seed, WEATHER_STREAM),
                parties: PARTY_STREAM,
                before: Duration::ZERO,
                began: None,
                last: Duration::ZERO,
                store: Store::Well,
                wrong: None,
                excuses: 0,
                excused_at: None,
                timer_excuses: 0,
            }),
            books: Mutex::new(books),
        }
    }

    /// The time of the run. Between two lives it stands still.
    pub(crate) fn now(&self) -> Duration {
        self.state().now()
    }

    /// Seconds since 1970-01-01 UTC.
    pub(crate) fn now_secs(&self) -> u64 {
        FIRST_SECOND + self.now().as_secs()
    }

    pub(crate) fn life_begins(&self) {
        let mut state = self.state();
        state.began = Some(Instant::now());
        state.store = Store::Well;
    }

    pub(crate) fn life_ends(&self) {
        let mut state = self.state();
        state.last = state.now();
        state.before = state.last;
        state.began = None;
        state.excuses += 1;
    }

    /// Chance for one more who acts.
    pub(crate) fn dice(&self) -> Dice {
        let mut state = self.state();
        state.parties += 1;
        Dice::new(self.seed, state.parties)
    }

    pub(crate) fn note(&self, event: &str) {
        let mut state = self.state();
        let now = state.now();
        state.trace.note(now, event);
    }

    /// Whether somebody reads along.
    pub(crate) fn is_aloud(&self) -> bool {
        self.state().trace.is_aloud()
    }

    /// What the tree says of itself: for whoever reads along.
    pub(crate) fn say(&self, line: &str) {
        self.state().trace.say(line);
    }

    /// What must always hold does not. The first one counts.
    pub(crate) fn wrong(&self, what: String) {
        let mut state = self.state();
        let now = state.now();
        state.trace.note(now, &format!("WRONG: {what}"));
        if state.wrong.is_none() {
            state.wrong = Some(what);
        }
        self.violated.notify_one();
    }

    pub(crate) fn is_wrong(&self) -> bool {
        self.state().wrong.is_some()
    }

    /// What was wrong, the digest, how many events there were, and the last of them.
    pub(crate) fn outcome(&self) -> (Option<String>, u64, u64, String) {
        let state = self.state();
        let trace = &state.trace;
        (
            state.wrong.clone(),
            trace.digest(),
            trace.events(),
            trace.tail(),
        )
    }

    /// From now on sessions may end without having done anything.
    pub(crate) fn excuse(&self) {
        let mut state = self.state();
        state.excused_at = Some(state.now());
        state.excuses += 1;
    }

    /// Whether that was so short a time ago that not all have felt it: who has to pass it on may
    /// be waiting for its own restart.
    pub(crate) fn was_excused_lately(&self) -> bool {
        let state = self.state();
        let excused_at = state.excused_at;
        excused_at.is_some_and(|at| state.now() < at + EXCUSE_LASTS)
    }

    /// How often sessions had an excuse so far.
    pub(crate) fn excuses(&self) -> u64 {
        self.state().excuses
    }

    /// Those who see to deadlines were restarted.
    pub(crate) fn excuse_timer(&self) {
        self.state().timer_excuses += 1;
    }

    pub(crate) fn timer_excuses(&self) -> u64 {
        self.state().timer_excuses
    }

    /// The weather changes, but a poisoned store stays so until the next life.
    pub(crate) fn set_store(&self, store: Store) {
        let mut state = self.state();
        if state.store != Store::Poisoned {
            state.store = store;
        }
    }

    pub(crate) fn store(&self) -> Store {
        self.state().store
    }

    /// What becomes of the next call. `writes`: it may poison the store.
    pub(crate) fn fate(&self, writes: bool) -> Fate {
        let mut state = self.state();
        let (percent, store) = (self.plan.trouble_percent, state.store);
        match store {
            Store::Well | Store::Slow => Fate::Done,
            Store::Poisoned if writes => Fate::Refused,
            Store::Poisoned => Fate::Done,
            Store::Failing if !state.weather.percent(percent) => Fate::Done,
            Store::Failing if writes && state.weather.percent(4) => {
                state.store = Store::Poisoned;
                let done = state.weather.percent(50);
                Fate::Poisons { done }
            }
            Store::Failing => Fate::Refused,
            Store::Panicking if !state.weather.percent(percent) => Fate::Done,
            Store::Panicking => {
                let done = state.weather.percent(50);
                Fate::Panics { done }
            }
        }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Values are whole whenever the lock is free, so poison means nothing.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn now(&self) -> Duration {
        match self.began {
            Some(began) => self.before + began.elapsed(),
            None => self.last,
        }
    }
}

impl Simulation for World {
    fn call_waits(&self) -> Duration {
        let mut state = self.state();
        let most = match state.store {
            Store::Slow => 20_000,
            Store::Well | Store::Failing | Store::Panicking | Store::Poisoned => {
                self.plan.thread_millis
            }
        };
        state.machine.millis(most)
    }

    fn answer_waits(&self) -> Duration {
        self.state().machine.millis(self.plan.thread_millis / 2)
    }

    fn stands_back(&self) -> bool {
        self.state().machine.percent(self.plan.stand_back_percent)
    }

    fn calendar(&self) -> Duration {
        Duration::from_secs(FIRST_SECOND) + self.now()
    }

    fn chance(&self) -> u64 {
        self.state().machine.number()
    }
}
