//! The sections `[server]`, `[[listener]]`, `[tls]`, `[auth]`, `[store]` and `[log]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use mailroost_auth::{AcceptedDomains, Cost, ExtendedProtection, HashError};

use super::gssapi::GssapiSettings;
use super::ntlm::NtlmSection;
use super::sasl::{ExternalSettings, OAuthSettings, ScramSettings};
use super::section::section;
use super::site::SiteName;
use super::source::SourceSettings;
use super::throttle::ThrottleSettings;
use super::value::{Days, Domain, Kib, Ranged, Seconds, choice};
use crate::tls::{self, CertificateFiles};

section! {
    /// The daemon as a whole.
    pub struct ServerSettings {
        /// The folder of the store. It is created when it is not there.
        store: PathBuf = "/var/lib/mailroost".into(),
        /// The Unix socket over which `mailroost user` and `mailroost mail` reach the daemon.
        /// Not set: `control` in the folder of the store.
        control_socket: Option<PathBuf> = None,
        /// Domains that may stand behind a user name: with "example.org", the user "ann" can
        /// also log on as "ann@example.org".
        domains: Vec<Domain> = Vec::new(),
        /// The site that this server belongs to. Users of another one have their maildrops
        /// there: see protocol.foreign_site and [[site]].
        site: Option<SiteName> = None,
        /// Threads that serve sessions and mailboxes. Not set: one for each processor.
        workers: Option<Ranged<1, 1024>> = None,
        /// How long sessions may take to end when the daemon is told to stop.
        drain_timeout: Seconds<0, 3600> = Seconds::fixed(30),
    }
}

section! {
    /// A socket to serve. Repeat the section for each one. Without any: ports 110 (stls) and
    /// 995 (implicit_tls) on [::] and 0.0.0.0, as Exchange has it.
    pub struct ListenerSettings {
        /// The address. "::" is IPv6 alone; IPv4 needs a listener of its own.
        address: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        /// The TCP port; with 0 the system chooses one, and the log tells which.
        port: Ranged<0, 65535> = Ranged::fixed(110),
        /// "stls": plaintext at first, STLS where there is a certificate.
        /// "implicit_tls": the TLS handshake comes first (RFC 8314).
        security: Security = Security::Stls,
        /// A certificate for this listener alone, in the same forms as that of [tls]. Not set:
        /// that of [tls].
        certificate: Option<PathBuf> = None,
        /// The private key that goes with it.
        key: Option<PathBuf> = None,
        /// The file whose first line is the password of the key.
        password_file: Option<PathBuf> = None,
    }
}

section! {
    /// Transport Layer Security.
    pub struct TlsSettings {
        /// "openssl" serves TLS 1.2 and 1.3; "native-tls" never negotiates TLS 1.3, and has one
        /// certificate.
        provider: TlsProvider = TlsProvider::Openssl,
        /// Clients that have nothing newer than what came before it are refused.
        minimum_version: TlsVersion = TlsVersion::Tls12,
        /// The certificate chain (PEM), the server's own certificate first; or a PKCS#12 file.
        certificate: Option<PathBuf> = None,
        /// The private key that goes with it (PEM). Not set: it is in the file of the
        /// certificate.
        key: Option<PathBuf> = None,
        /// A file whose first line is the password of the key or of the PKCS#12 file.
        password_file: Option<PathBuf> = None,
        /// The authorities (PEM) whose certificates of clients are trusted.
        client_ca: Option<PathBuf> = None,
        /// "none": clients are not asked for certificates. "request": they are, and one that is not
        /// trusted counts as none. "require": who has no trusted one is refused.
        client_certificates: ClientCertificates = ClientCertificates::None,
        /// How long before a certificate ends the log begins to warn of it.
        expiry_warning: Days<0, 365> = Days::fixed(21),
    }
}

section! {
    /// A further certificate, for clients that ask for one of its names (SNI). Repeat the
    /// section for each one.
    pub struct CertificateSettings {
        /// As in [tls].
        certificate: Option<PathBuf> = None,
        /// As in [tls].
        key: Option<PathBuf> = None,
        /// As in [tls].
        password_file: Option<PathBuf> = None,
    }
}

section! {
    /// Who may come in.
    pub struct AuthSettings {
        /// SASL mechanisms to offer, in the order of CAPA's SASL line. USER and PASS are
        /// always there; protocol.login_type says where.
        mechanisms: Vec<MechanismName> = vec![MechanismName::Plain],
        /// What is asked of the channel binding of GSSAPI and NTLM, which ties a log-on to the
        /// TLS that it came through. "none": nothing. "allow": who sends one must send that of
        /// our certificate. "require": everybody must. Behind a proxy that ends TLS only "none"
        /// works for clients that send one.
        extended_protection: ExtendedProtectionPolicy = ExtendedProtectionPolicy::Allow,
        /// Argon2id: memory for one new hash.
        argon2_memory: Kib<7168, 262_144> = Kib::fixed(19_456),
        /// Argon2id: passes over it. Memory times passes is at most 1048576 KiB.
        argon2_passes: Ranged<1, 32> = Ranged::fixed(2),
        /// How long a password that was proven right is remembered (as a keyed hash, in memory
        /// alone), so that clients that poll do not cost an Argon2id each time. 0: not at all.
        cache_age: Seconds<0, 86_400> = Seconds::fixed(3600),
        /// Users whose passwords are remembered; about 200 octets each.
        cache_users: Ranged<1, 10_000_000> = Ranged::fixed(100_000),
        /// Who knows passwords: see [[auth.source]].
        source: Vec<SourceSettings> = Vec::new(),
        /// Tickets of Kerberos: see [auth.gssapi].
        gssapi: GssapiSettings = GssapiSettings::default(),
        /// NTLM: see [auth.ntlm].
        ntlm: NtlmSection = NtlmSection::default(),
        /// Who fails to log on has to wait.
        throttle: ThrottleSettings = ThrottleSettings::default(),
        /// Keys of SCRAM: see [auth.scram].
        scram: ScramSettings = ScramSettings::default(),
        /// Bearer tokens: see [auth.oauth].
        oauth: OAuthSettings = OAuthSettings::default(),
        /// Certificates of clients: see [auth.external].
        external: ExternalSettings = ExternalSettings::default(),
    }
}

section! {
    /// How the store works.
    pub struct StoreSettings {
        /// Memory for the index.
        cache: Kib<1024, 67_108_864> = Kib::fixed(131_072),
        /// How long the index may take to open before it is taken for damaged, set aside and
        /// rebuilt from the messages.
        probe_timeout: Seconds<1, 3600> = Seconds::fixed(30),
        /// Space on the disk that deliveries leave free.
        reserve: Kib<1024, 1_073_741_824> = Kib::fixed(32_768),
        /// Where the high-water marks of the unique-ids are kept. Not set: in the folder of the
        /// store. Elsewhere they survive that the store is restored from a backup, so that no
        /// unique-id is used again.
        high_water_folder: Option<PathBuf> = None,
    }
}

section! {
    /// The log, on standard error.
    pub struct LogSettings {
        /// The least important lines that are written.
        level: LogLevel = LogLevel::Info,
        /// "human" for people, "json" for programs (a JSON object per line), "auto": human on a
        /// terminal, else JSON.
        form: LogForm = LogForm::Auto,
    }
}

choice! {
    /// How TLS comes about on a listener.
    pub enum Security {
        /// Plaintext at first; STLS if there is a certificate.
        Stls = "stls",
        /// The handshake comes first (RFC 8314).
        ImplicitTls = "implicit_tls",
    }
}

choice! {
    /// The library that makes TLS.
    pub enum TlsProvider {
        /// OpenSSL: TLS 1.2 and 1.3.
        Openssl = "openssl",
        /// native-tls: TLS 1.2.
        NativeTls = "native-tls",
    }
}

choice! {
    /// Whether clients are asked for certificates.
    pub enum ClientCertificates {
        /// They are not.
        None = "none",
        /// They are, and may have none.
        Request = "request",
        /// They are, and must have one.
        Require = "require",
    }
}

choice! {
    /// A version of the protocol.
    pub enum TlsVersion {
        /// TLS 1.2.
        Tls12 = "1.2",
        /// TLS 1.3.
        Tls13 = "1.3",
    }
}

choice! {
    /// A SASL mechanism that comes with the server.
    pub enum MechanismName {
        /// RFC 4752.
        Gssapi = "GSSAPI",
        /// RFC 4616.
        Plain = "PLAIN",
        /// MS-NLMP.
        Ntlm = "NTLM",
        /// RFC 7677.
        ScramSha256 = "SCRAM-SHA-256",
        /// RFC 7677, bound to the TLS connection.
        ScramSha256Plus = "SCRAM-SHA-256-PLUS",
        /// RFC 7628.
        OAuthBearer = "OAUTHBEARER",
        /// What Google and Microsoft had before it.
        XOAuth2 = "XOAUTH2",
        /// RFC 4422 appendix A.
        External = "EXTERNAL",
    }
}

choice! {
    /// What is asked of a channel binding (Exchange's `ExtendedProtectionPolicy`).
    pub enum ExtendedProtectionPolicy {
        /// Nothing.
        None = "none",
        /// Who sends one must send ours.
        Allow = "allow",
        /// Everybody must send ours.
        Require = "require",
    }
}

choice! {
    /// How important a line is.
    pub enum LogLevel {
        /// What went wrong for good.
        Error = "error",
        /// What went wrong and may mend itself.
        Warning = "warning",
        /// Starts, ends, and one line for each session.
        Info = "info",
        /// What clients did wrong, and more.
        Debug = "debug",
    }
}

choice! {
    /// What a line looks like.
    pub enum LogForm {
        /// Human on a terminal, else JSON.
        Auto = "auto",
        /// For people.
        Human = "human",
        /// A JSON object per line.
        Json = "json",
    }
}

impl From<ExtendedProtectionPolicy> for ExtendedProtection {
    fn from(policy: ExtendedProtectionPolicy) -> Self {
        match policy {
            ExtendedProtectionPolicy::None => Self::Off,
            ExtendedProtectionPolicy::Allow => Self::Allow,
            ExtendedProtectionPolicy::Require => Self::Require,
        }
    }
}

impl From<TlsProvider> for tls::Provider {
    fn from(provider: TlsProvider) -> Self {
        match provider {
            TlsProvider::Openssl => Self::Openssl,
            TlsProvider::NativeTls => Self::NativeTls,
        }
    }
}

impl From<TlsVersion> for tls::MinimumVersion {
    fn from(version: TlsVersion) -> Self {
        match version {
            TlsVersion::Tls12 => Self::Tls12,
            TlsVersion::Tls13 => Self::Tls13,
        }
    }
}

/// Sections that name a certificate and what goes with it do it with the same keys.
macro_rules! names_a_certificate {
    ($($name:ident)+) => {$(
        impl $name {
            /// The files of its certificate; `None` without one.
            pub fn certificate_files(&self) -> Option<CertificateFiles> {
                Some(CertificateFiles {
                    certificate: self.certificate.clone()?,
                    key: self.key.clone(),
                    password: self.password_file.clone(),
                })
            }
        }
    )+};
}

names_a_certificate!(TlsSettings CertificateSettings ListenerSettings);

impl TlsSettings {
    /// Whose certificates are asked for.
    pub(crate) fn client_policy(&self) -> tls::ClientPolicy {
        match (self.client_certificates, &self.client_ca) {
            (ClientCertificates::Request, Some(ca)) => tls::ClientPolicy::Request(ca.clone()),
            (ClientCertificates::Require, Some(ca)) => tls::ClientPolicy::Require(ca.clone()),
            (ClientCertificates::None, _) | (_, None) => tls::ClientPolicy::Ignore,
        }
    }
}

impl AuthSettings {
    /// Whether nothing differs that needs a restart: the throttle's rules are taken up.
    pub(super) fn is_same_but_for_throttle(&self, new: &Self) -> bool {
        let same = Self {
            throttle: new.throttle.clone(),
            ..self.clone()
        };
        same == *new
    }

    /// What a new hash costs. One lane: a check shall take one processor.
    ///
    /// # Errors
    /// When memory times passes is too much.
    pub fn cost(&self) -> Result<Cost, HashError> {
        // The ranges of the settings fit in 32 bits.
        let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        Cost::new(
            narrow(self.argon2_memory.value()),
            narrow(self.argon2_passes.value()),
            1,
        )
    }
}

impl ServerSettings {
    /// Where the control socket is.
    pub fn control_socket(&self) -> PathBuf {
        self.control_socket
            .clone()
            .unwrap_or_else(|| self.store.join("control"))
    }

    /// The domains of which an address is the same user as its local part.
    pub(crate) fn accepted_domains(&self) -> AcceptedDomains {
        AcceptedDomains::new(self.domains.iter().map(|domain| domain.as_str()))
    }
}

impl ListenerSettings {
    /// A listener with the certificate of `[tls]`.
    pub fn new(address: SocketAddr, security: Security) -> Self {
        let port = Ranged::clamped(u64::from(address.port()));
        Self {
            address: address.ip(),
            port,
            security,
            ..Self::default()
        }
    }

    /// Address and port.
    pub fn socket_address(&self) -> SocketAddr {
        // The range of the setting is that of a port.
        SocketAddr::new(
            self.address,
            u16::try_from(self.port.value()).unwrap_or(u16::MAX),
        )
    }

    /// What Exchange listens on (MS-STANXPOP3 E0001).
    pub(super) fn exchange() -> Vec<Self> {
        let everywhere = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
        let ports = [(110, Security::Stls), (995, Security::ImplicitTls)];
        ports
            .into_iter()
            .flat_map(|(port, security)| {
                everywhere.map(|ip: IpAddr| Self::new(SocketAddr::new(ip, port), security))
            })
            .collect()
    }
}
