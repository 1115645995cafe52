//! What a store has to say to whoever watches it: for the log, not for the caller.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{MaildropId, MessageId, UserName};

/// Takes events, from any thread, without blocking for long.
pub type EventSink = Arc<dyn Fn(&StoreEvent) + Send + Sync>;

/// Something that an operator should know. Its text is one line and holds no message content.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreEvent {
    /// The index could not be used; it was moved and a new one is made from the files.
    IndexSetAside {
        /// What was wrong with it.
        reason: String,
        /// Where it is now.
        moved_to: PathBuf,
    },
    /// A record of the log is not what was written: the disk lost what it had promised. The log was
    /// moved, and the index is made anew.
    LogSetAside {
        /// What was wrong with it.
        reason: String,
        /// Where it is now.
        moved_to: PathBuf,
    },
    /// There was no index beside the message files.
    IndexMissing,
    /// A new index was made from the files.
    IndexRebuilt {
        /// Maildrops in it.
        maildrops: u64,
        /// Messages in it.
        messages: u64,
        /// Files that could not be used and were set aside.
        set_aside: u64,
    },
    /// A thread that examined a damaged index cannot be ended; it may use a whole processor
    /// until the process ends.
    ProbeLeftRunning,
    /// The high-water marks were missing or damaged; numbers go on after what index and files say.
    MarksMissing {
        /// What was wrong.
        reason: String,
    },
    /// A write could not be made durable; nothing more is accepted.
    Poisoned {
        /// What failed.
        reason: String,
    },
    /// Messages that were on disk whole, but not in the index, were taken in.
    Adopted {
        /// The maildrop.
        maildrop: MaildropId,
        /// How many messages.
        messages: u64,
    },
    /// A message file that could not be used was moved.
    BodySetAside {
        /// The maildrop.
        maildrop: MaildropId,
        /// The file's name in the maildrop's folder.
        name: String,
        /// What was wrong with it.
        reason: String,
        /// Where it is now.
        moved_to: PathBuf,
    },
    /// A removed message's file is still there; it is tried again by housekeeping.
    UnlinkFailed {
        /// The maildrop.
        maildrop: MaildropId,
        /// The message, unless it is the whole folder.
        message: Option<MessageId>,
        /// What failed.
        reason: String,
    },
    /// An alias in an owner file is the name or alias of another user; that user keeps it.
    AliasTaken {
        /// The maildrop of the one who lost it.
        maildrop: MaildropId,
        /// The alias.
        alias: UserName,
    },
    /// A maildrop has no readable owner file, so its user is not known.
    OwnerUnknown {
        /// The maildrop.
        maildrop: MaildropId,
        /// What was wrong.
        reason: String,
    },
}

impl StoreEvent {
    /// Whether somebody has to do something, or was at risk.
    pub fn is_loud(&self) -> bool {
        match self {
            Self::IndexSetAside { .. }
            | Self::LogSetAside { .. }
            | Self::IndexMissing
            | Self::ProbeLeftRunning
            | Self::MarksMissing { .. }
            | Self::Poisoned { .. }
            | Self::BodySetAside { .. }
            | Self::AliasTaken { .. }
            | Self::OwnerUnknown { .. } => true,
            Self::IndexRebuilt { set_aside, .. } => *set_aside > 0,
            Self::Adopted { .. } | Self::UnlinkFailed { .. } => false,
        }
    }
}

impl fmt::Display for StoreEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IndexSetAside { reason, moved_to } => write!(
                f,
                "the index cannot be used ({reason}); it was set aside as {} and is made anew \
                 from the message files",
                moved_to.display()
            ),
            Self::LogSetAside { reason, moved_to } => write!(
                f,
                "the log cannot be used ({reason}); what it still has is in the message files, and \
                 it was set aside as {}",
                moved_to.display()
            ),
            Self::IndexMissing => {
                f.write_str("there is no index; it is made anew from the message files")
            }
            Self::IndexRebuilt {
                maildrops,
                messages,
                set_aside,
            } => write!(
                f,
                "the index was made anew: {maildrops} maildrops, {messages} messages, \
                 {set_aside} files set aside"
            ),
            Self::ProbeLeftRunning => f.write_str(
                "a thread that examines a damaged index cannot be ended and may use a whole \
                 processor; restart the process when convenient",
            ),
            Self::MarksMissing { reason } => write!(
                f,
                "the high-water marks cannot be used ({reason}); numbers go on after what index \
                 and files say"
            ),
            Self::Poisoned { reason } => {
                write!(f, "nothing more is accepted until a restart: {reason}")
            }
            Self::Adopted { maildrop, .. }
            | Self::BodySetAside { maildrop, .. }
            | Self::UnlinkFailed { maildrop, .. }
            | Self::AliasTaken { maildrop, .. }
            | Self::OwnerUnknown { maildrop, .. } => {
                write!(f, "maildrop {maildrop}: ")?;
                self.fmt_of_maildrop(f)
            }
        }
    }
}

impl StoreEvent {
    fn fmt_of_maildrop(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adopted { messages, .. } => {
                write!(
                    f,
                    "{messages} messages on disk that the index did not have were taken in"
                )
            }
            Self::BodySetAside {
                name,
                reason,
                moved_to,
                ..
            } => write!(
                f,
                "file {name} cannot be used ({reason}); it was set aside as {}",
                moved_to.display()
            ),
            Self::UnlinkFailed {
                message: Some(message),
                reason,
                ..
            } => {
                write!(
                    f,
                    "the file of removed message {message} is still there: {reason}"
                )
            }
            Self::UnlinkFailed {
                message: None,
                reason,
                ..
            } => {
                write!(
                    f,
                    "its folder or owner file is not as it should be yet: {reason}"
                )
            }
            Self::AliasTaken { alias, .. } => {
                write!(f, "its user loses alias {alias}, which another user has")
            }
            Self::OwnerUnknown { reason, .. } => {
                write!(
                    f,
                    "its user is not known: there is no readable owner file ({reason})"
                )
            }
            Self::IndexSetAside { .. }
            | Self::LogSetAside { .. }
            | Self::IndexMissing
            | Self::IndexRebuilt { .. }
            | Self::ProbeLeftRunning
            | Self::MarksMissing { .. }
            | Self::Poisoned { .. } => Ok(()),
        }
    }
}
