//! What the throttle goes by: how many failures of whom are too many, and for how long.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use crate::limits::{THROTTLE_RECORDS_MAX, THROTTLE_RECORDS_MIN};

/// Whose failures are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// One address.
    Address,
    /// The /64 of an IPv6 address: one customer has that many addresses.
    Network,
    /// One user name, wherever it is used.
    User,
    /// One user name from one address (IPv6: from one /64).
    Pair,
}

impl Scope {
    /// As it is shown to operators.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
            Self::User => "user",
            Self::Pair => "pair",
        }
    }
}

/// The rules. They can be replaced while failures are remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThrottleRules {
    /// Failures from one address until it is banned. 0, as in the three below: not counted.
    pub address_failures: u32,
    /// Failures from one /64 of IPv6 until it is banned.
    pub network_failures: u32,
    /// Different wrong passwords for one user until the name is banned for everybody but those
    /// addresses from which its user has logged on.
    pub user_failures: u32,
    /// Different wrong passwords for one user from one address until that pair is banned.
    pub pair_failures: u32,
    /// The first delay; it grows from there to `delay_max`.
    pub delay_first: Duration,
    /// The longest delay, reached where a ban begins. Zero: no delays.
    pub delay_max: Duration,
    /// How long the first ban lasts; each further one lasts twice as long. Zero: no bans.
    pub ban_first: Duration,
    /// The longest ban.
    pub ban_max: Duration,
    /// After which half of the failures are forgotten.
    pub half_life: Duration,
    /// Addresses that nothing is counted of.
    pub trusted: Vec<Network>,
    /// How many are remembered of each: addresses, networks, users, pairs.
    pub records_max: usize,
    /// Whether a banned address is closed when it connects, in place of being refused when it
    /// logs on.
    pub close_banned: bool,
}

impl Default for ThrottleRules {
    fn default() -> Self {
        Self {
            address_failures: 20,
            network_failures: 60,
            user_failures: 100,
            pair_failures: 10,
            delay_first: Duration::from_secs(1),
            delay_max: Duration::from_secs(15),
            ban_first: Duration::from_secs(300),
            ban_max: Duration::from_secs(86_400),
            half_life: Duration::from_secs(900),
            trusted: vec![Network::V4_LOOPBACK, Network::V6_LOOPBACK],
            records_max: 65_536,
            close_banned: false,
        }
    }
}

impl ThrottleRules {
    /// Rules under which nothing is ever counted.
    pub fn off() -> Self {
        Self {
            address_failures: 0,
            network_failures: 0,
            user_failures: 0,
            pair_failures: 0,
            ..Self::default()
        }
    }

    /// Failures until a ban; 0 where none are counted.
    pub fn failures_max(&self, scope: Scope) -> u32 {
        match scope {
            Scope::Address => self.address_failures,
            Scope::Network => self.network_failures,
            Scope::User => self.user_failures,
            Scope::Pair => self.pair_failures,
        }
    }

    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    pub(super) fn records_max(&self) -> usize {
        self.records_max
            .clamp(THROTTLE_RECORDS_MIN, THROTTLE_RECORDS_MAX)
    }
}

/// The addresses that begin with the same bits, as `192.0.2.0/24` or `2001:db8::/32`; an address
/// alone is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

/// A text that is no [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither an address nor a network such as 192.0.2.0/24")]
pub struct NetworkError;

impl Network {
    const V4_LOOPBACK: Self = Self {
        base: IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 0)),
        bits: 8,
    };
    const V6_LOOPBACK: Self = Self {
        base: IpAddr::V6(Ipv6Addr::LOCALHOST),
        bits: 128,
    };

    /// Whether the address begins with its bits. An IPv4 address in IPv6 form is an IPv4 address.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differs = base.to_bits() ^ address.to_bits();
                differs.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differs = base.to_bits() ^ address.to_bits();
                differs.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            // As people write it: no sign, no space.
            Some(bits) if bits.bytes().all(|octet| octet.is_ascii_digit()) => {
                bits.parse().map_err(|_| NetworkError)?
            }
            Some(_) => return Err(NetworkError),
            None => most,
        };
        if bits > most {
            return Err(NetworkError);
        }
        Ok(Self { base, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// The first 64 bits of an IPv6 address, the rest zero; an IPv4 address as it is.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_begins_with_its_bits() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.77/24", "::ffff:192.0.2.1", "::192.0.2.1"),
            ("0.0.0.0/0", "255.0.0.1", "::1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"),
            ("::/0", "2001:db8::", "1.2.3.4"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network}");
            assert!(!network.contains(outside.parse().unwrap()), "{network}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "::1/+8",
            "10.0.0.0/8/8",
            "host",
            "10.0.0/8",
            "10.0.0.0/256",
            " 10.0.0.1",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text:?}");
        }
    }
}
