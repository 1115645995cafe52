//! The daemon: sockets, store, server, control socket and signals, from start to end.

mod signals;
mod store;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailroost_actors::Ended;
use mailroost_storage::{MaildropStore, SledStore};
use slog::{crit, error, info, warn};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::config::{Config, Security};
use crate::control::ControlSocket;
use crate::exit::{Failure, Status};
use crate::server::{
    Bound, Server, ServerBuilder, ServerHandle, StartError, bind, bind_lmtp, blocking,
};

use signals::{Signal, Signals};
pub use store::{open_store, store_options};

/// A daemon that is ready.
pub struct Daemon {
    server: ServerHandle,
    store: Arc<SledStore>,
    control: JoinHandle<()>,
    signals: Signals,
    file: Option<PathBuf>,
    /// One reload at a time, or what was read first could come out on top.
    reloading: Arc<Mutex<()>>,
    log: slog::Logger,
}

/// How a daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Drained; the store is closed.
    Drained,
    /// A second signal came while it drained. Nothing was waited for: the caller should end the
    /// process. Nothing that was acknowledged is lost; the next start looks more closely.
    Cut,
}

impl Daemon {
    /// Starts in the order in which things can go wrong for an operator: sockets, store,
    /// certificates and tree, control socket. With `file`, SIGHUP reads it again.
    ///
    /// # Errors
    /// One line for what could not be had; nothing is left running.
    pub async fn start(
        config: Config,
        file: Option<PathBuf>,
        log: slog::Logger,
    ) -> Result<Self, Failure> {
        let no_signals = |error| Failure::io("cannot wait for signals", &error);
        let hangups = signals::hangups().map_err(no_signals)?;
        let sockets = sockets(&config, &log)?;
        let securities: Vec<_> = sockets
            .iter()
            .map(|bound| bound.listener.security)
            .collect();
        let lmtp_sockets = bind_lmtp(&config.lmtp.listener)?;
        let store = open_store(&config, &log).await?;
        let builder = Server::builder()
            .config(config.clone())
            .store(store.clone())
            .sockets(sockets)
            .lmtp_sockets(lmtp_sockets)
            .log(log.clone());
        let path = config.server.control_socket();
        let (server, socket) = match start_server(builder, &path).await {
            Ok(started) => started,
            Err(failure) => {
                // Why it did not start comes first.
                if let Err(error) = close(store).await {
                    error!(log, "the store was not closed"; "error" => %error);
                }
                return Err(failure);
            }
        };
        let control = actix_rt::spawn(socket.serve(server.clone(), log.clone()));
        for (address, security) in server.addresses().iter().zip(securities) {
            let security = match security {
                Security::Stls => "stls",
                Security::ImplicitTls => "implicit_tls",
            };
            info!(log, "listening"; "address" => %address, "security" => security);
        }
        for address in server.lmtp_addresses() {
            info!(log, "listening for lmtp"; "address" => %address);
        }
        // Whoever reads that it is ready may send a signal at once.
        let signals = Signals::new(hangups).map_err(no_signals)?;
        info!(log, "ready"; "version" => env!("CARGO_PKG_VERSION"),
            "pid" => std::process::id(), "control" => %path.display());
        Ok(Self {
            server,
            store,
            control,
            signals,
            file,
            reloading: Arc::default(),
            log,
        })
    }

    /// The server.
    pub fn server(&self) -> &ServerHandle {
        &self.server
    }

    /// Runs until a signal or the tree ends it.
    ///
    /// # Errors
    /// When the tree gave up, with its cause.
    pub async fn run(mut self) -> Result<End, Failure> {
        loop {
            tokio::select! {
                signal = self.signals.next() => match signal {
                    Signal::Reload => self.reload(),
                    Signal::End(name) => {
                        info!(self.log, "draining"; "signal" => name);
                        return self.drain().await;
                    }
                },
                ended = self.server.ended() => {
                    self.close().await?;
                    return match ended {
                        Ended::Stopped => Ok(End::Drained),
                        Ended::GaveUp { cause } => {
                            crit!(self.log, "the server gave up"; "cause" => &cause);
                            Err(Failure::new(Status::Software, format!("the server gave up: {cause}")))
                        }
                    };
                }
            }
        }
    }

    async fn drain(self) -> Result<End, Failure> {
        let Self {
            server,
            store,
            control,
            mut signals,
            log,
            ..
        } = self;
        let second = async {
            loop {
                if let Signal::End(name) = signals.next().await {
                    return name;
                }
            }
        };
        let orderly = async {
            server.drain().await;
            // Administration ends, then the store is closed.
            control.abort();
            close(store).await
        };
        tokio::select! {
            closed = orderly => {
                closed?;
                info!(log, "stopped");
                Ok(End::Drained)
            }
            name = second => {
                warn!(log, "ended at once"; "signal" => name);
                Ok(End::Cut)
            }
        }
    }

    /// Administration ends, then the store is closed.
    async fn close(&self) -> Result<(), Failure> {
        self.control.abort();
        close(self.store.clone()).await
    }

    /// Takes up the file again; sessions do not notice.
    fn reload(&self) {
        let Some(file) = self.file.clone() else {
            info!(
                self.log,
                "nothing to reload: there is no configuration file"
            );
            return;
        };
        let (server, log) = (self.server.clone(), self.log.clone());
        let reloading = self.reloading.clone();
        actix_rt::spawn(async move {
            let _one = reloading.lock().await;
            let loaded = actix_rt::task::spawn_blocking(move || Config::load(&file)).await;
            let reloaded = match loaded {
                Ok(Ok(config)) => server
                    .reload(config)
                    .await
                    .map_err(|error| error.to_string()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("reading it failed".into()),
            };
            if let Err(error) = reloaded {
                error!(log, "configuration refused, the old one stays"; "error" => error);
            }
        });
    }
}

async fn start_server(
    builder: ServerBuilder,
    path: &Path,
) -> Result<(ServerHandle, ControlSocket), Failure> {
    let server = builder.start().await?;
    match ControlSocket::bind(path) {
        Ok(socket) => Ok((server, socket)),
        Err(error) => {
            server.stop().await;
            Err(Failure::new(Status::OsError, error.to_string()))
        }
    }
}

async fn close(store: Arc<SledStore>) -> Result<(), Failure> {
    Ok(blocking(move || store.close()).await?)
}

/// Binds the listeners. Without IPv6 in the kernel, what is bound to all IPv4 addresses on the
/// same port is enough.
fn sockets(config: &Config, log: &slog::Logger) -> Result<Vec<Bound>, StartError> {
    let mut sockets = Vec::new();
    for listener in &config.listener {
        let address = listener.socket_address();
        match bind(std::slice::from_ref(listener)) {
            Ok(bound) => sockets.extend(bound),
            Err(StartError::Bind { source, .. })
                if address.is_ipv6() && no_ipv6(&source) && ipv4_stands_in(config, address) =>
            {
                warn!(log, "no IPv6 on this machine"; "address" => %address);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(sockets)
}

fn no_ipv6(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32)
        || error.kind() == std::io::ErrorKind::AddrNotAvailable
}

fn ipv4_stands_in(config: &Config, address: std::net::SocketAddr) -> bool {
    address.ip().is_unspecified()
        && config
            .listener
            .iter()
            .map(|listener| listener.socket_address())
            .any(|other| {
                other.is_ipv4() && other.ip().is_unspecified() && other.port() == address.port()
            })
}
