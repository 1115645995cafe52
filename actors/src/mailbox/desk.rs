//! The maildrop in hand, and what is done with it on a blocking thread.

use std::collections::VecDeque;
use std::sync::Arc;

use mailroost_protocol::Maildrop;
use mailroost_storage::{
    BodySource, Delivery, MaildropId, MaildropStore, MessageId, OwnedMaildrop, StoreError,
};
use tokio::sync::oneshot;

use super::kept::Empty;
use super::messages::same_error;
use super::translate::view_of;
use crate::{MaildropContents, TreeError};

type Answer<R> = oneshot::Sender<Result<R, TreeError>>;

/// Something to be done with the maildrop. An answer that nobody waits for is dropped.
pub(super) enum Job {
    Open {
        answer: Answer<(Arc<Maildrop>, Arc<dyn BodySource>)>,
    },
    Remove {
        messages: Vec<MessageId>,
        answer: Answer<usize>,
    },
    Deliver {
        deliveries: Vec<Delivery>,
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
            Self::Open { answer } => drop(answer.send(Err(error))),
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
    view: Option<(u64, Arc<Maildrop>)>,
    _empty: Empty,
}

impl Desk {
    /// The view, if it was made already and nothing has changed since.
    pub(super) fn current_view(&self) -> Option<(Arc<Maildrop>, Arc<dyn BodySource>)> {
        let (revision, view) = self.view.as_ref()?;
        (*revision == self.maildrop.revision())
            .then(|| (Arc::clone(view), Arc::clone(&self.bodies)))
    }

    fn view(&mut self) -> (Arc<Maildrop>, Arc<dyn BodySource>) {
        if let Some(ready) = self.current_view() {
            return ready;
        }
        let view = Arc::new(view_of(self.maildrop.messages()));
        self.view = Some((self.maildrop.revision(), Arc::clone(&view)));
        (view, Arc::clone(&self.bodies))
    }

    fn run(&mut self, job: Job) {
        match job {
            Job::Open { answer } => drop(answer.send(Ok(self.view()))),
            Job::Remove { messages, answer } => {
                drop(answer.send(self.maildrop.remove(&messages).map_err(TreeError::Store)));
            }
            Job::Deliver { deliveries, answer } => {
                drop(answer.send(self.maildrop.deliver(deliveries).map_err(TreeError::Store)));
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
                view: None,
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
