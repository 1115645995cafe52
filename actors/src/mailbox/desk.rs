//! The maildrop in hand, and the jobs that are done with it on a blocking thread.

use std::collections::VecDeque;
use std::sync::Arc;

use mailroost_protocol::{Maildrop, SortOrder};
use mailroost_storage::{BodySource, MaildropId, OwnedMaildrop, StoreError};
use tokio::sync::oneshot;

use super::MailboxParts;
use super::kept::{Empty, Lent};
use super::messages::same_error;
use super::translate::view_of;
use crate::{MaildropContents, TreeError};

/// Something to be done with the maildrop, or why it cannot be opened. An answer that nobody
/// waits for is dropped.
pub(super) struct Job(Work);

type Work = Box<dyn FnOnce(Result<&mut Desk, &StoreError>) + Send>;

impl Job {
    pub(super) fn new<R: Send + 'static>(
        work: impl FnOnce(&mut Desk) -> Result<R, StoreError> + Send + 'static,
        answer: oneshot::Sender<Result<R, TreeError>>,
    ) -> Self {
        Self(Box::new(move |desk| {
            let done = match desk {
                Ok(desk) => work(desk),
                Err(error) => Err(same_error(error)),
            };
            drop(answer.send(done.map_err(TreeError::Store)));
        }))
    }
}

/// The maildrop in hand. Fields are dropped in order: the maildrop is put down first.
pub(super) struct Desk {
    pub(super) maildrop: Box<dyn OwnedMaildrop>,
    pub(super) parts: Arc<MailboxParts>,
    bodies: Arc<dyn BodySource>,
    views: Views,
    empty: Empty,
}

/// What is put down is lent to nobody any more.
impl Drop for Desk {
    fn drop(&mut self) {
        self.empty.kept.take_back();
    }
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
    fn current_view(&self, order: SortOrder) -> Option<Arc<Maildrop>> {
        let (revision, view) = self.views.of(order).as_ref()?;
        (*revision == self.maildrop.revision()).then(|| Arc::clone(view))
    }

    /// What can be had without the desk for as long as nothing is done at it.
    pub(super) fn lent(&self) -> Lent {
        Lent {
            ascending: self.current_view(SortOrder::Ascending),
            descending: self.current_view(SortOrder::Descending),
            bodies: Arc::clone(&self.bodies),
        }
    }

    pub(super) fn view(&mut self, order: SortOrder) -> (Arc<Maildrop>, Arc<dyn BodySource>) {
        let ready = self.current_view(order);
        let view = ready.unwrap_or_else(|| {
            let view = Arc::new(view_of(self.maildrop.messages(), order));
            *self.views.place(order) = Some((self.maildrop.revision(), Arc::clone(&view)));
            view
        });
        (view, Arc::clone(&self.bodies))
    }

    pub(super) fn contents(&self) -> MaildropContents {
        MaildropContents {
            revision: self.maildrop.revision(),
            messages: self.maildrop.messages().into(),
            bodies: Arc::clone(&self.bodies),
        }
    }
}

/// Does the jobs in order, opening the maildrop first if it is not in hand. Without a desk in
/// the answer the maildrop could not be opened; everybody was told why.
pub(super) fn work(
    place: Result<Desk, Empty>,
    parts: Arc<MailboxParts>,
    maildrop: MaildropId,
    jobs: VecDeque<Job>,
) -> Option<Desk> {
    let mut desk = match place {
        Ok(desk) => desk,
        Err(empty) => match parts.store.open_maildrop(maildrop) {
            Ok(maildrop) => Desk {
                bodies: maildrop.bodies(),
                maildrop,
                parts,
                views: Views::default(),
                empty,
            },
            Err(error) => {
                jobs.into_iter().for_each(|Job(work)| work(Err(&error)));
                return None;
            }
        },
    };
    for Job(work) in jobs {
        work(Ok(&mut desk));
    }
    Some(desk)
}
