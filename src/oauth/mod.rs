//! Bearer tokens as the settings want them checked: keys from a file or over https, or by the
//! issuer itself.

mod http;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mailroost_auth::oauth::{
    Bearer, ClaimRules, Hint, Introspection, JwtCheck, KeyDocument, KeyRing, TokenCheck,
};
use zeroize::Zeroizing;

use crate::config::OAuthSettings;
use http::{HttpClient, HttpsDocument, IntrospectionEndpoint};

/// How long an issuer that failed several times in a row is left alone.
const REST: Duration = Duration::from_secs(10);

/// The most octets of a document from an issuer: a JWK set of hundreds of keys.
const DOCUMENT_OCTETS_MAX: u64 = 512 * 1024;

/// Settings that cannot be used as they are.
#[derive(Debug, thiserror::Error)]
#[error("auth.oauth.{key}: {why}")]
pub struct OAuthSetupError {
    /// Which key.
    pub key: &'static str,
    /// One clause, lower-case.
    pub why: String,
}

/// Both mechanisms, over one check.
pub(crate) struct Tokens {
    check: Arc<dyn TokenCheck>,
    hint: Hint,
}

impl Tokens {
    /// As the settings say. Reads files, but asks nobody yet.
    pub(crate) fn new(
        settings: &OAuthSettings,
        log: &slog::Logger,
    ) -> Result<Self, OAuthSetupError> {
        let openid_configuration = settings.openid_configuration.as_ref();
        let hint = Hint {
            scope: settings.scope.join(" "),
            openid_configuration: openid_configuration.map(|url| url.as_str().to_owned()),
        };
        let check = token_check(settings, log)?;
        Ok(Self { check, hint })
    }

    pub(crate) fn oauthbearer(&self) -> Bearer {
        Bearer::oauthbearer(Arc::clone(&self.check), self.hint.clone())
    }

    pub(crate) fn xoauth2(&self) -> Bearer {
        Bearer::xoauth2(Arc::clone(&self.check), self.hint.clone())
    }
}

/// Whether the files that the settings name can be used. Nobody is asked: an issuer may come up
/// later than this server.
pub(crate) fn check(settings: &OAuthSettings) -> Result<(), OAuthSetupError> {
    if let Some(file) = &settings.jwks_file {
        let read = JwksFile(file.clone()).read();
        read.and_then(|octets| KeyRing::check(&octets))
            .map_err(|why| OAuthSetupError {
                key: "jwks_file",
                why,
            })?;
    }
    let log = slog::Logger::root(slog::Discard, slog::o!());
    token_check(settings, &log).map(drop)
}

fn token_check(
    settings: &OAuthSettings,
    log: &slog::Logger,
) -> Result<Arc<dyn TokenCheck>, OAuthSetupError> {
    let rules = ClaimRules {
        issuer: settings.issuer.clone(),
        audiences: settings.audience.clone(),
        scopes: settings.scope.clone(),
        user_claim: settings.user_claim.clone(),
        leeway_secs: settings.leeway.value(),
    };
    if let Some(url) = &settings.introspection_url {
        let endpoint = IntrospectionEndpoint {
            client: client(settings)?,
            url: url.as_str().to_owned(),
            credentials: credentials(settings)?,
        };
        return Ok(Arc::new(Introspection::new(
            Box::new(endpoint),
            rules,
            REST,
        )));
    }
    let document: Box<dyn KeyDocument> = match (&settings.jwks_file, &settings.jwks_url) {
        (Some(file), _) => Box::new(JwksFile(file.clone())),
        (None, Some(url)) => Box::new(HttpsDocument {
            client: client(settings)?,
            url: url.as_str().to_owned(),
        }),
        (None, None) => {
            let why = "there is nothing to check tokens with".to_owned();
            return Err(OAuthSetupError {
                key: "jwks_url",
                why,
            });
        }
    };
    let logged = Box::new(Logged {
        document,
        log: log.clone(),
    });
    let keys = KeyRing::new(logged, settings.jwks_max_age.duration());
    let algorithms = settings
        .algorithms
        .iter()
        .map(|algorithm| (*algorithm).into());
    Ok(Arc::new(JwtCheck::new(keys, algorithms.collect(), rules)))
}

fn client(settings: &OAuthSettings) -> Result<HttpClient, OAuthSetupError> {
    let authorities = settings
        .ca_file
        .as_deref()
        .map(|file| read("ca_file", file));
    let authorities = authorities.transpose()?;
    HttpClient::new(
        settings.timeout.duration(),
        authorities.as_deref().map(Vec::as_slice),
    )
    .map_err(|why| OAuthSetupError {
        key: "ca_file",
        why,
    })
}

/// RFC 6749 s2.3.1: name and secret, each in the form of a query, joined by a colon.
fn credentials(settings: &OAuthSettings) -> Result<Zeroizing<String>, OAuthSetupError> {
    let key = "client_secret_file";
    let file = settings
        .client_secret_file
        .as_deref()
        .unwrap_or(Path::new(""));
    let text = read(key, file)?;
    let text = std::str::from_utf8(&text).unwrap_or_default();
    let secret = text.lines().next().unwrap_or_default();
    if secret.is_empty() {
        let why = format!("{}: the first line is empty or no text", file.display());
        return Err(OAuthSetupError { key, why });
    }
    let id = settings.client_id.as_deref().unwrap_or_default();
    Ok(Zeroizing::new(format!(
        "{}:{}",
        *http::form(id),
        *http::form(secret)
    )))
}

fn read(key: &'static str, file: &Path) -> Result<Zeroizing<Vec<u8>>, OAuthSetupError> {
    std::fs::read(file)
        .map(Zeroizing::new)
        .map_err(|error| OAuthSetupError {
            key,
            why: format!("{}: {error}", file.display()),
        })
}

/// Keys in a file.
struct JwksFile(PathBuf);

impl KeyDocument for JwksFile {
    fn read(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| format!("{}: {error}", self.0.display()))
    }
}

/// Says in the log what became of each attempt to have the keys.
struct Logged {
    document: Box<dyn KeyDocument>,
    log: slog::Logger,
}

impl KeyDocument for Logged {
    fn read(&self) -> Result<Vec<u8>, String> {
        let read = self.document.read().and_then(|octets| {
            KeyRing::check(&octets)?;
            Ok(octets)
        });
        match &read {
            Ok(_) => slog::info!(self.log, "keys of the token issuer fetched"),
            Err(why) => {
                slog::warn!(self.log, "keys of the token issuer cannot be fetched"; "why" => why);
            }
        }
        read
    }
}
