//! How maildrops are looked after: how much may be in them, for how long, and for how long what
//! was removed can be brought back.

mod quota;
mod retention;

use std::sync::Arc;
use std::time::Duration;

use mailroost_storage::{StoreError, User, UserName};

pub(crate) use quota::Load;
pub use quota::{Crossing, Quota, QuotaKind, WarningText};
pub use retention::{Retained, Retention};

/// The rules for all maildrops; what a user's record says goes before them.
#[derive(Clone)]
pub struct Upkeep {
    /// How much may be in a maildrop.
    pub quota: Quota,
    /// From so many hundredths of the quota on the user is told, once for each crossing (1 to
    /// 100). `None`: never.
    pub warn_percent: Option<u64>,
    /// Writes what the user is told.
    pub warning: Arc<dyn WarningText>,
    /// For how long messages stay.
    pub retention: Retention,
    /// How often all maildrops are looked through for what has been there for too long.
    pub retention_every: Duration,
    /// For how many seconds a message that was removed can be brought back. 0: not at all.
    pub recoverable_secs: u64,
}

/// Who messages come in for, and whether they may be refused.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The user whose maildrop it is.
    pub user: UserName,
    /// What may be in it.
    pub quota: Quota,
    /// Whether what goes beyond the quota is refused. If not, it counts all the same.
    pub enforced: bool,
}

impl Upkeep {
    /// What counts for messages that come in for this user.
    pub fn terms_of(&self, user: &User) -> Terms {
        let quota = &user.quota;
        Terms {
            user: user.name.clone(),
            quota: Quota {
                octets: own_or(quota.octets, self.quota.octets),
                messages: own_or(quota.messages, self.quota.messages),
            },
            enforced: true,
        }
    }

    /// For how long this user's messages stay.
    pub fn retention_of(&self, user: &User) -> Retention {
        let retention = &user.retention;
        Retention {
            read_secs: own_or(retention.read_secs, self.retention.read_secs),
            unread_secs: own_or(retention.unread_secs, self.retention.unread_secs),
        }
    }
}

/// The user's own limit, if there is one, else the one for all. The largest number is none.
fn own_or(own: Option<u64>, for_all: Option<u64>) -> Option<u64> {
    own.or(for_all).filter(|limit| *limit != u64::MAX)
}

impl Terms {
    /// The same for who may go beyond the quota.
    #[must_use]
    pub fn unenforced(self) -> Self {
        Self {
            enforced: false,
            ..self
        }
    }

    /// Whether `more` may come into a maildrop that holds `load`.
    pub(crate) fn admit(&self, load: Load, more: Load) -> Result<(), StoreError> {
        if self.enforced {
            self.quota.admit(load, more)?;
        }
        Ok(())
    }
}

/// Nothing is limited, nothing is removed, and what sessions remove is gone.
impl Default for Upkeep {
    fn default() -> Self {
        Self {
            quota: Quota::default(),
            warn_percent: None,
            warning: Arc::new(quota::Terse),
            retention: Retention::default(),
            retention_every: Duration::from_secs(24 * 60 * 60),
            recoverable_secs: 0,
        }
    }
}
