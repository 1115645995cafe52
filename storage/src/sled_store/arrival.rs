//! What comes into a maildrop: a delivery, or a deleted message that is brought back.

use std::sync::Arc;

use super::Shared;
use super::message_file::MessageFile;
use super::record::Deletion;
use super::shared_body::{Body, Material, StagedApart};
use crate::{DeletedRecord, Delivery, MaildropId, StoreError, StoreErrorKind};

/// A message that is to get a file, a number and a place in the index.
pub(super) struct Arrival {
    pub(super) material: Material,
    pub(super) received_secs: u64,
    pub(super) carried_unique_id: Option<Box<str>>,
}

impl Arrival {
    /// # Errors
    /// `Invalid` if another store has staged it.
    pub(super) fn delivered(
        shared: &Arc<Shared>,
        mut delivery: Delivery,
    ) -> Result<Self, StoreError> {
        // The material moves out; what is left is never looked at.
        let material = std::mem::replace(&mut delivery.material, Box::new(()));
        match material.downcast::<Material>() {
            Ok(material) if material.belongs_to(shared) => Ok(Self {
                material: *material,
                received_secs: delivery.received_secs,
                carried_unique_id: delivery.carried_unique_id,
            }),
            Ok(_) | Err(_) => {
                let context = "the delivery was staged by another store";
                Err(StoreError::new(StoreErrorKind::Invalid, context))
            }
        }
    }

    /// A new message made of a deleted one, whose file becomes its body.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub(super) fn restored(
        shared: &Shared,
        id: MaildropId,
        record: &DeletedRecord,
        at_secs: u64,
    ) -> Result<Self, StoreError> {
        let (layout, files) = (&shared.layout, &*shared.options.files);
        let deletion = Deletion::of(record);
        let file = MessageFile::open(files, layout, id, record.id, Some(&deletion))?;
        let trace = file.trace(files).map_err(|error| {
            let context = format!("cannot read deleted message {} of maildrop {id}", record.id);
            StoreError::io(context, error)
        })?;
        let body = match file.header.apart {
            None => layout.deleted(id, record.id, &deletion),
            Some(_) => layout.body_apart(id, record.id),
        };
        Ok(Self {
            material: Material::Apart(StagedApart {
                body: Body::Kept(body),
                trace: trace.into_boxed_slice(),
                facts: file.header.facts,
                body_crc: file.header.body_crc,
                restored_from: Some(record.id),
            }),
            received_secs: at_secs,
            carried_unique_id: None,
        })
    }
}
