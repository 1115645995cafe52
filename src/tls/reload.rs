//! An acceptor whose certificates can be replaced while it serves.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use mailroost_actors::tls::{BoxedIo, Handshake, TlsAcceptor};

use super::certificate::{CertificateError, CertificateFacts, CertificateFiles, LoadedCertificate};
use super::clients::{Asking, ClientPolicy};
use super::native_provider::NativeAcceptor;
use super::openssl_provider::OpensslAcceptor;

/// Which library makes TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provider {
    /// OpenSSL.
    #[default]
    Openssl,
    /// native-tls.
    NativeTls,
}

/// The oldest version of the protocol that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinimumVersion {
    /// TLS 1.2 (RFC 8996 retired what came before).
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// What is served, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsSettings {
    /// By what.
    pub provider: Provider,
    /// Clients that have nothing newer than what came before it are refused.
    pub minimum: MinimumVersion,
    /// The certificates; the first is the default. native-tls serves exactly one.
    pub certificates: Vec<CertificateFiles>,
    /// Whether clients are asked for theirs.
    pub clients: ClientPolicy,
}

/// Why there is no TLS with these settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsSetupError {
    /// No certificate was named.
    #[error("TLS needs at least one certificate")]
    NoCertificate,
    /// More were named than the provider can serve.
    #[error("native-tls serves 1 certificate, not {given}; openssl serves several")]
    TooManyCertificates {
        /// How many were named.
        given: usize,
    },
    /// The provider does not have that version.
    #[error("native-tls serves TLS 1.2 and no newer one; openssl serves TLS 1.3")]
    MinimumTooHigh,
    /// The provider cannot ask clients for certificates.
    #[error("native-tls as a server asks clients for no certificates; openssl does")]
    NoClientCertificates,
    /// Something is wrong with one of them.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Serves the newest certificates to new connections; open ones keep theirs.
pub struct ReloadableAcceptor {
    serving: ArcSwap<Serving>,
    /// One change at a time, or an older one could come out on top.
    changing: Mutex<()>,
}

struct Serving {
    settings: TlsSettings,
    loaded: Vec<LoadedCertificate>,
    asking: Option<Asking>,
    acceptor: Box<dyn TlsAcceptor>,
}

impl Serving {
    /// Reads the files.
    fn load(settings: TlsSettings) -> Result<Self, TlsSetupError> {
        if settings.provider == Provider::NativeTls {
            let given = settings.certificates.len();
            if given > 1 {
                return Err(TlsSetupError::TooManyCertificates { given });
            }
            if settings.minimum == MinimumVersion::Tls13 {
                return Err(TlsSetupError::MinimumTooHigh);
            }
            if settings.clients != ClientPolicy::Ignore {
                return Err(TlsSetupError::NoClientCertificates);
            }
        }
        let loaded = settings.certificates.iter().map(CertificateFiles::load);
        let loaded = loaded.collect::<Result<Vec<_>, _>>()?;
        let asking = settings.clients.load()?;
        Self::new(settings, loaded, asking)
    }

    fn new(
        settings: TlsSettings,
        loaded: Vec<LoadedCertificate>,
        asking: Option<Asking>,
    ) -> Result<Self, TlsSetupError> {
        let (first, others) = loaded.split_first().ok_or(TlsSetupError::NoCertificate)?;
        let acceptor: Box<dyn TlsAcceptor> = match settings.provider {
            Provider::Openssl => {
                let acceptor =
                    OpensslAcceptor::new(first, others, settings.minimum, asking.as_ref())?;
                Box::new(acceptor)
            }
            Provider::NativeTls => Box::new(NativeAcceptor::new(first)?),
        };
        Ok(Self {
            settings,
            loaded,
            asking,
            acceptor,
        })
    }
}

impl ReloadableAcceptor {
    /// Reads the files and begins to serve.
    ///
    /// # Errors
    /// If the settings or a file are unusable.
    pub fn new(settings: TlsSettings) -> Result<Self, TlsSetupError> {
        Ok(Self {
            serving: ArcSwap::from_pointee(Serving::load(settings)?),
            changing: Mutex::new(()),
        })
    }

    /// Reads the same files again.
    ///
    /// # Errors
    /// If a file is unusable; then what was served before goes on being served.
    pub fn reload(&self) -> Result<(), TlsSetupError> {
        self.change(|serving| Serving::load(serving.settings.clone()))
    }

    /// Serves by other settings from now on.
    ///
    /// # Errors
    /// As for `reload`.
    pub fn replace(&self, settings: TlsSettings) -> Result<(), TlsSetupError> {
        self.change(|_| Serving::load(settings))
    }

    /// Serves the same certificates, without a look at the files, with new keys for session
    /// tickets and nothing left of the old sessions: a client that comes back makes one full
    /// handshake. Whoever steals the new keys cannot open what was recorded under the old ones.
    ///
    /// # Errors
    /// If the TLS library fails; then nothing is changed.
    pub fn renew_ticket_keys(&self) -> Result<(), TlsSetupError> {
        self.change(|serving| {
            let asking = serving.asking.clone();
            Serving::new(serving.settings.clone(), serving.loaded.clone(), asking)
        })
    }

    fn change(
        &self,
        next: impl FnOnce(&Serving) -> Result<Serving, TlsSetupError>,
    ) -> Result<(), TlsSetupError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = next(&self.serving.load())?;
        self.serving.store(Arc::new(next));
        Ok(())
    }

    /// The certificates that are served now, the default first.
    pub fn certificates(&self) -> Vec<CertificateFacts> {
        let serving = self.serving.load();
        serving.loaded.iter().map(|l| l.facts.clone()).collect()
    }
}

impl TlsAcceptor for ReloadableAcceptor {
    fn accept(&self, io: BoxedIo) -> Handshake {
        self.serving.load().acceptor.accept(io)
    }
}
