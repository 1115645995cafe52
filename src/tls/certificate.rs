//! Certificates and their keys, as PEM or PKCS#12 files: read, checked against each other,
//! described.

mod error;
mod facts;
mod file;
mod pem;
mod pkcs12;

use std::path::{Path, PathBuf};

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509Ref};

pub use error::CertificateError;
pub(super) use error::reasons;
pub use facts::CertificateFacts;

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the server's certificate, then those that issued it, the nearest first. Or PKCS#12,
    /// key included.
    pub certificate: PathBuf,
    /// PEM: its private key, in PKCS#8, PKCS#1 or SEC1 form. `None` if it is in the same file as
    /// the certificate.
    pub key: Option<PathBuf>,
    /// The password of the key or of the PKCS#12 file, if it is encrypted: the first line of
    /// this file, in UTF-8.
    pub password: Option<PathBuf>,
}

impl CertificateFiles {
    /// A certificate and its key in two PEM files without a password.
    pub fn pem(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: Some(key.into()),
            password: None,
        }
    }

    /// The file that the key is in.
    pub fn key_file(&self) -> &Path {
        self.key.as_deref().unwrap_or(&self.certificate)
    }

    /// Reads them and checks that they belong together. Expiry is not checked: see
    /// [`CertificateFacts::warnings`].
    pub(super) fn load(&self) -> Result<LoadedCertificate, CertificateError> {
        let contents = file::read(&self.certificate)?;
        let password = self.password.as_deref().map(file::read_password);
        let password = password.transpose()?;
        let key_file = self.key_file();
        let mut open_to_others = Vec::new();
        let (leaf, chain, key) = if pkcs12::is_der(&contents.octets) {
            if key_file != self.certificate {
                return Err(CertificateError::TwoKeys {
                    certificate: self.certificate.clone(),
                    key: key_file.to_owned(),
                });
            }
            if contents.open_to_others {
                open_to_others.push(self.certificate.clone());
            }
            pkcs12::open(&self.certificate, &contents.octets, password.as_ref())?
        } else {
            let (leaf, chain) = pem::chain(&self.certificate, &contents.octets)?;
            let contents = file::read(key_file)?;
            if contents.open_to_others {
                open_to_others.push(key_file.to_owned());
            }
            let key = pem::key(key_file, &contents.octets, password.as_ref())?;
            (leaf, chain, key)
        };
        if let Some(password) = password.filter(|password| password.open_to_others) {
            open_to_others.push(password.path);
        }
        let belongs = leaf.public_key().is_ok_and(|public| public.public_eq(&key));
        if !belongs {
            return Err(CertificateError::Mismatch {
                certificate: self.certificate.clone(),
                key: key_file.to_owned(),
            });
        }
        let facts = CertificateFacts::new(self, &leaf, &chain, open_to_others)
            .map_err(|error| self.refused(error))?;
        Ok(LoadedCertificate {
            leaf,
            chain,
            key,
            facts,
        })
    }

    /// An error of the TLS library about these files.
    pub(super) fn refused(&self, reason: impl ToString) -> CertificateError {
        CertificateError::Refused {
            path: self.certificate.clone(),
            reason: reason.to_string(),
        }
    }
}

/// The certificates in a file (PEM), which vouch for others.
pub(super) fn authorities(path: &Path) -> Result<Vec<X509>, CertificateError> {
    let contents = file::read(path)?;
    let (first, mut others) = pem::chain(path, &contents.octets)?;
    others.insert(0, first);
    Ok(others)
}

/// A certificate that is ready to be served. A clone shares the key.
#[derive(Clone)]
pub(super) struct LoadedCertificate {
    pub(super) leaf: X509,
    pub(super) chain: Vec<X509>,
    pub(super) key: PKey<Private>,
    pub(super) facts: CertificateFacts,
}

/// The `tls-server-end-point` binding (RFC 5929 s4.1): the certificate's digest by its own
/// signature's algorithm, SHA-256 in place of MD5 and SHA-1. `None` where that signature has
/// no digest of its own (Ed25519): the RFC leaves it undefined.
pub(super) fn server_end_point(certificate: &X509Ref) -> Option<Vec<u8>> {
    let signature = certificate.signature_algorithm().object().nid();
    let digest = match signature.signature_algorithms()?.digest {
        Nid::MD5 | Nid::SHA1 => MessageDigest::sha256(),
        other => MessageDigest::from_nid(other)?,
    };
    certificate
        .digest(digest)
        .ok()
        .map(|octets| octets.to_vec())
}

#[cfg(test)]
mod tests;
