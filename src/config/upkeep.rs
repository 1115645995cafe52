//! The sections `[quota]` and `[retention]`: how much may be in a maildrop, and for how long.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::section::section;
use super::value::{Days, Octets, Ranged, Seconds, Setting};
use crate::upkeep::Template;

section! {
    /// How much may be in a maildrop. A user can have limits of their own (`mailroost user
    /// set`). What was removed and can still be brought back does not count.
    pub struct QuotaSettings {
        /// Octets of all messages of a maildrop together, as RETR sends them. What would go
        /// beyond is refused when it is delivered. Not set: any number.
        octets: Option<Octets<1, 1_125_899_906_842_624>> = None,
        /// Messages of a maildrop. Not set: any number.
        messages: Option<Ranged<1, 1_000_000_000>> = None,
        /// From so many hundredths of the quota on, a message is put into the maildrop that says
        /// so, once for each time that they are reached from below. 0: none.
        warn_percent: Ranged<0, 100> = Ranged::fixed(90),
        /// Who that message is from. Not set: postmaster at the first of server.domains, or at
        /// localhost.
        warning_from: Option<MailAddress> = None,
        /// Its subject. {user}, {used}, {limit} and {percent} are replaced by what they name.
        warning_subject: WarningSubject = WarningSubject::standard(),
        /// A file with its text (UTF-8), in which the same is replaced. Not set: a text that
        /// comes with the server.
        warning_file: Option<PathBuf> = None,
    }
}

section! {
    /// For how long messages are kept. A user can have ages of their own (`mailroost user set`).
    pub struct RetentionSettings {
        /// Messages that a session has retrieved are removed so many days after they came. 0:
        /// never.
        read_age: Days<0, 36_500> = Days::fixed(0),
        /// Messages that no session has retrieved are removed so many days after they came. 0:
        /// never.
        unread_age: Days<0, 36_500> = Days::fixed(0),
        /// How often the maildrops are looked through, for messages of that age and for those
        /// that can be brought back no longer. The first time is ten minutes after the start,
        /// or this interval if it is shorter.
        interval: Seconds<60, 604_800> = Seconds::fixed(21_600),
        /// For so long a message that was removed can be brought back (`mailroost mail
        /// undelete`). 0: not at all.
        deleted_item_retention: Days<0, 24_855> = Days::fixed(14),
    }
}

/// An address that a message can be from: a local part of RFC 5321's Dot-string, and a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MailAddress(String);

/// The most octets of an address (RFC 5321 s4.5.3.1.3, without the angle brackets).
const ADDRESS_OCTETS_MAX: usize = 254;

impl MailAddress {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the last `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl Setting for MailAddress {
    fn accepted() -> String {
        "an address such as \"postmaster@example.org\"".into()
    }
}

impl TryFrom<String> for MailAddress {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let label = |label: &str| {
            !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        let domain = |domain: &str| domain.split('.').all(label);
        match text.rsplit_once('@') {
            Some((local, of)) if is_dot_string(local) && domain(of) => {}
            Some(_) | None => return Err("not an address"),
        }
        if text.len() > ADDRESS_OCTETS_MAX {
            return Err("too long for an address");
        }
        Ok(Self(text))
    }
}

impl From<MailAddress> for String {
    fn from(address: MailAddress) -> Self {
        address.0
    }
}

/// Whether a local part needs no quotation marks (RFC 5321 s4.1.2).
pub(crate) fn is_dot_string(local: &str) -> bool {
    let special = "!#$%&'*+-/=?^_`{|}~";
    let is_atext = |c: char| c.is_ascii_alphanumeric() || special.contains(c);
    local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// The subject of a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WarningSubject(String);

/// With the longest user name in it, it still is one line of a header.
const SUBJECT_CHARACTERS_MAX: usize = 200;

impl WarningSubject {
    /// As text, with what is to be replaced in it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn standard() -> Self {
        Self("Your mailbox is {percent}% full".into())
    }
}

impl Setting for WarningSubject {
    fn accepted() -> String {
        format!("a text of at most {SUBJECT_CHARACTERS_MAX} characters on one line")
    }
}

impl TryFrom<String> for WarningSubject {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.trim().is_empty()
            || text.chars().count() > SUBJECT_CHARACTERS_MAX
            || text.chars().any(char::is_control)
        {
            return Err("not a subject".into());
        }
        Template::new(&text).map_err(|error| error.to_string())?;
        Ok(Self(text))
    }
}

impl From<WarningSubject> for String {
    fn from(subject: WarningSubject) -> Self {
        subject.0
    }
}
