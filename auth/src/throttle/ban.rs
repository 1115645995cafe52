//! A ban, as whoever looks at it sees it.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::rules::{Scope, network_of};

/// A ban that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// What is banned.
    pub scope: Scope,
    /// The address, or the first of the /64; none where a user is banned everywhere.
    pub address: Option<IpAddr>,
    /// The user name, lower-case, if one is banned.
    pub user: Option<Box<str>>,
    /// How much longer it lasts.
    pub left: Duration,
    /// Bans in a row, this one included.
    pub bans: u32,
}

impl Ban {
    pub(super) fn new(
        scope: Scope,
        address: IpAddr,
        user: Option<&str>,
        left: Duration,
        bans: u32,
    ) -> Self {
        let (address, user) = match scope {
            Scope::Address => (Some(address), None),
            Scope::Network => (Some(network_of(address)), None),
            Scope::User => (None, user.map(Box::from)),
            Scope::Pair => (Some(network_of(address)), user.map(Box::from)),
        };
        Self {
            scope,
            address,
            user,
            left,
            bans,
        }
    }

    /// The setting that made it.
    pub fn setting(&self) -> &'static str {
        match self.scope {
            Scope::Address => "auth.throttle.address_failures",
            Scope::Network => "auth.throttle.network_failures",
            Scope::User => "auth.throttle.user_failures",
            Scope::Pair => "auth.throttle.pair_failures",
        }
    }
}

/// For the log: what is banned, and for how much longer.
impl fmt::Display for Ban {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scope, left) = (self.scope.as_str(), self.left.as_secs());
        write!(
            f,
            "the {scope} is banned for {left} more seconds, ban {} in a row",
            self.bans
        )
    }
}
