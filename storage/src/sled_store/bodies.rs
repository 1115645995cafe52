//! Reading message files: any number of readers, none of which changes anything.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::Shared;
use super::body_file::{HEADER_OCTETS, read_header};
use super::files::Files;
use crate::{Body, BodyFacts, BodySource, MaildropId, MessageId, StoreError, StoreErrorKind};

pub(super) struct SledBodies {
    pub(super) shared: Arc<Shared>,
    pub(super) maildrop: MaildropId,
}

impl BodySource for SledBodies {
    fn open(&self, message: MessageId) -> Result<Box<dyn Body>, StoreError> {
        let files = &self.shared.options.files;
        let path = self.shared.layout.body(self.maildrop, message);
        let file = match files.open(&path, false) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(self.missing(message));
            }
            Err(error) => {
                let context = format!(
                    "cannot open message {message} of maildrop {}",
                    self.maildrop
                );
                return Err(StoreError::io(context, error));
            }
        };
        let header = read_header(&**files, &file, self.maildrop, message)?;
        Ok(Box::new(SledBody {
            files: Arc::clone(files),
            file,
            maildrop: self.maildrop,
            message,
            facts: header.facts,
            position: 0,
        }))
    }
}

impl SledBodies {
    /// The index tells a removed message from a lost one.
    fn missing(&self, message: MessageId) -> StoreError {
        let place = format!("message {message} of maildrop {}", self.maildrop);
        match self
            .shared
            .index()
            .and_then(|index| index.has(self.maildrop, message))
        {
            Ok(true) => {
                let context = format!("{place} is damaged: its file is missing");
                StoreError::new(StoreErrorKind::Corrupt, context)
            }
            Ok(false) => StoreError::new(StoreErrorKind::Gone, format!("{place} was removed")),
            Err(error) => error,
        }
    }
}

struct SledBody {
    files: Arc<dyn Files>,
    file: File,
    maildrop: MaildropId,
    message: MessageId,
    facts: BodyFacts,
    /// Octets of the body that were read.
    position: u64,
}

impl Body for SledBody {
    fn facts(&self) -> BodyFacts {
        self.facts
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let place = || format!("message {} of maildrop {}", self.message, self.maildrop);
        let left = self.facts.octets - self.position;
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if wanted == 0 {
            return Ok(0);
        }
        let offset = HEADER_OCTETS + self.position;
        match self
            .files
            .read_at(&self.file, &mut buffer[..wanted], offset)
        {
            Ok(0) => Err(StoreError::new(
                StoreErrorKind::Corrupt,
                format!(
                    "{} is damaged: {left} octets are missing at its end",
                    place()
                ),
            )),
            Ok(count) => {
                self.position += count as u64;
                Ok(count)
            }
            Err(error) => Err(StoreError::io(format!("cannot read {}", place()), error)),
        }
    }

    fn file(&self) -> Option<(&File, u64)> {
        Some((&self.file, HEADER_OCTETS))
    }
}
