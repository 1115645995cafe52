//! Octets over loopback: from memory, and from a file that is read and written.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::Fault;
use crate::peer::Work;

/// Octets of a read and of a write.
const CHUNK_OCTETS: usize = 64 * 1024;

const FILE_OCTETS: usize = 10 * 1024 * 1024;

/// The file that is copied.
pub(super) fn file(work: &Work) -> Result<PathBuf, Fault> {
    let path = work.folder.join("ceiling.bin");
    if !path.exists() {
        std::fs::write(&path, crate::mail::message(1, FILE_OCTETS))?;
    }
    Ok(path)
}

/// MB/s of a file of 10 MiB that one thread reads and writes to a socket, again and again, and
/// another reads.
pub(super) fn from_file(work: &Work, window: Duration) -> Result<f64, Fault> {
    let path = file(work)?;
    over_loopback(move |stream| {
        let end = Instant::now() + window;
        let mut buffer = vec![0; CHUNK_OCTETS];
        while Instant::now() < end {
            let mut file = File::open(&path)?;
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    octets => stream.write_all(&buffer[..octets])?,
                }
            }
        }
        Ok(())
    })
}

/// MB/s of a buffer that one thread writes to a socket, again and again, and another reads.
pub(super) fn from_memory(window: Duration) -> Result<f64, Fault> {
    over_loopback(move |stream| {
        let end = Instant::now() + window;
        let buffer = vec![b'a'; CHUNK_OCTETS];
        while Instant::now() < end {
            stream.write_all(&buffer)?;
        }
        Ok(())
    })
}

fn over_loopback(
    send: impl FnOnce(&mut TcpStream) -> std::io::Result<()> + Send + 'static,
) -> Result<f64, Fault> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let sending = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        send(&mut stream)
    });
    let begun = Instant::now();
    let octets = swallow(&mut TcpStream::connect(address)?)?;
    let seconds = begun.elapsed().as_secs_f64();
    match sending.join() {
        Ok(outcome) => outcome?,
        Err(_) => return Err(Fault::text("the sender panicked")),
    }
    Ok(octets as f64 / 1e6 / seconds)
}

/// Reads to the end and counts.
pub(super) fn swallow(stream: &mut impl Read) -> Result<u64, Fault> {
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
