//! One message to all its recipients: the body is there once, each maildrop's own actor takes
//! its copy in, several at a time, and each answers for itself.

use std::collections::HashMap;
use std::sync::Arc;

use mailroost_protocol::lmtp::{Recipient, Trace};
use mailroost_storage::{
    Delivery, MaildropId, MessageId, SharedBody, StoreError, StoreErrorKind, UserName,
};
use tokio::task::JoinSet;

use super::DeliveryParts;
use super::incoming::blocking;
use crate::ask::ask;
use crate::mailbox::{Deliver, FindMailbox};
use crate::{Terms, TreeError, Upkeep};

/// Deliveries of one message under way at once: enough to share a flush of the store, and few
/// enough that others get their turn.
const AT_ONCE_MAX: usize = 16;

/// What became of the message for one recipient: the number that its maildrop gave it.
pub(super) type Delivered = Result<MessageId, TreeError>;

/// A copy that waits for its mailbox.
struct Copy {
    maildrop: MaildropId,
    terms: Terms,
    delivery: Delivery,
}

/// Delivers to each maildrop once, durably, and answers for each recipient in order. What is not
/// delivered to one of them does not concern the others.
pub(super) async fn fan_out(
    parts: &Arc<DeliveryParts>,
    mut shared: Box<dyn SharedBody>,
    recipients: &Arc<[Recipient]>,
    trace: &Arc<Trace>,
    id: &str,
) -> Vec<Arc<Delivered>> {
    let machine = &parts.machine;
    let received_secs = machine.now_secs();
    let mut answers: HashMap<u64, Arc<Delivered>> = HashMap::new();
    let firsts = first_of_each_maildrop(recipients);
    for batch in firsts.chunks(AT_ONCE_MAX) {
        let making = {
            let (parts, recipients) = (Arc::clone(parts), Arc::clone(recipients));
            let (trace, id, batch) = (Arc::clone(trace), id.to_owned(), batch.to_vec());
            let upkeep = Arc::clone(&parts.upkeep.borrow());
            blocking(machine, move || {
                let copies = batch.iter().map(|place| {
                    let recipient = &recipients[*place];
                    let lines = trace.lines(&recipient.path, &id, received_secs);
                    copy_for(&parts, &upkeep, recipient, &lines, &*shared)
                });
                let copies: Vec<_> = copies.collect();
                Ok((shared, copies))
            })
        };
        let copies;
        (shared, copies) = match making.await {
            Ok(made) => made,
            // The body is lost: nobody who is left gets it.
            Err(error) => return all(recipients, &answers, &error),
        };
        let mut under_way = JoinSet::new();
        for (place, copy) in batch.iter().zip(copies) {
            let maildrop = recipients[*place].addressee.maildrop;
            let parts = Arc::clone(parts);
            under_way.spawn_local(async move { (maildrop, hand_over(&parts, copy).await) });
        }
        while let Some(joined) = under_way.join_next().await {
            // One that panicked gave no answer; its recipient is told below.
            if let Ok((maildrop, delivered)) = joined {
                answers.insert(maildrop, Arc::new(delivered));
            }
        }
    }
    let lost = StoreError::new(StoreErrorKind::Io, "a delivery gave no answer");
    all(recipients, &answers, &lost)
}

/// The places of those recipients who are the first of their maildrop.
fn first_of_each_maildrop(recipients: &[Recipient]) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
    let places = recipients.iter().enumerate();
    places
        .filter(|(_, recipient)| seen.insert(recipient.addressee.maildrop))
        .map(|(place, _)| place)
        .collect()
}

/// The copy of one recipient. The user is looked up again: somebody may have removed or changed
/// it since RCPT.
fn copy_for(
    parts: &DeliveryParts,
    upkeep: &Upkeep,
    recipient: &Recipient,
    lines: &[u8],
    shared: &dyn SharedBody,
) -> Result<Copy, StoreError> {
    let gone = || {
        let text = format!("no user {:?} any more", recipient.addressee.user);
        StoreError::new(StoreErrorKind::NotFound, text)
    };
    let name = UserName::new(&recipient.addressee.user).map_err(|_| gone())?;
    let user = parts.directory.find(&name)?;
    let user = user.filter(|user| user.maildrop.0 == recipient.addressee.maildrop);
    let user = user.ok_or_else(gone)?;
    Ok(Copy {
        maildrop: user.maildrop,
        terms: upkeep.terms_of(&user),
        delivery: shared.delivery(lines)?,
    })
}

async fn hand_over(parts: &DeliveryParts, copy: Result<Copy, StoreError>) -> Delivered {
    let Copy {
        maildrop,
        terms,
        delivery,
    } = copy?;
    let find = FindMailbox(maildrop);
    let mailbox = ask(&parts.mailboxes, "the mailbox supervisor", find).await??;
    let deliver = Deliver {
        deliveries: vec![delivery],
        terms: Some(terms),
    };
    // Not asked again: after a death under the question nobody knows whether it is there.
    let numbers = ask(&mailbox, "the mailbox", deliver).await??;
    numbers
        .first()
        .copied()
        .ok_or(TreeError::Unavailable("the mailbox"))
}

/// The answers in the order of the recipients; who has none gets `error`.
fn all(
    recipients: &[Recipient],
    answers: &HashMap<u64, Arc<Delivered>>,
    error: &StoreError,
) -> Vec<Arc<Delivered>> {
    let answer = |recipient: &Recipient| {
        let answer = answers.get(&recipient.addressee.maildrop).cloned();
        answer.unwrap_or_else(|| {
            let error = StoreError::new(error.kind(), error.to_string());
            Arc::new(Err(TreeError::Store(error)))
        })
    };
    recipients.iter().map(answer).collect()
}
