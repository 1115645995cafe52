//! LMTP: its sockets, bound before anything else is opened, and what its connections follow.

use std::fs::{Permissions, set_permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use mailroost_actors::{Lmtp, LmtpRules, LmtpSocket};
use nix::unistd::{Group, User, chown, gethostname};
use socket2::{Domain, SockAddr, Socket, Type};

use super::StartError;
use super::sockets::{BACKLOG, listen};
use crate::config::{Config, LmtpListenerSettings, SystemName};
use crate::unix_socket::{SocketFile, make_room};

/// A socket for LMTP that is bound and listens. A Unix socket's file goes with it.
#[derive(Debug)]
pub struct BoundLmtp {
    socket: LmtpSocket,
    file: Option<SocketFile>,
}

/// Binds all of them, or none.
///
/// # Errors
/// `BindLmtp` for the first that cannot be had.
pub fn bind_lmtp(listeners: &[LmtpListenerSettings]) -> Result<Vec<BoundLmtp>, StartError> {
    listeners.iter().map(bind).collect()
}

fn bind(listener: &LmtpListenerSettings) -> Result<BoundLmtp, StartError> {
    let failed = |place: String| move |source| StartError::BindLmtp { place, source };
    match (&listener.path, listener.socket_address()) {
        (Some(path), _) => bind_unix(path, listener).map_err(failed(path.display().to_string())),
        (None, Some(address)) => {
            let socket = listen(address).map_err(failed(address.to_string()))?;
            Ok(BoundLmtp {
                socket: LmtpSocket::Tcp(socket),
                file: None,
            })
        }
        (None, None) => Err(StartError::Missing("address of an LMTP listener")),
    }
}

/// The mode is set before anybody can connect.
fn bind_unix(path: &Path, listener: &LmtpListenerSettings) -> io::Result<BoundLmtp> {
    make_room(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::of(path)?;
    set_permissions(path, Permissions::from_mode(listener.mode.bits()))?;
    let owner = listener.owner.as_ref().map(|name| {
        known(
            "user",
            name,
            User::from_name(name.as_str()).map(|user| user.map(|user| user.uid)),
        )
    });
    let group = listener.group.as_ref().map(|name| {
        known(
            "group",
            name,
            Group::from_name(name.as_str()).map(|group| group.map(|g| g.gid)),
        )
    });
    if owner.is_some() || group.is_some() {
        chown(path, owner.transpose()?, group.transpose()?).map_err(io::Error::from)?;
    }
    socket.set_nonblocking(true)?;
    socket.listen(BACKLOG)?;
    Ok(BoundLmtp {
        socket: LmtpSocket::Unix(socket.into(), path.to_owned()),
        file: Some(file),
    })
}

fn known<T>(what: &str, name: &SystemName, found: nix::Result<Option<T>>) -> io::Result<T> {
    found?.ok_or_else(|| {
        let why = format!("the system knows no {what} {:?}", name.as_str());
        io::Error::new(io::ErrorKind::NotFound, why)
    })
}

/// For the tree, and the files to be kept as long as it lives.
pub(super) fn lmtp(config: &Config, bound: Vec<BoundLmtp>) -> (Lmtp, Vec<SocketFile>) {
    let (sockets, files): (Vec<_>, Vec<_>) = bound
        .into_iter()
        .map(|bound| (bound.socket, bound.file))
        .unzip();
    let lmtp = Lmtp {
        rules: Arc::new(rules(config)),
        sockets,
    };
    (lmtp, files.into_iter().flatten().collect())
}

/// What connections follow.
pub(super) fn rules(config: &Config) -> LmtpRules {
    LmtpRules {
        policy: Arc::new(config.lmtp.policy(config, &machine())),
        allow: config.lmtp.networks(),
    }
}

/// The machine's name, if it can stand in a greeting.
fn machine() -> String {
    let name = gethostname().ok().and_then(|name| name.into_string().ok());
    let name = name.filter(|name| !name.is_empty() && name.bytes().all(|c| c.is_ascii_graphic()));
    name.unwrap_or_else(|| "localhost".to_owned())
}
