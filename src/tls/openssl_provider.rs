//! TLS by OpenSSL: 1.2 and 1.3, certificates by SNI, resumption, both channel bindings.

use std::pin::Pin;

use mailroost_actors::tls::{BoxedIo, Handshake, TlsAcceptor, TlsConnection, TlsError};
use mailroost_auth::Link;
use mailroost_protocol::TlsFacts;
use openssl::error::ErrorStack;
use openssl::ssl::{
    NameType, Ssl, SslAcceptor, SslAcceptorBuilder, SslContext, SslContextBuilder, SslMethod,
    SslOptions, SslRef, SslVersion,
};
use tokio_openssl::SslStream;

use super::certificate::{self, CertificateError, LoadedCertificate};
use super::clients::{Asking, client_certificate};
use super::gathered::Gathered;
use super::reload::MinimumVersion;
use super::server_names::ServerNames;

/// Ties sessions to this service: without it OpenSSL resumes none.
const SESSION_CONTEXT: &[u8] = b"mailroost";

/// The most sessions kept for clients that resume without tickets. One takes about a KiB, and
/// nearly every client has tickets.
const SESSIONS_KEPT_MAX: i32 = 4096;

/// Groups for the key exchange, the first list that the library knows. Finite fields are not
/// among them under TLS 1.3: every client that has it has a curve as well, and they cost a
/// server much more.
const GROUPS: [&str; 2] = ["X25519MLKEM768:X25519:P-256:P-384", "X25519:P-256:P-384"];

/// RFC 9266 s4.2.
const EXPORTER_LABEL: &str = "EXPORTER-Channel-Binding";
const EXPORTER_OCTETS: usize = 32;

/// Finished has 12 octets in TLS 1.2 (RFC 5246 s7.4.9); OpenSSL never has more than this.
const FINISHED_OCTETS_MAX: usize = 64;

/// Serves one or more certificates with OpenSSL.
pub(super) struct OpensslAcceptor {
    context: SslContext,
}

impl OpensslAcceptor {
    /// Serves `first` to clients that name no server or an unknown one, and `others` to those
    /// that ask for one of their names. The keys of session tickets are new.
    pub(super) fn new(
        first: &LoadedCertificate,
        others: &[LoadedCertificate],
        minimum: MinimumVersion,
        asking: Option<&Asking>,
    ) -> Result<Self, CertificateError> {
        let mut builder = context(first, minimum, asking)?;
        let mut names = ServerNames::new();
        names.add(&first.facts.names, &None);
        for other in others {
            let context = context(other, minimum, asking)?.build().into_context();
            names.add(&other.facts.names, &Some(context));
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
        })
    }
}

impl TlsAcceptor for OpensslAcceptor {
    fn accept(&self, io: BoxedIo) -> Handshake {
        let below = Gathered::new(io);
        let stream = Ssl::new(&self.context).and_then(|ssl| SslStream::new(ssl, below));
        Box::pin(async move {
            let mut stream = stream.map_err(|error| TlsError(certificate::reasons(&error)))?;
            Pin::new(&mut stream).accept().await.map_err(failure)?;
            let ssl = stream.ssl();
            Ok(TlsConnection {
                facts: facts(ssl),
                link: Link {
                    tls: true,
                    tls_server_end_point: ssl.certificate().and_then(certificate::server_end_point),
                    tls_exporter: exporter(ssl),
                    tls_unique: unique(ssl),
                    client_certificate: client_certificate(ssl),
                },
                io: Box::new(stream),
            })
        })
    }
}

/// A context that serves one certificate: Mozilla's "intermediate" list, version 5, which is
/// forward secrecy and authenticated encryption alone (no CBC, no SHA-1, no compression). The
/// server's order counts, but a client that puts ChaCha20 first has no AES in hardware.
fn context(
    loaded: &LoadedCertificate,
    minimum: MinimumVersion,
    asking: Option<&Asking>,
) -> Result<SslAcceptorBuilder, CertificateError> {
    let build = || -> Result<SslAcceptorBuilder, ErrorStack> {
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        builder.set_min_proto_version(Some(match minimum {
            MinimumVersion::Tls12 => SslVersion::TLS1_2,
            MinimumVersion::Tls13 => SslVersion::TLS1_3,
        }))?;
        builder.set_options(
            SslOptions::NO_RENEGOTIATION
                | SslOptions::CIPHER_SERVER_PREFERENCE
                | SslOptions::PRIORITIZE_CHACHA,
        );
        // One call for a record, not one for its header and one for the rest.
        builder.set_read_ahead(true);
        set_groups(&mut builder)?;
        builder.set_session_id_context(SESSION_CONTEXT)?;
        builder.set_session_cache_size(SESSIONS_KEPT_MAX);
        builder.set_certificate(&loaded.leaf)?;
        for issuer in &loaded.chain {
            builder.add_extra_chain_cert(issuer.clone())?;
        }
        builder.set_private_key(&loaded.key)?;
        builder.check_private_key()?;
        if let Some(asking) = asking {
            asking.put(&mut builder)?;
        }
        Ok(builder)
    };
    build().map_err(|error| loaded.facts.files.refused(certificate::reasons(&error)))
}

fn set_groups(builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    let mut set = Ok(());
    for groups in GROUPS {
        set = builder.set_groups_list(groups);
        if set.is_ok() {
            break;
        }
    }
    set
}

fn facts(ssl: &SslRef) -> TlsFacts {
    let cipher = ssl
        .current_cipher()
        .map(|c| c.standard_name().unwrap_or(c.name()));
    TlsFacts {
        version: ssl.version_str().to_owned(),
        cipher: cipher.unwrap_or("unknown").to_owned(),
        ..TlsFacts::default()
    }
}

/// The `tls-exporter` binding. Under TLS 1.2 it is only sound with the extended master secret
/// (RFC 9266 s3).
fn exporter(ssl: &SslRef) -> Option<Vec<u8>> {
    let sound = is_tls13(ssl) || has_extended_master_secret(ssl);
    let mut octets = vec![0; EXPORTER_OCTETS];
    let exported = ssl.export_keying_material(&mut octets, EXPORTER_LABEL, Some(&[]));
    (sound && exported.is_ok()).then_some(octets)
}

/// The `tls-unique` binding (RFC 5929 s3): the first Finished message of the handshake, which is
/// the client's, or the server's where a session is resumed. TLS 1.3 has none (RFC 8446 appendix
/// C.5), and without the extended master secret it is not unique (RFC 7627 s1).
fn unique(ssl: &SslRef) -> Option<Vec<u8>> {
    if is_tls13(ssl) || !has_extended_master_secret(ssl) {
        return None;
    }
    let mut octets = [0; FINISHED_OCTETS_MAX];
    let length = match ssl.session_reused() {
        true => ssl.finished(&mut octets),
        false => ssl.peer_finished(&mut octets),
    };
    octets
        .get(..length)
        .filter(|finished| !finished.is_empty())
        .map(<[u8]>::to_vec)
}

fn is_tls13(ssl: &SslRef) -> bool {
    ssl.version2() == Some(SslVersion::TLS1_3)
}

fn has_extended_master_secret(ssl: &SslRef) -> bool {
    ssl.version2().is_some() && ssl.extms_support() == Some(true)
}

fn failure(error: openssl::ssl::Error) -> TlsError {
    match error.ssl_error() {
        Some(stack) => TlsError(certificate::reasons(stack)),
        None => TlsError(error.to_string()),
    }
}
