//! The other end of a handshake.

use std::path::Path;
use std::pin::Pin;

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode, SslVersion};
use tokio::io::DuplexStream;
use tokio_openssl::SslStream;

pub(super) type Stream = SslStream<DuplexStream>;

/// What the client says and can. It trusts everybody.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Client<'a> {
    pub(super) server_name: Option<&'a str>,
    pub(super) newest: Option<SslVersion>,
}

pub(super) async fn connect(io: DuplexStream, client: Client<'_>) -> Result<Stream, String> {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    builder.set_min_proto_version(None).unwrap();
    builder.set_max_proto_version(client.newest).unwrap();
    // Level 0, or OpenSSL 3 would not even offer TLS 1.1.
    builder.set_cipher_list("DEFAULT:@SECLEVEL=0").unwrap();
    let mut configuration = builder.build().configure().unwrap();
    configuration.set_verify_hostname(false);
    configuration.set_use_server_name_indication(client.server_name.is_some());
    let ssl = configuration
        .into_ssl(client.server_name.unwrap_or("unused"))
        .unwrap();
    handshake(SslStream::new(ssl, io).unwrap()).await
}

/// Trusts one certificate and checks the name.
pub(super) async fn connect_verified(
    io: DuplexStream,
    trusted: &Path,
    host: &str,
) -> Result<Stream, String> {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
    builder.set_ca_file(trusted).unwrap();
    let ssl = builder.build().configure().unwrap().into_ssl(host).unwrap();
    handshake(SslStream::new(ssl, io).unwrap()).await
}

async fn handshake(mut stream: Stream) -> Result<Stream, String> {
    match Pin::new(&mut stream).connect().await {
        Ok(()) => Ok(stream),
        Err(error) => Err(error.to_string()),
    }
}
