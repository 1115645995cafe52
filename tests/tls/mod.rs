//! Servers with certificates in this process, on ports of the system's choice, and clients that
//! run on threads of their own.

// Each test file uses its part of this.
#![allow(dead_code)]
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

pub mod authority;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mailroost::storage::MemoryStore;
use mailroost::{Config, Server, ServerBuilder, ServerHandle};
use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};
use openssl::x509::X509;

/// So long an answer is waited for before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A configuration: `top` stands before the first section of it, `sections` behind the last.
pub fn config(top: &str, sections: &str) -> Config {
    let text = format!(
        "{top}\nprotocol.login_type = \"plain_text_login\"\nauth.argon2_memory = 7168\n\
         auth.argon2_passes = 1\n{sections}"
    );
    Config::parse("test", &text).unwrap()
}

/// A listener on loopback, as a section.
pub fn listener(security: &str) -> String {
    format!("[[listener]]\naddress = \"127.0.0.1\"\nport = 0\nsecurity = {security:?}\n")
}

/// The keys that name a certificate and its key.
pub fn keys((certificate, key): &(impl AsRef<Path>, impl AsRef<Path>)) -> String {
    let (certificate, key) = (certificate.as_ref(), key.as_ref());
    format!("certificate = {certificate:?}\nkey = {key:?}\n")
}

/// A server on an empty store.
pub fn server(config: Config) -> ServerBuilder {
    let store = Arc::new(MemoryStore::new());
    Server::builder().config(config).store(store).workers(1)
}

/// The same, started.
pub async fn start(config: Config) -> ServerHandle {
    server(config).start().await.unwrap()
}

/// Runs a client that blocks.
pub async fn client<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    actix_rt::task::spawn_blocking(run).await.unwrap()
}

/// What `openssl s_client` printed while it sent `input` to the server. With `-ign_eof` among
/// the options it stays until the server hangs up.
pub async fn s_client(address: SocketAddr, options: &[&str], input: &str) -> String {
    let address = address.to_string();
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address]);
    command.args(options);
    let input = input.to_owned();
    client(move || {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // If it has ended already, its output says why.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    })
    .await
}

/// A connection in plaintext.
pub struct Plain(BufReader<TcpStream>);

/// A connection with TLS on it.
pub struct Encrypted(BufReader<SslStream<TcpStream>>);

impl Plain {
    /// Connects and takes the greeting.
    pub fn connect(address: SocketAddr) -> Self {
        let mut plain = Self(BufReader::new(connect(address)));
        assert!(line(&mut plain.0).starts_with("+OK"));
        plain
    }

    /// Sends a command and takes one line.
    pub fn ask(&mut self, command: &str) -> String {
        write!(self.0.get_mut(), "{command}\r\n").unwrap();
        line(&mut self.0)
    }

    /// Sends a command and takes all lines up to the one with a full stop.
    pub fn ask_for_lines(&mut self, command: &str) -> Vec<String> {
        let first = self.ask(command);
        let mut lines = vec![first];
        while lines.last().is_some_and(|line| line != ".") {
            lines.push(line(&mut self.0));
        }
        lines
    }

    /// Says STLS and shakes hands.
    pub fn encrypt(mut self) -> Encrypted {
        let answer = self.ask("STLS");
        assert!(answer.starts_with("+OK"), "{answer}");
        Encrypted(BufReader::new(handshake(self.0.into_inner())))
    }
}

impl Encrypted {
    /// Connects, shakes hands and takes the greeting.
    pub fn connect(address: SocketAddr) -> Self {
        let mut encrypted = Self(BufReader::new(handshake(connect(address))));
        assert!(line(&mut encrypted.0).starts_with("+OK"));
        encrypted
    }

    /// Sends a command and takes one line.
    pub fn ask(&mut self, command: &str) -> String {
        write!(self.0.get_mut(), "{command}\r\n").unwrap();
        line(&mut self.0)
    }

    /// The certificate that the server shows.
    pub fn certificate(&self) -> X509 {
        self.0.get_ref().ssl().peer_certificate().unwrap()
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn handshake(stream: TcpStream) -> SslStream<TcpStream> {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    let connector = builder.build();
    connector.connect("unknown.test", stream).unwrap()
}

/// The next line without its CRLF; empty at the end of the connection.
fn line(stream: &mut impl BufRead) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    line.trim_end_matches("\r\n").to_owned()
}
