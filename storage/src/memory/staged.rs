//! Messages on their way into memory.

use std::io::{self, Write};
use std::sync::Arc;

use super::bodies::StoredBody;
use super::now_secs;
use crate::body::normalise::Normaliser;
use crate::body::trace::{check_trace, facts_with_trace};
use crate::{BodyFacts, Delivery, SharedBody, StagedBody, Staging, StoreError, StoreErrorKind};

pub(super) struct MemoryStaged {
    staging: Staging,
    normaliser: Normaliser,
    octets: Vec<u8>,
    taken: u64,
}

impl MemoryStaged {
    pub(super) fn new(staging: Staging) -> Self {
        Self {
            staging,
            normaliser: Normaliser::new(),
            octets: Vec::new(),
            taken: 0,
        }
    }

    fn check_limit(&self) -> Result<(), StoreError> {
        match self.staging.octets_max {
            Some(max) if self.taken > max => Err(StoreError::new(
                StoreErrorKind::Invalid,
                format!("the message has more than the {max} octets that are accepted"),
            )),
            Some(_) | None => Ok(()),
        }
    }
}

impl Write for MemoryStaged {
    fn write(&mut self, input: &[u8]) -> io::Result<usize> {
        self.taken += input.len() as u64;
        self.check_limit()
            .map_err(|error| io::Error::new(io::ErrorKind::FileTooLarge, error))?;
        self.normaliser.push(input, &mut self.octets);
        Ok(input.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StagedBody for MemoryStaged {
    fn finish(self: Box<Self>) -> Result<Delivery, StoreError> {
        self.finish_shared()?.delivery(b"")
    }

    fn finish_shared(mut self: Box<Self>) -> Result<Box<dyn SharedBody>, StoreError> {
        self.check_limit()?;
        self.normaliser.finish(&mut self.octets);
        Ok(Box::new(MemoryShared {
            facts: BodyFacts {
                octets: self.normaliser.octets(),
                header_octets: self.normaliser.header_octets(),
                dot_lines: self.normaliser.dot_lines(),
            },
            octets: Arc::from(self.octets),
            received_secs: self.staging.received_secs.unwrap_or_else(now_secs),
            carried_unique_id: self.staging.carried_unique_id,
        }))
    }
}

struct MemoryShared {
    facts: BodyFacts,
    octets: Arc<[u8]>,
    received_secs: u64,
    carried_unique_id: Option<Box<str>>,
}

impl SharedBody for MemoryShared {
    fn facts(&self) -> BodyFacts {
        self.facts
    }

    fn delivery(&self, trace: &[u8]) -> Result<Delivery, StoreError> {
        check_trace(trace)?;
        let facts = facts_with_trace(trace, self.facts);
        Ok(Delivery {
            facts,
            received_secs: self.received_secs,
            carried_unique_id: self.carried_unique_id.clone(),
            material: Box::new(StoredBody {
                facts,
                trace: trace.into(),
                octets: Arc::clone(&self.octets),
            }),
        })
    }
}
