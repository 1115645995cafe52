//! Questions to other actors. The only place that knows that actix calls a queue a mailbox.

use actix::dev::{MessageResponse, ToEnvelope};
use actix::{Actor, Addr, Handler, Message};

use crate::TreeError;

/// Asks `whom` and waits for the answer; `Unavailable` if the actor died before it answered.
pub(crate) async fn ask<A, M>(
    addr: &Addr<A>,
    whom: &'static str,
    message: M,
) -> Result<M::Result, TreeError>
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: MessageResponse<A, M> + Send,
{
    addr.send(message)
        .await
        .map_err(|_closed| TreeError::Unavailable(whom))
}
