//! Certificates and keys as PEM: other objects and text between them do not matter.

use std::path::Path;

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

use super::CertificateError;
use super::error::detail;
use super::file::Password;

/// The first certificate in `pem`, and the others in their order.
pub(super) fn chain(path: &Path, pem: &[u8]) -> Result<(X509, Vec<X509>), CertificateError> {
    let missing = |detail| CertificateError::NoCertificate {
        path: path.to_owned(),
        detail,
    };
    let certificates = X509::stack_from_pem(pem).map_err(|error| missing(detail(&error)))?;
    let mut certificates = certificates.into_iter();
    let leaf = certificates.next().ok_or_else(|| missing(String::new()))?;
    Ok((leaf, certificates.collect()))
}

/// The private key in `pem`: PKCS#8, PKCS#1 or SEC1, each of them encrypted or not.
pub(super) fn key(
    path: &Path,
    pem: &[u8],
    password: Option<&Password>,
) -> Result<PKey<Private>, CertificateError> {
    let mut encrypted = false;
    // Without a callback the library would ask for the password on the terminal.
    let key = PKey::private_key_from_pem_callback(pem, |buffer| {
        encrypted = true;
        let password = password.map_or(&[][..], |password| password.text.as_bytes());
        match buffer.get_mut(..password.len()) {
            Some(place) if !password.is_empty() => {
                place.copy_from_slice(password);
                Ok(password.len())
            }
            _ => Err(ErrorStack::get()),
        }
    });
    let path = path.to_owned();
    match (key, password) {
        (Ok(key), _) => Ok(key),
        (Err(_), None) if encrypted => Err(CertificateError::NoPassword { path }),
        (Err(_), Some(password)) if encrypted => Err(CertificateError::WrongPassword {
            path,
            password: password.path.clone(),
        }),
        (Err(error), _) => Err(CertificateError::NoKey {
            path,
            detail: detail(&error),
        }),
    }
}
