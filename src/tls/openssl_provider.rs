//! TLS by OpenSSL: 1.2 and 1.3, certificates by SNI, resumption, both channel bindings.

use std::pin::Pin;

use mailroost_actors::tls::{BoxedIo, Handshake, TlsAcceptor, TlsConnection, TlsError};
use mailroost_protocol::TlsFacts;
use openssl::error::ErrorStack;
use openssl::ssl::{
    NameType, Ssl, SslAcceptor, SslAcceptorBuilder, SslContext, SslMethod, SslOptions, SslRef,
    SslVersion,
};
use tokio_openssl::SslStream;

use super::certificate::{self, LoadedCertificate};
use super::server_names::ServerNames;
use super::{CertificateError, CertificateFacts, CertificateFiles};

/// Ties sessions to this service: without it OpenSSL resumes none.
const SESSION_CONTEXT: &[u8] = b"mailroost";

/// The most sessions kept for clients that resume without tickets. One takes about a KiB, and
/// nearly every client has tickets.
const SESSIONS_KEPT_MAX: i32 = 4096;

/// RFC 9266 s4.2.
const EXPORTER_LABEL: &str = "EXPORTER-Channel-Binding";
const EXPORTER_OCTETS: usize = 32;

/// Serves one or more certificates with OpenSSL.
pub struct OpensslAcceptor {
    context: SslContext,
    facts: Vec<CertificateFacts>,
}

impl OpensslAcceptor {
    /// Serves `first` to clients that name no server or an unknown one, and `others` to those
    /// that ask for one of their names.
    ///
    /// # Errors
    /// If a file cannot be read, holds something else, or key and certificate do not match.
    pub fn new(
        first: &CertificateFiles,
        others: &[CertificateFiles],
    ) -> Result<Self, CertificateError> {
        let default = first.load()?;
        let mut facts = vec![default.facts.clone()];
        let mut builder = context(&default)?;
        let mut names = ServerNames::new();
        names.add(&default.facts.names, &None);
        for files in others {
            let other = files.load()?;
            let context = context(&other)?.build().into_context();
            names.add(&other.facts.names, &Some(context));
            facts.push(other.facts);
        }
        builder.set_servername_callback(move |ssl, _alert| {
            let wanted = ssl.servername(NameType::HOST_NAME);
            // `None` for the default certificate, which is in place already.
            if let Some(Some(context)) = wanted.and_then(|name| names.find(name)).cloned() {
                ssl.set_ssl_context(&context)
                    .map_err(|_| openssl::ssl::SniError::ALERT_FATAL)?;
            }
            Ok(())
        });
        Ok(Self {
            context: builder.build().into_context(),
            facts,
        })
    }

    /// The certificates that are served, the default first.
    pub fn certificates(&self) -> &[CertificateFacts] {
        &self.facts
    }
}

impl TlsAcceptor for OpensslAcceptor {
    fn accept(&self, io: BoxedIo) -> Handshake {
        let stream = Ssl::new(&self.context).and_then(|ssl| SslStream::new(ssl, io));
        Box::pin(async move {
            let mut stream = stream.map_err(|error| TlsError(certificate::reasons(&error)))?;
            Pin::new(&mut stream).accept().await.map_err(failure)?;
            let ssl = stream.ssl();
            Ok(TlsConnection {
                facts: facts(ssl),
                server_end_point: ssl.certificate().and_then(certificate::server_end_point),
                exporter: exporter(ssl),
                io: Box::new(stream),
            })
        })
    }
}

/// A context that serves one certificate: Mozilla's "intermediate" list, version 5, with
/// TLS 1.2 as the least.
fn context(loaded: &LoadedCertificate) -> Result<SslAcceptorBuilder, CertificateError> {
    let build = || -> Result<SslAcceptorBuilder, ErrorStack> {
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_options(SslOptions::NO_RENEGOTIATION);
        builder.set_session_id_context(SESSION_CONTEXT)?;
        builder.set_session_cache_size(SESSIONS_KEPT_MAX);
        builder.set_certificate(&loaded.leaf)?;
        for issuer in &loaded.chain {
            builder.add_extra_chain_cert(issuer.clone())?;
        }
        builder.set_private_key(&loaded.key)?;
        builder.check_private_key()?;
        Ok(builder)
    };
    build().map_err(|error| loaded.facts.files.refused(certificate::reasons(&error)))
}

fn facts(ssl: &SslRef) -> TlsFacts {
    let cipher = ssl
        .current_cipher()
        .map(|c| c.standard_name().unwrap_or(c.name()));
    TlsFacts {
        version: ssl.version_str().to_owned(),
        cipher: cipher.unwrap_or("unknown").to_owned(),
    }
}

/// The `tls-exporter` binding. Under TLS 1.2 it is only sound with the extended master secret
/// (RFC 9266 s3).
fn exporter(ssl: &SslRef) -> Option<Vec<u8>> {
    let sound = match ssl.version2() {
        Some(SslVersion::TLS1_3) => true,
        Some(_) => ssl.extms_support() == Some(true),
        None => false,
    };
    let mut octets = vec![0; EXPORTER_OCTETS];
    let exported = ssl.export_keying_material(&mut octets, EXPORTER_LABEL, Some(&[]));
    (sound && exported.is_ok()).then_some(octets)
}

fn failure(error: openssl::ssl::Error) -> TlsError {
    match error.ssl_error() {
        Some(stack) => TlsError(certificate::reasons(stack)),
        None => TlsError(error.to_string()),
    }
}
