//! Brings in the mail of other servers, from an mbox file or a Maildir, with its unique-ids.
//!
//! Messages are staged one by one and delivered in batches; a batch that was delivered stays,
//! whatever comes after it. A message that cannot be taken is refused with a reason and leaves
//! nothing behind; the others go on. The two sources differ in one thing: an mbox file that
//! cannot be read on ends the import, an unreadable file in a Maildir is one message refused.
//!
//! Messages without a unique-id to keep are delivered after all those with one: their numbers,
//! which become their unique-ids, shall not be what a later message brings along.

pub(crate) mod from_line;
mod intake;
pub mod maildir;
pub mod mbox;
pub(crate) mod mbox_quoting;
mod notes;
mod report;
pub mod unique_ids;

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

pub use notes::Notes;
pub use report::{ImportError, ImportFailure, ImportReport, Progress};

use self::intake::{Incoming, Intake, MessageOctets, Refusal, Settled};
use self::maildir::{Maildir, MaildirMessage, shown};
use self::mbox::MboxReader;
use self::unique_ids::{UniqueIdList, UniqueIds};
use crate::{Delivery, MaildropStore, MessageId, MessageRecord, StoreError};

/// Where mail comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// An mbox file (mboxrd, mboxo).
    Mbox(PathBuf),
    /// A Maildir: the folder that holds `new` and `cur`.
    Maildir(PathBuf),
}

/// How it comes in.
#[derive(Debug, Clone, Default)]
pub struct ImportSettings {
    /// Which unique-ids are kept.
    pub unique_ids: UniqueIds,
    /// Refuse messages of more octets.
    pub octets_max: Option<u64>,
    /// Pass over so many messages at the beginning of the source: those that an earlier attempt
    /// settled ([`ImportReport::settled`]).
    pub pass_over: u64,
}

/// What is in the maildrop that mail comes into.
#[derive(Debug, Clone, Copy, Default)]
pub struct Present<'a> {
    /// Its messages.
    pub messages: &'a [MessageRecord],
    /// The carried unique-ids of its deleted messages: they are taken, too.
    pub deleted_unique_ids: &'a [Box<str>],
}

/// Imports into the maildrop in which these are `present`. `deliver` takes each batch, as
/// [`OwnedMaildrop::deliver`](crate::OwnedMaildrop::deliver) does; `progress` is called after each
/// message.
///
/// # Errors
/// What had been imported before is in the failure's report.
pub fn import(
    store: &dyn MaildropStore,
    source: &Source,
    settings: &ImportSettings,
    present: Present<'_>,
    deliver: &mut dyn FnMut(Vec<Delivery>) -> Result<Vec<MessageId>, StoreError>,
    progress: &mut dyn FnMut(Progress),
) -> Result<ImportReport, ImportFailure> {
    let mut intake = Intake::new(store, settings, present, deliver);
    let outcome = match run(&mut intake, source, settings, progress) {
        Ok(()) => Ok(()),
        Err(error @ ImportError::Deliver { .. }) => Err(error),
        // What was complete before is delivered all the same, so that the report is exact.
        Err(error) => intake.deliver().and(Err(error)),
    };
    let report = intake.into_report();
    match outcome {
        Ok(()) => Ok(report),
        Err(error) => Err(ImportFailure {
            report: Box::new(report),
            error,
        }),
    }
}

fn run(
    intake: &mut Intake<'_>,
    source: &Source,
    settings: &ImportSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), ImportError> {
    let unique_ids = &settings.unique_ids;
    if let Source::Mbox(file) = source
        && let UniqueIds::Dovecot(list) | UniqueIds::Courier(list) = unique_ids
    {
        return Err(ImportError::Mismatch {
            list: list.clone(),
            file: file.clone(),
        });
    }
    let list = UniqueIdList::load(unique_ids)?;
    let keeps = !matches!(unique_ids, UniqueIds::New);
    let mut run = Run {
        intake,
        list: list.as_ref(),
        pass_over: settings.pass_over,
        progress,
    };
    match source {
        Source::Mbox(file) => in_passes(keeps, |pass| run.mbox(file, pass)),
        Source::Maildir(root) => {
            let maildir = Maildir::open(root, run.intake.notes())?;
            in_passes(keeps, |pass| run.maildir(&maildir, pass))
        }
    }
}

/// Which messages of a source are looked at, by their numbers.
#[derive(Clone, Copy)]
enum Pass<'a> {
    /// All, but those without a unique-id wait.
    First,
    /// All, or those that waited, in order.
    Last(Option<&'a [u64]>),
}

/// A pass returns the messages that have to wait.
fn in_passes(
    keeps: bool,
    mut run: impl FnMut(Pass<'_>) -> Result<Vec<u64>, ImportError>,
) -> Result<(), ImportError> {
    if !keeps {
        return run(Pass::Last(None)).map(drop);
    }
    let waiting = run(Pass::First)?;
    if waiting.is_empty() {
        return Ok(());
    }
    run(Pass::Last(Some(&waiting))).map(drop)
}

impl Pass<'_> {
    fn includes(self, number: u64) -> bool {
        match self {
            Self::First | Self::Last(None) => true,
            Self::Last(Some(waiting)) => waiting.binary_search(&number).is_ok(),
        }
    }
}

/// What the ways through a source share.
struct Run<'r, 'i> {
    intake: &'r mut Intake<'i>,
    list: Option<&'r UniqueIdList>,
    pass_over: u64,
    progress: &'r mut dyn FnMut(Progress),
}

impl Run<'_, '_> {
    fn mbox(&mut self, path: &Path, pass: Pass<'_>) -> Result<Vec<u64>, ImportError> {
        let (file, octets_total) = open_plain_file(path).map_err(|source| ImportError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut octets = MboxOctets {
            reader: MboxReader::new(BufReader::new(file)),
            path,
        };
        let mbox_error = |source| ImportError::Mbox {
            path: path.to_owned(),
            source,
        };
        let mut waiting = Vec::new();
        while let Some(message) = octets.reader.next_message().map_err(mbox_error)? {
            if message.number <= self.pass_over || !pass.includes(message.number) {
                continue;
            }
            let number = message.number.to_string();
            let incoming = Incoming {
                place: format!("{}, message {number} (line {})", shown(path), message.line),
                received_secs: message.received_secs,
                listed: self.list.and_then(|list| list.find(number.as_bytes())),
                may_wait: matches!(pass, Pass::First),
                octets: &mut octets,
            };
            if self.intake.take(incoming)? == Settled::Later {
                waiting.push(message.number);
            }
            self.tell(pass, message.number, octets.reader.offset(), octets_total);
        }
        self.intake.deliver()?;
        Ok(waiting)
    }

    fn maildir(&mut self, maildir: &Maildir, pass: Pass<'_>) -> Result<Vec<u64>, ImportError> {
        let octets_total = maildir
            .messages()
            .iter()
            .map(|message| message.octets)
            .sum();
        let mut octets_done = 0;
        let mut waiting = Vec::new();
        for (message, number) in maildir.messages().iter().zip(1..) {
            octets_done += message.octets;
            if number <= self.pass_over || !pass.includes(number) {
                continue;
            }
            let incoming = Incoming {
                place: shown(&maildir.path(message)),
                received_secs: Some(message.delivered_secs),
                listed: self
                    .list
                    .and_then(|list| list.find(message.name.as_encoded_bytes())),
                may_wait: matches!(pass, Pass::First),
                octets: &mut MaildirOctets::Unopened(maildir, message),
            };
            if self.intake.take(incoming)? == Settled::Later {
                waiting.push(number);
            }
            self.tell(pass, number, octets_done, octets_total);
        }
        self.intake.deliver()?;
        Ok(waiting)
    }

    /// When messages that waited have their turn, all octets have been shown as done.
    fn tell(&mut self, pass: Pass<'_>, messages: u64, octets_done: u64, octets_total: u64) {
        let octets_done = match pass {
            Pass::First | Pass::Last(None) => octets_done,
            Pass::Last(Some(_)) => octets_total,
        };
        (self.progress)(Progress {
            messages,
            octets_done,
            octets_total,
        });
    }
}

/// Opens it with its length in octets. Others, a FIFO say, could not be read twice.
fn open_plain_file(path: &Path) -> io::Result<(File, u64)> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a plain file",
        ));
    }
    Ok((File::open(path)?, metadata.len()))
}

struct MboxOctets<'a> {
    reader: MboxReader<BufReader<File>>,
    path: &'a Path,
}

impl MessageOctets for MboxOctets<'_> {
    fn read_chunk(&mut self, chunk: &mut Vec<u8>, octets: usize) -> Result<bool, Refusal> {
        self.reader.read_chunk(chunk, octets).map_err(|source| {
            Refusal::Fatal(ImportError::Mbox {
                path: self.path.to_owned(),
                source,
            })
        })
    }
}

/// Opened when it is read: not at all, if its unique-id is refused.
enum MaildirOctets<'a> {
    Unopened(&'a Maildir, &'a MaildirMessage),
    Open(File),
}

impl MessageOctets for MaildirOctets<'_> {
    fn read_chunk(&mut self, chunk: &mut Vec<u8>, octets: usize) -> Result<bool, Refusal> {
        let cannot = |error| Refusal::Message(format!("cannot be read: {error}"));
        let file = match self {
            Self::Open(file) => file,
            Self::Unopened(maildir, message) => {
                *self = Self::Open(maildir.open_message(message).map_err(cannot)?);
                return self.read_chunk(chunk, octets);
            }
        };
        let octets = octets as u64;
        let read = file.take(octets).read_to_end(chunk).map_err(cannot)?;
        Ok(read as u64 == octets)
    }
}
