//! Binds the sockets of the listeners, before anything else is opened.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::StartError;
use crate::config::ListenerSettings;

/// Connections that the system keeps until they are accepted. Linux cuts it to
/// `net.core.somaxconn`, 4096 by default.
pub(super) const BACKLOG: i32 = 4096;

/// A socket that is bound and listens, and what is to be spoken on it.
#[derive(Debug)]
pub struct Bound {
    /// The socket.
    pub socket: TcpListener,
    /// The settings that it came from.
    pub listener: ListenerSettings,
}

/// Binds all of them, or none.
///
/// # Errors
/// `Bind` for the first that cannot be had.
pub fn bind(listeners: &[ListenerSettings]) -> Result<Vec<Bound>, StartError> {
    let bound = listeners.iter().map(|listener| {
        let address = listener.socket_address();
        let socket = listen(address).map_err(|source| StartError::Bind { address, source })?;
        Ok(Bound {
            socket,
            listener: listener.clone(),
        })
    });
    bound.collect()
}

pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        // "::" and "0.0.0.0" can then be bound side by side.
        socket.set_only_v6(true)?;
    }
    // A restart does not wait for the last connections to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
