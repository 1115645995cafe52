//! A connection that sends what it likes, plain or inside TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};

/// So long an answer is waited for before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is wrong where TLS should begin and a reply stands.
pub const ANSWERED: &str = "more was answered than was asked for";

/// Octets that are read at once.
const READ_OCTETS: usize = 64 * 1024;

/// Making one reads all authorities that the system knows.
static CONNECTOR: OnceLock<SslConnector> = OnceLock::new();

pub struct Wire {
    stream: Stream,
    /// What was read; `taken` octets of it were given out.
    read: Vec<u8>,
    taken: usize,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<SslStream<TcpStream>>),
}

impl Wire {
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream: Stream::Plain(stream),
            read: Vec::new(),
            taken: 0,
        }
    }

    /// A handshake, asking for this name.
    pub fn into_tls(self, name: &str) -> io::Result<Self> {
        let connector = CONNECTOR.get_or_init(|| {
            let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
            connector.set_verify(SslVerifyMode::NONE);
            connector.build()
        });
        self.into_tls_as(connector, name)
    }

    pub fn into_tls_as(self, connector: &SslConnector, name: &str) -> io::Result<Self> {
        let Stream::Plain(stream) = self.stream else {
            return Err(io::Error::other("it is TLS already"));
        };
        if self.taken < self.read.len() {
            return Err(io::Error::other(ANSWERED));
        }
        let mut connect = connector.configure().unwrap();
        connect.set_verify_hostname(false);
        let tls = connect.connect(name, stream);
        let tls = tls.map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self {
            stream: Stream::Tls(Box::new(tls)),
            read: Vec::new(),
            taken: 0,
        })
    }

    /// STLS and the handshake; whatever answer but `+OK` comes first is an error.
    pub fn start_tls(mut self) -> io::Result<Self> {
        match self.try_line()?.as_str() {
            line if line.starts_with("+OK") => self.into_tls("localhost"),
            line => Err(io::Error::other(line.to_owned())),
        }
    }

    pub fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(octets),
            Stream::Tls(stream) => stream.write_all(octets),
        }
    }

    /// Reads more behind what was read; `false` at the end.
    fn read_more(&mut self) -> io::Result<bool> {
        self.read.drain(..self.taken);
        self.taken = 0;
        let begin = self.read.len();
        self.read.resize(begin + READ_OCTETS, 0);
        let room = &mut self.read[begin..];
        let count = match &mut self.stream {
            Stream::Plain(stream) => stream.read(room),
            Stream::Tls(stream) => stream.read(room),
        };
        self.read.truncate(begin + *count.as_ref().unwrap_or(&0));
        count.map(|count| count > 0)
    }

    /// The next line without its CRLF; an end of the connection is an error.
    pub fn try_line(&mut self) -> io::Result<String> {
        loop {
            let waiting = &self.read[self.taken..];
            if let Some(end) = waiting.windows(2).position(|pair| pair == b"\r\n") {
                let line = waiting[..end].to_vec();
                self.taken += end + 2;
                return String::from_utf8(line).map_err(io::Error::other);
            }
            if !self.read_more()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    #[track_caller]
    pub fn line(&mut self) -> String {
        self.try_line().unwrap()
    }

    /// Lines up to the dot.
    #[track_caller]
    pub fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.line() {
                line if line == "." => return lines,
                line => lines.push(line),
            }
        }
    }

    #[track_caller]
    pub fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).unwrap();
        self.line()
    }

    /// All that still comes before the connection ends.
    pub fn rest(&mut self) -> Vec<u8> {
        while let Ok(true) = self.read_more() {}
        self.read.split_off(self.taken)
    }
}
