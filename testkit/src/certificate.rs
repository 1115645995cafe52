//! A certificate for the time of a test, and both ends that use it.

use std::path::Path;
use std::sync::Arc;

use mailroost::tls::{
    CertificateFiles, LOOPBACK_NAMES, ReloadableAcceptor, TlsSettings, self_signed,
};
use mailroost_actors::tls::TlsAcceptor;

/// A self-signed certificate for this machine's loopback names, as files in a folder of its own
/// that is removed when the value is dropped.
pub struct TestCertificate {
    folder: tempfile::TempDir,
    acceptor: Arc<ReloadableAcceptor>,
}

impl TestCertificate {
    /// Makes one.
    ///
    /// # Errors
    /// If the folder cannot be written or the TLS library refuses.
    pub fn make() -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let made = self_signed(&LOOPBACK_NAMES).map_err(std::io::Error::other)?;
        let certificate = folder.path().join("certificate.pem");
        let key = folder.path().join("key.pem");
        std::fs::write(&certificate, made.certificate)?;
        std::fs::write(&key, made.key.as_bytes())?;
        let settings = TlsSettings {
            certificates: vec![CertificateFiles::pem(certificate, key)],
            ..TlsSettings::default()
        };
        let acceptor = ReloadableAcceptor::new(settings).map_err(std::io::Error::other)?;
        let acceptor = Arc::new(acceptor);
        Ok(Self { folder, acceptor })
    }

    /// The certificate's file, PEM, for clients that want to trust it.
    pub fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// The folder of both files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's end.
    pub fn acceptor(&self) -> Arc<dyn TlsAcceptor> {
        self.acceptor.clone()
    }
}
