//! What OpenSSL's own server moves in bulk.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::copy::{file, swallow};
use crate::Fault;
use crate::peer::Work;
use crate::wire::tls;

const S_SERVER_PORT: u16 = 25_443;

/// MB/s of a file of 10 MiB from `openssl s_server -HTTP`, one TLS connection for each copy, the
/// handshake not counted.
pub(super) fn bulk(work: &Work, window: Duration) -> Result<f64, Fault> {
    file(work)?;
    let server = Command::new("openssl")
        .args(["s_server", "-quiet", "-HTTP", "-accept"])
        .arg(format!("127.0.0.1:{S_SERVER_PORT}"))
        .args(["-cert", "cert.pem", "-key", "key.pem"])
        .current_dir(&work.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let server = Ending(server);
    let address: std::net::SocketAddr = ([127, 0, 0, 1], S_SERVER_PORT).into();
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err(Fault::text("openssl s_server does not listen"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let config = tls(&work.certificate, false)?;
    let (mut octets, mut spent) = (0, Duration::ZERO);
    while spent < window {
        let stream = TcpStream::connect(address)?;
        let name = ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into());
        let connection = ClientConnection::new(Arc::clone(&config), name)
            .map_err(|error| Fault::new("tls", &error))?;
        let mut stream = StreamOwned::new(connection, stream);
        stream.write_all(b"GET /ceiling.bin HTTP/1.0\r\n\r\n")?;
        stream.flush()?;
        // The first octets come after the handshake.
        let mut first = [0; 1];
        stream.read_exact(&mut first)?;
        let begun = Instant::now();
        octets += swallow(&mut stream)?;
        spent += begun.elapsed();
    }
    drop(server);
    Ok(octets as f64 / 1e6 / spent.as_secs_f64())
}

struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
