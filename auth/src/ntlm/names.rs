//! What a server calls itself in its challenge. Whoever asks gets to see it before a log-on
//! (`nmap --script pop3-ntlm-info`), so that nothing stands in it but what was set.

use std::time::{Duration, SystemTime};

use super::message::av_pairs::{AvId, AvPairList};
use super::message::flags::Flags;

/// The most characters of a NetBIOS name: 16 octets, the last of which says what it is for.
const NETBIOS_OCTETS_MAX: usize = 15;

/// The most octets of a name in the DNS (RFC 1035 s2.3.4).
const DNS_OCTETS_MAX: usize = 255;

/// From the begin of Windows' time, 1601, to that of Unix, 1970.
const FROM_1601_TO_1970: Duration = Duration::from_secs(11_644_473_600);

/// The names of a server: of itself and of its domain, by NetBIOS and by DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetNames {
    netbios_name: String,
    netbios_domain: Option<String>,
    dns_name: Option<String>,
    dns_domain: Option<String>,
}

/// A name that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a {kind} name has 1 to {max} octets of A-Z, 0-9, - and _ and dots in a DNS name, not {name:?}"
)]
pub struct TargetNameError {
    kind: &'static str,
    max: usize,
    name: String,
}

impl Default for TargetNames {
    /// Says nothing: POP3 is what everybody sees.
    fn default() -> Self {
        Self {
            netbios_name: "POP3".into(),
            netbios_domain: None,
            dns_name: None,
            dns_domain: None,
        }
    }
}

impl TargetNames {
    /// A server of this NetBIOS name, which is also that of its domain.
    ///
    /// # Errors
    /// If it can be no such name.
    pub fn new(netbios_name: &str) -> Result<Self, TargetNameError> {
        Ok(Self {
            netbios_name: netbios(netbios_name)?,
            ..Self::default()
        })
    }

    /// In this domain.
    ///
    /// # Errors
    /// If it can be no such name.
    pub fn in_netbios_domain(mut self, domain: &str) -> Result<Self, TargetNameError> {
        self.netbios_domain = Some(netbios(domain)?);
        Ok(self)
    }

    /// Of this name in the DNS.
    ///
    /// # Errors
    /// If it can be no such name.
    pub fn with_dns_name(mut self, name: &str) -> Result<Self, TargetNameError> {
        self.dns_name = Some(dns(name)?);
        Ok(self)
    }

    /// In this domain of the DNS.
    ///
    /// # Errors
    /// If it can be no such name.
    pub fn in_dns_domain(mut self, domain: &str) -> Result<Self, TargetNameError> {
        self.dns_domain = Some(dns(domain)?);
        Ok(self)
    }

    /// Whether a client that names this domain means ours: it takes it from the challenge where
    /// the user gave none.
    pub(super) fn mean(&self, domain: &str) -> bool {
        let others = [&self.netbios_domain, &self.dns_name, &self.dns_domain];
        let all = others.into_iter().flatten().chain([&self.netbios_name]);
        all.into_iter()
            .any(|name| name.eq_ignore_ascii_case(domain))
    }

    /// Name and type of the target (MS-NLMP 3.2.5.1.1): the domain if there is one.
    pub(super) fn target(&self) -> (&str, Flags) {
        match &self.netbios_domain {
            Some(domain) => (domain, Flags::TARGET_TYPE_DOMAIN),
            None => (&self.netbios_name, Flags::TARGET_TYPE_SERVER),
        }
    }

    /// AV pairs with the names and the time, which tells the client to send a MIC.
    pub(super) fn target_info(&self, now: SystemTime) -> Vec<u8> {
        let mut pairs = AvPairList::default();
        let domain = self.netbios_domain.as_ref();
        pairs.name(AvId::NetBiosDomain, domain.unwrap_or(&self.netbios_name));
        pairs.name(AvId::NetBiosComputer, &self.netbios_name);
        if let Some(domain) = &self.dns_domain {
            pairs.name(AvId::DnsDomain, domain);
        }
        if let Some(name) = &self.dns_name {
            pairs.name(AvId::DnsComputer, name);
        }
        if let Some(domain) = &self.dns_domain {
            pairs.name(AvId::DnsTree, domain);
        }
        pairs.put(AvId::Timestamp, &file_time(now).to_le_bytes());
        pairs.end()
    }
}

/// FILETIME (MS-DTYP 2.3.3): steps of 100 ns since 1601.
fn file_time(at: SystemTime) -> u64 {
    let since_1970 = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let steps = (since_1970 + FROM_1601_TO_1970).as_nanos() / 100;
    u64::try_from(steps).unwrap_or(u64::MAX)
}

fn netbios(name: &str) -> Result<String, TargetNameError> {
    let name = name.to_ascii_uppercase();
    check("NetBIOS", NETBIOS_OCTETS_MAX, name, b"-_")
}

fn dns(name: &str) -> Result<String, TargetNameError> {
    check("DNS", DNS_OCTETS_MAX, name.to_owned(), b"-_.")
}

fn check(
    kind: &'static str,
    max: usize,
    name: String,
    others: &[u8],
) -> Result<String, TargetNameError> {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || others.contains(&octet);
    match (1..=max).contains(&name.len()) && name.bytes().all(allowed) {
        true => Ok(name),
        false => Err(TargetNameError { kind, max, name }),
    }
}
