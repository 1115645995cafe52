//! What a delivery brings along: a whole message, or trace lines and a body that others may have.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Shared;
use super::body_file::{Apart, HEADER_SIZE};
use super::staging::{StagedFile, StagedSmall, TemporaryFile};
use crate::body::trace::{check_trace, facts_with_trace};
use crate::{BodyFacts, Delivery, MessageId, SharedBody, StoreError};

/// Octets from which on a body is stored once for all who get it. Below, each gets a copy: a body
/// apart costs each of them a file more, and on most file systems a block of 4 KiB for its trace.
pub(super) const SHARED_OCTETS_MIN: u64 = 16 * 1024;

/// A message that waits for its number.
pub(super) enum Material {
    Whole(StagedFile),
    Small(StagedSmall),
    Apart(StagedApart),
}

/// Trace lines, and a body in a file of its own that gets one more name.
pub(super) struct StagedApart {
    pub(super) body: Body,
    pub(super) trace: Box<[u8]>,
    /// Those of the whole message.
    pub(super) facts: BodyFacts,
    pub(super) body_crc: u32,
    /// The deleted message whose body it is.
    pub(super) restored_from: Option<MessageId>,
}

/// Where the body is.
pub(super) enum Body {
    Staged(Arc<TemporaryFile>),
    Kept(PathBuf),
}

impl Material {
    pub(super) fn belongs_to(&self, shared: &Arc<Shared>) -> bool {
        match self {
            Self::Whole(staged) => staged.temporary.belongs_to(shared),
            Self::Small(staged) => Arc::ptr_eq(&staged.shared, shared),
            Self::Apart(apart) => match &apart.body {
                Body::Staged(temporary) => temporary.belongs_to(shared),
                Body::Kept(_) => true,
            },
        }
    }

    pub(super) fn facts(&self) -> BodyFacts {
        match self {
            Self::Whole(staged) => staged.facts,
            Self::Small(staged) => staged.facts,
            Self::Apart(apart) => apart.facts,
        }
    }

    pub(super) fn body_crc(&self) -> u32 {
        match self {
            Self::Whole(staged) => staged.body_crc,
            Self::Small(staged) => staged.body_crc,
            Self::Apart(apart) => apart.body_crc,
        }
    }

    /// What the header says of it.
    pub(super) fn apart(&self) -> Option<Apart> {
        match self {
            Self::Whole(_) | Self::Small(_) => None,
            Self::Apart(apart) => Some(Apart {
                trace_octets: u32::try_from(apart.trace.len()).unwrap_or(u32::MAX),
                trace_crc: crc32fast::hash(&apart.trace),
                restored_from: apart.restored_from,
            }),
        }
    }
}

impl StagedApart {
    pub(super) fn body_path(&self) -> &Path {
        match &self.body {
            Body::Staged(temporary) => temporary.path(),
            Body::Kept(path) => path,
        }
    }
}

/// A message for many.
pub(super) struct SledShared {
    pub(super) content: Content,
    pub(super) facts: BodyFacts,
    pub(super) received_secs: u64,
    pub(super) carried_unique_id: Option<Box<str>>,
}

pub(super) enum Content {
    /// The octets themselves: less than [`SHARED_OCTETS_MIN`].
    Small(Arc<Shared>, Box<[u8]>),
    /// A durable file, and the CRC-32 of the body in it.
    Large(Arc<TemporaryFile>, u32),
}

impl SharedBody for SledShared {
    fn facts(&self) -> BodyFacts {
        self.facts
    }

    fn delivery(&self, trace: &[u8]) -> Result<Delivery, StoreError> {
        check_trace(trace)?;
        let facts = facts_with_trace(trace, self.facts);
        let material = match &self.content {
            Content::Small(shared, octets) => Material::Small(copy(shared, trace, octets, facts)),
            Content::Large(temporary, body_crc) => Material::Apart(StagedApart {
                body: Body::Staged(Arc::clone(temporary)),
                trace: trace.into(),
                facts,
                body_crc: *body_crc,
                restored_from: None,
            }),
        };
        Ok(Delivery {
            facts,
            received_secs: self.received_secs,
            carried_unique_id: self.carried_unique_id.clone(),
            material: Box::new(material),
        })
    }
}

/// A message of its own for one recipient.
fn copy(shared: &Arc<Shared>, trace: &[u8], octets: &[u8], facts: BodyFacts) -> StagedSmall {
    let mut whole = Vec::with_capacity(HEADER_SIZE + trace.len() + octets.len());
    whole.resize(HEADER_SIZE, 0);
    whole.extend_from_slice(trace);
    whole.extend_from_slice(octets);
    StagedSmall {
        shared: Arc::clone(shared),
        body_crc: crc32fast::hash(&whole[HEADER_SIZE..]),
        octets: whole,
        facts,
    }
}
