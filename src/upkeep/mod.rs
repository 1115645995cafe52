//! How maildrops are looked after, from the settings: quota, retention, and the message that
//! tells a user that the quota is nearly used up.

mod template;
mod warning;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailroost_actors::{Quota, Retention, Upkeep};

use crate::calendar::DAY_SECS;
use crate::config::{Config, QuotaSettings, RetentionSettings};

pub use template::{Template, UnknownWord};
use warning::QuotaWarning;

/// The most octets of the file with the text of a warning: a page or two.
const TEXT_OCTETS_MAX: u64 = 64 * 1024;

/// Why the text of a warning cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The file cannot be read, is too long, or is not UTF-8.
    #[error("{}: {source}", path.display())]
    Reading {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It has a word in braces that stands for nothing.
    #[error("{}: {source}", path.display())]
    Word {
        /// The file.
        path: PathBuf,
        /// Which one.
        source: UnknownWord,
    },
}

/// The rules that the settings make. It reads the file with the text of the warning, if one is
/// named.
///
/// # Errors
/// If that file cannot be used.
pub fn upkeep(config: &Config) -> Result<Upkeep, UpkeepError> {
    let QuotaSettings {
        octets,
        messages,
        warn_percent,
        ..
    } = &config.quota;
    let RetentionSettings {
        read_age,
        unread_age,
        interval,
        deleted_item_retention,
    } = config.retention;
    let age = |days: u64| (days > 0).then_some(days * DAY_SECS);
    Ok(Upkeep {
        quota: Quota {
            octets: octets.map(|octets| octets.value()),
            messages: messages.map(|messages| messages.value()),
        },
        warn_percent: Some(warn_percent.value()).filter(|percent| *percent > 0),
        warning: Arc::new(QuotaWarning::new(config, text(&config.quota)?)),
        retention: Retention {
            read_secs: age(read_age.value()),
            unread_secs: age(unread_age.value()),
        },
        retention_every: interval.duration(),
        recoverable_secs: deleted_item_retention.value() * DAY_SECS,
    })
}

/// The text of the warning.
pub(crate) fn text(quota: &QuotaSettings) -> Result<Template, UpkeepError> {
    match &quota.warning_file {
        Some(path) => read(path),
        None => Ok(warning::standard_text()),
    }
}

fn read(path: &Path) -> Result<Template, UpkeepError> {
    let failed = |source| UpkeepError::Reading {
        path: path.to_owned(),
        source,
    };
    let octets = std::fs::metadata(path).map_err(failed)?.len();
    if octets > TEXT_OCTETS_MAX {
        let why = format!("it has {octets} octets, more than {TEXT_OCTETS_MAX}");
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, why)));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    Template::new(&text).map_err(|source| UpkeepError::Word {
        path: path.to_owned(),
        source,
    })
}
