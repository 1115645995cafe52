//! The section `[auth.throttle]`: how often somebody may fail to log on.

use mailroost_auth::throttle::{Network, ThrottleRules};
use serde::{Deserialize, Serialize};

use super::section::section;
use super::value::{Ranged, Seconds, Setting};

section! {
    /// Who fails to log on has to wait, longer each time, and is banned in the end. Delays begin
    /// at three tenths of the failures that lead to a ban. The same wrong password counts once.
    pub struct ThrottleSettings {
        /// Failures from one address until it is banned. Each user (up to 7) who has logged on
        /// from there lately adds as many. 0, here and in the three below: not counted.
        address_failures: Ranged<0, 1_000_000> = Ranged::fixed(20),
        /// Failures from one /64 of IPv6, likewise.
        network_failures: Ranged<0, 1_000_000> = Ranged::fixed(60),
        /// Failures of one user name, from wherever, until it is banned from everywhere but
        /// where its user has logged on within 30 days.
        user_failures: Ranged<0, 1_000_000> = Ranged::fixed(100),
        /// Failures of one user name from one address (IPv6: one /64) until that pair is banned.
        pair_failures: Ranged<0, 1_000_000> = Ranged::fixed(10),
        /// The first delay of an answer, right or wrong.
        first_delay: Seconds<0, 55> = Seconds::fixed(1),
        /// The longest delay; also what who is banned waits for. Clients give up after a minute.
        /// 0: no delays.
        longest_delay: Seconds<0, 55> = Seconds::fixed(15),
        /// The first ban; each further one is twice as long. 0: no bans.
        first_ban: Seconds<0, 86_400> = Seconds::fixed(300),
        /// The longest ban.
        longest_ban: Seconds<1, 2_592_000> = Seconds::fixed(86_400),
        /// After so long half of the failures are forgotten.
        half_life: Seconds<60, 604_800> = Seconds::fixed(900),
        /// Networks and addresses that are never delayed or banned, and whose failures are not
        /// counted: a webmail server's, for example.
        trusted_networks: Vec<TrustedNetwork> = TrustedNetwork::loopback(),
        /// How many addresses, networks, users and pairs are remembered, each.
        records: Ranged<64, 1_000_000> = Ranged::fixed(65_536),
        /// Whether a banned address is closed when it connects. If not, its log-ons are refused
        /// like wrong passwords.
        close_banned: bool = false,
    }
}

impl ThrottleSettings {
    /// As the throttle takes them.
    pub fn rules(&self) -> ThrottleRules {
        let count = |failures: Ranged<0, 1_000_000>| {
            // The range fits in 32 bits.
            u32::try_from(failures.value()).unwrap_or(u32::MAX)
        };
        ThrottleRules {
            address_failures: count(self.address_failures),
            network_failures: count(self.network_failures),
            user_failures: count(self.user_failures),
            pair_failures: count(self.pair_failures),
            delay_first: self.first_delay.duration(),
            delay_max: self.longest_delay.duration(),
            ban_first: self.first_ban.duration(),
            ban_max: self.longest_ban.duration(),
            half_life: self.half_life.duration(),
            trusted: self
                .trusted_networks
                .iter()
                .map(|trusted| trusted.0)
                .collect(),
            records_max: self.records.size(),
            close_banned: self.close_banned,
        }
    }
}

/// It is printed as a section of its own.
impl Setting for ThrottleSettings {
    fn accepted() -> String {
        "a section [auth.throttle]".into()
    }

    fn toml(&self) -> Option<String> {
        None
    }
}

/// A network or an address that is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrustedNetwork(Network);

impl TrustedNetwork {
    fn loopback() -> Vec<Self> {
        let loopback = ThrottleRules::default().trusted;
        loopback.into_iter().map(Self).collect()
    }
}

impl Setting for TrustedNetwork {
    fn accepted() -> String {
        "a network or address such as \"192.0.2.0/24\" or \"2001:db8::1\"".into()
    }
}

impl TryFrom<String> for TrustedNetwork {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
            .map(Self)
            .map_err(|_| "neither a network nor an address")
    }
}

impl From<TrustedNetwork> for String {
    fn from(network: TrustedNetwork) -> Self {
        network.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_throttle() {
        assert_eq!(
            ThrottleSettings::default().rules(),
            ThrottleRules::default()
        );
    }
}
