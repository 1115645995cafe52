//! What no key can know by itself: settings that do not go together, files that are not there.

use std::net::SocketAddr;
use std::path::Path;

use super::{Config, ListenerSettings, LoginType, MechanismName, Security};
use crate::tls::{
    CertificateError, CertificateFiles, ReloadableAcceptor, TlsSettings, TlsSetupError,
};
use crate::upkeep;

/// The most KiB of memory times passes of one Argon2id, the same as for stored hashes: about a
/// second of one processor.
const ARGON2_WORK_KIB_MAX: u64 = mailroost_auth::limits::HASH_WORK_KIB_MAX;

/// The most octets of a Unix socket's path: `sun_path` of Linux has 108, with a NUL at the end.
pub(super) const SOCKET_PATH_OCTETS_MAX: usize = 107;

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
    super::lmtp::check(config)?;
    control_socket(config)?;
    certificates(config)?;
    somebody_can_log_on(config)?;
    warning_text(config)?;
    super::gssapi::check(config)?;
    super::sasl::check(config)?;
    super::site::check(config)?;
    super::source::check(config)?;
    super::ntlm::check(config)?;
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

/// Its path may come from that of the store, which can be longer.
fn control_socket(config: &Config) -> Result<(), Conflict> {
    let path = config.server.control_socket();
    let octets = path.as_os_str().len();
    if octets <= SOCKET_PATH_OCTETS_MAX {
        return Ok(());
    }
    let path = path.display();
    let why = format!("{path} has {octets} octets, more than {SOCKET_PATH_OCTETS_MAX}");
    Err(Conflict {
        section: "server",
        index: 0,
        key: "control_socket",
        why,
    })
}

/// A file that cannot be used is better known now than when somebody's quota is used up.
fn warning_text(config: &Config) -> Result<(), Conflict> {
    match upkeep::text(&config.quota) {
        Ok(_) => Ok(()),
        Err(error) => Err(Conflict {
            section: "quota",
            index: 0,
            key: "warning_file",
            why: error.to_string(),
        }),
    }
}

/// Whether two sockets cannot be bound together.
pub(super) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() != 0
        && one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

fn certificates(config: &Config) -> Result<(), Conflict> {
    let tls = &config.tls;
    let alone = tls.key.is_some() || tls.password_file.is_some();
    loadable(config, "tls", 0, tls.certificate_files(), alone)?;
    for (index, further) in config.certificate.iter().enumerate() {
        loadable(
            config,
            "certificate",
            index,
            further.certificate_files(),
            true,
        )?;
        if tls.certificate.is_none() {
            let why =
                "[[certificate]] is for clients that ask for its names, and some ask for none";
            return Err(Conflict {
                section: "tls",
                index: 0,
                key: "certificate",
                why: why.into(),
            });
        }
    }
    for (index, listener) in config.listener.iter().enumerate() {
        let alone = listener.key.is_some() || listener.password_file.is_some();
        loadable(
            config,
            "listener",
            index,
            listener.certificate_files(),
            alone,
        )?;
        let implicit = listener.security == Security::ImplicitTls;
        if implicit && tls.certificate.is_none() && listener.certificate.is_none() {
            let address = listener.socket_address();
            let why = format!("the listener on {address} has implicit TLS");
            return Err(Conflict {
                section: "tls",
                index: 0,
                key: "certificate",
                why,
            });
        }
    }
    let first = tls.certificate_files();
    let all = first.map(|first| ReloadableAcceptor::new(config.tls_settings(first)));
    match all {
        Some(Err(TlsSetupError::TooManyCertificates { given })) => {
            let why = format!("native-tls serves 1 certificate, not {given}");
            Err(Conflict {
                section: "tls",
                index: 0,
                key: "provider",
                why,
            })
        }
        Some(Ok(_) | Err(_)) | None => Ok(()),
    }
}

/// Whether a certificate can be served. What goes with one is of no use `alone`.
fn loadable(
    config: &Config,
    section: &'static str,
    index: usize,
    files: Option<CertificateFiles>,
    alone: bool,
) -> Result<(), Conflict> {
    let Some(files) = files else {
        let why = "it is missing, but what goes with it is not".into();
        let conflict = Conflict {
            section,
            index,
            key: "certificate",
            why,
        };
        return if alone { Err(conflict) } else { Ok(()) };
    };
    let settings = TlsSettings {
        provider: config.tls.provider.into(),
        minimum: config.tls.minimum_version.into(),
        certificates: vec![files.clone()],
        ..TlsSettings::default()
    };
    let (section, key, why) = match ReloadableAcceptor::new(settings) {
        Ok(_) => return Ok(()),
        Err(error @ TlsSetupError::MinimumTooHigh) => ("tls", "minimum_version", error.to_string()),
        Err(error) => (section, blamed(&error, &files), error.to_string()),
    };
    Err(Conflict {
        section,
        index,
        key,
        why,
    })
}

/// Which of the three settings is wrong.
fn blamed(error: &TlsSetupError, files: &CertificateFiles) -> &'static str {
    let TlsSetupError::Certificate(error) = error else {
        return "certificate";
    };
    let setting_of = |path: &Path| {
        if files.key.as_deref() == Some(path) {
            "key"
        } else if files.password.as_deref() == Some(path) {
            "password_file"
        } else {
            "certificate"
        }
    };
    match error {
        CertificateError::NoPassword { .. } => "password_file",
        CertificateError::WrongPassword { password, .. } => setting_of(password),
        CertificateError::NoKey { .. } => "key",
        CertificateError::TwoKeys { key, .. } | CertificateError::Mismatch { key, .. } => {
            setting_of(key)
        }
        CertificateError::Unreadable { path, .. }
        | CertificateError::TooLarge { path }
        | CertificateError::NoCertificate { path, .. }
        | CertificateError::UnknownForm { path, .. }
        | CertificateError::Incomplete { path }
        | CertificateError::OutdatedEncryption { path }
        | CertificateError::UnusablePassword { path }
        | CertificateError::Refused { path, .. } => setting_of(path),
    }
}

fn somebody_can_log_on(config: &Config) -> Result<(), Conflict> {
    let encrypted = config.tls.certificate.is_some()
        || config
            .listener
            .iter()
            .any(|listener| listener.certificate.is_some());
    let login_type = LoginType::from(config.protocol.policy().login_type);
    let without_tls = match login_type {
        LoginType::PlainTextLogin => true,
        LoginType::PlainTextAuthentication => {
            config.auth.mechanisms.contains(&MechanismName::Gssapi)
        }
        LoginType::SecureLogin => false,
    };
    if encrypted || without_tls {
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
