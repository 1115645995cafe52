//! What the tree asks of the machine below it: threads that may block, the calendar, chance. A
//! simulation answers instead of the machine, so that a run can be played again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock;

/// See the file's first lines.
#[derive(Clone, Default)]
pub enum Machine {
    /// The one that we run on.
    #[default]
    Real,
    /// One that somebody plays. It needs a tree without workers, on a paused clock.
    Simulated(Arc<dyn Simulation>),
}

/// What a simulated machine decides. From the same answers follows the same run.
pub trait Simulation: Send + Sync {
    /// How long the next call that blocks waits for its thread.
    fn call_waits(&self) -> Duration;

    /// How long its answer is under way: nobody knows meanwhile what came of it.
    fn answer_waits(&self) -> Duration;

    /// Whether an actor that could go on lets all others who can go first.
    fn stands_back(&self) -> bool;

    /// The time since 1970-01-01 UTC.
    fn calendar(&self) -> Duration;

    /// A number that nobody foresees.
    fn chance(&self) -> u64;
}

impl Machine {
    /// Runs a call that may block away from the threads that serve sockets. It runs to its end,
    /// whoever waits for it; a panic is in the answer.
    pub(crate) fn blocking<R: Send + 'static>(
        &self,
        call: impl FnOnce() -> R + Send + 'static,
    ) -> JoinHandle<R> {
        match self {
            Self::Real => tokio::task::spawn_blocking(call),
            Self::Simulated(simulation) => {
                let simulation = Arc::clone(simulation);
                tokio::spawn(async move {
                    tokio::time::sleep(simulation.call_waits()).await;
                    let answer = call();
                    tokio::time::sleep(simulation.answer_waits()).await;
                    answer
                })
            }
        }
    }

    /// Seconds since 1970-01-01 UTC.
    pub(crate) fn now_secs(&self) -> u64 {
        match self {
            Self::Real => clock::now_secs(),
            Self::Simulated(simulation) => simulation.calendar().as_secs(),
        }
    }

    /// Milliseconds since 1970-01-01 UTC, for people who look things up.
    pub(crate) fn wall_millis(&self) -> u64 {
        match self {
            Self::Real => clock::wall_millis(),
            Self::Simulated(simulation) => {
                u64::try_from(simulation.calendar().as_millis()).unwrap_or(u64::MAX)
            }
        }
    }

    /// A number that nobody foresees, or 0 if there is no randomness.
    pub(crate) fn chance(&self) -> u64 {
        match self {
            Self::Real => getrandom::u64().unwrap_or_default(),
            Self::Simulated(simulation) => simulation.chance(),
        }
    }
}

/// A future of which a simulation says when it has its turn.
pub(crate) struct InTurn<F> {
    pub(crate) fut: Pin<Box<F>>,
    pub(crate) simulation: Arc<dyn Simulation>,
}

impl<F: Future> Future for InTurn<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.simulation.stands_back() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.fut.as_mut().poll(cx)
    }
}
