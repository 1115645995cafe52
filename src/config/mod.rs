//! The configuration: TOML, every key with a default, nothing unknown accepted.
//!
//! Times are whole seconds, sizes whole octets or KiB; the comments of `print-config` name unit
//! and range of each key. Relative paths count from the folder of the file.

mod blame;
mod check;
mod form;
mod gssapi;
mod ldap_value;
mod limits;
mod lmtp;
mod ntlm;
mod origin;
mod print;
mod privileges;
mod protocol;
mod protocol_log;
mod sasl;
mod section;
mod sections;
mod site;
mod source;
#[cfg(test)]
mod tests;
mod texts;
mod throttle;
mod upkeep;
mod value;

use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::logging::harmless::is_seen;
use crate::tls::{self, CertificateFiles};
use origin::Origins;
use section::Section;

pub use gssapi::{GssapiSettings, Realm};
pub use ldap_value::{
    AttributeName, DistinguishedName, LdapFilter, LdapUrl, PamService, UserTemplate,
};
pub use limits::LimitSettings;
pub use lmtp::{
    AllowedNetwork, Delimiters, KnownUser, LmtpListenerSettings, LmtpSettings, Nonconforming,
    OverQuota, SocketMode, SystemName,
};
pub use ntlm::{AllowedV1, CommandLine, NetBiosName, NtlmSection};
pub use privileges::{PrivilegeSettings, Restriction};
pub use protocol::{
    Capability, ForeignSite, LoginType, MaildropAccess, OverlongCommand, Profile, ProtocolSettings,
    Separators, SortOrder,
};
pub use protocol_log::{FileSize, ProtocolLogSettings, RollOver};
pub use sasl::{
    CertificateField, ExternalSettings, FingerprintOf, HttpsUrl, OAuthSettings, ScramSettings,
    TokenAlgorithm,
};
pub use section::Entry;
pub use sections::{
    AuthSettings, CertificateSettings, ClientCertificates, ExtendedProtectionPolicy,
    ListenerSettings, LogForm, LogLevel, LogSettings, MechanismName, Security, ServerSettings,
    StoreSettings, TlsProvider, TlsSettings, TlsVersion,
};
pub use site::{HostName, SiteName, SiteSecurity, SiteSettings};
pub use source::{OnWrongPassword, SourceKind, SourceSettings};
pub use texts::TextSettings;
pub use throttle::{ThrottleSettings, TrustedNetwork};
pub(crate) use upkeep::is_dot_string;
pub use upkeep::{MailAddress, QuotaSettings, RetentionSettings, WarningSubject};
pub use value::{
    Days, Domain, Hours, ImplementationText, Kib, Octets, Ranged, ReplyText, Seconds, Setting, Unit,
};

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[server]`
    pub server: ServerSettings,
    /// `[[listener]]`, each one a socket to serve.
    pub listener: Vec<ListenerSettings>,
    /// `[tls]`
    pub tls: TlsSettings,
    /// `[[certificate]]`, each one a further certificate.
    pub certificate: Vec<CertificateSettings>,
    /// `[protocol]`
    pub protocol: ProtocolSettings,
    /// `[[site]]`, each one another site.
    pub site: Vec<SiteSettings>,
    /// `[lmtp]`
    pub lmtp: LmtpSettings,
    /// `[quota]`
    pub quota: QuotaSettings,
    /// `[retention]`
    pub retention: RetentionSettings,
    /// `[limits]`
    pub limits: LimitSettings,
    /// `[auth]`
    pub auth: AuthSettings,
    /// `[store]`
    pub store: StoreSettings,
    /// `[log]`
    pub log: LogSettings,
    /// `[protocol_log]`
    pub protocol_log: ProtocolLogSettings,
    /// `[privileges]`
    pub privileges: PrivilegeSettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: ServerSettings::default(),
            listener: ListenerSettings::exchange(),
            tls: TlsSettings::default(),
            certificate: Vec::new(),
            protocol: ProtocolSettings::default(),
            site: Vec::new(),
            lmtp: LmtpSettings::default(),
            quota: QuotaSettings::default(),
            retention: RetentionSettings::default(),
            limits: LimitSettings::default(),
            auth: AuthSettings::default(),
            store: StoreSettings::default(),
            log: LogSettings::default(),
            protocol_log: ProtocolLogSettings::default(),
            privileges: PrivilegeSettings::default(),
        }
    }
}

/// Why a configuration is not accepted: one line that names file, line, key, value and what
/// would be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    line: Option<usize>,
    text: String,
    unreadable: bool,
}

impl ConfigError {
    /// Whether the file could not be read at all.
    pub fn unreadable(&self) -> bool {
        self.unreadable
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        // Keys and values are repeated, and it is to stay one line.
        for c in self.text.chars() {
            match is_seen(c) {
                true => f.write_char(c)?,
                false => write!(f, "{}", c.escape_default())?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads a file, and checks it and the files that it names.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let (name, text, config) = Self::open(file)?;
        check::check(&config)
            .map_err(|conflict| blame::conflict(&name, &text, &config, conflict))?;
        Ok(config)
    }

    /// Reads a file and checks each setting, but neither whether they go together nor the files
    /// that it names: enough for whoever does not serve.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        Self::open(file).map(|(.., config)| config)
    }

    /// Reads TOML; `name` stands for the file in errors. Paths stay as they are.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        let config = Self::deserialize(name, text)?;
        check::check(&config).map_err(|conflict| blame::conflict(name, text, &config, conflict))?;
        Ok(config)
    }

    /// The same with every setting of `[protocol]` written out, as the profile gives it.
    #[must_use]
    pub fn effective(&self) -> Self {
        Self {
            protocol: self.protocol.effective(),
            ..self.clone()
        }
    }

    /// The effective settings as TOML, each with a comment that explains it.
    pub fn print(&self) -> String {
        print::print(&self.effective(), None)
    }

    /// The same for a file, or for no file, and behind each value where it came from: a line of
    /// the file, the profile, or the default.
    ///
    /// # Errors
    /// As `read`.
    pub fn print_file(file: Option<&Path>) -> Result<String, ConfigError> {
        let (config, origins) = match file {
            Some(file) => {
                let (name, text, config) = Self::open(file)?;
                let origins = Origins::of(&name, &text, &config);
                (config, origins)
            }
            None => (Self::default(), Origins::none()),
        };
        Ok(print::print(&config.effective(), Some(&origins)))
    }

    /// What is only taken up at a start and differs in `new`: names of keys and sections.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let differs = [
            ("server", self.server != new.server),
            (
                "listener",
                sockets(&self.listener) != sockets(&new.listener),
            ),
            ("site", self.site != new.site),
            ("lmtp.listener", self.lmtp.listener != new.lmtp.listener),
            ("limits", self.limits != new.limits),
            ("auth", !self.auth.is_same_but_for_throttle(&new.auth)),
            ("store", self.store != new.store),
            ("log", self.log != new.log),
            ("protocol_log", self.protocol_log != new.protocol_log),
            ("privileges", self.privileges != new.privileges),
        ];
        differs
            .into_iter()
            .filter_map(|(name, differs)| differs.then_some(name))
            .collect()
    }

    /// The certificates for clients of a listener whose default is `first`, and how they are
    /// served.
    pub(crate) fn tls_settings(&self, first: CertificateFiles) -> tls::TlsSettings {
        let others = self.certificate.iter();
        let others = others.filter_map(CertificateSettings::certificate_files);
        tls::TlsSettings {
            provider: self.tls.provider.into(),
            minimum: self.tls.minimum_version.into(),
            clients: self.tls.client_policy(),
            certificates: std::iter::once(first).chain(others).collect(),
        }
    }

    fn open(file: &Path) -> Result<(String, String, Self), ConfigError> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| ConfigError {
            file: name.clone(),
            line: None,
            text: format!("cannot be read: {error}"),
            unreadable: true,
        })?;
        let mut config = Self::deserialize(&name, &text)?;
        config.resolve_paths(file.parent().unwrap_or(Path::new("")));
        Ok((name, text, config))
    }

    fn deserialize(name: &str, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| blame::syntax_or_value(name, text, &error))
    }

    fn resolve_paths(&mut self, folder: &Path) {
        self.paths()
            .for_each(|path: &mut PathBuf| *path = folder.join(&path));
    }

    /// The files that the settings name and that are read, at the start, at a reload, or whenever
    /// they are needed. Folders and sockets are not among them.
    pub(crate) fn files_read(&self) -> Vec<PathBuf> {
        let mut files = self.clone();
        files.server.control_socket = None;
        files.store.high_water_folder = None;
        files.protocol_log.folder = None;
        files.lmtp.listener.clear();
        files.privileges = PrivilegeSettings::default();
        let store = files.server.store.clone();
        let named = files.paths().map(|path| path.clone());
        named.filter(|path| *path != store).collect()
    }

    /// Every path of the settings that is one of their own files, folders or sockets.
    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let (server, tls) = (&mut self.server, &mut self.tls);
        let listeners = self.listener.iter_mut().flat_map(|listener| {
            let ListenerSettings {
                certificate,
                key,
                password_file,
                ..
            } = listener;
            [certificate, key, password_file]
        });
        let certificates = self.certificate.iter_mut().flat_map(|further| {
            let CertificateSettings {
                certificate,
                key,
                password_file,
            } = further;
            [certificate, key, password_file]
        });
        [
            &mut server.control_socket,
            &mut self.auth.ntlm.key_file,
            &mut self.store.high_water_folder,
            &mut self.protocol_log.folder,
            &mut self.quota.warning_file,
            &mut self.auth.gssapi.keytab,
            &mut self.auth.scram.secret_file,
            &mut self.auth.oauth.jwks_file,
            &mut self.auth.oauth.client_secret_file,
            &mut self.auth.oauth.ca_file,
            &mut tls.client_ca,
            &mut tls.certificate,
            &mut tls.key,
            &mut tls.password_file,
        ]
        .into_iter()
        .chain(listeners)
        .chain(certificates)
        .chain(self.site.iter_mut().map(|site| &mut site.ca_file))
        .chain(self.lmtp.listener.iter_mut().map(|socket| &mut socket.path))
        .chain(self.auth.source.iter_mut().flat_map(SourceSettings::paths))
        .flatten()
        .chain([&mut server.store])
        .chain(&mut self.privileges.readable)
        .chain(&mut self.privileges.writable)
    }

    /// All sections in reading order, as header, documentation and keys.
    fn sections(&self) -> Vec<(&'static str, &'static [&'static str], Vec<Entry>)> {
        fn one<S: Section>(
            name: &'static str,
            section: &S,
        ) -> (&'static str, &'static [&'static str], Vec<Entry>) {
            (name, S::ABOUT, section.entries())
        }
        let mut sections = vec![one("server", &self.server)];
        sections.extend(
            self.listener
                .iter()
                .map(|listener| one("listener", listener)),
        );
        sections.push(one("tls", &self.tls));
        // Without any, what there could be is explained nevertheless.
        let none = [CertificateSettings::default()];
        let certificates = match self.certificate.as_slice() {
            [] => &none[..],
            certificates => certificates,
        };
        sections.extend(certificates.iter().map(|c| one("certificate", c)));
        sections.extend([
            one("protocol", &self.protocol),
            one("protocol.texts", &self.protocol.texts),
        ]);
        let none = [SiteSettings::default()];
        let sites = match self.site.as_slice() {
            [] => &none[..],
            sites => sites,
        };
        sections.extend(sites.iter().map(|site| one("site", site)));
        sections.push(one("lmtp", &self.lmtp));
        let none = [LmtpListenerSettings::default()];
        let sockets = match self.lmtp.listener.as_slice() {
            [] => &none[..],
            sockets => sockets,
        };
        sections.extend(sockets.iter().map(|socket| one("lmtp.listener", socket)));
        sections.extend([
            one("quota", &self.quota),
            one("retention", &self.retention),
            one("limits", &self.limits),
            one("auth", &self.auth),
        ]);
        let none = [SourceSettings::default()];
        let sources = match self.auth.source.as_slice() {
            [] => &none[..],
            sources => sources,
        };
        sections.extend(sources.iter().map(|source| one("auth.source", source)));
        sections.extend([
            one("auth.gssapi", &self.auth.gssapi),
            one("auth.ntlm", &self.auth.ntlm),
            one("auth.throttle", &self.auth.throttle),
            one("auth.scram", &self.auth.scram),
            one("auth.oauth", &self.auth.oauth),
            one("auth.external", &self.auth.external),
            one("store", &self.store),
            one("log", &self.log),
            one("protocol_log", &self.protocol_log),
            one("privileges", &self.privileges),
        ]);
        sections
    }
}

/// What of listeners a server cannot change while it runs: which certificate they show is not
/// among it, whether they have one of their own is.
fn sockets(listeners: &[ListenerSettings]) -> Vec<(SocketAddr, Security, bool)> {
    let socket = |listener: &ListenerSettings| {
        let own = listener.certificate.is_some();
        (listener.socket_address(), listener.security, own)
    };
    listeners.iter().map(socket).collect()
}
