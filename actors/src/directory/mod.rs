//! The directory: asks the password source, which may hash for tens of milliseconds or wait for
//! a network, on threads of its own and only so many at once.

mod queue;

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, ResponseFuture, Supervised};
use mailroost_auth::{
    Attempt, AuthError, Exchange, Identity, PasswordSource, Progress, Secret, Throttle, Watched,
};

use crate::supervise::Crash;
use crate::{Limits, Machine, clock};
pub(crate) use queue::NoTurn;
use queue::Queue;

/// Is this the user's password?
#[derive(Message)]
#[rtype(result = "Result<Verified, NotChecked>")]
pub(crate) struct VerifyPassword {
    /// The octets that the client sent.
    pub(crate) name: Vec<u8>,
    pub(crate) password: Secret,
    pub(crate) attempt: Attempt,
}

/// What the source said.
pub(crate) struct Verified {
    pub(crate) attempt: Attempt,
    pub(crate) outcome: Result<Identity, AuthError>,
}

/// One step of a SASL exchange. The exchange comes back with the answer.
#[derive(Message)]
#[rtype(result = "Result<Stepped, NotChecked>")]
pub(crate) struct StepExchange {
    pub(crate) exchange: Box<dyn Exchange>,
    pub(crate) client: Secret,
    pub(crate) attempt: Attempt,
}

/// How the step went.
pub(crate) struct Stepped {
    pub(crate) exchange: Box<dyn Exchange>,
    pub(crate) attempt: Attempt,
    pub(crate) progress: Progress,
}

/// Why the source was not asked.
#[derive(Debug)]
pub(crate) enum NotChecked {
    /// There was no turn.
    NoTurn(NoTurn),
    /// The check died.
    Died(String),
}

/// See the file's first lines.
pub(crate) struct DirectoryActor {
    source: Arc<dyn PasswordSource>,
    throttle: Arc<Throttle>,
    queue: Queue,
    machine: Machine,
}

impl DirectoryActor {
    pub(crate) fn new(
        source: Arc<dyn PasswordSource>,
        throttle: Arc<Throttle>,
        limits: &Limits,
        machine: Machine,
    ) -> Self {
        Self {
            source,
            throttle,
            queue: Queue::new(limits),
            machine,
        }
    }

    /// Runs `check` on a blocking thread when its turn comes. It sees the source as the attempt
    /// may see it.
    fn run<R: Send + 'static>(
        &self,
        attempt: Attempt,
        check: impl FnOnce(&Watched) -> R + Send + 'static,
    ) -> ResponseFuture<Result<(R, Attempt), NotChecked>> {
        let line = self.throttle.line_of(attempt.address());
        let turn = self.queue.enter(line);
        let (source, throttle) = (Arc::clone(&self.source), Arc::clone(&self.throttle));
        let machine = self.machine.clone();
        Box::pin(async move {
            let turn = turn.await.map_err(NotChecked::NoTurn)?;
            let watched = Watched::new(source, throttle, attempt, clock::now());
            let checked = machine.blocking(move || {
                let result = check(&watched);
                // The turn is held until the check is done, whoever waits for it; and given back
                // elsewhere, so that the next one finds this thread idle and needs no new one.
                (result, watched.into_attempt(), turn)
            });
            let (result, attempt, _given_back) = checked
                .await
                .map_err(|panicked| NotChecked::Died(panicked.to_string()))?;
            Ok((result, attempt))
        })
    }
}

impl Actor for DirectoryActor {
    type Context = Context<Self>;
}

impl Supervised for DirectoryActor {
    // Turns of checks under way come back by themselves; there is nothing else to reset.
}

impl Handler<VerifyPassword> for DirectoryActor {
    type Result = ResponseFuture<Result<Verified, NotChecked>>;

    fn handle(&mut self, message: VerifyPassword, _ctx: &mut Context<Self>) -> Self::Result {
        let VerifyPassword {
            name,
            password,
            attempt,
        } = message;
        let checked = self.run(attempt, move |source| {
            source.verify_octets(&name, &password)
        });
        Box::pin(async move {
            let (outcome, attempt) = checked.await?;
            Ok(Verified { attempt, outcome })
        })
    }
}

impl Handler<StepExchange> for DirectoryActor {
    type Result = ResponseFuture<Result<Stepped, NotChecked>>;

    fn handle(&mut self, message: StepExchange, _ctx: &mut Context<Self>) -> Self::Result {
        use secrecy::ExposeSecret;
        let StepExchange {
            mut exchange,
            client,
            attempt,
        } = message;
        let stepped = self.run(attempt, move |source| {
            let progress = exchange.step(client.expose_secret(), source);
            if let Progress::Failure(_) | Progress::Refusal { .. } = &progress
                && let Some(name) = exchange.claimed_name()
            {
                source.hears_claim(name);
            }
            (exchange, progress)
        });
        Box::pin(async move {
            let ((exchange, progress), attempt) = stepped.await?;
            Ok(Stepped {
                exchange,
                attempt,
                progress,
            })
        })
    }
}

impl Handler<Crash> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("the directory was told to crash");
    }
}
