//! Who waits for a thread that checks passwords. One address has only a few of them at once and
//! a bounded line of its own, so that it cannot make everybody else wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Limits;

/// The queue. It outlives nobody: what is in it are guards.
pub(crate) struct Queue {
    checks: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
    lines: Lines,
    line_checks_max: usize,
    line_waiting_max: usize,
}

/// The lines of the addresses that have somebody in them.
type Lines = Arc<Mutex<HashMap<IpAddr, Line>>>;

struct Line {
    checks: Arc<Semaphore>,
    members: usize,
}

/// Why somebody does not get a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTurn {
    /// So many wait already.
    All(usize),
    /// So many of this address wait already.
    Address(usize),
    /// It is shutting down.
    Closed,
}

/// A turn: a thread may be used until it is dropped.
pub(crate) struct Turn {
    _check: OwnedSemaphorePermit,
    _line: Option<(OwnedSemaphorePermit, Member)>,
}

impl Queue {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            checks: Arc::new(Semaphore::new(limits.password_checks_max)),
            waiting: Arc::default(),
            waiting_max: limits.password_checks_waiting_max,
            lines: Lines::default(),
            line_checks_max: limits.password_checks_per_address_max,
            line_waiting_max: limits.password_checks_waiting_per_address_max,
        }
    }

    /// Waits for a turn: in the line of `address` first, if it is named, then among all. The
    /// place is taken when this is called, not when the answer is first waited for.
    pub(crate) fn enter(
        &self,
        address: Option<IpAddr>,
    ) -> impl Future<Output = Result<Turn, NoTurn>> + use<> {
        let place = Place::take(&self.waiting, self.waiting_max);
        let line = address.map(|address| self.join(address));
        let checks = Arc::clone(&self.checks);
        async move {
            let line = match line.transpose()? {
                Some((line, member)) => Some((
                    line.acquire_owned().await.map_err(|_| NoTurn::Closed)?,
                    member,
                )),
                None => None,
            };
            let place = place?;
            let check = checks.acquire_owned().await.map_err(|_| NoTurn::Closed)?;
            drop(place);
            Ok(Turn {
                _check: check,
                _line: line,
            })
        }
    }

    fn join(&self, address: IpAddr) -> Result<(Arc<Semaphore>, Member), NoTurn> {
        let mut lines = lock(&self.lines);
        let line = lines.entry(address).or_insert_with(|| Line {
            checks: Arc::new(Semaphore::new(self.line_checks_max)),
            members: 0,
        });
        if line.members >= self.line_checks_max + self.line_waiting_max {
            return Err(NoTurn::Address(self.line_waiting_max));
        }
        line.members += 1;
        let member = Member {
            address,
            lines: Arc::clone(&self.lines),
        };
        Ok((Arc::clone(&line.checks), member))
    }
}

/// A place in the line of an address; a line without members is gone.
struct Member {
    address: IpAddr,
    lines: Lines,
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut lines = lock(&self.lines);
        if let Some(line) = lines.get_mut(&self.address) {
            line.members -= 1;
            if line.members == 0 {
                lines.remove(&self.address);
            }
        }
    }
}

/// A place among all who wait.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>, waiting_max: usize) -> Result<Self, NoTurn> {
        let before = waiting.fetch_add(1, Ordering::SeqCst);
        let place = Self(Arc::clone(waiting));
        if before < waiting_max {
            Ok(place)
        } else {
            Err(NoTurn::All(waiting_max))
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts cannot be left half-changed, so poison means nothing.
fn lock(lines: &Lines) -> MutexGuard<'_, HashMap<IpAddr, Line>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn queue() -> Queue {
        Queue::new(&Limits {
            password_checks_max: 4,
            password_checks_waiting_max: 10,
            password_checks_per_address_max: 2,
            password_checks_waiting_per_address_max: 3,
            ..Limits::default()
        })
    }

    fn address(low: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, low]))
    }

    type Entering = std::pin::Pin<Box<dyn Future<Output = Result<Turn, NoTurn>>>>;

    fn enter(queue: &Queue, from: Option<IpAddr>) -> Entering {
        Box::pin(queue.enter(from))
    }

    fn poll(entering: &mut Entering) -> Poll<Result<Turn, NoTurn>> {
        entering
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
    }

    fn at_once(queue: &Queue, from: Option<IpAddr>) -> Turn {
        match poll(&mut enter(queue, from)) {
            Poll::Ready(Ok(turn)) => turn,
            Poll::Ready(Err(error)) => panic!("{error:?}"),
            Poll::Pending => panic!("it has to wait"),
        }
    }

    #[test]
    fn one_address_leaves_threads_to_the_others() {
        let queue = queue();
        let flood: Vec<_> = [at_once(&queue, address(1)), at_once(&queue, address(1))].into();
        let mut waiting: Vec<_> = (0..3).map(|_| enter(&queue, address(1))).collect();
        assert!(
            waiting
                .iter_mut()
                .all(|entering| poll(entering).is_pending())
        );
        let outcome = poll(&mut enter(&queue, address(1)));
        assert!(matches!(outcome, Poll::Ready(Err(NoTurn::Address(3)))));
        // Another one does not notice.
        drop(at_once(&queue, address(2)));
        drop(flood);
        assert!(poll(&mut waiting[0]).is_ready());
    }

    #[test]
    fn all_together_are_bounded_and_nothing_is_left_behind() {
        let queue = queue();
        let turns: Vec<_> = (0..4).map(|_| at_once(&queue, None)).collect();
        let mut waiting: Vec<_> = (0..10).map(|_| enter(&queue, None)).collect();
        assert!(
            waiting
                .iter_mut()
                .all(|entering| poll(entering).is_pending())
        );
        let outcome = poll(&mut enter(&queue, address(1)));
        assert!(matches!(outcome, Poll::Ready(Err(NoTurn::All(10)))));
        drop((waiting, turns));
        assert_eq!(queue.waiting.load(Ordering::SeqCst), 0);
        assert_eq!(queue.checks.available_permits(), 4);
        assert!(lock(&queue.lines).is_empty());
    }
}
