//! What a daemon opens with the rights that it was started with: sockets, and the private keys of
//! its certificates. No thread and no logger is needed for it.

use std::net::SocketAddr;

use crate::config::Config;
use crate::server::{Bound, BoundLmtp, Certificates, StartError, bind, bind_lmtp};

/// Sockets that are bound, and certificates that are loaded.
pub struct Opened {
    pub(super) sockets: Vec<Bound>,
    pub(super) lmtp_sockets: Vec<BoundLmtp>,
    pub(super) certificates: Certificates,
    /// Addresses that are done without.
    pub(super) without_ipv6: Vec<SocketAddr>,
}

impl Opened {
    /// Opens them. Blocks.
    ///
    /// # Errors
    /// For the first that cannot be had; none is left open.
    pub fn new(config: &Config) -> Result<Self, StartError> {
        let (sockets, without_ipv6) = sockets(config)?;
        Ok(Self {
            sockets,
            lmtp_sockets: bind_lmtp(&config.lmtp.listener)?,
            certificates: Certificates::load(None, config)?,
            without_ipv6,
        })
    }
}

/// Binds the listeners. Without IPv6 in the kernel, what is bound to all IPv4 addresses on the
/// same port is enough.
fn sockets(config: &Config) -> Result<(Vec<Bound>, Vec<SocketAddr>), StartError> {
    let mut sockets = Vec::new();
    let mut without = Vec::new();
    for listener in &config.listener {
        let address = listener.socket_address();
        match bind(std::slice::from_ref(listener)) {
            Ok(bound) => sockets.extend(bound),
            Err(StartError::Bind { source, .. })
                if address.is_ipv6() && no_ipv6(&source) && ipv4_stands_in(config, address) =>
            {
                without.push(address);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((sockets, without))
}

fn no_ipv6(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32)
        || error.kind() == std::io::ErrorKind::AddrNotAvailable
}

fn ipv4_stands_in(config: &Config, address: SocketAddr) -> bool {
    address.ip().is_unspecified()
        && config
            .listener
            .iter()
            .map(|listener| listener.socket_address())
            .any(|other| {
                other.is_ipv4() && other.ip().is_unspecified() && other.port() == address.port()
            })
}
