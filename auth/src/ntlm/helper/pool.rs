//! The helper's processes: so many at most, each lent to one exchange, and started again when
//! one has died.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::answer::broken;
use super::process::Process;
use crate::AuthError;

/// How long an exchange waits for a process that others have: each one that waits keeps one of
/// the few threads that check log-ons.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// How often who waits looks whether somebody else's time is over.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long no process is started after one failed at its first line: what is broken would be
/// started again for every log-on.
const REST: Duration = Duration::from_secs(2);

/// How the helper is started, how often, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperCommand {
    /// The program, by its path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Processes at once, and so exchanges.
    pub processes_max: usize,
    /// How long one line may take it; a client that takes longer for its answer has to do
    /// without the process when others want it.
    pub patience: Duration,
}

/// See the file's first lines.
#[derive(Debug)]
pub(super) struct Pool {
    command: HelperCommand,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Process>,
    /// Those that are lent, oldest first.
    lent: Vec<Loan>,
    resting_until: Option<Instant>,
}

/// A process on loan.
#[derive(Debug)]
struct Loan {
    since: Instant,
    place: Arc<Place>,
}

/// Where a lent process is; empty once it was taken back or died.
type Place = Mutex<Option<Process>>;

/// The right to speak to one process. Dropping it gives the process back.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Arc<Pool>,
    place: Arc<Place>,
}

impl Pool {
    pub(super) fn new(command: HelperCommand) -> Self {
        Self {
            command,
            state: Mutex::default(),
            returned: Condvar::new(),
        }
    }

    /// An idle process (`true`), or `false` when one may be started in the place that was
    /// found.
    fn place(&self) -> Result<(Arc<Place>, bool), AuthError> {
        let deadline = Instant::now() + WAIT_MAX;
        let mut state = locked(&self.state);
        loop {
            let now = Instant::now();
            let idle = state.idle.pop();
            let idle = idle.or_else(|| state.overdue(now, self.command.patience));
            let is_idle = idle.is_some();
            if is_idle || state.lent.len() < self.command.processes_max {
                if !is_idle && state.resting_until.is_some_and(|until| now < until) {
                    return Err(broken("it failed a moment ago"));
                }
                let place = Arc::new(Mutex::new(idle));
                state.lent.push(Loan {
                    since: now,
                    place: Arc::clone(&place),
                });
                return Ok((place, is_idle));
            }
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return Err(broken("all its processes are in use"));
            }
            let waited = self.returned.wait_timeout(state, left.min(LOOK_AGAIN));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn start(&self) -> Result<Process, AuthError> {
        let mut command = Command::new(&self.command.program);
        command.args(&self.command.arguments);
        Process::start(command).map_err(|error| self.failed(&error))
    }

    /// A process that was just started is of no use: the next one waits.
    fn failed(&self, error: &std::io::Error) -> AuthError {
        locked(&self.state).resting_until = Some(Instant::now() + REST);
        broken(&error.to_string())
    }
}

impl State {
    /// The process of the oldest loan whose client has thought for longer than `patience`.
    fn overdue(&mut self, now: Instant, patience: Duration) -> Option<Process> {
        let late = |loan: &Loan| now.saturating_duration_since(loan.since) > patience;
        // One that is being asked is locked, and has a deadline of its own.
        let taken = self.lent.iter().enumerate().find_map(|(index, loan)| {
            let mut place = loan.place.try_lock().ok().filter(|_| late(loan))?;
            place.take().map(|process| (index, process))
        });
        let (index, process) = taken?;
        self.lent.remove(index);
        Some(process)
    }
}

impl Lease {
    /// Takes a process and asks it the first line. One that had been idle may have died since:
    /// then a new one is asked.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) fn take(pool: &Arc<Pool>, line: &str) -> Result<(Self, String), AuthError> {
        let (place, was_idle) = pool.place()?;
        let lease = Self {
            pool: Arc::clone(pool),
            place,
        };
        if was_idle && let Ok(answer) = lease.ask(line) {
            return Ok((lease, answer));
        }
        let mut process = pool.start()?;
        let answer = process.ask(line, Instant::now() + pool.command.patience);
        let answer = answer.map_err(|error| pool.failed(&error))?;
        *locked(&lease.place) = Some(process);
        Ok((lease, answer))
    }

    /// Asks a line. A process that fails is killed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) fn ask(&self, line: &str) -> Result<String, AuthError> {
        let mut place = locked(&self.place);
        let process = place.as_mut();
        let process = process.ok_or_else(|| broken("the client took too long for its answer"))?;
        let answer = process.ask(line, Instant::now() + self.pool.command.patience);
        answer.map_err(|error| {
            *place = None;
            broken(&error.to_string())
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = locked(&self.pool.state);
        state
            .lent
            .retain(|loan| !Arc::ptr_eq(&loan.place, &self.place));
        state.idle.extend(locked(&self.place).take());
        drop(state);
        self.pool.returned.notify_one();
    }
}

/// What a panic left is whole: nothing here can panic between two changes.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
