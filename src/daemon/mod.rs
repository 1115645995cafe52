//! The daemon: sockets, store, server, control socket and signals, from start to end.

mod opened;
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
use crate::privileges::GivenUp;
use crate::server::{Server, ServerBuilder, ServerHandle, blocking};

pub use opened::Opened;
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
    /// Starts with the rights that the program has, and keeps them. With `file`, SIGHUP reads it
    /// again.
    ///
    /// # Errors
    /// One line for what could not be had; nothing is left running.
    pub async fn start(
        config: Config,
        file: Option<PathBuf>,
        log: slog::Logger,
    ) -> Result<Self, Failure> {
        let opened = Opened::new(&config)?;
        Self::start_opened(config, file, opened, None, log).await
    }

    /// Starts in the order in which things can go wrong for an operator: sockets and certificates,
    /// which are there already, then store, tree, control socket. When all of them are there, the
    /// rest of what is to be given up is, too.
    ///
    /// # Errors
    /// One line for what could not be had; nothing is left running.
    pub async fn start_opened(
        config: Config,
        file: Option<PathBuf>,
        opened: Opened,
        given_up: Option<GivenUp>,
        log: slog::Logger,
    ) -> Result<Self, Failure> {
        let no_signals = |error| Failure::io("cannot wait for signals", &error);
        let hangups = signals::hangups().map_err(no_signals)?;
        let Opened {
            sockets,
            lmtp_sockets,
            certificates,
            without_ipv6,
        } = opened;
        for address in without_ipv6 {
            warn!(log, "no IPv6 on this machine"; "address" => %address);
        }
        let securities: Vec<_> = sockets
            .iter()
            .map(|bound| bound.listener.security)
            .collect();
        let store = open_store(&config, &log).await?;
        let builder = Server::builder()
            .config(config.clone())
            .store(store.clone())
            .sockets(sockets)
            .lmtp_sockets(lmtp_sockets)
            .certificates(certificates)
            .log(log.clone());
        let path = config.server.control_socket();
        let (server, socket) = match start_server(builder, &path, given_up, &log).await {
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
    given_up: Option<GivenUp>,
    log: &slog::Logger,
) -> Result<(ServerHandle, ControlSocket), Failure> {
    let server = builder.start().await?;
    let socket = ControlSocket::bind(path)
        .map_err(|error| Failure::new(Status::OsError, error.to_string()))
        .and_then(|socket| seal(given_up, log).map(|()| socket));
    match socket {
        Ok(socket) => Ok((server, socket)),
        Err(failure) => {
            server.stop().await;
            Err(failure)
        }
    }
}

/// The last of what is given up, on all threads; and what there is to say of it.
fn seal(given_up: Option<GivenUp>, log: &slog::Logger) -> Result<(), Failure> {
    let Some(mut given_up) = given_up else {
        return Ok(());
    };
    let sealed = given_up.seal();
    for measure in given_up.measures() {
        measure.say(log);
    }
    Ok(sealed?)
}

async fn close(store: Arc<SledStore>) -> Result<(), Failure> {
    Ok(blocking(move || store.close()).await?)
}
