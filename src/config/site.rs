//! The section `[[site]]`, and what its settings need of each other (MS-STANXPOP3 C0010).

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Config;
use super::check::Conflict;
use super::section::section;
use super::value::{Domain, Ranged, Seconds, Setting, choice};
use crate::site::{self, SiteError};

/// The longest name of a site, in characters; it stands in every line about it.
const NAME_CHARACTERS_MAX: usize = 64;

section! {
    /// Another site: the server that has the maildrops of its users, to which their sessions are
    /// handed on where protocol.foreign_site is "hand_on". Repeat the section for each one.
    pub struct SiteSettings {
        /// What it is called, as `mailroost user set --site` has it.
        name: Option<SiteName> = None,
        /// The host name or address of its server. The certificate has to be for it.
        address: Option<HostName> = None,
        /// The TCP port.
        port: Ranged<1, 65535> = Ranged::fixed(995),
        /// "implicit_tls": the TLS handshake comes first (RFC 8314). "stls": STLS comes before
        /// the log-on. "dangerous_plaintext": passwords and mail can be read on the way.
        security: SiteSecurity = SiteSecurity::ImplicitTls,
        /// Whether the server has to prove who it is. Without that, whoever is on the way can
        /// read and change everything.
        verify_certificate: bool = true,
        /// Certificates (PEM) of those who may vouch for the server, and nobody else may then.
        /// Not set: those whom the system trusts.
        ca_file: Option<PathBuf> = None,
        /// How long the connection may take, with its handshake where TLS is implicit.
        connect_timeout: Seconds<1, 300> = Seconds::fixed(10),
        /// How long the log-on there may take.
        log_on_timeout: Seconds<1, 300> = Seconds::fixed(30),
        /// Connections to it at once; beyond this a log-on fails as temporary.
        max_connections: Ranged<1, 1_000_000> = Ranged::fixed(1000),
    }
}

choice! {
    /// How octets are protected on the way to a site's server.
    pub enum SiteSecurity {
        /// The handshake comes first (RFC 8314).
        ImplicitTls = "implicit_tls",
        /// STLS comes before the log-on.
        Stls = "stls",
        /// Not at all.
        DangerousPlaintext = "dangerous_plaintext",
    }
}

impl From<SiteSecurity> for mailroost_actors::SiteSecurity {
    fn from(security: SiteSecurity) -> Self {
        match security {
            SiteSecurity::ImplicitTls => Self::ImplicitTls,
            SiteSecurity::Stls => Self::Stls,
            SiteSecurity::DangerousPlaintext => Self::DangerousPlaintext,
        }
    }
}

impl SiteSettings {
    /// The TCP port.
    pub fn port(&self) -> u16 {
        // The range of the setting is that of a port.
        u16::try_from(self.port.value()).unwrap_or(u16::MAX)
    }
}

/// The name of a site, lower-case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SiteName(String);

impl SiteName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for SiteName {
    fn accepted() -> String {
        format!("1 to {NAME_CHARACTERS_MAX} of a-z, 0-9, \".\", \"-\" and \"_\"")
    }
}

impl TryFrom<String> for SiteName {
    type Error = &'static str;

    fn try_from(mut text: String) -> Result<Self, Self::Error> {
        text.make_ascii_lowercase();
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if (1..=NAME_CHARACTERS_MAX).contains(&text.len()) && text.chars().all(plain) {
            Ok(Self(text))
        } else {
            Err("not the name of a site")
        }
    }
}

impl From<SiteName> for String {
    fn from(name: SiteName) -> Self {
        name.0
    }
}

/// A host by name or by address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl HostName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for HostName {
    fn accepted() -> String {
        "a host name such as \"pop.example.org\", or an IPv4 or IPv6 address".into()
    }
}

impl TryFrom<String> for HostName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.parse::<IpAddr>().is_ok() {
            return Ok(Self(text));
        }
        // TLS compares names in ASCII.
        if !text.is_ascii() {
            return Err("not a host name in ASCII");
        }
        Domain::try_from(text)
            .map(|domain| Self(domain.into()))
            .map_err(|_| "neither a host name nor an address")
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

/// Each site has a name of its own and a server that can be asked.
pub(super) fn check(config: &Config) -> Result<(), Conflict> {
    for (index, settings) in config.site.iter().enumerate() {
        let conflict = |key, why: String| Conflict {
            section: "site",
            index,
            key,
            why,
        };
        if let Some(name) = &settings.name {
            let text = name.as_str();
            if config.server.site.as_ref() == Some(name) {
                return Err(conflict("name", format!("{text} is server.site itself")));
            }
            let earlier = &config.site[..index];
            if earlier
                .iter()
                .any(|other| other.name.as_ref() == Some(name))
            {
                return Err(conflict("name", format!("there is a site {text} already")));
            }
        }
        site::site(settings).map_err(|error| {
            let key = match &error {
                SiteError::Missing(key) => key,
                SiteError::Unreadable { .. } | SiteError::NoCertificate(_) | SiteError::Tls(_) => {
                    "ca_file"
                }
            };
            conflict(key, error.to_string())
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigError;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        let plain = "listener = []\nprotocol.login_type = \"plain_text_login\"\n";
        Config::parse("m.toml", &format!("{plain}{text}"))
    }

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_site_needs_a_name_and_an_address_and_the_rest_is_safe() {
        let text = "[[site]]\nname = \"North\"\naddress = \"pop.example.org\"\n";
        let config = parse(text).unwrap();
        let site = &config.site[0];
        assert_eq!(site.name.as_ref().unwrap().as_str(), "north");
        assert_eq!(
            (site.port(), site.security),
            (995, SiteSecurity::ImplicitTls)
        );
        assert!(site.verify_certificate);
        let missing = refusal("[[site]]\nname = \"north\"\n");
        assert!(
            missing.starts_with("m.toml: site.address is not set: a site needs address; accepted:"),
            "{missing}"
        );
    }

    #[test]
    fn what_is_wrong_with_a_site_is_said_in_one_line() {
        let way = "address = \"127.0.0.1\"\n";
        let table = [
            (
                "[[site]]\nname = \"a b\"\n".to_owned(),
                "m.toml:4: site.name = \"a b\": not the name of a site; accepted: 1 to 64 of a-z, \
                 0-9, \".\", \"-\" and \"_\"",
            ),
            (
                format!("[[site]]\nname = \"a\"\n{way}[[site]]\nname = \"A\"\n{way}"),
                "m.toml:7: site.name = \"A\": there is a site a already; accepted: 1 to 64 of a-z, \
                 0-9, \".\", \"-\" and \"_\"",
            ),
            (
                format!("[server]\nsite = \"a\"\n[[site]]\nname = \"a\"\n{way}"),
                "m.toml:6: site.name = \"a\": a is server.site itself; accepted: 1 to 64 of a-z, \
                 0-9, \".\", \"-\" and \"_\"",
            ),
            (
                "[[site]]\nsecurity = \"plain\"\n".to_owned(),
                "m.toml:4: site.security = \"plain\": unknown value; accepted: \"implicit_tls\", \
                 \"stls\", \"dangerous_plaintext\"",
            ),
            (
                format!("[[site]]\nname = \"a\"\n{way}ca_file = \"/nowhere\"\n"),
                "m.toml:6: site.ca_file = \"/nowhere\": cannot read /nowhere: No such file or \
                 directory (os error 2); accepted: a path",
            ),
            (
                "[[site]]\nprot = 3\n".to_owned(),
                "m.toml:4: site.prot: unknown key; nearest: port",
            ),
            (
                "[site]\nname = \"a\"\n".to_owned(),
                "m.toml:3: site: wrong type; accepted: sections [[site]]",
            ),
        ];
        for (text, line) in table {
            assert_eq!(refusal(&text), line, "for {text:?}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "no certificate").unwrap();
        let text = format!(
            "[[site]]\nname = \"a\"\naddress = \"::1\"\nca_file = \"{}\"\n",
            file.display()
        );
        let refusal = refusal(&text);
        assert!(
            refusal.contains("holds no certificate in PEM form"),
            "{refusal}"
        );
    }

    #[test]
    fn what_is_printed_of_sites_can_be_read() {
        let text = "[server]\nsite = \"south\"\n[[site]]\nname = \"north\"\naddress = \"::1\"\n";
        let config = parse(text).unwrap();
        assert_eq!(
            parse("").unwrap().print().matches("\n# [[site]]\n").count(),
            1
        );
        let printed = config.print();
        assert!(printed.contains("\n[[site]]\n") && printed.contains("\nname = \"north\"\n"));
        assert_eq!(Config::parse("m.toml", &printed).unwrap().site, config.site);
    }
}
