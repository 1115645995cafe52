//! A guard that tells the parent that a child is gone, on every way out: stop, panic, an
//! arbiter that ends, an arbiter that was never there.

use tokio_util::sync::CancellationToken;

/// How a child ended for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done.
    Normal,
    /// The parent ended it.
    Stopped,
    /// It panicked, and is of a kind that is not restarted.
    Panicked(String),
    /// It died more often than its budget allows; the text is what it died of last.
    GaveUp(String),
    /// Its arbiter ended under it.
    Lost,
}

/// Reports when it is dropped.
pub(crate) struct DeathWatch {
    exit: Exit,
    gone: CancellationToken,
    report: Option<Box<dyn FnOnce(Exit) + Send>>,
}

impl DeathWatch {
    pub(crate) fn new(gone: CancellationToken, report: Box<dyn FnOnce(Exit) + Send>) -> Self {
        Self {
            exit: Exit::Lost,
            gone,
            report: Some(report),
        }
    }

    /// The child ended in an orderly way of which this is the account.
    pub(crate) fn ended_with(&mut self, exit: Exit) {
        self.exit = exit;
    }
}

impl Drop for DeathWatch {
    fn drop(&mut self) {
        // First, so that whoever books the child in can see that the report may have passed.
        self.gone.cancel();
        if let Some(report) = self.report.take() {
            report(std::mem::replace(&mut self.exit, Exit::Lost));
        }
    }
}

/// Tells `whom`, whatever the length of the queue: a death may not go unheard, and each child
/// has only one.
#[expect(
    clippy::disallowed_methods,
    reason = "each child dies once, so the queue is bounded"
)]
pub(crate) fn notify<A, M>(whom: &actix::Addr<A>, message: M)
where
    A: actix::Actor + actix::Handler<M>,
    A::Context: actix::dev::ToEnvelope<A, M>,
    M: actix::Message + Send + 'static,
    M::Result: Send,
{
    whom.do_send(message);
}
