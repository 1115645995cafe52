//! The daemon's side of the control socket.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Uid, geteuid};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::codec::FrameStream;
use super::execute::Conversation;
use crate::server::ServerHandle;
use crate::unix_socket::{SocketFile, make_room};

/// Conversations at once: administration is people and scripts, and each may hold a staged
/// message's file open.
const CONVERSATIONS_MAX: usize = 64;

/// How long no connection is accepted after one could not be: long enough not to use up a
/// processor, short enough for people.
const ACCEPT_BACK_OFF: Duration = Duration::from_secs(1);

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
#[error("the control socket {}: {source}", path.display())]
pub struct ControlError {
    /// Where it should be.
    pub path: PathBuf,
    /// Why it is not.
    pub source: io::Error,
}

/// A socket on which administrators are served. Its file goes with it.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    _file: SocketFile,
}

impl ControlSocket {
    /// Binds it. A socket on which nobody listens is left from a daemon that was killed, and
    /// goes.
    ///
    /// # Errors
    /// If the folder or the socket cannot be made; if something is there that is not a socket,
    /// or somebody listens there, as the daemon of another store may.
    pub fn bind(path: &Path) -> Result<Self, ControlError> {
        let failed = |source| ControlError {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(failed)?;
        }
        make_room(path).map_err(failed)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self {
            listener,
            _file: SocketFile::of(path).map_err(failed)?,
        })
    }

    /// Serves until it is dropped; conversations under way end with it.
    pub async fn serve(self, server: ServerHandle, log: slog::Logger) {
        let places = Arc::new(Semaphore::new(CONVERSATIONS_MAX));
        let mut conversations = JoinSet::new();
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            while conversations.try_join_next().is_some() {}
            match self.listener.accept().await {
                Ok((stream, _)) if admitted(&stream) => {
                    let (server, log) = (server.clone(), log.clone());
                    conversations.spawn_local(async move {
                        if let Err(error) = serve_connection(stream, server).await {
                            slog::debug!(log, "control connection"; "error" => %error);
                        }
                        drop(place);
                    });
                }
                Ok((stream, _)) => {
                    let uid = stream.peer_cred().map_or(-1, |peer| i64::from(peer.uid()));
                    slog::warn!(log, "control connection refused"; "uid" => uid);
                }
                // No file descriptors, most likely; somebody will give theirs back.
                Err(error) => {
                    slog::warn!(log, "control connection not accepted"; "error" => %error);
                    tokio::time::sleep(ACCEPT_BACK_OFF).await;
                }
            }
        }
    }
}

/// Root and the user that the server runs as.
fn admitted(stream: &UnixStream) -> bool {
    stream
        .peer_cred()
        .is_ok_and(|peer| may_administer(Uid::from_raw(peer.uid()), geteuid()))
}

/// Whether a process of the user `peer` may administer a daemon of the user `own`.
pub(super) fn may_administer(peer: Uid, own: Uid) -> bool {
    peer.is_root() || peer == own
}

/// Serves one conversation to its end.
///
/// # Errors
/// When the connection breaks or what arrives is not of the protocol. What was staged and not
/// delivered is let go of.
pub async fn serve_connection(stream: UnixStream, server: ServerHandle) -> io::Result<()> {
    Conversation::new(FrameStream::new(stream), server)
        .run()
        .await
}
