//! `demo`: a server on this machine alone, in a fresh folder, with a user and some mail.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use mailroost_actors::LmtpAddress;
use mailroost_storage::MaildropStore;

use super::demo_mail::messages;
use super::output::text;
use super::serve::{cut, logging};
use crate::config::{
    Config, ListenerSettings, LmtpListenerSettings, LmtpSettings, LogForm, LogSettings, LoginType,
    ProtocolSettings, Ranged, Security, ServerSettings, TlsSettings,
};
use crate::daemon::{Daemon, End, open_store};
use crate::exit::{Failure, Status};
use crate::server::Server;
use crate::tls::{LOOPBACK_NAMES, self_signed};

const USER: &str = "demo";

/// Ports to try first: easy to remember, and not those of a real server.
const STLS_PORT: u16 = 1110;
const IMPLICIT_TLS_PORT: u16 = 1995;
const LMTP_PORT: u16 = 1024;

/// Octets of chance in the password; twice as many characters.
const PASSWORD_OCTETS: usize = 6;

/// Serves until a signal ends it; the folder goes then.
pub(super) fn demo() -> Result<(), Failure> {
    let folder = tempfile::Builder::new()
        .prefix("mailroost-demo-")
        .tempdir()
        .map_err(|error| Failure::io("a temporary folder", &error))?;
    let config = config(folder.path())?;
    let logging = logging(&LogSettings {
        form: LogForm::Human,
        ..config.log.clone()
    });
    let log = logging.logger().clone();
    let password = password()?;
    let system = actix::System::new();
    let end = system.block_on(async {
        fill(&config, &password).await?;
        let daemon = match Daemon::start(config.clone(), None, log.clone()).await {
            // Somebody else was quicker with the ports.
            Err(failure) if failure.status == Status::Unavailable => {
                Daemon::start(on_any_port(config), None, log).await?
            }
            started => started?,
        };
        text(&introduction(
            daemon.server().addresses(),
            daemon.server().lmtp_addresses(),
            &password,
            folder.path(),
        ))?;
        daemon.run().await
    });
    drop(system);
    if matches!(end, Ok(End::Cut)) {
        drop(folder);
        cut(logging);
    }
    let gone = folder
        .close()
        .map_err(|error| Failure::io("the demo's folder", &error));
    end.and(gone)
}

fn config(folder: &Path) -> Result<Config, Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::new(
            Status::OsError,
            format!("a self-signed certificate: {error}"),
        )
    };
    let signed = self_signed(&LOOPBACK_NAMES).map_err(|error| failed(&error))?;
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    write(&certificate, signed.certificate.as_bytes())?;
    write(&key, signed.key.as_bytes())?;
    Ok(Config {
        server: ServerSettings {
            store: folder.join("store"),
            ..ServerSettings::default()
        },
        listener: vec![
            ListenerSettings::new(free(STLS_PORT), Security::Stls),
            ListenerSettings::new(free(IMPLICIT_TLS_PORT), Security::ImplicitTls),
        ],
        tls: TlsSettings {
            certificate: Some(certificate),
            key: Some(key),
            ..TlsSettings::default()
        },
        lmtp: LmtpSettings {
            listener: vec![LmtpListenerSettings::new(free(LMTP_PORT))],
            ..LmtpSettings::default()
        },
        protocol: ProtocolSettings {
            // So that the plain port can be tried as well.
            login_type: Some(LoginType::PlainTextLogin),
            ..ProtocolSettings::default()
        },
        ..Config::default()
    })
}

fn write(file: &Path, octets: &[u8]) -> Result<(), Failure> {
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    written
        .and_then(|mut out| io::Write::write_all(&mut out, octets))
        .map_err(|error| Failure::io(file.display(), &error))
}

/// The port on loopback if it can be had; else whichever the system gives.
fn free(port: u16) -> SocketAddr {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(address) {
        Ok(_) => address,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

fn on_any_port(mut config: Config) -> Config {
    for listener in &mut config.listener {
        listener.port = Ranged::fixed(0);
    }
    for listener in &mut config.lmtp.listener {
        listener.port = Ranged::fixed(0);
    }
    config
}

fn password() -> Result<String, Failure> {
    let mut octets = [0; PASSWORD_OCTETS];
    openssl::rand::rand_bytes(&mut octets)
        .map_err(|error| Failure::new(Status::OsError, format!("no randomness: {error}")))?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

/// Makes the user and delivers the mail before anybody can connect.
async fn fill(config: &Config, password: &str) -> Result<(), Failure> {
    let log = slog::Logger::root(slog::Discard, slog::o!());
    let store = open_store(config, &log).await?;
    let server = Server::builder()
        .config(config.clone())
        .store(store.clone())
        .sockets(Vec::new())
        .lmtp_sockets(Vec::new())
        .workers(0)
        .start()
        .await?;
    server.add_user(USER, password).await?;
    for message in messages() {
        server.deliver(USER, io::Cursor::new(message)).await?;
    }
    server.stop().await;
    Ok(crate::server::blocking(move || store.close()).await?)
}

fn introduction(
    addresses: &[SocketAddr],
    lmtp: &[LmtpAddress],
    password: &str,
    folder: &Path,
) -> String {
    let ([stls, implicit], [lmtp]) = (addresses, lmtp) else {
        return String::new();
    };
    let certificate = folder.join("certificate.pem");
    let certificate = certificate.display();
    let (stls_port, user) = (stls.port(), USER);
    format!(
        "\n\
         POP3 with STLS      {stls}\n\
         POP3 inside TLS     {implicit}\n\
         LMTP                {lmtp}\n\
         user, password      {user}, {password}\n\
         everything is in    {}\n\
         \n\
         Try it from another terminal:\n\
         \n\
         curl --cacert {certificate} --user {user}:{password} pop3s://{implicit}/1\n\
         \n\
         printf 'USER {user}\\r\\nPASS {password}\\r\\nSTAT\\r\\nLIST\\r\\nQUIT\\r\\n' | \
         openssl s_client -connect {stls} -starttls pop3 -CAfile {certificate} -quiet -verify_quiet\n\
         \n\
         echo 'poll localhost service {stls_port} protocol POP3 user {user} password {password} \
         sslproto \"\" keep no rewrite mda cat' | fetchmail --fetchmailrc - --nosyslog --all\n\
         \n\
         swaks --protocol LMTP --server {lmtp} --from me@example.org --to {user}\n\
         \n\
         Ctrl-C ends it and removes the folder.\n\n",
        folder.display()
    )
}
