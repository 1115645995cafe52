//! Servers of several sites in one process, a client inside TLS, and Debian's Dovecot.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod dovecot;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use mailroost::storage::{Directory, MemoryStore};
use mailroost::tls::{LOOPBACK_NAMES, self_signed};
use mailroost::{Config, Security, Server, ServerHandle};
use slog::Drain;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_native_tls::TlsStream;

pub use dovecot::Dovecot;

/// A folder with a certificate of this machine that signs itself.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self::of(&LOOPBACK_NAMES)
    }

    /// With a certificate for these names.
    pub fn of(names: &[&str]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let signed = self_signed(names).unwrap();
        std::fs::write(place.certificate(), signed.certificate).unwrap();
        std::fs::write(place.key(), signed.key.as_bytes()).unwrap();
        place
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn certificate(&self) -> String {
        self.file("cert.pem")
    }

    pub fn key(&self) -> String {
        self.file("key.pem")
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// `[[site]]` for a server whose certificate is this one.
    pub fn site(&self, name: &str, address: SocketAddr) -> String {
        format!(
            "[[site]]\nname = \"{name}\"\naddress = \"{}\"\nport = {}\nca_file = \"{}\"\n",
            address.ip(),
            address.port(),
            self.certificate()
        )
    }

    /// A server of that site; `more` are sections of its configuration.
    pub async fn serve(&self, site: &str, security: Security, more: &str) -> Serving {
        let text = format!(
            "listener = []\n[server]\nsite = \"{site}\"\n[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n\
             [auth]\nargon2_memory = 7168\nargon2_passes = 1\n{more}",
            self.certificate(),
            self.key()
        );
        let (store, log) = (Arc::new(MemoryStore::new()), Log::default());
        let json = Mutex::new(slog_json::Json::default(log.clone()));
        let server = Server::builder()
            .config(Config::parse("test", &text).unwrap())
            .store(store.clone())
            .listen("127.0.0.1:0".parse().unwrap(), security)
            .log(slog::Logger::root(json.fuse(), slog::o!()))
            .start()
            .await
            .unwrap();
        Serving { server, store, log }
    }
}

/// A server that runs.
pub struct Serving {
    pub server: ServerHandle,
    pub store: Arc<MemoryStore>,
    pub log: Log,
}

impl Serving {
    pub fn address(&self) -> SocketAddr {
        self.server.addresses()[0]
    }

    /// Adds a user with the password `secret`, of a site if one is named.
    pub async fn user(&self, name: &str, site: Option<&str>) {
        let mut user = self.server.add_user(name, "secret").await.unwrap();
        user.site = site.map(Into::into);
        self.store.update(&user).unwrap();
    }

    pub async fn deliver(&self, user: &str, messages: usize) {
        for number in 1..=messages {
            let text = format!("Subject: {number}\r\n\r\nbody {number}\r\n");
            let octets = io::Cursor::new(text.into_bytes());
            self.server.deliver(user, octets).await.unwrap();
        }
    }

    pub async fn messages(&self, user: &str) -> usize {
        self.server.contents(user).await.unwrap().messages.len()
    }

    /// Waits until no session is left.
    pub async fn until_still(&self) {
        loop {
            let census = self.server.census().await;
            let sessions = census
                .children
                .iter()
                .find(|c| c.name == "SessionSupervisor");
            if sessions.unwrap().population == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// All lines of a log, which another thread writes.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<Vec<u8>>, Condvar)>);

/// How long a line may take to come through the logging thread.
const LOGGED_WITHIN: Duration = Duration::from_secs(10);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().clone()).unwrap()
    }

    /// The last line with this message, as soon as it is there.
    #[track_caller]
    pub fn line(&self, msg: &str) -> serde_json::Value {
        let (octets, grown) = &*self.0;
        let waited = grown
            .wait_timeout_while(octets.lock().unwrap(), LOGGED_WITHIN, |octets| {
                last_line(octets, msg).is_none()
            })
            .unwrap();
        let found = last_line(&waited.0, msg);
        drop(waited);
        found.unwrap_or_else(|| panic!("no {msg:?} in {}", self.text()))
    }
}

/// Of the whole lines; the last one may still be written.
fn last_line(octets: &[u8], msg: &str) -> Option<serde_json::Value> {
    octets
        .split_inclusive(|octet| *octet == b'\n')
        .filter(|line| line.ends_with(b"\n"))
        .map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap())
        .rfind(|line| line["msg"] == msg)
}

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.0.lock().unwrap().extend_from_slice(octets);
        self.0.1.notify_all();
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client inside TLS. It believes every certificate.
pub struct Client(BufReader<TlsStream<TcpStream>>);

impl Client {
    /// Connects and takes the greeting.
    pub async fn connect(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        let connector = native_tls::TlsConnector::builder()
            .danger_accept_invalid_certs(true)
            .build()
            .unwrap();
        let connector = tokio_native_tls::TlsConnector::from(connector);
        let tls = connector.connect("localhost", tcp).await.unwrap();
        let mut client = Self(BufReader::new(tls));
        assert!(client.line().await.starts_with("+OK"));
        client
    }

    pub async fn send(&mut self, octets: &str) {
        self.0.write_all(octets.as_bytes()).await.unwrap();
    }

    /// The next line without its end.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }

    /// Sends a command and takes one line.
    pub async fn ask(&mut self, command: &str) -> String {
        self.send(&format!("{command}\r\n")).await;
        self.line().await
    }

    /// Sends a command and takes the lines behind `+OK`, without the termination line.
    pub async fn ask_lines(&mut self, command: &str) -> Vec<String> {
        let reply = self.ask(command).await;
        assert!(reply.starts_with("+OK"), "{command}: {reply}");
        let mut lines = Vec::new();
        loop {
            match self.line().await {
                line if line == "." => return lines,
                line => lines.push(line),
            }
        }
    }

    pub async fn log_on(&mut self, user: &str, password: &str) -> String {
        self.ask(&format!("USER {user}")).await;
        self.ask(&format!("PASS {password}")).await
    }

    /// All that still comes.
    pub async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await;
        String::from_utf8(rest).unwrap()
    }
}
