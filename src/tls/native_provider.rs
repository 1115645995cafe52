//! TLS by native-tls: whatever the platform has.
//!
//! As a server it never negotiates TLS 1.3 (seen with 0.2.18), serves one certificate, and
//! tells nothing of what was negotiated.

use mailroost_actors::tls::{BoxedIo, Handshake, TlsAcceptor, TlsConnection, TlsError};
use mailroost_auth::Link;
use mailroost_protocol::TlsFacts;
use native_tls::{Identity, Protocol};
use zeroize::Zeroizing;

use super::certificate::{CertificateError, LoadedCertificate};

/// Serves one certificate with native-tls.
pub(super) struct NativeAcceptor {
    acceptor: tokio_native_tls::TlsAcceptor,
}

impl NativeAcceptor {
    /// Serves this certificate. The keys of session tickets are new.
    pub(super) fn new(loaded: &LoadedCertificate) -> Result<Self, CertificateError> {
        let build = || -> Result<native_tls::TlsAcceptor, Box<dyn std::error::Error>> {
            let mut certificates = loaded.leaf.to_pem()?;
            for issuer in &loaded.chain {
                certificates.extend(issuer.to_pem()?);
            }
            // It takes PKCS#8 and nothing else.
            let key = Zeroizing::new(loaded.key.private_key_to_pem_pkcs8()?);
            let identity = Identity::from_pkcs8(&certificates, &key)?;
            let mut builder = native_tls::TlsAcceptor::builder(identity);
            Ok(builder
                .min_protocol_version(Some(Protocol::Tlsv12))
                .build()?)
        };
        let acceptor = build().map_err(|error| loaded.facts.files.refused(error))?;
        Ok(Self {
            acceptor: acceptor.into(),
        })
    }
}

impl TlsAcceptor for NativeAcceptor {
    fn accept(&self, io: BoxedIo) -> Handshake {
        let acceptor = self.acceptor.clone();
        Box::pin(async move {
            let stream = acceptor
                .accept(io)
                .await
                .map_err(|error| TlsError(error.to_string()))?;
            let server_end_point = stream.get_ref().tls_server_end_point().ok().flatten();
            // What the floor guarantees is all that is known.
            let (version, cipher) = ("TLSv1.2 or later".to_owned(), "unknown".to_owned());
            Ok(TlsConnection {
                io: Box::new(stream),
                facts: TlsFacts {
                    version,
                    cipher,
                    ..TlsFacts::default()
                },
                link: Link {
                    tls: true,
                    tls_server_end_point: server_end_point,
                    ..Link::default()
                },
            })
        })
    }
}
