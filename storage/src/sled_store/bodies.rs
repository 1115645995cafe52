//! Reading message files: any number of readers, none of which changes anything.

use std::fs::File;
use std::sync::Arc;

use super::Shared;
use super::body_file::BodyHeader;
use super::files::Files;
use super::message_file::{MessageFile, is_missing};
use crate::{
    Body, BodyFacts, BodySource, MaildropId, MessageId, OpenedNow, StoreError, StoreErrorKind,
};

pub(super) struct SledBodies {
    pub(super) shared: Arc<Shared>,
    pub(super) maildrop: MaildropId,
}

impl BodySource for SledBodies {
    fn open(&self, message: MessageId) -> Result<Box<dyn Body>, StoreError> {
        let Shared {
            options, layout, ..
        } = &*self.shared;
        match MessageFile::open(&*options.files, layout, self.maildrop, message, None) {
            // What was removed may have its file for a moment.
            Ok(_) if self.shared.unfinished.removes(self.maildrop, message) => {
                Err(self.missing(message))
            }
            Ok(file) => Ok(Box::new(SledBody {
                files: Arc::clone(&options.files),
                file,
                position: 0,
            })),
            Err(error) if is_missing(&error) => Err(self.missing(message)),
            Err(error) => Err(error),
        }
    }

    fn open_now(&self, message: MessageId, buffer: &mut [u8]) -> Option<OpenedNow> {
        let Shared {
            options, layout, ..
        } = &*self.shared;
        let files = &options.files;
        let (file, filled) =
            MessageFile::open_cached(&**files, layout, self.maildrop, message, buffer)?;
        if self.shared.unfinished.removes(self.maildrop, message) {
            return None;
        }
        let facts = file.header.facts;
        let rest = (facts.octets > filled as u64).then(|| -> Box<dyn Body> {
            Box::new(SledBody {
                files: Arc::clone(files),
                file,
                position: filled as u64,
            })
        });
        Some(OpenedNow {
            facts,
            filled,
            rest,
        })
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
    file: MessageFile,
    /// Octets of the body that were read.
    position: u64,
}

impl Body for SledBody {
    fn facts(&self) -> BodyFacts {
        self.file.header.facts
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let BodyHeader {
            message, maildrop, ..
        } = self.file.header;
        let place = || format!("message {message} of maildrop {maildrop}");
        let (left, wanted) = self.wanted(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = self
            .file
            .read_at(&*self.files, &mut buffer[..wanted], self.position);
        match read {
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

    fn read_now(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let (_, wanted) = self.wanted(buffer.len());
        let buffer = &mut buffer[..wanted];
        let count = self.file.read_cached(&*self.files, buffer, self.position)?;
        // Nothing where something is wanted: the other way of reading says what is wrong.
        (count > 0 || wanted == 0).then(|| self.position += count as u64)?;
        Some(count)
    }

    fn file(&self) -> Option<(&File, u64)> {
        self.file.one_file()
    }
}

impl SledBody {
    /// Octets that were not read yet, and how many of them go into a buffer.
    fn wanted(&self, room: usize) -> (u64, usize) {
        let left = self.file.header.facts.octets - self.position;
        let wanted = usize::try_from(left).map_or(room, |left| left.min(room));
        (left, wanted)
    }
}
