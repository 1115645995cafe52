//! The sections `[lmtp]` and `[[lmtp.listener]]`: how messages come in from an MTA.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use mailroost_auth::throttle::Network;
use mailroost_protocol::lmtp;
use mailroost_storage::UserName;
use serde::{Deserialize, Serialize};

use super::check::{Conflict, SOCKET_PATH_OCTETS_MAX, overlap};
use super::form::form;
use super::section::section;
use super::value::{Domain, Octets, Ranged, Seconds, Setting, choice};
use super::{Config, HostName};

section! {
    /// How messages come in from an MTA (RFC 2033).
    pub struct LmtpSettings {
        /// The sockets: see [[lmtp.listener]].
        listener: Vec<LmtpListenerSettings> = Vec::new(),
        /// The server's name in its greeting and in the trace of messages. Not set: the name of
        /// the machine.
        host_name: Option<HostName> = None,
        /// The largest message, as received; SIZE says so. limits.max_message_size counts where
        /// it is less. 157286400 is 150 MiB.
        max_message_size: Octets<65_536, 1_099_511_627_776> = Octets::fixed(157_286_400),
        /// The most recipients of one message; the MTA sends it again to the rest. RFC 5321 has
        /// 100 as the least.
        max_recipients: Ranged<100, 10_000> = Ranged::fixed(1000),
        /// So many unknown or malformed commands in a row end the connection.
        max_errors: Ranged<1, 1000> = Ranged::fixed(20),
        /// How long an MTA may be silent between commands.
        command_timeout: Seconds<1, 3600> = Seconds::fixed(300),
        /// How long it may be silent amid a message.
        data_timeout: Seconds<1, 3600> = Seconds::fixed(300),
        /// What becomes of a message with bare CR or LF, NUL, lines over 998 octets or without a
        /// header. "repair": it is made to conform. "refuse": 554 5.6.0. Neither lets one
        /// message hide in another.
        nonconforming: Nonconforming = Nonconforming::Repair,
        /// The answer for a maildrop over its quota. "452": the MTA tries again. "552": the
        /// sender is told.
        over_quota: OverQuota = OverQuota::Temporary,
        /// What ends the part of an address that names the user: with "+", mail for ann+list
        /// goes to ann, unless there is a user or alias ann+list. Each character is one. "":
        /// nothing does.
        recipient_delimiter: Delimiters = Delimiters("+".into()),
        /// Domains that may stand behind a user name. Not any: those of server.domains; and if
        /// there are none either, any, for the MTA has chosen. Names and aliases that are whole
        /// addresses count in any domain.
        domains: Vec<Domain> = Vec::new(),
        /// The user who gets mail to postmaster, if nobody has that name or alias.
        postmaster: Option<KnownUser> = None,
        /// From where messages may come over TCP. Not any: from this machine alone. LMTP has no
        /// log-on: whoever may connect may deliver.
        allow: Vec<AllowedNetwork> = Vec::new(),
    }
}

section! {
    /// A socket for LMTP. Repeat the section for each one. Without any, LMTP is not served.
    pub struct LmtpListenerSettings {
        /// The address.
        address: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST),
        /// The TCP port; with 0 the system chooses one, and the log tells which.
        port: Ranged<0, 65535> = Ranged::fixed(24),
        /// A Unix socket, in place of address and port. Its folder has to be there.
        path: Option<PathBuf> = None,
        /// Who may connect to the Unix socket, as an octal mode. Only bits of reading and
        /// writing count.
        mode: SocketMode = SocketMode(0o660),
        /// The user whom the Unix socket belongs to. Not set: whom the server runs as.
        owner: Option<SystemName> = None,
        /// The group whom it belongs to. Not set: that of the server.
        group: Option<SystemName> = None,
    }
}

choice! {
    /// What becomes of a message that does not conform.
    pub enum Nonconforming {
        /// It is made to conform.
        Repair = "repair",
        /// It is refused.
        Refuse = "refuse",
    }
}

choice! {
    /// The answer for a maildrop over its quota.
    pub enum OverQuota {
        /// The MTA tries again.
        Temporary = "452",
        /// The sender is told.
        Permanent = "552",
    }
}

form! {
    /// Characters that end the part of a local part that names the user.
    Delimiters, "up to 8 of the characters such as \"+\", \"-\" or \"+-=\"",
    "not up to 8 of +-=_.#%~!",
    |text| text.len() <= 8 && text.bytes().all(|octet| b"+-=_.#%~!".contains(&octet))
}

form! {
    /// A user of the directory, who need not be there yet.
    KnownUser, "the name of a user such as \"ann\"",
    "not the name of a user",
    |text| UserName::new(text).is_ok()
}

form! {
    /// A user or group of the operating system.
    SystemName, "a name of the system such as \"postfix\"",
    "not a name of the system",
    |text| (1..=32).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c))
}

form! {
    /// A network or address.
    AllowedNetwork, "a network or address such as \"192.0.2.0/24\" or \"2001:db8::1\"",
    "neither a network nor an address",
    |text| text.parse::<Network>().is_ok()
}

/// The mode of a socket's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SocketMode(u32);

impl SocketMode {
    /// As the system takes it.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl Setting for SocketMode {
    fn accepted() -> String {
        "an octal mode such as \"0660\" or \"0600\"".into()
    }
}

impl TryFrom<String> for SocketMode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let octal = text.len() <= 4 && text.bytes().all(|octet| (b'0'..=b'7').contains(&octet));
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if octal && mode & !0o666 == 0 => Ok(Self(mode)),
            _ => Err("not a mode of reading and writing"),
        }
    }
}

impl From<SocketMode> for String {
    fn from(mode: SocketMode) -> Self {
        format!("{:04o}", mode.0)
    }
}

/// They are printed as sections of their own.
impl Setting for LmtpListenerSettings {
    fn accepted() -> String {
        "a section [[lmtp.listener]]".into()
    }

    fn toml(&self) -> Option<String> {
        None
    }
}

impl LmtpListenerSettings {
    /// A listener on TCP.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address: address.ip(),
            port: Ranged::clamped(u64::from(address.port())),
            ..Self::default()
        }
    }

    /// Address and port, if it is no Unix socket.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        // The range of the setting is that of a port.
        let port = u16::try_from(self.port.value()).unwrap_or(u16::MAX);
        self.path
            .is_none()
            .then(|| SocketAddr::new(self.address, port))
    }
}

impl LmtpSettings {
    /// As the protocol takes it. `host` is the machine's name.
    pub(crate) fn policy(&self, config: &Config, host: &str) -> lmtp::LmtpPolicy {
        let domains = match self.domains.as_slice() {
            [] => &config.server.domains,
            domains => domains,
        };
        let least = config
            .limits
            .max_message_size
            .map_or(u64::MAX, |size| size.value());
        lmtp::LmtpPolicy {
            host: self
                .host_name
                .as_ref()
                .map_or(host, HostName::as_str)
                .into(),
            message_octets_max: self.max_message_size.value().min(least),
            recipients_max: self.max_recipients.size(),
            protocol_errors_max: u32::try_from(self.max_errors.value()).unwrap_or(u32::MAX),
            command_timeout: self.command_timeout.duration(),
            data_timeout: self.data_timeout.duration(),
            nonconforming: match self.nonconforming {
                Nonconforming::Repair => lmtp::Nonconforming::Repair,
                Nonconforming::Refuse => lmtp::Nonconforming::Refuse,
            },
            over_quota: match self.over_quota {
                OverQuota::Temporary => lmtp::OverQuota::Temporary,
                OverQuota::Permanent => lmtp::OverQuota::Permanent,
            },
            delimiters: self.recipient_delimiter.as_str().into(),
            domains: domains
                .iter()
                .map(|domain| domain.as_str().into())
                .collect(),
            postmaster: self.postmaster.as_ref().map(|user| user.as_str().into()),
        }
    }

    /// From where messages may come over TCP.
    pub(crate) fn networks(&self) -> Vec<Network> {
        // Each was parsed when it was read.
        self.allow
            .iter()
            .filter_map(|network| network.as_str().parse().ok())
            .collect()
    }
}

/// No two listeners on one socket, and no path that no socket can have.
pub(super) fn check(config: &Config) -> Result<(), Conflict> {
    for (index, listener) in config.lmtp.listener.iter().enumerate() {
        let conflict = |key, why| Conflict {
            section: "lmtp.listener",
            index,
            key,
            why,
        };
        let earlier = &config.lmtp.listener[..index];
        if let Some(path) = &listener.path {
            let octets = path.as_os_str().len();
            if octets > SOCKET_PATH_OCTETS_MAX {
                let why = format!("it has {octets} octets, more than {SOCKET_PATH_OCTETS_MAX}");
                return Err(conflict("path", why));
            }
            if earlier
                .iter()
                .any(|other| other.path.as_ref() == Some(path))
            {
                return Err(conflict("path", "another listener has it".into()));
            }
        }
        let Some(address) = listener.socket_address() else {
            continue;
        };
        let lmtp = earlier
            .iter()
            .filter_map(LmtpListenerSettings::socket_address);
        let pop = config.listener.iter().map(|other| other.socket_address());
        if let Some(other) = pop.chain(lmtp).find(|other| overlap(*other, address)) {
            let why = format!("{address} is taken by the listener on {other}");
            return Err(conflict("port", why));
        }
    }
    Ok(())
}
