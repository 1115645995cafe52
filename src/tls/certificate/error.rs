//! What can be wrong with a certificate's files.

use std::io;
use std::path::PathBuf;

use openssl::error::ErrorStack;

use super::file::{FILE_OCTETS_MAX, PASSWORD_OCTETS_MAX};

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
    #[error("{path} is larger than {max} octets", path = .path.display(), max = FILE_OCTETS_MAX)]
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
    /// It is in no form that is known here.
    #[error("{path} is neither PEM nor PKCS#12{detail}", path = .path.display())]
    UnknownForm {
        /// Which file.
        path: PathBuf,
        /// What the parser says, if anything, after `: `.
        detail: String,
    },
    /// A PKCS#12 file without a certificate or without its key.
    #[error("the PKCS#12 file {path} does not hold a certificate together with its private key",
        path = .path.display())]
    Incomplete {
        /// Which file.
        path: PathBuf,
    },
    /// A PKCS#12 file that was encrypted long ago: RC2 with 40 bits was usual.
    #[error("the PKCS#12 file {path} is encrypted with an algorithm that the TLS library no longer \
        has; it has to be exported again, with AES", path = .path.display())]
    OutdatedEncryption {
        /// Which file.
        path: PathBuf,
    },
    /// A PKCS#12 file, and a key in another one.
    #[error("the PKCS#12 file {certificate} brings its own private key; {key} cannot be its key",
        certificate = .certificate.display(), key = .key.display())]
    TwoKeys {
        /// The PKCS#12 file.
        certificate: PathBuf,
        /// The other one.
        key: PathBuf,
    },
    /// A password is needed, and nobody is there to type it.
    #[error("the private key in {path} is encrypted, and no password file is set",
        path = .path.display())]
    NoPassword {
        /// Which file.
        path: PathBuf,
    },
    /// The password is another one.
    #[error("the password in {password} does not open {path}",
        password = .password.display(), path = .path.display())]
    WrongPassword {
        /// The encrypted file.
        path: PathBuf,
        /// The password's file.
        password: PathBuf,
    },
    /// What is in a password file cannot be a password.
    #[error("{path} does not begin with a line of 1 to {max} octets of UTF-8 without NUL",
        path = .path.display(), max = PASSWORD_OCTETS_MAX)]
    UnusablePassword {
        /// The password's file.
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

/// The reasons in an error stack, without the library's file names and line numbers.
pub(in crate::tls) fn reasons(stack: &ErrorStack) -> String {
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

/// The same as the tail of a sentence; empty if there are none.
pub(super) fn detail(error: &ErrorStack) -> String {
    if error.errors().is_empty() {
        String::new()
    } else {
        format!(": {}", reasons(error))
    }
}
