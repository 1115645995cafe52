//! A client with GSSAPI that does what it is told, layers and mistakes included.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_MECH_SPNEGO, GSS_NT_HOSTBASED_SERVICE};

/// So long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is chosen of the layers that are offered.
pub const NO_LAYER: u8 = 1;
pub const INTEGRITY: u8 = 2;
pub const CONFIDENTIALITY: u8 = 4;

trait Wire: Read + Write {}

impl<T: Read + Write> Wire for T {}

/// A connection, in clear, inside TLS, or under a layer.
pub struct Client {
    wire: BufReader<Box<dyn Wire>>,
    /// Once there is one: the context, whether to encrypt, and what was opened.
    layer: Option<(ClientCtx, bool)>,
    plain: Vec<u8>,
}

/// How a context is made.
pub struct Wish<'a> {
    pub service: &'a str,
    pub spnego: bool,
    pub binding: Option<&'a [u8]>,
}

impl Default for Wish<'_> {
    fn default() -> Self {
        Self {
            service: "pop",
            spnego: false,
            binding: None,
        }
    }
}

impl Wish<'_> {
    pub fn context(&self) -> ClientCtx {
        let target = format!("{}@localhost", self.service);
        let target = Name::new(target.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE)).unwrap();
        let flags = CtxFlags::GSS_C_MUTUAL_FLAG
            | CtxFlags::GSS_C_SEQUENCE_FLAG
            | CtxFlags::GSS_C_REPLAY_FLAG
            | CtxFlags::GSS_C_INTEG_FLAG
            | CtxFlags::GSS_C_CONF_FLAG;
        let mechanism = if self.spnego {
            GSS_MECH_SPNEGO
        } else {
            GSS_MECH_KRB5
        };
        ClientCtx::new(None, target, flags, Some(mechanism))
    }

    /// The first token of a fresh context.
    pub fn token(&self) -> Vec<u8> {
        self.context()
            .step(None, self.binding)
            .unwrap()
            .unwrap()
            .to_vec()
    }
}

impl Client {
    /// Connects and takes the greeting.
    pub fn connect(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect(address).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self::over(Box::new(tcp));
        assert!(client.line().starts_with("+OK"));
        client
    }

    /// Connects and begins TLS; tells the channel binding, too.
    pub fn connect_tls(address: SocketAddr) -> (Self, Vec<u8>) {
        let mut tcp = TcpStream::connect(address).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.write_all(b"STLS\r\n").unwrap();
        let mut lines = String::new();
        let mut octet = [0];
        while lines.matches('\n').count() < 2 {
            tcp.read_exact(&mut octet).unwrap();
            lines.push(char::from(octet[0]));
        }
        assert!(lines.ends_with("+OK Begin TLS negotiation.\r\n"), "{lines}");
        let mut connector = native_tls::TlsConnector::builder();
        connector.danger_accept_invalid_certs(true);
        let tls = connector
            .build()
            .unwrap()
            .connect("localhost", tcp)
            .unwrap();
        let hash = tls.tls_server_end_point().unwrap().unwrap();
        let binding = [b"tls-server-end-point:", hash.as_slice()].concat();
        (Self::over(Box::new(tls)), binding)
    }

    fn over(wire: Box<dyn Wire>) -> Self {
        Self {
            wire: BufReader::new(wire),
            layer: None,
            plain: Vec::new(),
        }
    }

    /// Sends octets as they are.
    pub fn send_raw(&mut self, octets: &[u8]) {
        self.wire.get_mut().write_all(octets).unwrap();
        self.wire.get_mut().flush().unwrap();
    }

    /// The buffer that a layer makes of octets, with its length.
    pub fn protected(&mut self, plain: &[u8]) -> Vec<u8> {
        let (context, encrypts) = self.layer.as_mut().unwrap();
        let buffer = context.wrap(*encrypts, plain).unwrap();
        let length = u32::try_from(buffer.len()).unwrap();
        [&length.to_be_bytes(), &*buffer].concat()
    }

    pub fn send(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        let octets = match self.layer {
            Some(_) => self.protected(line.as_bytes()),
            None => line.into_bytes(),
        };
        self.send_raw(&octets);
    }

    /// The next line without its CRLF; empty at the end of the connection.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        if self.layer.is_none() {
            self.wire.read_until(b'\n', &mut line).unwrap();
        } else {
            while !self.plain.contains(&b'\n') && self.open_buffer() {}
            let end = self.plain.iter().position(|octet| *octet == b'\n');
            let end = end.map_or(self.plain.len(), |end| end + 1);
            line = self.plain.drain(..end).collect();
        }
        let line = String::from_utf8(line).unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }

    /// A multi-line reply behind its first line, up to its end.
    pub fn lines(&mut self) -> Vec<u8> {
        while !self.plain.ends_with(b"\r\n.\r\n") {
            assert!(self.open_buffer(), "the connection ended");
        }
        std::mem::take(&mut self.plain)
    }

    pub fn ask(&mut self, line: &str) -> String {
        self.send(line);
        self.line()
    }

    /// Whether the server has closed, after whatever it still sends.
    pub fn ends(mut self) -> bool {
        let mut rest = Vec::new();
        self.wire.read_to_end(&mut rest).is_ok()
    }

    /// The exchange up to the offer of layers: the context, the offer, and its size.
    pub fn negotiate(&mut self, wish: &Wish<'_>) -> Result<(ClientCtx, u8, u32), String> {
        let mut context = wish.context();
        assert_eq!(self.ask("AUTH GSSAPI"), "+ ");
        let mut token = context.step(None, wish.binding).unwrap();
        loop {
            let answer = token.as_deref().unwrap_or_default();
            let challenge = self.ask(&encode(answer));
            let Some(challenge) = challenge.strip_prefix("+ ") else {
                return Err(challenge);
            };
            let challenge = decode(challenge);
            if context.is_complete() {
                let offer = context.unwrap(&challenge).unwrap();
                let [layers, a, b, c] = *offer.first_chunk().unwrap();
                assert_eq!(offer.len(), 4);
                return Ok((context, layers, u32::from_be_bytes([0, a, b, c])));
            }
            token = context.step(Some(&challenge), wish.binding).unwrap();
        }
    }

    /// A whole log-on; gives the last line. `receives` is the size of our buffer.
    pub fn log_on(&mut self, wish: &Wish<'_>, layer: u8, receives: u32, authzid: &str) -> String {
        let (mut context, _, _) = match self.negotiate(wish) {
            Ok(negotiated) => negotiated,
            Err(refusal) => return refusal,
        };
        let [_, a, b, c] = receives.to_be_bytes();
        let choice = [&[layer, a, b, c], authzid.as_bytes()].concat();
        let choice = context.wrap(false, &choice).unwrap();
        let end = self.ask(&encode(&choice));
        if end.starts_with("+OK") && layer != NO_LAYER {
            self.layer = Some((context, layer == CONFIDENTIALITY));
        }
        end
    }

    /// Takes one buffer and opens it; `false` at the end of the connection.
    fn open_buffer(&mut self) -> bool {
        let mut length = [0; 4];
        if self.wire.read_exact(&mut length).is_err() {
            return false;
        }
        let mut buffer = vec![0; u32::from_be_bytes(length) as usize];
        self.wire.read_exact(&mut buffer).unwrap();
        let (context, _) = self.layer.as_mut().unwrap();
        self.plain
            .extend_from_slice(&context.unwrap(&buffer).unwrap());
        true
    }
}

pub fn encode(octets: &[u8]) -> String {
    openssl::base64::encode_block(octets)
}

pub fn decode(text: &str) -> Vec<u8> {
    openssl::base64::decode_block(text).unwrap()
}
