//! Supervision that survives panics. `actix::Supervisor` restarts an actor that stops and loses
//! one that panics, the wrong way round for us; so each child is driven here, one poll at a
//! time, inside `catch_unwind`. A restarted child keeps its address and its queue.

mod back_off;
mod budget;
mod death_watch;
mod population;
mod tests;

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::dev::ContextFut;
use actix::dev::channel::{AddressReceiver, channel};
use actix::{Actor, Addr, Context, Message, Supervised};
use actix_rt::ArbiterHandle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::machine::{InTurn, Simulation};

pub(crate) use back_off::BackOff;
pub(crate) use budget::Budget;
pub(crate) use death_watch::{DeathWatch, Exit, notify};
pub(crate) use population::{Member, Population};

/// What becomes of a child that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    /// It is always restarted.
    Permanent,
    /// It is restarted after a panic; when it stops by itself, it is done.
    Transient,
    /// It is never restarted.
    Temporary,
}

/// How a child is kept.
#[derive(Debug, Clone)]
pub(crate) struct ChildSpec {
    /// For the log and the census.
    pub(crate) name: String,
    /// What becomes of it when it ends.
    pub(crate) restart: Restart,
    /// How often it may be restarted.
    pub(crate) budget: Budget,
}

/// The thread on which a child lives.
#[derive(Clone)]
pub(crate) enum Place {
    /// The arbiter that starts it.
    Here,
    /// Another arbiter.
    Arbiter(ArbiterHandle),
    /// The arbiter that starts it, in turns that somebody else decides.
    Simulated(Arc<dyn Simulation>),
}

impl Place {
    /// Runs `begin` there. Returns false if that arbiter has ended.
    pub(crate) fn run(&self, begin: impl FnOnce() + Send + 'static) -> bool {
        match self {
            Self::Here | Self::Simulated(_) => {
                begin();
                true
            }
            Self::Arbiter(arbiter) => arbiter.spawn_fn(begin),
        }
    }

    fn simulation(&self) -> Option<Arc<dyn Simulation>> {
        match self {
            Self::Here | Self::Arbiter(_) => None,
            Self::Simulated(simulation) => Some(Arc::clone(simulation)),
        }
    }
}

/// The parent's hold on a child.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    pub(crate) name: Arc<str>,
    /// Cancelled by the parent: the child ends at once and is not restarted.
    pub(crate) stop: CancellationToken,
    /// Cancelled by the death watch: nothing of the child is left.
    pub(crate) gone: CancellationToken,
    again: Arc<Notify>,
    restarts: Arc<AtomicU64>,
}

impl Child {
    /// Restarts it although it did nothing wrong; its budget is not touched.
    pub(crate) fn restart(&self) {
        self.again.notify_one();
    }

    /// Restarts so far.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Ends it and waits until nothing of it is left.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        self.gone.cancelled().await;
    }
}

/// To any actor: panic, so that the supervision can be seen to work.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Crash;

/// What happened to a child that goes on living.
#[derive(Debug, Clone)]
pub(crate) struct Restarted {
    /// The panic's text, or how else it ended.
    pub(crate) cause: String,
}

/// What the parent wants to be told. Both run on the child's thread and must be trivial.
pub(crate) struct Reports {
    /// Before each restart that a fault caused.
    pub(crate) restarted: Box<dyn Fn(Restarted) + Send>,
    /// Once, at the end, whatever the way out.
    pub(crate) ended: Box<dyn FnOnce(Exit) + Send>,
}

/// A child's queue, before there is a child: its address can be given away already.
pub(crate) struct Cradle<A: Actor<Context = Context<A>>>(AddressReceiver<A>);

/// An address and the place for the child that will live there.
pub(crate) fn cradle<A>(queue_max: usize) -> (Addr<A>, Cradle<A>)
where
    A: Actor<Context = Context<A>>,
{
    let (sender, receiver) = channel(queue_max);
    (Addr::new(sender), Cradle(receiver))
}

/// Starts a child at `place`. `make` builds it there; from then on its own
/// `Supervised::restarting` has to bring it back to a fresh state.
pub(crate) fn start_child<A>(
    cradle: Cradle<A>,
    place: &Place,
    spec: ChildSpec,
    parent: &CancellationToken,
    make: impl FnOnce() -> A + Send + 'static,
    reports: Reports,
) -> Child
where
    A: Actor<Context = Context<A>> + Supervised,
{
    let child = Child {
        name: Arc::from(spec.name.as_str()),
        stop: parent.child_token(),
        gone: CancellationToken::new(),
        again: Arc::new(Notify::new()),
        restarts: Arc::new(AtomicU64::new(0)),
    };
    let watch = DeathWatch::new(child.gone.clone(), reports.ended);
    let held = child.clone();
    let simulation = place.simulation();
    // If the arbiter has ended, `watch` is dropped with the closure and tells the parent.
    place.run(move || {
        let fut = Box::pin(Context::with_receiver(cradle.0).into_future(make()));
        let driven = drive(fut, spec, held, reports.restarted, watch);
        match simulation {
            None => actix_rt::spawn(driven),
            Some(simulation) => actix_rt::spawn(InTurn {
                fut: Box::pin(driven),
                simulation,
            }),
        };
    });
    child
}

async fn drive<A>(
    mut fut: Pin<Box<ContextFut<A, Context<A>>>>,
    spec: ChildSpec,
    child: Child,
    restarted: Box<dyn Fn(Restarted) + Send>,
    mut watch: DeathWatch,
) where
    A: Actor<Context = Context<A>> + Supervised,
{
    let mut budget = spec.budget.clone();
    let mut back_off = BackOff::new();
    let exit = loop {
        let ended = tokio::select! {
            biased;
            () = child.stop.cancelled() => break Exit::Stopped,
            () = child.again.notified() => None,
            ended = poll_fn(|cx| poll_caught(fut.as_mut(), cx)) => Some(ended),
        };
        if let Some(ended) = ended {
            let cause = match (ended, spec.restart) {
                (Ok(()), Restart::Transient | Restart::Temporary) => break Exit::Normal,
                (Ok(()), Restart::Permanent) => "it stopped by itself".to_owned(),
                (Err(panic), Restart::Temporary) => break Exit::Panicked(panic),
                (Err(panic), Restart::Transient | Restart::Permanent) => panic,
            };
            if !budget.spend(crate::clock::now()) {
                break Exit::GaveUp(cause);
            }
            restarted(Restarted { cause });
            tokio::select! {
                biased;
                () = child.stop.cancelled() => break Exit::Stopped,
                () = tokio::time::sleep(back_off.next(crate::clock::now())) => {}
            }
        }
        child.restarts.fetch_add(1, Ordering::Relaxed);
        match catch_unwind(AssertUnwindSafe(|| fut.restart())) {
            Ok(true) => {}
            Ok(false) => break Exit::Normal,
            Err(panic) => break Exit::GaveUp(panic_text(panic)),
        }
    };
    // An actor that panics while it is dropped must not take the thread along.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(fut))) {
        watch.ended_with(Exit::Panicked(panic_text(panic)));
        return;
    }
    watch.ended_with(exit);
}

/// One poll; a panic becomes a value.
fn poll_caught<F>(
    fut: Pin<&mut F>,
    cx: &mut std::task::Context<'_>,
) -> std::task::Poll<Result<(), String>>
where
    F: Future<Output = ()>,
{
    match catch_unwind(AssertUnwindSafe(|| fut.poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => std::task::Poll::Ready(Err(panic_text(panic))),
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => match panic.downcast::<&'static str>() {
            Ok(text) => (*text).to_owned(),
            Err(_) => "a panic without a text".to_owned(),
        },
    }
}
