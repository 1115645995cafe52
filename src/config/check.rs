//! What no key can know by itself: settings that do not go together, files that are not there.

use std::net::SocketAddr;
use std::path::Path;

use super::{Config, ListenerSettings, LoginType, Security, TlsProvider};
use crate::tls::{
    CertificateError, CertificateFiles, ReloadableAcceptor, TlsSettings, TlsSetupError,
};

/// The most KiB of memory times passes of one Argon2id, the same as for stored hashes: about a
/// second of one processor.
const ARGON2_WORK_KIB_MAX: u64 = mailroost_auth::limits::HASH_WORK_KIB_MAX;

/// A setting that does not go with the others.
#[derive(Debug)]
pub(super) struct Conflict {
    /// The section it is in.
    pub section: &'static str,
    /// Which one, where the section can be repeated; else 0.
    pub index: usize,
    /// The key.
    pub key: &'static str,
    /// One clause, lower-case.
    pub why: String,
}

/// Finds the first conflict.
pub(super) fn check(config: &Config) -> Result<(), Conflict> {
    listeners_apart(config)?;
    certificates(config)?;
    somebody_can_log_on(config)?;
    let work = config.auth.argon2_memory.value() * config.auth.argon2_passes.value();
    if work > ARGON2_WORK_KIB_MAX {
        let why = format!("memory times passes is {work} KiB, more than {ARGON2_WORK_KIB_MAX}");
        return Err(Conflict {
            section: "auth",
            index: 0,
            key: "argon2_passes",
            why,
        });
    }
    Ok(())
}

fn listeners_apart(config: &Config) -> Result<(), Conflict> {
    for (index, listener) in config.listener.iter().enumerate() {
        let address = listener.socket_address();
        let earlier = config.listener[..index]
            .iter()
            .map(ListenerSettings::socket_address);
        if let Some(other) = earlier.into_iter().find(|other| overlap(*other, address)) {
            let why = format!("{address} is taken by the listener on {other}");
            return Err(Conflict {
                section: "listener",
                index,
                key: "port",
                why,
            });
        }
    }
    Ok(())
}

/// Whether two sockets cannot be bound together.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() != 0
        && one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

fn certificates(config: &Config) -> Result<(), Conflict> {
    let provider = config.tls.provider;
    pair(
        "tls",
        0,
        provider,
        config.tls.certificate.as_deref(),
        config.tls.key.as_deref(),
    )?;
    for (index, listener) in config.listener.iter().enumerate() {
        pair(
            "listener",
            index,
            provider,
            listener.certificate.as_deref(),
            listener.key.as_deref(),
        )?;
        let implicit = listener.security == Security::ImplicitTls;
        if implicit && config.tls.certificate.is_none() && listener.certificate.is_none() {
            let why = format!(
                "the listener on {} has implicit TLS",
                listener.socket_address()
            );
            return Err(Conflict {
                section: "tls",
                index: 0,
                key: "certificate",
                why,
            });
        }
    }
    Ok(())
}

/// A certificate and its key: both or none, and such that they can be served.
fn pair(
    section: &'static str,
    index: usize,
    provider: TlsProvider,
    certificate: Option<&Path>,
    key: Option<&Path>,
) -> Result<(), Conflict> {
    let conflict = |key, why| {
        Err(Conflict {
            section,
            index,
            key,
            why,
        })
    };
    let (certificate, key) = match (certificate, key) {
        (None, None) => return Ok(()),
        (Some(_), None) => return conflict("key", "the certificate needs its private key".into()),
        (None, Some(_)) => return conflict("certificate", "the key needs its certificate".into()),
        (Some(certificate), Some(key)) => (certificate.to_owned(), key.to_owned()),
    };
    let files = CertificateFiles { certificate, key };
    let settings = TlsSettings {
        provider: provider.into(),
        certificates: vec![files.clone()],
    };
    match ReloadableAcceptor::new(settings) {
        Ok(_) => Ok(()),
        Err(error) => conflict(blamed(&error, &files.key), error.to_string()),
    }
}

/// Which of the two settings is wrong.
fn blamed(error: &TlsSetupError, key: &Path) -> &'static str {
    let about_key = match error {
        TlsSetupError::Certificate(CertificateError::Unreadable { path, .. })
        | TlsSetupError::Certificate(CertificateError::TooLarge { path }) => path == key,
        TlsSetupError::Certificate(
            CertificateError::NoKey { .. }
            | CertificateError::EncryptedKey { .. }
            | CertificateError::Mismatch { .. },
        ) => true,
        _ => false,
    };
    if about_key { "key" } else { "certificate" }
}

fn somebody_can_log_on(config: &Config) -> Result<(), Conflict> {
    let encrypted = config.tls.certificate.is_some()
        || config
            .listener
            .iter()
            .any(|listener| listener.certificate.is_some());
    let login_type = LoginType::from(config.protocol.policy().login_type);
    if encrypted || login_type == LoginType::PlainTextLogin {
        return Ok(());
    }
    let why = "nobody could log on, as there is no certificate for TLS".into();
    Err(Conflict {
        section: "protocol",
        index: 0,
        key: "login_type",
        why,
    })
}
