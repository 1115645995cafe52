//! Certificates of clients (RFC 5246 s7.4.4, RFC 8446 s4.3.2): whether they are asked for, whose
//! are trusted, and what they say.

use std::path::PathBuf;

use mailroost_auth::ClientCertificate;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::ssl::{SslContextBuilder, SslRef, SslVerifyMode};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509Ref, X509VerifyResult};

use super::certificate::{CertificateError, authorities};

/// Whether clients are asked for certificates. The file has the authorities (PEM) that vouch for
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ClientPolicy {
    /// They are not.
    #[default]
    Ignore,
    /// They are; one that is not trusted counts as none.
    Request(PathBuf),
    /// They are; without one that is trusted the handshake fails.
    Require(PathBuf),
}

impl ClientPolicy {
    /// Whether the file can be used.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), CertificateError> {
        self.load().map(drop)
    }

    /// Reads the file.
    pub(super) fn load(&self) -> Result<Option<Asking>, CertificateError> {
        let (file, required) = match self {
            Self::Ignore => return Ok(None),
            Self::Request(file) => (file, false),
            Self::Require(file) => (file, true),
        };
        Ok(Some(Asking {
            authorities: authorities(file)?,
            required,
        }))
    }
}

/// The authorities that vouch for clients, ready to be used.
#[derive(Clone)]
pub(super) struct Asking {
    authorities: Vec<X509>,
    required: bool,
}

impl Asking {
    /// Has the clients of a context asked. The names of the authorities are sent along, so that
    /// programs that have many certificates choose the right one, or none.
    pub(super) fn put(&self, context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        let mut store = X509StoreBuilder::new()?;
        let mut names = Stack::new()?;
        for authority in &self.authorities {
            store.add_cert(authority.clone())?;
            names.push(authority.subject_name().to_owned()?)?;
        }
        context.set_verify_cert_store(store.build())?;
        context.set_client_ca_list(names);
        if self.required {
            context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        } else {
            // What became of the check is looked at afterwards: see `client_certificate`.
            context.set_verify_callback(SslVerifyMode::PEER, |_trusted, _chain| true);
        }
        Ok(())
    }
}

/// The client's certificate, if it sent one that is trusted.
pub(super) fn client_certificate(ssl: &SslRef) -> Option<ClientCertificate> {
    let certificate = ssl.peer_certificate()?;
    (ssl.verify_result() == X509VerifyResult::OK).then(|| facts(&certificate))?
}

/// Texts with control characters are passed over: what stands behind a NUL has fooled others.
fn facts(certificate: &X509Ref) -> Option<ClientCertificate> {
    let plain = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    let names = certificate.subject_alt_names();
    let addresses = names.iter().flatten().filter_map(|name| name.email());
    let mail_addresses = addresses
        .filter(|text| plain(text))
        .map(str::to_owned)
        .collect();
    let common_names = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
    let common_name = common_names
        .last()
        .and_then(|name| name.data().to_string().ok());
    let common_name = common_name.filter(|text| plain(text));
    let digest = certificate.digest(MessageDigest::sha256()).ok()?;
    Some(ClientCertificate {
        mail_addresses,
        common_name,
        fingerprint: digest.as_ref().try_into().ok()?,
    })
}
