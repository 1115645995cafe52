//! The maildrop in hand, and what is done with it on a blocking thread.

use std::collections::VecDeque;
use std::sync::Arc;

use mailroost_protocol::{Maildrop, SortOrder};
use mailroost_storage::{
    BodySource, Delivery, MaildropId, MaildropStore, MessageId, OwnedMaildrop, Removal, StoreError,
};
use tokio::sync::oneshot;

use super::kept::Empty;
use super::messages::same_error;
use super::translate::view_of;
use crate::upkeep::Load;
use crate::{MaildropContents, Terms, TreeError};

type Answer<R> = oneshot::Sender<Result<R, TreeError>>;

/// Something to be done with the maildrop. An answer that nobody waits for is dropped.
pub(super) enum Job {
    Open {
        order: SortOrder,
        answer: Answer<(Arc<Maildrop>, Arc<dyn BodySource>)>,
    },
    Remove {
        messages: Vec<MessageId>,
        answer: Answer<usize>,
    },
    Deliver {
        deliveries: Vec<Delivery>,
        terms: Option<Terms>,
        answer: Answer<Vec<MessageId>>,
    },
    List {
        answer: Answer<MaildropContents>,
    },
}

impl Job {
    fn refuse(self, error: &StoreError) {
        let error = TreeError::Store(same_error(error));
        match self {
            Self::Open { answer, .. } => drop(answer.send(Err(error))),
            Self::Remove { answer, .. } => drop(answer.send(Err(error))),
            Self::Deliver { answer, .. } => drop(answer.send(Err(error))),
            Self::List { answer } => drop(answer.send(Err(error))),
        }
    }
}

/// The maildrop in hand. Fields are dropped in order: the maildrop is put down first.
pub(super) struct Desk {
    maildrop: Box<dyn OwnedMaildrop>,
    bodies: Arc<dyn BodySource>,
    views: Views,
    _empty: Empty,
}

/// The views that were made, one for each order, each with its revision. After a reload old
/// sessions and new ones may want different orders.
#[derive(Default)]
struct Views {
    ascending: Option<(u64, Arc<Maildrop>)>,
    descending: Option<(u64, Arc<Maildrop>)>,
}

impl Views {
    fn of(&self, order: SortOrder) -> &Option<(u64, Arc<Maildrop>)> {
        match order {
            SortOrder::Ascending => &self.ascending,
            SortOrder::Descending => &self.descending,
        }
    }

    fn place(&mut self, order: SortOrder) -> &mut Option<(u64, Arc<Maildrop>)> {
        match order {
            SortOrder::Ascending => &mut self.ascending,
            SortOrder::Descending => &mut self.descending,
        }
    }
}

impl Desk {
    /// The view in this order, if it was made already and nothing has changed since.
    pub(super) fn current_view(
        &self,
        order: SortOrder,
    ) -> Option<(Arc<Maildrop>, Arc<dyn BodySource>)> {
        let (revision, view) = self.views.of(order).as_ref()?;
        (*revision == self.maildrop.revision())
            .then(|| (Arc::clone(view), Arc::clone(&self.bodies)))
    }

    fn view(&mut self, order: SortOrder) -> (Arc<Maildrop>, Arc<dyn BodySource>) {
        if let Some(ready) = self.current_view(order) {
            return ready;
        }
        let view = Arc::new(view_of(self.maildrop.messages(), order));
        *self.views.place(order) = Some((self.maildrop.revision(), Arc::clone(&view)));
        (view, Arc::clone(&self.bodies))
    }

    fn deliver(
        &mut self,
        deliveries: Vec<Delivery>,
        terms: Option<&Terms>,
    ) -> Result<Vec<MessageId>, StoreError> {
        if let Some(terms) = terms.filter(|terms| terms.enforced) {
            let more = Load {
                octets: deliveries.iter().map(|more| more.facts.octets).sum(),
                messages: deliveries.len() as u64,
            };
            terms.quota.admit(self.load(), more)?;
        }
        self.maildrop.deliver(deliveries)
    }

    /// What is in the maildrop.
    fn load(&self) -> Load {
        let messages = self.maildrop.messages();
        Load {
            octets: messages.iter().map(|message| message.exact_octets).sum(),
            messages: messages.len() as u64,
        }
    }

    fn run(&mut self, job: Job) {
        match job {
            Job::Open { order, answer } => drop(answer.send(Ok(self.view(order)))),
            Job::Remove { messages, answer } => {
                // Nothing is kept: there is no setting that asks for it yet.
                let removed = self.maildrop.remove(&messages, &Removal::default());
                drop(answer.send(removed.map_err(TreeError::Store)));
            }
            Job::Deliver {
                deliveries,
                terms,
                answer,
            } => {
                let delivered = self.deliver(deliveries, terms.as_ref());
                drop(answer.send(delivered.map_err(TreeError::Store)));
            }
            Job::List { answer } => drop(answer.send(Ok(MaildropContents {
                revision: self.maildrop.revision(),
                messages: self.maildrop.messages().into(),
                bodies: Arc::clone(&self.bodies),
            }))),
        }
    }
}

/// Does the jobs in order, opening the maildrop first if it is not in hand. Without a desk in
/// the answer the maildrop could not be opened; everybody was told why.
pub(super) fn work(
    place: Result<Desk, Empty>,
    store: &dyn MaildropStore,
    maildrop: MaildropId,
    jobs: VecDeque<Job>,
) -> Option<Desk> {
    let mut desk = match place {
        Ok(desk) => desk,
        Err(empty) => match store.open_maildrop(maildrop) {
            Ok(maildrop) => Desk {
                bodies: maildrop.bodies(),
                maildrop,
                views: Views::default(),
                _empty: empty,
            },
            Err(error) => {
                jobs.into_iter().for_each(|job| job.refuse(&error));
                return None;
            }
        },
    };
    for job in jobs {
        desk.run(job);
    }
    Some(desk)
}
