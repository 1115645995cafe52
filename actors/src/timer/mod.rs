//! The timer: owns every inactivity deadline (MS-STANXPOP3 V0002, RFC 1939 s3).
//!
//! A command costs it nothing; sessions come to it by [`Deadlines`]. The session keeps its deadline
//! in an [`Activity`] that the timer can read; an entry that fires too early is put back for the rest. When a deadline is really
//! over, the session is told, says its notice and closes (V0003). Deadlines of a single call (a
//! handshake, a write that makes no progress) are kept at that call.

mod deadlines;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task;
use std::task::Poll;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorFuture, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, Supervised,
    WeakRecipient, WrapFuture,
};
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Key;

use crate::clock;
use crate::session::SessionSupervisor;
use crate::supervise::Crash;
pub(crate) use deadlines::{Deadlines, Left, LookSoon};

/// A session that was told and is still there is told again after this.
const REMINDER: Duration = Duration::from_secs(5);
/// A session that was at work is looked at again after this: shorter than any timeout, so that
/// the deadline which begins when the work is done is not missed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// In place of a deadline: the session is at work.
const AT_WORK: u64 = u64::MAX;

/// When a session will have been inactive for too long, where the timer can read it.
#[derive(Debug)]
pub(crate) struct Activity {
    base: Instant,
    /// Milliseconds after `base`, or `AT_WORK`.
    deadline_millis: AtomicU64,
    /// The timer has it in its queue.
    watched: AtomicBool,
}

impl Activity {
    /// Not inactive until `deadline`.
    pub(crate) fn new(deadline: Instant) -> Self {
        let activity = Self {
            base: clock::now(),
            deadline_millis: AtomicU64::new(0),
            watched: AtomicBool::new(false),
        };
        activity.set(deadline);
        activity
    }

    /// Not inactive until `deadline`.
    pub(crate) fn set(&self, deadline: Instant) {
        // Rounded up: a session that is told too early does not believe it.
        let wait = deadline.saturating_duration_since(self.base);
        let millis = wait.as_nanos().div_ceil(1_000_000);
        let millis = u64::try_from(millis).unwrap_or(AT_WORK).min(AT_WORK - 1);
        self.deadline_millis.store(millis, Ordering::Relaxed);
    }

    /// Not inactive for as long as what was begun takes; `set` ends it.
    pub(crate) fn at_work(&self) {
        self.deadline_millis.store(AT_WORK, Ordering::Relaxed);
    }

    /// Whether the timer has to be told of its end.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// How long the timer has nothing to do about it.
    fn left(&self, now: Instant) -> Duration {
        match self.deadline_millis.load(Ordering::Relaxed) {
            AT_WORK => LOOK_AGAIN,
            millis => {
                let passed = now.saturating_duration_since(self.base);
                Duration::from_millis(millis).saturating_sub(passed)
            }
        }
    }
}

/// A session to be watched. What is not disarmed ends when its `Activity` is dropped.
pub(crate) struct Armed {
    pub(crate) session: u64,
    pub(crate) activity: Weak<Activity>,
    pub(crate) tell: WeakRecipient<DeadlineFired>,
}

/// The session is over.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct DisarmDeadline {
    pub(crate) session: u64,
}

/// To a session: it has been inactive for too long.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct DeadlineFired;

/// To the session supervisor: the timer has forgotten everybody; arm again.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct TimerRestarted;

/// See the file's first lines.
pub(crate) struct TimerActor {
    queue: DelayQueue<Armed>,
    keys: HashMap<u64, Key>,
    left: Arc<Left>,
    clients: Arc<std::sync::OnceLock<Addr<SessionSupervisor>>>,
    restarted: bool,
}

impl TimerActor {
    /// `clients` is told of each restart; it is set once the tree stands.
    pub(crate) fn new(
        left: Arc<Left>,
        clients: Arc<std::sync::OnceLock<Addr<SessionSupervisor>>>,
    ) -> Self {
        Self {
            queue: DelayQueue::new(),
            keys: HashMap::new(),
            left,
            clients,
            restarted: false,
        }
    }

    /// Takes up those who were left and are still there.
    fn look(&mut self) {
        for armed in self.left.take() {
            if let Some(activity) = armed.activity.upgrade() {
                activity.watched.store(true, Ordering::Relaxed);
                self.watch(armed, activity.left(clock::now()));
            }
        }
    }

    fn watch(&mut self, armed: Armed, wait: Duration) {
        let session = armed.session;
        let key = self.queue.insert(armed, wait);
        if let Some(former) = self.keys.insert(session, key) {
            self.queue.try_remove(&former);
        }
    }

    /// An entry came up: put it back if the session was active meanwhile, else tell it.
    fn came_up(&mut self, armed: Armed) {
        self.keys.remove(&armed.session);
        let Some(activity) = armed.activity.upgrade() else {
            return;
        };
        let left = activity.left(clock::now());
        if !left.is_zero() {
            self.watch(armed, left);
            return;
        }
        let Some(session) = armed.tell.upgrade() else {
            return;
        };
        // A full queue is not an error: the reminder comes.
        drop(session.try_send(DeadlineFired));
        self.watch(armed, REMINDER);
    }
}

impl Actor for TimerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.spawn(ComeUp);
        // A former incarnation may have been about to.
        self.look();
        if std::mem::take(&mut self.restarted)
            && let Some(clients) = self.clients.get()
        {
            // Waits while the queue is full: no session may live without a timer.
            let told = clients.send(TimerRestarted);
            ctx.spawn(told.into_actor(self).map(|_heard, _, _| ()));
        }
    }
}

impl Supervised for TimerActor {
    fn restarting(&mut self, _ctx: &mut Context<Self>) {
        *self = Self::new(Arc::clone(&self.left), Arc::clone(&self.clients));
        self.restarted = true;
    }
}

/// Polls the queue for as long as the actor lives.
struct ComeUp;

impl ActorFuture<TimerActor> for ComeUp {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        timer: &mut TimerActor,
        _ctx: &mut Context<TimerActor>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        while let Poll::Ready(Some(expired)) = timer.queue.poll_expired(task) {
            timer.came_up(expired.into_inner());
        }
        Poll::Pending
    }
}

impl Handler<LookSoon> for TimerActor {
    type Result = ();

    fn handle(&mut self, _: LookSoon, _ctx: &mut Context<Self>) {
        self.look();
    }
}

impl Handler<DisarmDeadline> for TimerActor {
    type Result = ();

    fn handle(&mut self, message: DisarmDeadline, _ctx: &mut Context<Self>) {
        if let Some(key) = self.keys.remove(&message.session) {
            self.queue.try_remove(&key);
        }
    }
}

impl Handler<Crash> for TimerActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("the timer was told to crash");
    }
}
