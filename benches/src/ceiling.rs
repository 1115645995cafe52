//! What the machine itself can do: a file read and written over loopback, and the same through
//! OpenSSL's own server.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::Fault;
use crate::peer::Work;
use crate::wire::tls;

/// Octets of a read and of a write.
const CHUNK_OCTETS: usize = 64 * 1024;

const FILE_OCTETS: usize = 10 * 1024 * 1024;

const S_SERVER_PORT: u16 = 25_443;

/// The file that is copied.
fn file(work: &Work) -> Result<std::path::PathBuf, Fault> {
    let path = work.folder.join("ceiling.bin");
    if !path.exists() {
        std::fs::write(&path, crate::mail::message(1, FILE_OCTETS))?;
    }
    Ok(path)
}

/// MB/s of a file of 10 MiB that one thread reads and writes to a socket, again and again, and
/// another reads.
///
/// # Errors
/// What the system says.
pub fn copy(work: &Work, window: Duration) -> Result<f64, Fault> {
    let path = file(work)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let end = Instant::now() + window;
    let sending = std::thread::spawn(move || serve(&listener, &path, end));
    let begun = Instant::now();
    let octets = swallow(&mut TcpStream::connect(address)?)?;
    let seconds = begun.elapsed().as_secs_f64();
    match sending.join() {
        Ok(outcome) => outcome?,
        Err(_) => return Err(Fault::text("the sender panicked")),
    }
    Ok(octets as f64 / 1e6 / seconds)
}

fn serve(listener: &TcpListener, path: &Path, end: Instant) -> std::io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    let mut buffer = vec![0; CHUNK_OCTETS];
    while Instant::now() < end {
        let mut file = File::open(path)?;
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                octets => stream.write_all(&buffer[..octets])?,
            }
        }
    }
    Ok(())
}

fn swallow(stream: &mut impl Read) -> Result<u64, Fault> {
    let mut buffer = vec![0; 4 * CHUNK_OCTETS];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(octets) => total += octets as u64,
            // s_server closes without TLS's own farewell.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(total),
            Err(error) => return Err(error.into()),
        }
    }
}

/// MB/s of the same file from `openssl s_server -HTTP`, one TLS connection for each copy, the
/// handshake not counted.
///
/// # Errors
/// What the system or openssl says.
pub fn s_server(work: &Work, window: Duration) -> Result<f64, Fault> {
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
