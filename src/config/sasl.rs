//! The sections `[auth.scram]`, `[auth.oauth]` and `[auth.external]`, and what they need.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mailroost_auth::oauth::Algorithm;
use mailroost_auth::{CertificateName, HashError, ScramKeys, Secret};
use serde::{Deserialize, Serialize};

use super::check::Conflict;
use super::section::section;
use super::value::{Ranged, Seconds, Setting, choice};
use super::{ClientCertificates, Config, MechanismName, TlsProvider};

section! {
    /// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 7677).
    pub struct ScramSettings {
        /// Whether a new password also leaves the keys of SCRAM, beside its Argon2id hash. Whoever
        /// steals them can guess at the password much quicker than by the hash. Without it SCRAM is
        /// not offered.
        store: bool = false,
        /// Iterations of PBKDF2 for new keys. The client pays for them at each log-on. After a
        /// change set the passwords anew, or users who exist can be told from others.
        iterations: Ranged<4096, 1_000_000> = Ranged::fixed(100_000),
        /// A file with 32 secret octets, from which users who do not exist get their salts. Not set:
        /// `scram_secret` in the folder of the store. It is made when it is not there.
        secret_file: Option<PathBuf> = None,
    }
}

section! {
    /// OAUTHBEARER (RFC 7628) and XOAUTH2: tokens of an authorization server, which are checked
    /// here (jwks_file or jwks_url) or by that server (introspection_url).
    pub struct OAuthSettings {
        /// Who has to have issued a token: its claim "iss". Needed with jwks_file and jwks_url.
        issuer: Option<String> = None,
        /// Whom a token has to be meant for, one of these: its claim "aud". Likewise.
        audience: Vec<String> = Vec::new(),
        /// Scopes that a token has to have, all of them.
        scope: Vec<String> = Vec::new(),
        /// The claim that names the user. An "email" that the issuer has not verified is refused.
        user_claim: String = "email".into(),
        /// How a token may be signed.
        algorithms: Vec<TokenAlgorithm> = vec![TokenAlgorithm::Rs256],
        /// How far the clocks may be apart.
        leeway: Seconds<0, 600> = Seconds::fixed(30),
        /// The issuer's keys, as a file: a JWK set (RFC 7517).
        jwks_file: Option<PathBuf> = None,
        /// The issuer's keys, as an https address.
        jwks_url: Option<HttpsUrl> = None,
        /// How long keys are used before they are fetched again. A token with a key that is not
        /// known has them fetched at once, but once a minute at most.
        jwks_max_age: Seconds<60, 86_400> = Seconds::fixed(3600),
        /// The issuer's introspection endpoint (RFC 7662): it is asked for each token.
        introspection_url: Option<HttpsUrl> = None,
        /// The name under which the endpoint knows this server.
        client_id: Option<String> = None,
        /// The file whose first line is the secret that goes with it.
        client_secret_file: Option<PathBuf> = None,
        /// Certificates (PEM) that vouch for the issuer's server. Not set: those of the system.
        ca_file: Option<PathBuf> = None,
        /// How long the issuer's server may take to answer.
        timeout: Seconds<1, 60> = Seconds::fixed(5),
        /// Where the issuer describes itself: clients are told when their token is refused.
        openid_configuration: Option<HttpsUrl> = None,
    }
}

section! {
    /// EXTERNAL (RFC 4422 appendix A): certificates of clients. Needs tls.client_ca, and
    /// tls.client_certificates "request" or "require".
    pub struct ExternalSettings {
        /// What names the user: "mail" (an address of the subject alternative name), "common_name",
        /// or "fingerprint" (see fingerprints).
        user: CertificateField = CertificateField::Mail,
        /// Certificates and their users, each "HEX=USER": SHA-256 over the certificate in 64
        /// hexadecimal digits (openssl x509 -fingerprint -sha256; colons may stay), then the name.
        fingerprints: Vec<FingerprintOf> = Vec::new(),
    }
}

choice! {
    /// How a token may be signed.
    pub enum TokenAlgorithm {
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        Rs256 = "RS256",
        /// RSASSA-PSS with SHA-256.
        Ps256 = "PS256",
        /// ECDSA with P-256 and SHA-256.
        Es256 = "ES256",
        /// Ed25519.
        EdDsa = "EdDSA",
    }
}

choice! {
    /// Which field of a certificate names its user.
    pub enum CertificateField {
        /// A mail address of the subject alternative name.
        Mail = "mail",
        /// The common name of the subject.
        CommonName = "common_name",
        /// Its SHA-256.
        Fingerprint = "fingerprint",
    }
}

impl From<TokenAlgorithm> for Algorithm {
    fn from(algorithm: TokenAlgorithm) -> Self {
        match algorithm {
            TokenAlgorithm::Rs256 => Self::Rs256,
            TokenAlgorithm::Ps256 => Self::Ps256,
            TokenAlgorithm::Es256 => Self::Es256,
            TokenAlgorithm::EdDsa => Self::EdDsa,
        }
    }
}

impl ScramSettings {
    /// The iterations, as a number of the mechanism's.
    pub fn iterations(&self) -> u32 {
        // The range of the setting fits.
        u32::try_from(self.iterations.value()).unwrap_or(u32::MAX)
    }

    /// The keys of a new password, if they shall be kept.
    ///
    /// # Errors
    /// As [`ScramKeys::new`].
    pub fn new_keys(&self, password: &Secret) -> Result<Option<String>, HashError> {
        let keys = self
            .store
            .then(|| ScramKeys::new(password, self.iterations()));
        Ok(keys.transpose()?.map(|keys| keys.stored()))
    }
}

impl ExternalSettings {
    /// As the mechanism takes it.
    pub fn certificate_name(&self) -> CertificateName {
        match self.user {
            CertificateField::Mail => CertificateName::MailAddress,
            CertificateField::CommonName => CertificateName::CommonName,
            CertificateField::Fingerprint => {
                let known = self.fingerprints.iter();
                let known: BTreeMap<_, _> =
                    known.map(|of| (of.fingerprint, of.user.clone())).collect();
                CertificateName::Fingerprint(known)
            }
        }
    }
}

/// These sections are printed as sections of their own.
macro_rules! own_section {
    ($($name:ident $header:literal)+) => {$(
        impl Setting for $name {
            fn accepted() -> String {
                concat!("a section [", $header, "]").into()
            }

            fn toml(&self) -> Option<String> {
                None
            }
        }
    )+};
}

own_section!(ScramSettings "auth.scram" OAuthSettings "auth.oauth" ExternalSettings "auth.external");

/// An address that is only reached inside TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpsUrl(String);

impl HttpsUrl {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for HttpsUrl {
    fn accepted() -> String {
        "an address such as \"https://id.example.org/keys\"".into()
    }
}

impl TryFrom<String> for HttpsUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let rest = text.strip_prefix("https://").unwrap_or_default();
        match rest.starts_with(|c: char| c.is_alphanumeric() || c == '[')
            && rest.chars().all(|c| c.is_ascii_graphic())
        {
            true => Ok(Self(text)),
            false => Err("not an https address"),
        }
    }
}

impl From<HttpsUrl> for String {
    fn from(url: HttpsUrl) -> Self {
        url.0
    }
}

/// A certificate and its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FingerprintOf {
    fingerprint: [u8; 32],
    user: String,
}

impl Setting for FingerprintOf {
    fn accepted() -> String {
        "a certificate and its user such as \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495\
         991b7852b855=ann\""
            .into()
    }
}

impl TryFrom<String> for FingerprintOf {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let refused = "not a fingerprint and a user";
        let (digits, user) = text.split_once('=').ok_or(refused)?;
        let digits: Vec<u8> = digits
            .bytes()
            .filter(|octet| *octet != b':')
            .map(|octet| {
                char::from(octet)
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            })
            .collect::<Option<_>>()
            .ok_or(refused)?;
        let octets: Vec<u8> = digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |n, d| n << 4 | d))
            .collect();
        match (digits.len(), <[u8; 32]>::try_from(octets)) {
            (64, Ok(fingerprint)) if !user.is_empty() => Ok(Self {
                fingerprint,
                user: user.to_owned(),
            }),
            _ => Err(refused),
        }
    }
}

impl From<FingerprintOf> for String {
    fn from(of: FingerprintOf) -> Self {
        let digits: String = of
            .fingerprint
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        format!("{digits}={}", of.user)
    }
}

/// What is offered has to be possible.
pub(super) fn check(config: &Config) -> Result<(), Conflict> {
    let offered = |name| config.auth.mechanisms.contains(&name);
    if offered(MechanismName::OAuthBearer) || offered(MechanismName::XOAuth2) {
        oauth(&config.auth.oauth)?;
    }
    if offered(MechanismName::External)
        && config.tls.client_certificates == ClientCertificates::None
    {
        let why = "EXTERNAL needs tls.client_certificates \"request\" or \"require\"";
        return Err(conflict("auth", "mechanisms", why));
    }
    client_certificates(config)
}

fn client_certificates(config: &Config) -> Result<(), Conflict> {
    let tls = &config.tls;
    if tls.client_certificates == ClientCertificates::None {
        return Ok(());
    }
    if tls.provider == TlsProvider::NativeTls {
        let why = "native-tls as a server cannot ask for certificates; \"openssl\" can";
        return Err(conflict("tls", "client_certificates", why));
    }
    if tls.client_ca.is_none() {
        let why = "client_ca has to say whose certificates are trusted";
        return Err(conflict("tls", "client_certificates", why));
    }
    let policy = tls.client_policy();
    policy
        .check()
        .map_err(|error| conflict("tls", "client_ca", &error.to_string()))
}

fn oauth(oauth: &OAuthSettings) -> Result<(), Conflict> {
    let section = "auth.oauth";
    let sources = [
        oauth.jwks_file.is_some(),
        oauth.jwks_url.is_some(),
        oauth.introspection_url.is_some(),
    ];
    if sources.into_iter().filter(|set| *set).count() != 1 {
        let why = "one of jwks_file, jwks_url and introspection_url has to be set, and one only";
        return Err(conflict(section, "jwks_url", why));
    }
    if oauth.introspection_url.is_some() {
        if oauth.client_id.is_none() || oauth.client_secret_file.is_none() {
            let why = "introspection needs client_id and client_secret_file";
            return Err(conflict(section, "introspection_url", why));
        }
    } else if oauth.issuer.is_none() {
        let why = "without it tokens of any issuer with the same keys would do";
        return Err(conflict(section, "issuer", why));
    } else if oauth.audience.is_empty() {
        let why = "without it tokens that are meant for other services would do";
        return Err(conflict(section, "audience", why));
    } else if oauth.algorithms.is_empty() {
        return Err(conflict(
            section,
            "algorithms",
            "there has to be one at least",
        ));
    }
    crate::oauth::check(oauth).map_err(|error| conflict(section, error.key, &error.why))
}

fn conflict(section: &'static str, key: &'static str, why: &str) -> Conflict {
    Conflict {
        section,
        index: 0,
        key,
        why: why.to_owned(),
    }
}
