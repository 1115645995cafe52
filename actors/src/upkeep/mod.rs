//! How maildrops are looked after: how much may be in them, for how long, and for how long what
//! was removed can be brought back.

mod quota;

use std::sync::Arc;
use std::time::Duration;

use mailroost_storage::{User, UserName};

pub(crate) use quota::Load;
pub use quota::{Crossing, Quota, QuotaKind, WarningText};

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

/// For how long messages stay in one maildrop, in seconds since they were received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Those that a session has retrieved. `None`: for ever.
    pub read_secs: Option<u64>,
    /// The others. `None`: for ever.
    pub unread_secs: Option<u64>,
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
        Terms {
            user: user.name.clone(),
            quota: self.quota,
            enforced: true,
        }
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
