//! An acceptor whose certificates can be replaced while it serves.

use std::sync::Arc;

use arc_swap::ArcSwap;
use mailroost_actors::tls::{BoxedIo, Handshake, TlsAcceptor};

use super::{
    CertificateError, CertificateFacts, CertificateFiles, NativeAcceptor, OpensslAcceptor,
};

/// Which library makes TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provider {
    /// OpenSSL.
    #[default]
    Openssl,
    /// native-tls.
    NativeTls,
}

/// What is served, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// By what.
    pub provider: Provider,
    /// The certificates; the first is the default. native-tls serves exactly one.
    pub certificates: Vec<CertificateFiles>,
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
    /// Something is wrong with one of them.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Serves the newest certificates to new connections; open ones keep theirs.
pub struct ReloadableAcceptor {
    serving: ArcSwap<Serving>,
}

struct Serving {
    settings: TlsSettings,
    acceptor: Box<dyn TlsAcceptor>,
    facts: Vec<CertificateFacts>,
}

impl Serving {
    fn new(settings: TlsSettings) -> Result<Self, TlsSetupError> {
        let (first, others) = settings
            .certificates
            .split_first()
            .ok_or(TlsSetupError::NoCertificate)?;
        let (acceptor, facts): (Box<dyn TlsAcceptor>, _) = match settings.provider {
            Provider::Openssl => {
                let acceptor = OpensslAcceptor::new(first, others)?;
                let facts = acceptor.certificates().to_vec();
                (Box::new(acceptor), facts)
            }
            Provider::NativeTls if others.is_empty() => {
                let acceptor = NativeAcceptor::new(first)?;
                let facts = vec![acceptor.certificate().clone()];
                (Box::new(acceptor), facts)
            }
            Provider::NativeTls => {
                let given = settings.certificates.len();
                return Err(TlsSetupError::TooManyCertificates { given });
            }
        };
        Ok(Self {
            settings,
            acceptor,
            facts,
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
            serving: ArcSwap::from_pointee(Serving::new(settings)?),
        })
    }

    /// Reads the same files again.
    ///
    /// # Errors
    /// If a file is unusable; then what was served before goes on being served.
    pub fn reload(&self) -> Result<(), TlsSetupError> {
        self.replace(self.serving.load().settings.clone())
    }

    /// Serves by other settings from now on.
    ///
    /// # Errors
    /// As for `reload`.
    pub fn replace(&self, settings: TlsSettings) -> Result<(), TlsSetupError> {
        self.serving.store(Arc::new(Serving::new(settings)?));
        Ok(())
    }

    /// The certificates that are served now, the default first.
    pub fn certificates(&self) -> Vec<CertificateFacts> {
        self.serving.load().facts.clone()
    }
}

impl TlsAcceptor for ReloadableAcceptor {
    fn accept(&self, io: BoxedIo) -> Handshake {
        self.serving.load().acceptor.accept(io)
    }
}
