//! `mailroost-pam SERVICE SECONDS`: asks PAM, for a server that has no PAM code in its own memory.
//!
//! Standard input is a socket. A request is its length in two octets, big-endian, and user name,
//! NUL, password; the answer is one octet of [`Verdict`]. One request at a time, until the other
//! side hangs up. Modules may hang: the server kills this process after its time limit, and an
//! alarm ends it a little later where there is no server any more.

#![forbid(unsafe_code)]

mod ask;

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use nix::unistd::alarm;
use zeroize::Zeroizing;

use ask::{Verdict, ask};

/// The most octets of a request: a name of 255, NUL, and a password of 1,024.
const REQUEST_OCTETS_MAX: usize = 255 + 1 + 1024;

/// How much longer than the server's limit a check may take before this process ends itself.
const GRACE_SECONDS: u32 = 5;

/// As sysexits(3) has them.
const EX_USAGE: u8 = 64;
const EX_IOERR: u8 = 74;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [service, seconds] = &arguments[..] else {
        return ExitCode::from(EX_USAGE);
    };
    // A name that is a path would let the caller bring a configuration of their own.
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let Ok(seconds) = seconds.parse::<u16>() else {
        return ExitCode::from(EX_USAGE);
    };
    if service.is_empty() || service.starts_with('.') || !service.chars().all(is_name) {
        return ExitCode::from(EX_USAGE);
    }
    match serve(service, u32::from(seconds) + GRACE_SECONDS) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(EX_IOERR),
    }
}

/// Until the server hangs up.
fn serve(service: &str, seconds_max: u32) -> io::Result<()> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    loop {
        let mut length = [0; 2];
        match socket.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let length = usize::from(u16::from_be_bytes(length));
        if length > REQUEST_OCTETS_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut request = Zeroizing::new(vec![0; length]);
        socket.read_exact(&mut request)?;
        alarm::set(seconds_max);
        let verdict = match request.iter().position(|octet| *octet == 0) {
            Some(end) => ask(service, &request[..end], &request[end + 1..]),
            None => Verdict::Unavailable,
        };
        alarm::cancel();
        socket.write_all(&[verdict as u8])?;
    }
}
