//! The timer: owns every inactivity deadline (MS-STANXPOP3 V0002, RFC 1939 s3).
//!
//! A command costs it nothing. The session keeps its deadline in an [`Activity`] that the timer
//! can read; an entry that fires too early is put back for the rest. When a deadline is really
//! over, the session is told, says its notice and closes (V0003). Deadlines of a single call (a
//! handshake, a write that makes no progress) are kept at that call.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task;
use std::task::Poll;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorFuture, Addr, AsyncContext, Context, Handler, Message, Supervised, WeakRecipient,
};
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Key;

use crate::clock;
use crate::session::SessionSupervisor;

/// A session that was told and is still there is told again after this.
const REMINDER: Duration = Duration::from_secs(5);

/// When a session will have been inactive for too long, where the timer can read it.
#[derive(Debug)]
pub(crate) struct Activity {
    base: Instant,
    /// Milliseconds after `base`.
    deadline_millis: AtomicU64,
}

impl Activity {
    /// Not inactive until `deadline`.
    pub(crate) fn new(deadline: Instant) -> Self {
        let activity = Self {
            base: clock::now(),
            deadline_millis: AtomicU64::new(0),
        };
        activity.set(deadline);
        activity
    }

    /// Not inactive until `deadline`.
    pub(crate) fn set(&self, deadline: Instant) {
        let millis = deadline.saturating_duration_since(self.base).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.deadline_millis.store(millis, Ordering::Relaxed);
    }

    fn deadline(&self) -> Instant {
        self.base + Duration::from_millis(self.deadline_millis.load(Ordering::Relaxed))
    }
}

/// Watch this session. What is not disarmed ends when its `Activity` is dropped.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ArmDeadline {
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

struct Armed {
    session: u64,
    activity: Weak<Activity>,
    tell: WeakRecipient<DeadlineFired>,
}

/// See the file's first lines.
pub(crate) struct TimerActor {
    queue: DelayQueue<Armed>,
    keys: HashMap<u64, Key>,
    clients: Arc<std::sync::OnceLock<Addr<SessionSupervisor>>>,
    restarted: bool,
}

impl TimerActor {
    /// `clients` is told of each restart; it is set once the tree stands.
    pub(crate) fn new(clients: Arc<std::sync::OnceLock<Addr<SessionSupervisor>>>) -> Self {
        Self {
            queue: DelayQueue::new(),
            keys: HashMap::new(),
            clients,
            restarted: false,
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
        let left = activity.deadline().saturating_duration_since(clock::now());
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
        if std::mem::take(&mut self.restarted)
            && let Some(clients) = self.clients.get()
        {
            // The queue of a supervisor is never full of anything slow; should it be, the
            // sessions of that moment live without a timer until they are told the next time.
            drop(clients.try_send(TimerRestarted));
        }
    }
}

impl Supervised for TimerActor {
    fn restarting(&mut self, _ctx: &mut Context<Self>) {
        *self = Self::new(Arc::clone(&self.clients));
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

impl Handler<ArmDeadline> for TimerActor {
    type Result = ();

    fn handle(&mut self, message: ArmDeadline, _ctx: &mut Context<Self>) {
        let ArmDeadline {
            session,
            activity,
            tell,
        } = message;
        let Some(deadline) = activity.upgrade().map(|activity| activity.deadline()) else {
            return;
        };
        let wait = deadline.saturating_duration_since(clock::now());
        self.watch(
            Armed {
                session,
                activity,
                tell,
            },
            wait,
        );
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

impl Handler<crate::mailbox::Crash> for TimerActor {
    type Result = ();

    fn handle(&mut self, _: crate::mailbox::Crash, _: &mut Context<Self>) {
        panic!("the timer was told to crash");
    }
}
