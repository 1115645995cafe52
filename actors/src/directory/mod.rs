//! The directory: asks the password source, which may hash for tens of milliseconds or wait for
//! a network, on threads of its own and only so many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::{Actor, Context, Handler, Message, ResponseFuture, Supervised};
use mailroost_auth::{AuthError, Exchange, Identity, PasswordSource, Progress, Secret};
use tokio::sync::Semaphore;

use crate::Limits;
use crate::supervise::Crash;

/// Is this the user's password?
#[derive(Message)]
#[rtype(result = "Result<Identity, AuthError>")]
pub(crate) struct VerifyPassword {
    /// The octets that the client sent.
    pub(crate) name: Vec<u8>,
    pub(crate) password: Secret,
}

/// One step of a SASL exchange. The exchange comes back with the answer.
#[derive(Message)]
#[rtype(result = "Stepped")]
pub(crate) struct StepExchange {
    pub(crate) exchange: Box<dyn Exchange>,
    pub(crate) client: Secret,
}

/// How the step went.
pub(crate) struct Stepped {
    /// Not there if the step could not be made.
    pub(crate) exchange: Option<Box<dyn Exchange>>,
    pub(crate) progress: Progress,
}

/// See the file's first lines.
pub(crate) struct DirectoryActor {
    source: Arc<dyn PasswordSource>,
    checks: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
}

impl DirectoryActor {
    pub(crate) fn new(source: Arc<dyn PasswordSource>, limits: &Limits) -> Self {
        Self {
            source,
            checks: Arc::new(Semaphore::new(limits.password_checks_max)),
            waiting: Arc::new(AtomicUsize::new(0)),
            waiting_max: limits.password_checks_waiting_max,
        }
    }

    /// Runs `check` on a blocking thread when its turn comes.
    fn run<R: Send + 'static>(
        &self,
        check: impl FnOnce(&dyn PasswordSource) -> R + Send + 'static,
    ) -> ResponseFuture<Result<R, AuthError>> {
        let source = Arc::clone(&self.source);
        let checks = Arc::clone(&self.checks);
        let turn = Turn::take(&self.waiting, self.waiting_max);
        Box::pin(async move {
            let turn = turn.ok_or_else(|| unavailable("too many log-ons wait for their turn"))?;
            let permit = checks.acquire_owned().await;
            let permit = permit.map_err(|_closed| unavailable("it is shutting down"))?;
            drop(turn);
            let checked = tokio::task::spawn_blocking(move || {
                let _held_until_done = permit;
                check(&*source)
            });
            checked
                .await
                .map_err(|panicked| unavailable(&panicked.to_string()))
        })
    }
}

fn unavailable(why: &str) -> AuthError {
    AuthError::Unavailable(why.to_owned())
}

impl Actor for DirectoryActor {
    type Context = Context<Self>;
}

impl Supervised for DirectoryActor {
    // Permits of checks under way come back by themselves; there is nothing else to reset.
}

impl Handler<VerifyPassword> for DirectoryActor {
    type Result = ResponseFuture<Result<Identity, AuthError>>;

    fn handle(&mut self, message: VerifyPassword, _ctx: &mut Context<Self>) -> Self::Result {
        let VerifyPassword { name, password } = message;
        let checked = self.run(move |source| source.verify_octets(&name, &password));
        Box::pin(async move { checked.await? })
    }
}

impl Handler<StepExchange> for DirectoryActor {
    type Result = ResponseFuture<Stepped>;

    fn handle(&mut self, message: StepExchange, _ctx: &mut Context<Self>) -> Self::Result {
        use secrecy::ExposeSecret;
        let StepExchange {
            mut exchange,
            client,
        } = message;
        let stepped = self.run(move |source| {
            let progress = exchange.step(client.expose_secret(), source);
            (exchange, progress)
        });
        Box::pin(async move {
            match stepped.await {
                Ok((exchange, progress)) => Stepped {
                    exchange: Some(exchange),
                    progress,
                },
                Err(error) => Stepped {
                    exchange: None,
                    progress: Progress::Failure(error),
                },
            }
        })
    }
}

impl<A: Actor> actix::dev::MessageResponse<A, StepExchange> for Stepped {
    fn handle(self, _ctx: &mut A::Context, answer: Option<actix::dev::OneshotSender<Self>>) {
        if let Some(answer) = answer {
            // Nobody waits any more: the session is over.
            drop(answer.send(self));
        }
    }
}

/// A place among those who wait.
struct Turn(Arc<AtomicUsize>);

impl Turn {
    fn take(waiting: &Arc<AtomicUsize>, waiting_max: usize) -> Option<Self> {
        let before = waiting.fetch_add(1, Ordering::SeqCst);
        let turn = Self(Arc::clone(waiting));
        (before < waiting_max).then_some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Handler<Crash> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("the directory was told to crash");
    }
}
