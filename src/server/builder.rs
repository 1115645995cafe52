//! Puts a server together from values.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use mailroost_actors::tls::TlsAcceptor;
use mailroost_actors::{Binding, Blueprint, Lmtp, Machine, ProtocolLog, TreeHandle, Upkeep};
use mailroost_auth::{AnyHash, Argon2id, HashError, Mechanism, PasswordSource, Throttle};
use mailroost_protocol::Policy;
use mailroost_storage::{Directory, MaildropStore};

use super::StartError;
use super::certificates::Certificates;
use super::handle::{Parts, ServerHandle};
use super::lmtp::{BoundLmtp, bind_lmtp, lmtp};
use super::sockets::{Bound, bind};
use super::watch;
use crate::config::{Config, ListenerSettings, Security};
use crate::mechanisms::mechanisms_of;
use crate::password_sources::{password_source, waiting_threads};
use crate::protocol_log::{FileLog, rules_of};
use crate::site::sites;
use crate::unix_socket::SocketFile;
use crate::upkeep::upkeep;

/// A server to be. What is not given has the defaults of [`Config`].
#[derive(Default)]
pub struct ServerBuilder {
    config: Config,
    store: Option<Arc<dyn MaildropStore>>,
    directory: Option<Arc<dyn Directory>>,
    passwords: Option<Arc<dyn PasswordSource>>,
    mechanisms: Option<Vec<Arc<dyn Mechanism>>>,
    policy: Option<Policy>,
    listeners: Option<Vec<ListenerSettings>>,
    sockets: Option<Vec<Bound>>,
    lmtp_sockets: Option<Vec<BoundLmtp>>,
    tls: Option<Arc<dyn TlsAcceptor>>,
    certificates: Option<Certificates>,
    workers: Option<usize>,
    protocol_log: Option<Arc<dyn ProtocolLog>>,
    log: Option<slog::Logger>,
}

impl ServerBuilder {
    /// All settings at once. Those about store folder, control socket and log are the
    /// daemon's; a server that is embedded does not look at them.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Where maildrops and users are, if one value keeps both, as the stores that come with
    /// [`mailroost_storage`] do.
    #[must_use]
    pub fn store<S: MaildropStore + Directory>(mut self, store: Arc<S>) -> Self {
        self.directory = Some(store.clone());
        self.store = Some(store);
        self
    }

    /// Where the maildrops are.
    #[must_use]
    pub fn maildrops(mut self, store: Arc<dyn MaildropStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Where the users are.
    #[must_use]
    pub fn directory(mut self, directory: Arc<dyn Directory>) -> Self {
        self.directory = Some(directory);
        self
    }

    /// Who knows the passwords; by default the directory's hashes.
    #[must_use]
    pub fn passwords(mut self, passwords: Arc<dyn PasswordSource>) -> Self {
        self.passwords = Some(passwords);
        self
    }

    /// SASL mechanisms, in the order of CAPA's SASL line; by default those of `[auth]`.
    #[must_use]
    pub fn mechanisms(mut self, mechanisms: Vec<Arc<dyn Mechanism>>) -> Self {
        self.mechanisms = Some(mechanisms);
        self
    }

    /// How the protocol behaves, in place of `[protocol]`; a test can be stranger than a
    /// configuration file.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Adds a socket to serve. Once one is given, the listeners of the configuration do not
    /// count. With port 0 the system chooses; [`ServerHandle::addresses`] tells.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr, security: Security) -> Self {
        let listener = ListenerSettings::new(address, security);
        self.listeners.get_or_insert_default().push(listener);
        self
    }

    /// Sockets that are bound already, by [`bind`]; no others are.
    #[must_use]
    pub fn sockets(mut self, sockets: Vec<Bound>) -> Self {
        self.sockets = Some(sockets);
        self
    }

    /// Sockets for LMTP that are bound already, by [`bind_lmtp`]; no others are.
    #[must_use]
    pub fn lmtp_sockets(mut self, sockets: Vec<BoundLmtp>) -> Self {
        self.lmtp_sockets = Some(sockets);
        self
    }

    /// TLS for all listeners, in place of the certificates of the configuration.
    #[must_use]
    pub fn tls(mut self, tls: Arc<dyn TlsAcceptor>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Certificates that are loaded already: whoever serves may not be able to read them.
    #[must_use]
    pub(crate) fn certificates(mut self, certificates: Certificates) -> Self {
        self.certificates = Some(certificates);
        self
    }

    /// Threads for sessions and mailboxes; with 0 all runs on the caller's arbiter, as a test
    /// with a paused clock needs it.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Where a record of every command goes, in place of the files of `[protocol_log]`.
    #[must_use]
    pub fn protocol_log(mut self, log: Arc<dyn ProtocolLog>) -> Self {
        self.protocol_log = Some(log);
        self
    }

    /// Where to log; by default nowhere.
    #[must_use]
    pub fn log(mut self, log: slog::Logger) -> Self {
        self.log = Some(log);
        self
    }

    /// Binds the sockets and starts the supervision tree in the current `actix::System`.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing is left running then.
    pub async fn start(self) -> Result<ServerHandle, StartError> {
        let store = self.store.ok_or(StartError::Missing("store"))?;
        let directory = self.directory.ok_or(StartError::Missing("directory"))?;
        let mut config = self.config;
        let listeners_given = self.listeners.is_some();
        if let Some(listeners) = self.listeners {
            config.listener = listeners;
        }
        let (config, hasher, certificates, upkeep) =
            prepare(config, self.tls, self.certificates).await?;
        let bindings = bindings_of(self.sockets, &config, &certificates)?;
        let (lmtp, socket_files) = lmtp_of(self.lmtp_sockets, &config)?;
        let log = self
            .log
            .unwrap_or_else(|| slog::Logger::root(slog::Discard, slog::o!()));
        let mechanisms = match self.mechanisms {
            Some(mechanisms) => mechanisms,
            None => own_mechanisms(&config, &log).await?,
        };
        let mut limits = config.limits.limits();
        let passwords = match self.passwords {
            Some(passwords) => passwords,
            None => {
                limits.password_checks_max += waiting_threads(&config);
                password_source(directory.clone(), hasher.clone(), &config, &log).await?
            }
        };
        let files = match self.protocol_log {
            Some(_) => None,
            None => protocol_log_of(&config, &log).await?,
        };
        let blueprint = Blueprint {
            store: store.clone(),
            directory: directory.clone(),
            passwords,
            throttle: Arc::new(throttle_of(&config)?),
            mechanisms,
            policy: Arc::new(self.policy.unwrap_or_else(|| config.protocol.policy())),
            limits,
            upkeep: Arc::new(upkeep),
            sites: sites(&config)?,
            protocol_log: self
                .protocol_log
                .or_else(|| files.clone().map(|files| files as _)),
            bindings,
            lmtp,
            workers: self.workers.unwrap_or_else(|| workers_of(&config)),
            machine: Machine::Real,
            log: log.clone(),
        };
        let tree = TreeHandle::start(blueprint).map_err(StartError::Tree)?;
        let config = Mutex::new(config);
        let server = ServerHandle::new(Parts {
            tree,
            store,
            directory,
            hasher,
            certificates,
            config,
            socket_files: Mutex::new(socket_files),
            listeners_given,
            protocol_log: files,
            log,
        });
        watch::begin(&server);
        Ok(server)
    }
}

/// What takes its time, away from the threads that serve sockets: certificates and the text of
/// warnings are files, and a hasher makes a hash to begin with.
async fn prepare(
    config: Config,
    tls: Option<Arc<dyn TlsAcceptor>>,
    certificates: Option<Certificates>,
) -> Result<(Config, Arc<AnyHash>, Certificates, Upkeep), StartError> {
    let prepared = actix_rt::task::spawn_blocking(move || {
        let own = Argon2id::new(config.auth.cost()?)?;
        let hasher = Arc::new(AnyHash::new(own, config.limits.password_checks.size()));
        let certificates = match certificates {
            Some(loaded) => loaded,
            None => Certificates::load(tls, &config)?,
        };
        let upkeep = upkeep(&config)?;
        Ok((config, hasher, certificates, upkeep))
    });
    prepared
        .await
        .unwrap_or_else(|panic| Err(StartError::Tree(std::io::Error::other(panic))))
}

/// The files of the protocol log, if it is kept.
async fn protocol_log_of(
    config: &Config,
    log: &slog::Logger,
) -> Result<Option<Arc<FileLog>>, StartError> {
    if !config.protocol_log.enabled {
        return Ok(None);
    }
    let rules = rules_of(&config.protocol_log, &config.server.store);
    let (folder, log) = (rules.folder.clone(), log.clone());
    let started = actix_rt::task::spawn_blocking(move || FileLog::start(rules, log));
    match started
        .await
        .unwrap_or_else(|panic| Err(io::Error::other(panic)))
    {
        Ok(files) => Ok(Some(Arc::new(files))),
        Err(source) => Err(StartError::ProtocolLog { folder, source }),
    }
}

/// The sockets of the listeners, each with its certificate.
fn bindings_of(
    bound: Option<Vec<Bound>>,
    config: &Config,
    certificates: &Certificates,
) -> Result<Vec<Binding>, StartError> {
    let bound = match bound {
        Some(bound) => bound,
        None => bind(&config.listener)?,
    };
    let bindings = bound.into_iter().map(|bound| certificates.binding(bound));
    bindings.collect()
}

/// LMTP's sockets, and the files of those that have one.
fn lmtp_of(
    bound: Option<Vec<BoundLmtp>>,
    config: &Config,
) -> Result<(Lmtp, Vec<SocketFile>), StartError> {
    let bound = match bound {
        Some(bound) => bound,
        None => bind_lmtp(&config.lmtp.listener)?,
    };
    Ok(lmtp(config, bound))
}

/// Who has to wait, by the rules of `[auth.throttle]`.
fn throttle_of(config: &Config) -> Result<Throttle, HashError> {
    let rules = config.auth.throttle.rules();
    Throttle::new(rules, config.server.accepted_domains())
}

/// Those that the settings name, made away from the threads that serve sockets.
async fn own_mechanisms(
    config: &Config,
    log: &slog::Logger,
) -> Result<Vec<Arc<dyn Mechanism>>, StartError> {
    let (config, log) = (config.clone(), log.clone());
    let made = actix_rt::task::spawn_blocking(move || mechanisms_of(&config, &log));
    made.await
        .unwrap_or_else(|panic| Err(StartError::Tree(io::Error::other(panic))))
}

fn workers_of(config: &Config) -> usize {
    match config.server.workers {
        Some(workers) => workers.size(),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    }
}
