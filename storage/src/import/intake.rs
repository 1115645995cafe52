//! Takes messages into the store, one by one, and hands them on in batches.

use std::collections::HashMap;
use std::io;

use super::unique_ids::{UniqueIds, find_x_uidl, leading_field_octets, unique_id};
use super::{ImportError, ImportReport, ImportSettings, Notes, Present};
use crate::numbering::CARRIED_DECIMAL_MAX;
use crate::{
    Delivery, MaildropStore, MessageId, MessageRecord, StagedBody, Staging, StoreError,
    StoreErrorKind,
};

/// Messages go through memory in chunks of so many octets.
const CHUNK_OCTETS: usize = 64 * 1024;
/// An `X-UIDL` field is looked for in so many octets: the part of a message that has to be held
/// before the store is told of it.
const X_UIDL_OCTETS_MAX: usize = 256 * 1024;
/// A batch shares one commit. More messages do not make it faster, and a failure undoes more.
const BATCH_MESSAGES_MAX: usize = 64;
/// The same for stores that hold what is staged in memory.
const BATCH_OCTETS_MAX: u64 = 16 * 1024 * 1024;

type Deliver<'a> = &'a mut dyn FnMut(Vec<Delivery>) -> Result<Vec<MessageId>, StoreError>;

/// A message at the door.
pub(super) struct Incoming<'a> {
    /// For people.
    pub place: String,
    pub received_secs: Option<u64>,
    /// The unique-id that a list gives it.
    pub listed: Option<&'a str>,
    /// Leave it if it has no unique-id to keep.
    pub may_wait: bool,
    pub octets: &'a mut dyn MessageOctets,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// Taken or refused.
    Now,
    /// Left for later.
    Later,
}

pub(super) trait MessageOctets {
    /// Appends about so many octets; `false` at the end of the message.
    fn read_chunk(&mut self, chunk: &mut Vec<u8>, octets: usize) -> Result<bool, Refusal>;
}

/// Why a message is not taken.
pub(super) enum Refusal {
    /// This one alone.
    Message(String),
    /// And no other can follow.
    Fatal(ImportError),
}

pub(super) struct Intake<'a> {
    store: &'a dyn MaildropStore,
    settings: &'a ImportSettings,
    deliver: Deliver<'a>,
    /// Unique-ids and where they are in use; empty where none are kept.
    in_use: HashMap<Box<str>, Box<str>>,
    batch: Batch,
    /// A number that is above all that the maildrop has given out and all decimal unique-ids in
    /// it, as far as they are known. Only the maildrop knows those of messages that are gone.
    above_known: Option<u64>,
    chunk: Vec<u8>,
    /// Messages looked at so far.
    seen: u64,
    report: ImportReport,
}

#[derive(Default)]
struct Batch {
    deliveries: Vec<Delivery>,
    octets: u64,
    /// The highest decimal unique-id.
    decimal_max: u64,
    first: String,
    last: String,
}

impl<'a> Intake<'a> {
    pub(super) fn new(
        store: &'a dyn MaildropStore,
        settings: &'a ImportSettings,
        present: Present<'_>,
        deliver: Deliver<'a>,
    ) -> Self {
        let keeps = !matches!(settings.unique_ids, UniqueIds::New);
        let present = if keeps { present } else { Present::default() };
        let deleted = present.deleted_unique_ids.iter();
        let deleted = deleted.map(|id| (id.clone(), "a message that was removed".into()));
        Self {
            store,
            settings,
            deliver,
            in_use: deleted.chain(present.messages.iter().map(in_use)).collect(),
            batch: Batch::default(),
            above_known: None,
            chunk: Vec::new(),
            seen: settings.pass_over,
            report: ImportReport::default(),
        }
    }

    pub(super) fn notes(&mut self) -> &mut Notes {
        &mut self.report.notes
    }

    pub(super) fn into_report(self) -> ImportReport {
        self.report
    }

    /// Stages one message, and delivers if the batch is full.
    pub(super) fn take(&mut self, mut incoming: Incoming<'_>) -> Result<Settled, ImportError> {
        let mut chunk = std::mem::take(&mut self.chunk);
        chunk.clear();
        let taken = self.take_in(&mut incoming, &mut chunk);
        self.chunk = chunk;
        let settled = match taken {
            Ok(settled) => settled,
            Err(Refusal::Message(reason)) => {
                let refused = &mut self.report.refused;
                refused.add(format!("{}: {reason}", incoming.place));
                Settled::Now
            }
            Err(Refusal::Fatal(error)) => return Err(error),
        };
        self.seen += 1;
        let full = self.batch.deliveries.len() >= BATCH_MESSAGES_MAX
            || self.batch.octets >= BATCH_OCTETS_MAX;
        if full {
            self.deliver()?;
        }
        Ok(settled)
    }

    /// Hands the batch on, if there is one.
    pub(super) fn deliver(&mut self) -> Result<(), ImportError> {
        let Batch {
            deliveries,
            decimal_max,
            first,
            last,
            ..
        } = std::mem::take(&mut self.batch);
        if !deliveries.is_empty() {
            let count = deliveries.len() as u64;
            let numbers = (self.deliver)(deliveries).map_err(|source| ImportError::Deliver {
                first,
                last,
                source,
            })?;
            let number_max = numbers.iter().map(|number| number.0).max().unwrap_or(0);
            let above = number_max.max(decimal_max).saturating_add(1);
            self.above_known = self.above_known.max(Some(above));
            self.report.imported += count;
        }
        if matches!(self.settings.unique_ids, UniqueIds::New) {
            self.report.settled = self.seen;
        }
        Ok(())
    }

    fn take_in(
        &mut self,
        incoming: &mut Incoming<'_>,
        chunk: &mut Vec<u8>,
    ) -> Result<Settled, Refusal> {
        let mut more = true;
        let from_field = matches!(self.settings.unique_ids, UniqueIds::XUidl);
        while from_field && more && chunk.len() < X_UIDL_OCTETS_MAX && !header_ends(chunk) {
            more = incoming.octets.read_chunk(chunk, CHUNK_OCTETS)?;
        }
        // A field that is cut by the end of the chunk is none.
        let whole_lines = memchr::memrchr(b'\n', chunk).map_or(0, |line_end| line_end + 1);
        let known = if more {
            &chunk[..whole_lines]
        } else {
            &chunk[..]
        };
        let brought = if from_field { find_x_uidl(known) } else { None };
        let annotation = brought.map_or(0, |_| leading_field_octets(known));
        let carried = match brought {
            Some(octets) => Some(unique_id(octets).map_err(refuse)?),
            None => incoming.listed.map(Box::from),
        };
        if carried.is_none() && incoming.may_wait {
            return Ok(Settled::Later);
        }
        if let Some(id) = &carried
            && let Some(place) = self.in_use.get(id)
        {
            return Err(Refusal::Message(format!(
                "its unique-id {id} is taken by {place}"
            )));
        }
        let staging = Staging {
            octets_max: self.settings.octets_max,
            received_secs: incoming.received_secs,
            carried_unique_id: carried.clone(),
        };
        let staged = self
            .store
            .stage(staging)
            .map_err(|e| store_refusal(&incoming.place, e))?;
        let delivery = fill(staged, incoming, chunk, annotation, more)?;
        self.add(delivery, &incoming.place)?;
        if let Some(id) = carried {
            self.in_use.insert(id, incoming.place.as_str().into());
        }
        Ok(Settled::Now)
    }

    /// Puts a delivery into the batch. One with a decimal unique-id that the maildrop may refuse
    /// (it may have given it out, or it is too large) goes alone, so that no other is refused.
    fn add(&mut self, delivery: Delivery, place: &str) -> Result<(), Refusal> {
        let decimal = delivery
            .carried_unique_id
            .as_deref()
            .and_then(|id| id.parse().ok());
        let alone = decimal.is_some_and(|decimal| {
            decimal > CARRIED_DECIMAL_MAX || self.above_known.is_none_or(|known| decimal < known)
        });
        if alone {
            self.deliver().map_err(Refusal::Fatal)?;
        }
        self.batch.add(delivery, decimal.unwrap_or(0), place);
        if alone {
            return match self.deliver() {
                Err(ImportError::Deliver { source, .. }) => Err(store_refusal(place, source)),
                other => other.map_err(Refusal::Fatal),
            };
        }
        let above = |known: u64| known.max(decimal.unwrap_or(0)).saturating_add(1);
        self.above_known = self.above_known.map(above);
        Ok(())
    }
}

impl Batch {
    fn add(&mut self, delivery: Delivery, decimal: u64, place: &str) {
        self.decimal_max = self.decimal_max.max(decimal);
        self.octets += delivery.facts.octets;
        self.deliveries.push(delivery);
        if self.first.is_empty() {
            place.clone_into(&mut self.first);
        }
        place.clone_into(&mut self.last);
    }
}

/// Writes what is in `chunk` behind the first `annotation` octets, and the rest of the message.
fn fill(
    mut staged: Box<dyn StagedBody>,
    incoming: &mut Incoming<'_>,
    chunk: &mut Vec<u8>,
    annotation: usize,
    mut more: bool,
) -> Result<Delivery, Refusal> {
    let refusal = |place: &str, error| store_refusal(place, store_error(error));
    staged
        .write_all(&chunk[annotation..])
        .map_err(|e| refusal(&incoming.place, e))?;
    while more {
        chunk.clear();
        more = incoming.octets.read_chunk(chunk, CHUNK_OCTETS)?;
        staged
            .write_all(chunk)
            .map_err(|e| refusal(&incoming.place, e))?;
    }
    staged
        .finish()
        .map_err(|e| store_refusal(&incoming.place, e))
}

fn in_use(record: &MessageRecord) -> (Box<str>, Box<str>) {
    let place = format!("message {} of the maildrop", record.id).into_boxed_str();
    let unique_id = record.carried_unique_id.clone();
    (
        unique_id.unwrap_or_else(|| record.id.to_string().into_boxed_str()),
        place,
    )
}

/// Whether an empty line is among the octets.
fn header_ends(octets: &[u8]) -> bool {
    octets.starts_with(b"\n")
        || octets.starts_with(b"\r\n")
        || memchr::memmem::find(octets, b"\n\n").is_some()
        || memchr::memmem::find(octets, b"\n\r\n").is_some()
}

fn refuse(error: StoreError) -> Refusal {
    Refusal::Message(error.to_string())
}

/// What the store says against one message, and what it says against all.
fn store_refusal(place: &str, source: StoreError) -> Refusal {
    match source.kind() {
        StoreErrorKind::Invalid | StoreErrorKind::Duplicate => refuse(source),
        _ => Refusal::Fatal(ImportError::Stage {
            place: place.to_owned(),
            source,
        }),
    }
}

/// A staged body is a writer: its store's errors travel inside those of `io`.
fn store_error(error: io::Error) -> StoreError {
    error
        .downcast::<StoreError>()
        .unwrap_or_else(|error| StoreError::io("cannot take the message in", error))
}
