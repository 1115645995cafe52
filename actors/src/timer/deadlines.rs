//! How a session comes to the timer: it is left where the timer looks. The first that is left since
//! the last look wakes the timer; the others cost no message.

use std::sync::{Arc, Mutex, PoisonError};

use actix::dev::SendError;
use actix::{Addr, Message};

use super::{Armed, DisarmDeadline, TimerActor};

/// To the timer: somebody was left.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct LookSoon;

/// Those who were left. It lives above the timer, so that its death loses nobody.
#[derive(Default)]
pub(crate) struct Left(Mutex<Vec<Armed>>);

impl Left {
    /// Leaves one; says whether it is the only one.
    fn put(&self, armed: Armed) -> bool {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.push(armed);
        left.len() == 1
    }

    /// Takes all.
    pub(super) fn take(&self) -> Vec<Armed> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The sessions' way to the timer.
pub(crate) struct Deadlines {
    left: Arc<Left>,
    timer: Addr<TimerActor>,
}

impl Deadlines {
    pub(crate) fn new(left: Arc<Left>, timer: Addr<TimerActor>) -> Self {
        Self { left, timer }
    }

    /// Has the timer watch a session. A timer that has to be waited for, because its queue is
    /// full, is in the answer: no session lives without it.
    pub(crate) fn arm(&self, armed: Armed) -> Option<Addr<TimerActor>> {
        let first = self.left.put(armed);
        let full = first && matches!(self.timer.try_send(LookSoon), Err(SendError::Full(_)));
        full.then(|| self.timer.clone())
    }

    /// The session is over. If the timer's queue is full, it finds out by itself when the
    /// deadline comes up.
    pub(crate) fn disarm(&self, session: u64) {
        let _ = self.timer.try_send(DisarmDeadline { session });
    }
}
