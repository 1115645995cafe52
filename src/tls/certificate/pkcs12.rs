//! A certificate with its key and its issuers in one encrypted file (PKCS#12, RFC 7292).

use std::path::Path;

use openssl::error::ErrorStack;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509Ref, X509VerifyResult};

use super::CertificateError;
use super::error::{detail, reasons};
use super::file::Password;

/// DER begins with the tag of a SEQUENCE, which is also the digit 0.
const SEQUENCE: u8 = 0x30;

/// Then comes a length; of all that are over 127 octets the first octet is none of ASCII.
const LONG: u8 = 0x80;

/// Whether this is to be read as PKCS#12.
pub(super) fn is_der(octets: &[u8]) -> bool {
    matches!(octets, [SEQUENCE, length, ..] if *length >= LONG)
}

/// Certificate, issuers (the nearest first) and key. Without a password the empty one is tried.
pub(super) fn open(
    path: &Path,
    der: &[u8],
    password: Option<&Password>,
) -> Result<(X509, Vec<X509>, PKey<Private>), CertificateError> {
    let archive = Pkcs12::from_der(der).map_err(|error| CertificateError::UnknownForm {
        path: path.to_owned(),
        detail: detail(&error),
    })?;
    let text = password.map_or("", |password| password.text.as_str());
    let parsed = archive
        .parse2(text)
        .map_err(|error| refusal(path, password, &error))?;
    let (Some(leaf), Some(key)) = (parsed.cert, parsed.pkey) else {
        return Err(CertificateError::Incomplete {
            path: path.to_owned(),
        });
    };
    let others = parsed.ca.into_iter().flatten().collect();
    let chain = issuers(&leaf, others);
    Ok((leaf, chain, key))
}

/// What kept the archive closed.
fn refusal(path: &Path, password: Option<&Password>, error: &ErrorStack) -> CertificateError {
    let path = path.to_owned();
    let reasons = reasons(error);
    // The names of ERR_reason_error_string in OpenSSL 1.1.1 and 3.
    let any = |names: &[&str]| names.iter().any(|name| reasons.contains(name));
    if any(&["mac verify failure", "cipherfinal error", "bad decrypt"]) {
        return match password {
            None => CertificateError::NoPassword { path },
            Some(password) => CertificateError::WrongPassword {
                path,
                password: password.path.clone(),
            },
        };
    }
    if any(&["unsupported", "unknown pbe algorithm", "unknown cipher"]) {
        return CertificateError::OutdatedEncryption { path };
    }
    let detail = format!(": {reasons}");
    CertificateError::UnknownForm { path, detail }
}

/// Those of `others` that lead from the certificate upwards. The order in an archive means
/// nothing, and a root is left out: who does not have it already would not trust it.
fn issuers(leaf: &X509Ref, mut others: Vec<X509>) -> Vec<X509> {
    let mut chain: Vec<X509> = Vec::new();
    others.retain(|other| other.issued(other) != X509VerifyResult::OK);
    loop {
        let last = chain.last().map_or(leaf, |last| last);
        let next = others
            .iter()
            .position(|other| other.issued(last) == X509VerifyResult::OK);
        match next {
            Some(next) => chain.push(others.swap_remove(next)),
            None => return chain,
        }
    }
}

#[cfg(test)]
mod tests;
