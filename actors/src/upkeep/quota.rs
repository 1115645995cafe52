//! Quota: how much may be in a maildrop, and when its user is told that it is nearly used up.

use std::fmt;

use mailroost_storage::{StoreError, StoreErrorKind, UserName};

/// How much may be in one maildrop. What was removed and can be brought back does not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Octets of all messages together, as RETR sends them. `None`: any number.
    pub octets: Option<u64>,
    /// Messages. `None`: any number.
    pub messages: Option<u64>,
}

/// What is in a maildrop, or is to come into it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) octets: u64,
    pub(crate) messages: u64,
}

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaKind {
    /// Octets of messages, as RETR sends them.
    Octets,
    /// Messages.
    Messages,
}

/// Writes the message that tells a user that the quota is nearly used up.
pub trait WarningText: Send + Sync + 'static {
    /// The whole message (RFC 5322). It is called on a thread that may block.
    fn compose(&self, crossing: &Crossing) -> Vec<u8>;
}

/// A maildrop that holds more than the part of its quota from which on its user is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// Whose it is.
    pub user: UserName,
    /// What is nearly used up.
    pub of: QuotaKind,
    /// How many of them there are.
    pub used: u64,
    /// How many there may be.
    pub limit: u64,
    /// When, in seconds since 1970-01-01 UTC.
    pub at_secs: u64,
}

impl Crossing {
    /// Hundredths of the quota that are used, rounded down.
    pub fn percent(&self) -> u64 {
        hundredths(self.used, self.limit)
    }
}

impl Quota {
    /// Whether `more` still goes into a maildrop that holds `load`.
    ///
    /// # Errors
    /// `OverQuota`, with what is used and what the limit is.
    pub(crate) fn admit(self, load: Load, more: Load) -> Result<(), StoreError> {
        for (of, limit, used, wanted) in [
            (QuotaKind::Octets, self.octets, load.octets, more.octets),
            (
                QuotaKind::Messages,
                self.messages,
                load.messages,
                more.messages,
            ),
        ] {
            if let Some(limit) = limit
                && used.saturating_add(wanted) > limit
            {
                let text = format!(
                    "over quota: {used} of {limit} {of} are used, and {wanted} more do not fit"
                );
                return Err(StoreError::new(StoreErrorKind::OverQuota, text));
            }
        }
        Ok(())
    }

    /// What a load reaches so many hundredths of, if anything: the kind that is nearer to its
    /// limit, how many are used, and the limit.
    pub(crate) fn reached(self, load: Load, percent: u64) -> Option<(QuotaKind, u64, u64)> {
        let octets = self
            .octets
            .map(|limit| (QuotaKind::Octets, load.octets, limit));
        let messages = self
            .messages
            .map(|limit| (QuotaKind::Messages, load.messages, limit));
        let nearest = octets
            .into_iter()
            .chain(messages)
            .max_by_key(|(_, used, limit)| hundredths(*used, *limit))?;
        let (_, used, limit) = nearest;
        (hundredths(used, limit) >= percent).then_some(nearest)
    }
}

/// Of a limit of 0, nothing is as much as there may be.
fn hundredths(used: u64, limit: u64) -> u64 {
    if limit == 0 {
        return 100;
    }
    let hundredths = u128::from(used) * 100 / u128::from(limit);
    u64::try_from(hundredths).unwrap_or(u64::MAX)
}

impl fmt::Display for QuotaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Octets => "octets",
            Self::Messages => "messages",
        })
    }
}

/// Says no more than it must, for who has given no text of their own.
pub(super) struct Terse;

impl WarningText for Terse {
    fn compose(&self, crossing: &Crossing) -> Vec<u8> {
        let Crossing {
            used, limit, of, ..
        } = crossing;
        format!("Subject: {used} of {limit} {of} are used\r\n\r\n").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        octets: Some(1000),
        messages: Some(10),
    };

    fn load(octets: u64, messages: u64) -> Load {
        Load { octets, messages }
    }

    #[test]
    fn the_last_octet_and_the_last_message_fit_and_no_more() {
        assert!(QUOTA.admit(load(900, 9), load(100, 1)).is_ok());
        let error = QUOTA.admit(load(900, 8), load(101, 1)).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::OverQuota);
        assert_eq!(
            error.to_string(),
            "over quota: 900 of 1000 octets are used, and 101 more do not fit"
        );
        let error = QUOTA.admit(load(0, 10), load(1, 1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "over quota: 10 of 10 messages are used, and 1 more do not fit"
        );
    }

    #[test]
    fn without_a_quota_everything_fits() {
        let most = load(u64::MAX, u64::MAX);
        assert!(Quota::default().admit(most, most).is_ok());
        assert_eq!(Quota::default().reached(most, 1), None);
    }

    #[test]
    fn what_is_nearer_to_its_limit_is_told() {
        assert_eq!(QUOTA.reached(load(899, 8), 90), None);
        let octets = Some((QuotaKind::Octets, 900, 1000));
        assert_eq!(QUOTA.reached(load(900, 8), 90), octets);
        let messages = Some((QuotaKind::Messages, 10, 10));
        assert_eq!(QUOTA.reached(load(900, 10), 90), messages);
        let nothing = Quota {
            octets: Some(0),
            messages: None,
        };
        assert!(nothing.reached(load(0, 0), 100).is_some());
    }
}
