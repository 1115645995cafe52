//! What deliveries over LMTP follow, and the sockets they come in by.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use mailroost_auth::throttle::Network;
use mailroost_protocol::lmtp::LmtpPolicy;

/// What can be changed while the tree lives. It counts for connections that come later.
#[derive(Debug, Clone, Default)]
pub struct LmtpRules {
    /// How the protocol behaves.
    pub policy: Arc<LmtpPolicy>,
    /// From where messages may come over TCP. Without any: from this machine. LMTP has no
    /// log-on, so whoever may connect may deliver.
    pub allow: Vec<Network>,
}

impl LmtpRules {
    /// Whether messages may come from there.
    pub(super) fn permit(&self, peer: &LmtpPeer) -> bool {
        match peer {
            LmtpPeer::Local => true,
            LmtpPeer::Address(address) => self.permit_address(address.ip()),
        }
    }

    fn permit_address(&self, address: IpAddr) -> bool {
        if self.allow.is_empty() {
            return address.to_canonical().is_loopback();
        }
        self.allow.iter().any(|network| network.contains(address))
    }
}

/// Deliveries over LMTP: what they follow, and where they come in.
#[derive(Debug, Default)]
pub struct Lmtp {
    /// See there.
    pub rules: Arc<LmtpRules>,
    /// Bound already.
    pub sockets: Vec<LmtpSocket>,
}

/// A bound socket on which LMTP is spoken.
#[derive(Debug)]
pub enum LmtpSocket {
    /// Over TCP.
    Tcp(TcpListener),
    /// A Unix socket and where it lies. Its mode says who may connect.
    Unix(UnixListener, PathBuf),
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LmtpPeer {
    /// A Unix socket: from this machine.
    Local,
    /// An address.
    Address(SocketAddr),
}

impl LmtpPeer {
    /// As it stands in the trace and in the log.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Local => "local".to_owned(),
            Self::Address(address) => format!("[{}]", address.ip().to_canonical()),
        }
    }
}

/// What is served, for the log and for whoever connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LmtpAddress {
    /// Over TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for LmtpAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl LmtpSocket {
    /// # Errors
    /// If the system does not say.
    pub(crate) fn address(&self) -> io::Result<LmtpAddress> {
        Ok(match self {
            Self::Tcp(socket) => LmtpAddress::Tcp(socket.local_addr()?),
            Self::Unix(_, path) => LmtpAddress::Unix(path.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_networks_only_this_machine_may_deliver() {
        let peer = |text: &str| LmtpPeer::Address(SocketAddr::new(text.parse().unwrap(), 9));
        let closed = LmtpRules::default();
        let open = LmtpRules {
            allow: vec!["192.0.2.0/24".parse().unwrap()],
            ..LmtpRules::default()
        };
        for (address, by_default, by_network) in [
            ("127.0.0.1", true, false),
            ("::1", true, false),
            ("::ffff:127.0.0.1", true, false),
            ("192.0.2.7", false, true),
            ("::ffff:192.0.2.7", false, true),
            ("192.0.3.7", false, false),
        ] {
            assert_eq!(closed.permit(&peer(address)), by_default, "{address}");
            assert_eq!(open.permit(&peer(address)), by_network, "{address}");
        }
        assert!(closed.permit(&LmtpPeer::Local) && open.permit(&LmtpPeer::Local));
    }
}
