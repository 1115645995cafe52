//! The section `[protocol_log]`: a line for each command.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::section::section;
use super::value::{Hours, ImplementationText, Octets, Setting, choice};

section! {
    /// The protocol log: a line for each command, in the layout of Exchange's POP log.
    pub struct ProtocolLogSettings {
        /// Whether it is kept.
        enabled: bool = false,
        /// The folder of its files. Not set: `protocol-log` in the folder of the store.
        folder: Option<PathBuf> = None,
        /// When a new file is begun (UTC), if file_size_max is 0.
        roll_over: RollOver = RollOver::Daily,
        /// A file that is so large is followed by another one. 0: only time counts.
        /// "unlimited": one file for ever.
        file_size_max: FileSize = FileSize::ByTime,
        /// Files in which nothing was written for longer are removed. 0: none.
        age_max: Hours<0, 87_600> = Hours::fixed(0),
        /// When all files together are larger, the oldest are removed. 0: none.
        total_size_max: Octets<0, 1_125_899_906_842_624> = Octets::fixed(0),
        /// What `#Software:` at the top of a file says. Not set: mailroost. Some programs that
        /// read such logs want "Microsoft Exchange Server".
        software: Option<ImplementationText> = None,
    }
}

choice! {
    /// When a new file is begun.
    pub enum RollOver {
        /// With each hour.
        Hourly = "hourly",
        /// With each day.
        Daily = "daily",
        /// With each Monday.
        Weekly = "weekly",
        /// With each month.
        Monthly = "monthly",
    }
}

/// How large a file becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSize {
    /// As large as it is when its time is over.
    ByTime,
    /// So many octets.
    Octets(u64),
    /// As large as it likes.
    Unlimited,
}

/// A smaller file would hold no more than its header and a few lines.
const FILE_OCTETS_MIN: u64 = 4096;
/// More is no limit.
const FILE_OCTETS_MAX: u64 = 1_099_511_627_776;
const UNLIMITED: &str = "unlimited";

impl ProtocolLogSettings {
    /// The folder of the files, for a store in `store`.
    pub fn folder_in(&self, store: &Path) -> PathBuf {
        let folder = self.folder.clone();
        folder.unwrap_or_else(|| store.join("protocol-log"))
    }
}

impl Setting for FileSize {
    fn accepted() -> String {
        format!("0, {FILE_OCTETS_MIN} to {FILE_OCTETS_MAX} octets, or {UNLIMITED:?}")
    }
}

impl Serialize for FileSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::ByTime => serializer.serialize_u64(0),
            Self::Octets(octets) => serializer.serialize_u64(*octets),
            Self::Unlimited => serializer.serialize_str(UNLIMITED),
        }
    }
}

impl<'de> Deserialize<'de> for FileSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Size;
        impl Visitor<'_> for Size {
            type Value = FileSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&FileSize::accepted())
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<FileSize, E> {
                match u64::try_from(value) {
                    Ok(0) => Ok(FileSize::ByTime),
                    Ok(octets) if (FILE_OCTETS_MIN..=FILE_OCTETS_MAX).contains(&octets) => {
                        Ok(FileSize::Octets(octets))
                    }
                    _ => Err(E::invalid_value(Unexpected::Signed(value), &self)),
                }
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<FileSize, E> {
                match value {
                    UNLIMITED => Ok(FileSize::Unlimited),
                    _ => Err(E::invalid_value(Unexpected::Str(value), &self)),
                }
            }
        }
        deserializer.deserialize_any(Size)
    }
}
