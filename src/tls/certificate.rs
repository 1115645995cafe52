//! Certificates and their keys, as PEM files: read, checked against each other, described.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509Ref};
use zeroize::Zeroizing;

/// The most octets of a PEM file: a chain has some 10,000; a device file has no end.
const PEM_OCTETS_MAX: usize = 1024 * 1024;

const SECS_PER_DAY: i64 = 24 * 60 * 60;

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the server's certificate, then those that issued it, the nearest first.
    pub certificate: PathBuf,
    /// PEM: its private key, in PKCS#8, PKCS#1 or SEC1 form, not encrypted.
    pub key: PathBuf,
}

/// What can be wrong with them. Each names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The operating system does not give it.
    #[error("cannot read {path}: {source}", path = .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is larger than any certificate.
    #[error("{path} is larger than {max} octets", path = .path.display(), max = PEM_OCTETS_MAX)]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// There is no certificate in it, or a damaged one.
    #[error("{path} holds no certificate in PEM form{detail}", path = .path.display())]
    NoCertificate {
        /// Which file.
        path: PathBuf,
        /// What the parser says, if anything, after `: `.
        detail: String,
    },
    /// There is no private key in it, or a damaged one.
    #[error("{path} holds no private key in PEM form{detail}", path = .path.display())]
    NoKey {
        /// Which file.
        path: PathBuf,
        /// What the parser says, if anything, after `: `.
        detail: String,
    },
    /// A pass phrase would be needed, and nobody is there to type it.
    #[error("the private key in {path} is encrypted; it has to be stored without a pass phrase",
        path = .path.display())]
    EncryptedKey {
        /// Which file.
        path: PathBuf,
    },
    /// They do not belong together.
    #[error("the private key in {key} does not belong to the first certificate in {certificate}",
        key = .key.display(), certificate = .certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The TLS library refuses what it was given.
    #[error("the TLS library refuses {path}: {reason}", path = .path.display())]
    Refused {
        /// The certificate's file.
        path: PathBuf,
        /// Why, in the library's words.
        reason: String,
    },
}

impl CertificateFiles {
    /// Reads both and checks that they belong together. Expiry is not checked: see
    /// [`CertificateFacts::warnings`].
    pub(super) fn load(&self) -> Result<LoadedCertificate, CertificateError> {
        let certificates = read_certificates(&self.certificate)?;
        let (key, key_is_open_to_others) = read_key(&self.key)?;
        let mut certificates = certificates.into_iter();
        let leaf = certificates
            .next()
            .ok_or_else(|| CertificateError::NoCertificate {
                path: self.certificate.clone(),
                detail: String::new(),
            })?;
        let belongs = leaf.public_key().is_ok_and(|public| public.public_eq(&key));
        if !belongs {
            return Err(CertificateError::Mismatch {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
            });
        }
        let refused = |error: ErrorStack| self.refused(error);
        let facts = CertificateFacts {
            files: self.clone(),
            names: names(&leaf),
            not_before_secs: unix_secs(leaf.not_before()).map_err(refused)?,
            not_after_secs: unix_secs(leaf.not_after()).map_err(refused)?,
            not_after: leaf.not_after().to_string(),
            key_is_open_to_others,
        };
        Ok(LoadedCertificate {
            leaf,
            chain: certificates.collect(),
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

/// A certificate that is ready to be served.
pub(super) struct LoadedCertificate {
    pub(super) leaf: X509,
    pub(super) chain: Vec<X509>,
    pub(super) key: PKey<Private>,
    pub(super) facts: CertificateFacts,
}

/// What the log and the operator should know of a certificate that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Where it came from.
    pub files: CertificateFiles,
    /// The DNS names that it is for, lower-case, wildcards included.
    pub names: Vec<String>,
    /// From when it is valid, in seconds since 1970-01-01 UTC.
    pub not_before_secs: i64,
    /// Until when it is valid, likewise.
    pub not_after_secs: i64,
    /// The same for people, for example `Nov 24 08:49:40 2027 GMT`.
    pub not_after: String,
    /// Whether everybody on this machine may read or change the key's file.
    pub key_is_open_to_others: bool,
}

impl CertificateFacts {
    /// What somebody should look after, one line each: a key that everybody can read, and a
    /// validity that has ended at `now_secs` (since 1970-01-01 UTC), ends within `ahead_secs`,
    /// or has not begun.
    pub fn warnings(&self, now_secs: i64, ahead_secs: i64) -> Vec<String> {
        let (certificate, key) = (self.files.certificate.display(), self.files.key.display());
        let left_secs = self.not_after_secs.saturating_sub(now_secs);
        let mut warnings = Vec::new();
        if self.key_is_open_to_others {
            warnings.push(format!(
                "every user of this machine can read or change {key}"
            ));
        }
        if now_secs < self.not_before_secs {
            warnings.push(format!("the certificate in {certificate} is not valid yet"));
        } else if left_secs <= 0 {
            warnings.push(format!(
                "the certificate in {certificate} expired: {}",
                self.not_after
            ));
        } else if left_secs <= ahead_secs {
            let days = left_secs / SECS_PER_DAY;
            warnings.push(format!(
                "the certificate in {certificate} expires in {days} days: {}",
                self.not_after
            ));
        }
        warnings
    }
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

/// The reasons in an error stack, without the library's file names and line numbers.
pub(super) fn reasons(stack: &ErrorStack) -> String {
    let reasons: Vec<_> = stack
        .errors()
        .iter()
        .filter_map(openssl::error::Error::reason)
        .collect();
    if reasons.is_empty() {
        stack.to_string()
    } else {
        reasons.join(", ")
    }
}

fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), CertificateError> {
    let unreadable = |source| CertificateError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    let mut octets = Zeroizing::new(Vec::new());
    let limit = PEM_OCTETS_MAX as u64 + 1;
    file.take(limit)
        .read_to_end(&mut octets)
        .map_err(unreadable)?;
    if octets.len() > PEM_OCTETS_MAX {
        return Err(CertificateError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok((octets, mode))
}

fn read_certificates(path: &Path) -> Result<Vec<X509>, CertificateError> {
    let (pem, _) = read(path)?;
    X509::stack_from_pem(&pem).map_err(|error| CertificateError::NoCertificate {
        path: path.to_owned(),
        detail: detail(&error),
    })
}

fn read_key(path: &Path) -> Result<(PKey<Private>, bool), CertificateError> {
    let (pem, mode) = read(path)?;
    let mut encrypted = false;
    // Without a callback the library would ask for the pass phrase on the terminal.
    let key = PKey::private_key_from_pem_callback(&pem, |_| {
        encrypted = true;
        Err(ErrorStack::get())
    });
    match key {
        Ok(key) => Ok((key, mode & 0o007 != 0)),
        Err(_) if encrypted => Err(CertificateError::EncryptedKey {
            path: path.to_owned(),
        }),
        Err(error) => Err(CertificateError::NoKey {
            path: path.to_owned(),
            detail: detail(&error),
        }),
    }
}

fn detail(error: &ErrorStack) -> String {
    if error.errors().is_empty() {
        String::new()
    } else {
        format!(": {}", reasons(error))
    }
}

fn unix_secs(time: &Asn1TimeRef) -> Result<i64, ErrorStack> {
    let since = Asn1Time::from_unix(0)?.diff(time)?;
    Ok(i64::from(since.days) * SECS_PER_DAY + i64::from(since.secs))
}

fn names(certificate: &X509Ref) -> Vec<String> {
    let alternatives = certificate.subject_alt_names();
    let names: Vec<_> = alternatives
        .iter()
        .flatten()
        .filter_map(|name| name.dnsname().map(str::to_lowercase))
        .collect();
    if !names.is_empty() {
        return names;
    }
    let common_names = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
    common_names
        .filter_map(|entry| entry.data().to_string().ok())
        .map(|name| name.to_lowercase())
        .collect()
}

#[cfg(test)]
mod tests;
