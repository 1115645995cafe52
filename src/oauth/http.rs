//! The https client: blocking, with time limits, redirects refused (an address is where it says).

use std::time::Duration;

use mailroost_auth::oauth::{AuthorizationServer, KeyDocument};
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider};
use zeroize::Zeroizing;

use super::DOCUMENT_OCTETS_MAX;

/// Reaches an issuer.
pub(super) struct HttpClient(Agent);

impl HttpClient {
    /// With `timeout` for a whole call. `authorities` (PEM) vouch for the server, or, without, those
    /// that the system trusts.
    pub(super) fn new(timeout: Duration, authorities: Option<&[u8]>) -> Result<Self, String> {
        let roots = match authorities {
            None => RootCerts::PlatformVerifier,
            Some(pem) => RootCerts::from(certificates(pem)?),
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::NativeTls)
            .root_certs(roots)
            .build();
        let agent = Agent::config_builder()
            .https_only(true)
            .max_redirects(0)
            .timeout_global(Some(timeout))
            .user_agent("mailroost")
            .tls_config(tls)
            .build();
        Ok(Self(agent.into()))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let mut certificates = Vec::new();
    for item in ureq::tls::parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| error.to_string())? {
            certificates.push(certificate);
        }
    }
    match certificates.is_empty() {
        true => Err("it has no certificate".to_owned()),
        false => Ok(certificates),
    }
}

/// Keys at an address.
pub(super) struct HttpsDocument {
    pub(super) client: HttpClient,
    pub(super) url: String,
}

impl KeyDocument for HttpsDocument {
    fn read(&self) -> Result<Vec<u8>, String> {
        body(
            self.client
                .0
                .get(&self.url)
                .header("Accept", "application/json")
                .call(),
        )
        .map_err(|why| format!("{}: {why}", self.url))
    }
}

/// An endpoint that checks tokens.
pub(super) struct IntrospectionEndpoint {
    pub(super) client: HttpClient,
    pub(super) url: String,
    /// Name and secret, joined by a colon.
    pub(super) credentials: Zeroizing<String>,
}

impl AuthorizationServer for IntrospectionEndpoint {
    fn introspect(&self, token: &str) -> Result<Vec<u8>, String> {
        use base64::Engine;
        let credentials = self.credentials.as_bytes();
        let credentials = base64::engine::general_purpose::STANDARD.encode(credentials);
        let authorization = Zeroizing::new(format!("Basic {credentials}"));
        let request = self.client.0.post(&self.url);
        let answered = request
            .header("Accept", "application/json")
            .header("Authorization", authorization.as_str())
            .send_form([("token", token), ("token_type_hint", "access_token")]);
        body(answered).map_err(|why| format!("{}: {why}", self.url))
    }
}

fn body(
    answered: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Vec<u8>, String> {
    let mut answer = answered.map_err(|error| error.to_string())?;
    if answer.status() != ureq::http::StatusCode::OK {
        return Err(format!(
            "it answers with status {}",
            answer.status().as_u16()
        ));
    }
    let octets = answer
        .body_mut()
        .with_config()
        .limit(DOCUMENT_OCTETS_MAX)
        .read_to_vec();
    octets.map_err(|error| error.to_string())
}

/// As in the query of an address: all but letters, digits and `-._~` as `%XX`.
pub(super) fn form(text: &str) -> Zeroizing<String> {
    let mut encoded = Zeroizing::new(String::with_capacity(text.len()));
    for octet in text.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(octet));
            }
            _ => encoded.push_str(&format!("%{octet:02X}")),
        }
    }
    encoded
}
