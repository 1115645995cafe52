//! The facade: a server made of values, and the handle to it while it runs.

mod builder;
mod certificates;
mod handle;
mod intake;
mod lmtp;
mod ntlm;
mod sockets;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use mailroost_actors::TreeError;
use mailroost_auth::HashError;
use mailroost_storage::{StoreError, UserNameError};

use crate::gssapi::GssapiSetupError;
use crate::oauth::OAuthSetupError;
use crate::site::SiteError;
use crate::tls::TlsSetupError;
use crate::upkeep::UpkeepError;

pub use builder::ServerBuilder;
pub(crate) use certificates::Certificates;
pub use handle::{Reloaded, ServerHandle};
pub use intake::{blocking, stage};
pub use lmtp::{BoundLmtp, bind_lmtp};
pub use ntlm::NtlmError;
pub(crate) use ntlm::{mechanism as ntlm_mechanism, sealing_key};
pub use sockets::{Bound, bind};

/// A POP3 server to be.
#[derive(Debug, Clone, Copy)]
pub struct Server;

impl Server {
    /// Begins to describe a server.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Nothing says where the maildrops are.
    #[error("no {0} was given to the server builder")]
    Missing(&'static str),
    /// A socket cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A socket for LMTP cannot be had.
    #[error("cannot listen for lmtp on {place}: {source}")]
    BindLmtp {
        /// Where: an address, or the path of a Unix socket.
        place: String,
        /// Why not.
        source: io::Error,
    },
    /// A certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// A listener has implicit TLS, but there is no certificate for it.
    #[error("{0}: implicit TLS needs a certificate")]
    NoCertificate(SocketAddr),
    /// The server of another site cannot be reached the way the settings say.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// Password hashes cannot be made as the settings say.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// GSSAPI cannot be offered.
    #[error(transparent)]
    Gssapi(#[from] GssapiSetupError),
    /// NTLM cannot be offered.
    #[error(transparent)]
    Ntlm(#[from] NtlmError),
    /// Tokens cannot be checked.
    #[error(transparent)]
    OAuth(#[from] OAuthSetupError),
    /// A secret of the server cannot be read or made.
    #[error("the secret in {}: {source}", file.display())]
    Secret {
        /// Where it should be.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The program that asks PAM does not start.
    #[error("cannot start {}: {source}", helper.display())]
    PamHelper {
        /// Which.
        helper: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The protocol log cannot be kept.
    #[error("cannot keep a protocol log in {}: {source}", folder.display())]
    ProtocolLog {
        /// Where.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The text of the quota's warning cannot be used.
    #[error(transparent)]
    Upkeep(#[from] UpkeepError),
    /// The supervision tree did not start.
    #[error("the supervision tree does not start: {0}")]
    Tree(io::Error),
}

/// Why a running server could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A name that no user can have.
    #[error(transparent)]
    UserName(#[from] UserNameError),
    /// The directory does not know the user.
    #[error("no user {0:?}")]
    NoSuchUser(String),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The message to be delivered could not be read to its end; nothing was delivered.
    #[error("the message cannot be read: {0}")]
    Reading(io::Error),
    /// The password hash could not be made.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// A part of the server that is needed is being restarted or has too much to do; trying
    /// again may work.
    #[error("{0} is not available at the moment")]
    Unavailable(&'static str),
    /// A new configuration cannot be taken up; the old one stays.
    #[error("the new configuration cannot be taken up: {0}")]
    Reload(String),
}

impl From<TreeError> for ServerError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Store(error) => Self::Store(error),
            TreeError::Unavailable(what) => Self::Unavailable(what),
        }
    }
}
