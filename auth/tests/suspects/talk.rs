//! One log-on, and what of it can be seen and measured from outside.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::time::Duration;

use mailroost_auth::{AuthError, Exchange, Identity, PasswordSource, Progress};
use nix::time::{ClockId, clock_gettime};

/// An exchange that is under way.
pub struct Talk<'a> {
    source: &'a dyn PasswordSource,
    /// What the server took so far: time of this thread on a CPU, so that it does not count what
    /// else the machine does.
    pub took: Duration,
    /// Octets of each challenge that came.
    pub challenges: Vec<usize>,
    /// Iterations that the client was told to compute.
    pub iterations: u32,
    pub outcome: Option<Result<Identity, AuthError>>,
}

impl<'a> Talk<'a> {
    pub fn new(source: &'a dyn PasswordSource) -> Self {
        Self {
            source,
            took: Duration::ZERO,
            challenges: Vec::new(),
            iterations: 0,
            outcome: None,
        }
    }

    /// Something that is asked of the source at once.
    pub fn ask(
        &mut self,
        question: impl FnOnce(&dyn PasswordSource) -> Result<Identity, AuthError>,
    ) {
        let began = cpu_time();
        let outcome = question(self.source);
        self.took += cpu_time() - began;
        self.outcome = Some(outcome);
    }

    /// One message of the client, and the challenge that comes of it; `None` at the end.
    pub fn step(&mut self, exchange: &mut dyn Exchange, client: &[u8]) -> Option<Vec<u8>> {
        let began = cpu_time();
        let progress = exchange.step(client, self.source);
        self.took += cpu_time() - began;
        match progress {
            Progress::Challenge(challenge) => {
                self.challenges.push(challenge.len());
                return Some(challenge);
            }
            Progress::Refusal { challenge, why } => {
                self.challenges.push(challenge.len());
                self.outcome = Some(Err(why));
            }
            Progress::Success(identity) => self.outcome = Some(Ok(identity)),
            Progress::Failure(error) => self.outcome = Some(Err(error)),
        }
        None
    }
}

/// How long this thread was on a CPU.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .unwrap()
        .into()
}
