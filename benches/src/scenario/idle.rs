//! Sessions that are logged on and say nothing: what each costs in memory, and what all cost in
//! processor time.

use std::sync::Mutex;
use std::time::Duration;

use crate::Fault;
use crate::mail::Group;
use crate::peer::{Door, Peer, Running, Work};
use crate::pop3::Pop3;
use crate::wire::{Target, tls};

/// Clients that open sessions side by side.
const OPENERS: usize = 16;

/// How long the processor time of the idle server is watched.
const WATCH: Duration = Duration::from_secs(10);

/// What idle sessions cost.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// Sessions that were open.
    pub sessions: usize,
    /// KiB of memory for each, the server's own before them not counted.
    pub kib_each: f64,
    /// Percent of one processor while nobody says anything.
    pub cpu_percent: f64,
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
) -> Result<Option<Idle>, Fault> {
    let Some(address) = peer.address(door) else {
        return Ok(None);
    };
    let config = match door {
        Door::Tls => Some(tls(&work.certificate, true)?),
        Door::Plain | Door::Lmtp => None,
    };
    let target = Target {
        address,
        tls: config,
    };
    // Who logs on for the first time may cost a hash: that memory is not the sessions'.
    for account in 0..Group::Idle.accounts().min(count) {
        Pop3::log_on(&target, &Group::Idle.account(account))?.quit()?;
    }
    let before = running.memory_kib();
    let sessions = Mutex::new(Vec::with_capacity(count));
    std::thread::scope(|scope| {
        let openers: Vec<_> = (0..OPENERS)
            .map(|opener| {
                let (target, sessions) = (&target, &sessions);
                scope.spawn(move || {
                    for number in (opener..count).step_by(OPENERS) {
                        let mut session = Pop3::log_on(target, &Group::Idle.account(number))?;
                        session.rest();
                        if let Ok(mut sessions) = sessions.lock() {
                            sessions.push(session);
                        }
                    }
                    Ok::<(), Fault>(())
                })
            })
            .collect();
        openers
            .into_iter()
            .try_for_each(|opener| match opener.join() {
                Ok(outcome) => outcome,
                Err(_) => Err(Fault::text("an opener panicked")),
            })
    })?;
    let after = running.memory_kib();
    let cpu = running.cpu_seconds();
    std::thread::sleep(WATCH);
    let cpu = running.cpu_seconds() - cpu;
    let opened = sessions.into_inner().map_or(0, |sessions| sessions.len());
    Ok(Some(Idle {
        sessions: opened,
        kib_each: after.saturating_sub(before) as f64 / opened.max(1) as f64,
        cpu_percent: cpu / WATCH.as_secs_f64() * 100.0,
    }))
}
