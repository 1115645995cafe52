//! Both providers pass the same list; then what only one of them can.

#[path = "../../tests/tls/authority.rs"]
pub(super) mod authority;
mod client;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use mailroost_actors::tls::{TlsAcceptor, TlsConnection, TlsError};
use openssl::hash::MessageDigest;
use openssl::ssl::SslVersion;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use authority::{Authority, Kind};
use client::{Client, connect};

/// What travels at once between the two ends of a connection in memory.
const PIPE_OCTETS: usize = 16 * 1024;

fn write(folder: &Path, stem: &str, made: &SelfSigned) -> CertificateFiles {
    let certificate = folder.join(format!("{stem}.crt"));
    let key = folder.join(format!("{stem}.key"));
    std::fs::write(&certificate, &made.certificate).unwrap();
    std::fs::write(&key, made.key.as_bytes()).unwrap();
    CertificateFiles::pem(certificate, key)
}

fn make(folder: &Path, stem: &str, names: &[&str]) -> CertificateFiles {
    write(folder, stem, &self_signed(names).unwrap())
}

fn settings(provider: Provider, certificates: Vec<CertificateFiles>) -> TlsSettings {
    TlsSettings {
        provider,
        minimum: MinimumVersion::Tls12,
        certificates,
        ..TlsSettings::default()
    }
}

/// An acceptor for `localhost`, and the folder that its certificate lives in.
fn acceptor(provider: Provider) -> (TempDir, ReloadableAcceptor) {
    let folder = tempfile::tempdir().unwrap();
    let files = make(folder.path(), "localhost", &LOOPBACK_NAMES);
    let acceptor = ReloadableAcceptor::new(settings(provider, vec![files])).unwrap();
    (folder, acceptor)
}

/// Both ends of one handshake, over memory.
async fn handshake(
    acceptor: &impl TlsAcceptor,
    client: Client<'_>,
) -> (
    Result<TlsConnection, TlsError>,
    Result<client::Stream, String>,
) {
    let (near, far) = tokio::io::duplex(PIPE_OCTETS);
    tokio::join!(acceptor.accept(Box::new(near)), connect(far, client))
}

async fn open(acceptor: &impl TlsAcceptor, client: Client<'_>) -> (TlsConnection, client::Stream) {
    let (server, client) = handshake(acceptor, client).await;
    (
        server.unwrap_or_else(|error| panic!("{error}")),
        client.unwrap(),
    )
}

/// Sends octets there and back.
async fn echo(server: &mut TlsConnection, client: &mut client::Stream, octets: &[u8]) {
    let serve = async {
        let (mut read, mut write) = tokio::io::split(&mut server.io);
        tokio::io::copy(&mut (&mut read).take(octets.len() as u64), &mut write)
            .await
            .unwrap();
        write.flush().await.unwrap();
    };
    let (mut read, mut write) = tokio::io::split(client);
    let send = async {
        write.write_all(octets).await.unwrap();
        write.flush().await.unwrap();
    };
    let receive = async {
        let mut received = vec![0; octets.len()];
        read.read_exact(&mut received).await.unwrap();
        received
    };
    let ((), (), received) = tokio::join!(serve, send, receive);
    assert!(received == octets, "what came back differs");
}

/// The list that every provider has to pass.
macro_rules! every_provider {
    ($($provider:ident: $value:expr),+ $(,)?) => {$(
        mod $provider {
            use super::*;

            #[tokio::test]
            async fn a_handshake_ends_with_facts_and_the_end_point_binding() {
                super::facts_and_end_point($value).await;
            }

            #[tokio::test]
            async fn a_mebibyte_goes_both_ways() {
                let (_folder, acceptor) = acceptor($value);
                let (mut server, mut client) = open(&acceptor, Client::default()).await;
                let octets: Vec<u8> = (0..1024 * 1024_u32).map(|i| (i / 7) as u8).collect();
                echo(&mut server, &mut client, &octets).await;
            }

            #[tokio::test]
            async fn tls_1_1_is_refused_and_1_2_accepted() {
                let (_folder, acceptor) = acceptor($value);
                let old = Client { newest: Some(SslVersion::TLS1_1), ..Client::default() };
                let (server, client) = handshake(&acceptor, old).await;
                let reason = server.err().unwrap().to_string();
                assert!(reason.contains("unsupported protocol"), "{reason}");
                assert!(client.is_err());
                let good = Client { newest: Some(SslVersion::TLS1_2), ..Client::default() };
                open(&acceptor, good).await;
            }

            #[tokio::test]
            async fn what_is_not_tls_is_an_error_of_one_line() {
                let (_folder, acceptor) = acceptor($value);
                let (near, mut far) = tokio::io::duplex(PIPE_OCTETS);
                far.write_all(b"USER alice\r\n").await.unwrap();
                let error = acceptor.accept(Box::new(near)).await.err().unwrap().to_string();
                assert!(error.starts_with("TLS handshake: "), "{error}");
                assert!(!error.contains(['\r', '\n']), "{error}");
            }

            #[tokio::test]
            async fn a_peer_that_goes_away_is_an_error() {
                let (_folder, acceptor) = acceptor($value);
                let (near, far) = tokio::io::duplex(PIPE_OCTETS);
                drop(far);
                assert!(acceptor.accept(Box::new(near)).await.is_err());
            }

            #[tokio::test]
            async fn closing_tells_the_peer_that_it_was_meant() {
                let (_folder, acceptor) = acceptor($value);
                let (mut server, mut client) = open(&acceptor, Client::default()).await;
                server.io.write_all(b"+OK\r\n").await.unwrap();
                server.io.shutdown().await.unwrap();
                let mut received = Vec::new();
                // Without the closing alert this would be an error.
                client.read_to_end(&mut received).await.unwrap();
                assert_eq!(received, b"+OK\r\n");
            }

            #[tokio::test]
            async fn reload_keeps_open_sessions_and_shows_the_new_certificate_to_the_next() {
                super::reload($value).await;
            }

            #[tokio::test]
            async fn a_reload_that_fails_changes_nothing() {
                super::failed_reload($value).await;
            }

            #[test]
            fn a_key_of_another_certificate_is_refused() {
                let folder = tempfile::tempdir().unwrap();
                let mut files = make(folder.path(), "a", &["a.test"]);
                files.key = make(folder.path(), "b", &["a.test"]).key;
                let error = ReloadableAcceptor::new(settings($value, vec![files])).err().unwrap();
                let is_mismatch =
                    matches!(error, TlsSetupError::Certificate(CertificateError::Mismatch { .. }));
                assert!(is_mismatch, "{error}");
            }

            #[test]
            fn no_certificate_at_all_is_refused() {
                let error = ReloadableAcceptor::new(settings($value, Vec::new())).err().unwrap();
                assert_eq!(error.to_string(), "TLS needs at least one certificate");
            }

            #[tokio::test]
            async fn sessions_are_resumed_under_tls_1_2() {
                super::resumption($value, "-tls1_2", true).await;
            }

            #[tokio::test]
            async fn new_ticket_keys_end_resumption_and_nothing_else() {
                super::resumption($value, "-tls1_2", false).await;
            }

            #[tokio::test]
            async fn a_client_that_trusts_the_root_alone_is_shown_the_intermediate() {
                super::chain($value).await;
            }
        }
    )+};
}

every_provider! {
    by_openssl: Provider::Openssl,
    by_native_tls: Provider::NativeTls,
}

async fn facts_and_end_point(provider: Provider) {
    let (_folder, acceptor) = acceptor(provider);
    let (server, client) = open(&acceptor, Client::default()).await;
    let (version, cipher) = match provider {
        Provider::Openssl => ("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
        Provider::NativeTls => ("TLSv1.2 or later", "unknown"),
    };
    assert_eq!(
        (server.facts.version.as_str(), server.facts.cipher.as_str()),
        (version, cipher)
    );
    let certificate = client.ssl().peer_certificate().unwrap();
    let digest = certificate.digest(MessageDigest::sha256()).unwrap();
    assert_eq!(server.link.tls_server_end_point.as_deref(), Some(&*digest));
}

async fn reload(provider: Provider) {
    let (folder, acceptor) = acceptor(provider);
    let before = acceptor.certificates();
    let (mut server, mut client) = open(&acceptor, Client::default()).await;
    make(folder.path(), "localhost", &["localhost", "new.test"]);
    acceptor.reload().unwrap();

    let (_, next) = open(&acceptor, Client::default()).await;
    let shown =
        |stream: &client::Stream| stream.ssl().peer_certificate().unwrap().to_pem().unwrap();
    let file = std::fs::read(folder.path().join("localhost.crt")).unwrap();
    assert!(shown(&next) == file);
    assert!(shown(&client) != file);
    echo(&mut server, &mut client, b"STAT\r\n").await;
    assert_eq!(before[0].names, ["localhost"]);
    assert_eq!(acceptor.certificates()[0].names, ["localhost", "new.test"]);
}

async fn failed_reload(provider: Provider) {
    let (folder, acceptor) = acceptor(provider);
    let (before, file) = (acceptor.certificates(), folder.path().join("localhost.crt"));
    let certificate = std::fs::read(&file).unwrap();
    std::fs::write(&file, b"half a cert").unwrap();
    let error = acceptor.reload().unwrap_err().to_string();
    assert!(
        error.contains("localhost.crt holds no certificate in PEM form"),
        "{error}"
    );
    assert_eq!(acceptor.certificates(), before);
    let (_, client) = open(&acceptor, Client::default()).await;
    assert!(client.ssl().peer_certificate().unwrap().to_pem().unwrap() == certificate);
}

/// A session that the command `openssl s_client` wrote to a file is taken up again by its next
/// connection, unless the keys were renewed in between.
async fn resumption(provider: Provider, version: &'static str, kept: bool) {
    let (folder, acceptor) = acceptor(provider);
    let acceptor = Arc::new(acceptor);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        for round in 0..2 {
            let (socket, _) = listener.accept().await.unwrap();
            if round == 1 && !kept {
                acceptor.renew_ticket_keys().unwrap();
            }
            let mut tls = acceptor.accept(Box::new(socket)).await.unwrap();
            tls.io.write_all(b"+OK\r\n").await.unwrap();
            tls.io.shutdown().await.unwrap();
        }
    });
    let session = folder.path().join("session.pem").display().to_string();
    let run = async |option: &'static str| {
        let (address, session) = (address.clone(), session.clone());
        let output =
            tokio::task::spawn_blocking(move || s_client(&address, version, option, &session));
        let Output { stdout, stderr, .. } = output.await.unwrap();
        String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned()
    };
    let (first, second) = (run("-sess_out").await, run("-sess_in").await);
    server.await.unwrap();
    assert!(first.contains("\nNew, "), "{first}");
    let taken_up = if kept { "\nReused, " } else { "\nNew, " };
    assert!(second.contains(taken_up), "{second}");
}

fn s_client(address: &str, version: &str, option: &str, session: &str) -> Output {
    let mut command = Command::new("openssl");
    command.args([
        "s_client",
        "-ign_eof",
        "-servername",
        "localhost",
        "-connect",
        address,
        version,
    ]);
    command
        .args([option, session])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

#[tokio::test]
async fn openssl_resumes_under_tls_1_3() {
    resumption(Provider::Openssl, "-tls1_3", true).await;
    resumption(Provider::Openssl, "-tls1_3", false).await;
}

/// PEM and PKCS#12 of the same certificate.
async fn chain(provider: Provider) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let root = authority.write_root(folder.path());
    let issued = authority.issue(&["localhost"], Kind::P256);
    let (certificate, key) = authority.write(folder.path(), "pop", &issued);
    let pem = CertificateFiles::pem(certificate, key);

    let (archive, password) = (
        folder.path().join("pop.p12"),
        folder.path().join("password"),
    );
    let mut builder = openssl::pkcs12::Pkcs12::builder();
    let mut issuers = openssl::stack::Stack::new().unwrap();
    issuers.push(authority.intermediate.clone()).unwrap();
    builder.pkey(&issued.key).cert(&issued.leaf).ca(issuers);
    std::fs::write(
        &archive,
        builder.build2("secret").unwrap().to_der().unwrap(),
    )
    .unwrap();
    std::fs::write(&password, "secret\n").unwrap();
    let pkcs12 = CertificateFiles {
        certificate: archive,
        key: None,
        password: Some(password),
    };

    for files in [pem, pkcs12] {
        let acceptor = ReloadableAcceptor::new(settings(provider, vec![files])).unwrap();
        let (near, far) = tokio::io::duplex(PIPE_OCTETS);
        let verified = client::connect_verified(far, &root, "localhost");
        let (server, client) = tokio::join!(acceptor.accept(Box::new(near)), verified);
        assert!(server.is_ok());
        let shown = client.unwrap();
        let shown = shown.ssl().peer_cert_chain().unwrap().iter();
        let shown: Vec<_> = shown.map(|c| c.to_der().unwrap()).collect();
        let sent = [&issued.leaf, &authority.intermediate].map(|c| c.to_der().unwrap());
        assert_eq!(shown, sent);
    }
}

#[tokio::test]
async fn with_tls_1_3_as_the_least_1_2_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let files = make(folder.path(), "a", &["a.test"]);
    let at_least_1_3 = |provider| TlsSettings {
        minimum: MinimumVersion::Tls13,
        ..settings(provider, vec![files.clone()])
    };
    let acceptor = ReloadableAcceptor::new(at_least_1_3(Provider::Openssl)).unwrap();
    open(&acceptor, Client::default()).await;
    let old = Client {
        newest: Some(SslVersion::TLS1_2),
        ..Client::default()
    };
    let (server, _) = handshake(&acceptor, old).await;
    let reason = server.err().unwrap().to_string();
    assert!(reason.contains("unsupported protocol"), "{reason}");

    let refused = ReloadableAcceptor::new(at_least_1_3(Provider::NativeTls)).err();
    assert_eq!(
        refused.unwrap().to_string(),
        "native-tls serves TLS 1.2 and no newer one; openssl serves TLS 1.3"
    );
}

#[tokio::test]
async fn openssl_exports_the_binding_that_the_client_sees() {
    let (_folder, acceptor) = acceptor(Provider::Openssl);
    for newest in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let client = Client {
            newest: Some(newest),
            ..Client::default()
        };
        let (server, client) = open(&acceptor, client).await;
        let mut expected = [0; 32];
        let label = "EXPORTER-Channel-Binding";
        client
            .ssl()
            .export_keying_material(&mut expected, label, Some(&[]))
            .unwrap();
        assert_eq!(
            server.link.tls_exporter.as_deref(),
            Some(&expected[..]),
            "{newest:?}"
        );
    }
}

#[tokio::test]
async fn openssl_shows_the_certificate_of_the_name_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = vec![
        make(folder.path(), "a", &["a.test"]),
        make(folder.path(), "b", &["b.test", "*.b.test"]),
    ];
    let acceptor = ReloadableAcceptor::new(settings(Provider::Openssl, certificates)).unwrap();
    for (name, file) in [
        (Some("a.test"), "a.crt"),
        (Some("B.test"), "b.crt"),
        (Some("pop.b.test"), "b.crt"),
        (Some("x.pop.b.test"), "a.crt"),
        (Some("other.test"), "a.crt"),
        (None, "a.crt"),
    ] {
        for newest in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let client = Client {
                server_name: name,
                newest: Some(newest),
            };
            let (server, client) = open(&acceptor, client).await;
            let shown = client.ssl().peer_certificate().unwrap();
            assert!(shown.to_pem().unwrap() == std::fs::read(folder.path().join(file)).unwrap());
            let digest = shown.digest(MessageDigest::sha256()).unwrap();
            assert_eq!(
                server.link.tls_server_end_point.as_deref(),
                Some(&*digest),
                "{name:?}"
            );
        }
    }
}

#[test]
fn native_tls_refuses_a_second_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let two = vec![
        make(folder.path(), "a", &["a.test"]),
        make(folder.path(), "b", &["b.test"]),
    ];
    let error = ReloadableAcceptor::new(settings(Provider::NativeTls, two))
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "native-tls serves 1 certificate, not 2; openssl serves several"
    );
}

#[tokio::test]
async fn a_self_signed_certificate_is_verified_by_a_client_that_trusts_it() {
    let (folder, acceptor) = acceptor(Provider::Openssl);
    let trusted = folder.path().join("localhost.crt");
    for host in LOOPBACK_NAMES {
        let (near, far) = tokio::io::duplex(PIPE_OCTETS);
        let verified = client::connect_verified(far, &trusted, host);
        let (server, client) = tokio::join!(acceptor.accept(Box::new(near)), verified);
        assert!(
            server.is_ok() && client.is_ok(),
            "{host}: {:?}",
            client.err()
        );
    }
}
