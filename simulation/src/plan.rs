//! What a seed decides before anything happens: how large the world is and how rough.

use std::time::Duration;

use mailroost_actors::{Limits, Quota, Retention, Upkeep};
use mailroost_auth::ThrottleRules;
use mailroost_protocol::{Access, LoginType, Policy, SizeKind, SortOrder};

use crate::dice::Dice;
use crate::warning::Warning;

/// See the file's first lines.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Maildrops, numbered from 0.
    pub(crate) maildrops: usize,
    /// How often the whole tree begins anew on the same store.
    pub(crate) lives: usize,
    /// Steps of the script in each life.
    pub(crate) steps: usize,
    /// How often an actor lets others go first, in a hundred.
    pub(crate) stand_back_percent: usize,
    /// The longest wait for a thread in fair weather, in milliseconds.
    pub(crate) thread_millis: usize,
    /// The longest way of an octet, in milliseconds.
    pub(crate) delay_millis: usize,
    /// How often something that may fail does, in a hundred, while the store has trouble.
    pub(crate) trouble_percent: usize,
    /// Messages that a limited maildrop may hold.
    pub(crate) quota_messages: u64,
    /// How the protocol behaves.
    pub(crate) exclusive: bool,
    descending: bool,
    authenticated_secs: u64,
    retention: Option<(u64, u64)>,
    pub(crate) recoverable_secs: u64,
    pub(crate) restarts_max: usize,
}

/// More restarts than a run brings about.
pub(crate) const PLENTY: usize = 100_000;

impl Plan {
    pub(crate) fn of(dice: &mut Dice) -> Self {
        Self {
            maildrops: dice.between(3, 7),
            lives: dice.between(1, 4),
            steps: dice.between(60, 140),
            stand_back_percent: dice.pick(&[0, 5, 30]),
            thread_millis: dice.pick(&[0, 2, 20, 300]),
            delay_millis: dice.pick(&[0, 3, 40, 400]),
            trouble_percent: dice.pick(&[3, 15, 50]),
            quota_messages: dice.between(3, 12) as u64,
            exclusive: dice.percent(30),
            descending: dice.percent(30),
            authenticated_secs: dice.between(60, 900) as u64,
            retention: dice.percent(50).then(|| {
                let days = dice.between(1, 5) as u64;
                (days * 43_200, days * 86_400)
            }),
            recoverable_secs: dice.pick(&[0, 3_600, 172_800]),
            // With so many nobody is given up; with few the tree itself is at times.
            restarts_max: dice.pick(&[PLENTY, PLENTY, PLENTY, Limits::default().restarts_max]),
        }
    }

    /// Half of the maildrops have a quota.
    pub(crate) fn quota_of(&self, place: usize) -> Quota {
        Quota {
            octets: None,
            messages: (place % 2 == 1).then_some(self.quota_messages),
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            login_type: LoginType::PlainTextLogin,
            response_codes: true,
            sizes: SizeKind::Exact,
            access: match self.exclusive {
                true => Access::Exclusive,
                false => Access::Snapshot,
            },
            sort_order: match self.descending {
                true => SortOrder::Descending,
                false => SortOrder::Ascending,
            },
            authenticated_timeout: Duration::from_secs(self.authenticated_secs),
            ..Policy::exchange2013()
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            sessions_max: 48,
            sessions_per_address_max: 24,
            sessions_per_user_max: 12,
            lmtp_connections_max: 8,
            mailbox_waiting_max: 32,
            restarts_max: self.restarts_max,
            ..Limits::default()
        }
    }

    pub(crate) fn throttle(&self) -> ThrottleRules {
        ThrottleRules::default()
    }

    /// For how long messages stay.
    pub(crate) fn retention(&self) -> Retention {
        let (read_secs, unread_secs) = self.retention.unzip();
        Retention {
            read_secs,
            unread_secs,
        }
    }

    pub(crate) fn upkeep(&self) -> Upkeep {
        Upkeep {
            warn_percent: Some(80),
            warning: std::sync::Arc::new(Warning),
            retention: self.retention(),
            retention_every: Duration::from_secs(3_600),
            recoverable_secs: self.recoverable_secs,
            ..Upkeep::default()
        }
    }
}
