//! Sessions that are logged on and say nothing: what each costs in memory, and what all cost in
//! processor time.

use std::sync::Mutex;
use std::time::Duration;

use crate::Fault;
use crate::drive::side_by_side;
use crate::mail::Group;
use crate::peer::{Door, Peer, Running, Work};
use crate::pop3::Pop3;

use super::{target, warm};

/// Clients that open sessions side by side.
const OPENERS: usize = 16;

/// How long the processor time of the idle server is watched.
const WATCH: Duration = Duration::from_secs(6);

/// How long is waited for the server to come to rest; then it is measured as it is.
const SETTLING_SECONDS_MAX: u32 = 10;

/// Less than so much processor time in a second is rest.
const IDLE_CPU_SECONDS: f64 = 0.05;

/// Whose sessions they are, so many each in turn.
const ACCOUNTS: usize = 200;

/// What idle sessions cost.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// Sessions that were open.
    pub sessions: usize,
    /// KiB of memory for each, the server's own before them not counted.
    pub kib_each: f64,
    /// Seconds of processor time in a minute while nobody says anything.
    pub cpu_seconds_per_minute: f64,
}

/// Opens `count` sessions and watches. The server was started for this.
///
/// # Errors
/// What went wrong.
pub fn idle(
    peer: &dyn Peer,
    running: &Running,
    work: &Work,
    door: Door,
    count: usize,
) -> Result<Idle, Fault> {
    let target = target(peer, door, work, true)?;
    // Who logs on for the first time may cost a hash: that memory is not the sessions'.
    warm(peer, work, Group::Idle, ACCOUNTS.min(count))?;
    let before = running.memory_kib();
    let sessions = Mutex::new(Vec::with_capacity(count));
    side_by_side(OPENERS, count, |number| {
        let mut session = Pop3::log_on(&target, &Group::Idle.account(number % ACCOUNTS))?;
        session.rest();
        if let Ok(mut sessions) = sessions.lock() {
            sessions.push(session);
        }
        Ok(())
    })?;
    let after = running.memory_kib();
    settle(running);
    let cpu = running.cpu_seconds();
    std::thread::sleep(WATCH);
    let cpu = running.cpu_seconds() - cpu;
    let opened = sessions.into_inner().map_or(0, |sessions| sessions.len());
    Ok(Idle {
        sessions: opened,
        kib_each: after.saturating_sub(before) as f64 / opened.max(1) as f64,
        cpu_seconds_per_minute: cpu / WATCH.as_secs_f64() * 60.0,
    })
}

/// Waits until the server has done what it does after a start and behind the log-ons, if it ends.
fn settle(running: &Running) {
    for _ in 0..SETTLING_SECONDS_MAX {
        let before = running.cpu_seconds();
        std::thread::sleep(Duration::from_secs(1));
        if running.cpu_seconds() - before < IDLE_CPU_SECONDS {
            return;
        }
    }
}
