//! A connection of the load generator: lines and bodies over a plain or a TLS stream.
//!
//! Blocking, one thread for each client: the generator shares two cores with the server, and this
//! is the least that a client can cost.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::Fault;

const FIRST_OCTETS: usize = 16 * 1024;
const LAST_OCTETS: usize = 256 * 1024;

/// Servers of which a client keeps tickets: there is one.
const SERVERS_KEPT: usize = 8;

/// How long a server may be silent: some take long to look at a large maildrop for the first time.
const PATIENCE: Duration = Duration::from_secs(40);

/// Where to connect, and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// The address.
    pub address: SocketAddr,
    /// With TLS from the first octet, and which client state to share.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Target {
    /// The same for a client of its own that takes its own sessions up again, if `resume`. Many
    /// that share their state run out of tickets: rustls keeps eight of them for a server.
    pub fn own(&self, resume: bool) -> Self {
        let mut own = self.clone();
        if let (true, Some(tls)) = (resume, &mut own.tls) {
            Arc::make_mut(tls).resumption = Resumption::in_memory_sessions(SERVERS_KEPT);
        }
        own
    }
}

/// TLS that trusts one certificate. `resume`: sessions are taken up again.
///
/// # Errors
/// If it is no certificate.
pub fn tls(certificate: &[u8], resume: bool) -> Result<Arc<ClientConfig>, Fault> {
    let mut roots = RootCertStore::empty();
    let der = CertificateDer::from(certificate.to_vec());
    roots
        .add(der)
        .map_err(|error| Fault::new("certificate", &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::new("tls", &error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    if !resume {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    fn write_all(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(octets),
            Self::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
        }
    }
}

/// A connection with its buffer.
pub struct Wire {
    stream: Stream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Wire {
    /// Connects.
    ///
    /// # Errors
    /// What the system or TLS says.
    pub fn connect(target: &Target) -> Result<Self, Fault> {
        let stream = TcpStream::connect(target.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let stream = match &target.tls {
            None => Stream::Plain(stream),
            Some(config) => {
                let name = ServerName::IpAddress(target.address.ip().into());
                let connection = ClientConnection::new(config.clone(), name)
                    .map_err(|error| Fault::new("tls", &error))?;
                Stream::Tls(Box::new(StreamOwned::new(connection, stream)))
            }
        };
        Ok(Self {
            stream,
            buffer: vec![0; FIRST_OCTETS],
            start: 0,
            end: 0,
        })
    }

    /// Keeps no buffer: for those who are idle from now on.
    pub fn shrink(&mut self) {
        self.buffer = vec![0; 64];
        (self.start, self.end) = (0, 0);
    }

    /// Sends octets.
    ///
    /// # Errors
    /// What the system says.
    pub fn send(&mut self, octets: &[u8]) -> Result<(), Fault> {
        Ok(self.stream.write_all(octets)?)
    }

    fn fill(&mut self) -> Result<(), Fault> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            let larger = (self.buffer.len() * 2).min(LAST_OCTETS);
            if larger == self.buffer.len() {
                return Err(Fault::text("a line without an end"));
            }
            self.buffer.resize(larger, 0);
        }
        match self.stream.read(&mut self.buffer[self.end..])? {
            0 => Err(Fault::text("the server closed the connection")),
            octets => {
                self.end += octets;
                Ok(())
            }
        }
    }

    /// One line without its line end.
    ///
    /// # Errors
    /// If the server closes or is silent.
    pub fn line(&mut self) -> Result<&[u8], Fault> {
        let mut seen = 0;
        loop {
            let held = &self.buffer[self.start + seen..self.end];
            if let Some(length) = memchr::memchr(b'\n', held) {
                let (from, to) = (self.start, self.start + seen + length);
                self.start = to + 1;
                let line = &self.buffer[from..to];
                return Ok(line.strip_suffix(b"\r").unwrap_or(line));
            }
            seen = self.end - self.start;
            self.fill()?;
        }
    }

    /// Reads up to the line that is a single dot. Returns the octets without transparency.
    ///
    /// # Errors
    /// If the server closes or is silent.
    pub fn multi_line(&mut self) -> Result<u64, Fault> {
        let mut octets = 0_u64;
        let mut at_line_start = true;
        loop {
            let held = &self.buffer[self.start..self.end];
            if held.len() < 3 {
                self.grow_and_fill()?;
                continue;
            }
            if at_line_start && held.starts_with(b".\r\n") {
                self.start += 3;
                return Ok(octets);
            }
            if at_line_start && held[0] == b'.' {
                self.start += 1;
                at_line_start = false;
                continue;
            }
            match memchr::memmem::find(held, b"\r\n.") {
                Some(at) => {
                    octets += at as u64 + 2;
                    self.start += at + 2;
                    at_line_start = true;
                }
                None => {
                    let take = held.len() - 2;
                    octets += take as u64;
                    self.start += take;
                    at_line_start = false;
                }
            }
        }
    }

    fn grow_and_fill(&mut self) -> Result<(), Fault> {
        if self.buffer.len() < LAST_OCTETS {
            self.buffer.resize(LAST_OCTETS, 0);
        }
        self.fill()
    }

    /// Counts the lines up to the single dot; nothing may follow it (no pipelining).
    ///
    /// # Errors
    /// If the server closes or is silent.
    pub fn count_lines(&mut self) -> Result<usize, Fault> {
        const END: &[u8] = b"\r\n.\r\n";
        // The last octets seen; the reply's own line end counts as one of them.
        let mut tail = b"\r\n".to_vec();
        let mut lines = 0;
        loop {
            let held = &self.buffer[self.start..self.end];
            lines += memchr::memchr_iter(b'\n', held).count();
            tail.extend_from_slice(&held[held.len().saturating_sub(END.len())..]);
            tail.drain(..tail.len().saturating_sub(END.len()));
            self.start = self.end;
            if tail.ends_with(END) {
                return Ok(lines - 1);
            }
            self.grow_and_fill()?;
        }
    }
}
