//! A server that runs, from outside.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use mailroost_actors::{Ended, LmtpAddress, MaildropContents, Node, TreeHandle};
use mailroost_auth::{AnyHash, PasswordHasher, Secret};
use mailroost_protocol::SizeKind;
use mailroost_storage::{
    Directory, MaildropStore, MessageId, NewUser, Staging, StoreErrorKind, User, UserName,
};

use super::ServerError;
use super::certificates::Certificates;
use super::intake::{blocking, stage};
use super::lmtp::rules;
use super::watch;
use crate::config::Config;
use crate::protocol_log::FileLog;
use crate::unix_socket::SocketFile;
use crate::upkeep::upkeep;

const SECS_PER_DAY: u64 = 24 * 60 * 60;

/// How often the removal of a user is tried again when a session got in between.
const REMOVALS_MAX: usize = 3;

/// A server that runs. Cheap to clone; dropping it stops nothing.
#[derive(Clone)]
pub struct ServerHandle {
    parts: Arc<Parts>,
}

pub(super) struct Parts {
    pub(super) tree: TreeHandle,
    pub(super) store: Arc<dyn MaildropStore>,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) hasher: Arc<AnyHash>,
    pub(super) certificates: Certificates,
    pub(super) config: Mutex<Config>,
    /// Of Unix sockets, which go when the server has ended.
    pub(super) socket_files: Mutex<Vec<SocketFile>>,
    /// The listeners came from the builder; those of a configuration do not count.
    pub(super) listeners_given: bool,
    pub(super) protocol_log: Option<Arc<FileLog>>,
    pub(super) log: slog::Logger,
}

/// What a new configuration changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Settings that differ and are only taken up when the server is started again.
    pub needs_restart: Vec<&'static str>,
}

impl ServerHandle {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
        }
    }

    /// What somebody should look after, one line each: certificates that end soon (`now_secs`
    /// is since 1970-01-01 UTC), keys that everybody can read.
    pub fn certificate_warnings(&self, now_secs: i64) -> Vec<String> {
        let ahead = self.config().tls.expiry_warning.value() * SECS_PER_DAY;
        let ahead = i64::try_from(ahead).unwrap_or(i64::MAX);
        self.parts.certificates.warnings(now_secs, ahead)
    }

    pub(super) fn certificates(&self) -> &Certificates {
        &self.parts.certificates
    }

    pub(super) fn logger(&self) -> &slog::Logger {
        &self.parts.log
    }

    /// The addresses served, in the order in which they were given.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.parts.tree.addresses()
    }

    /// Where LMTP is served, in the order in which it was given.
    pub fn lmtp_addresses(&self) -> &[LmtpAddress] {
        self.parts.tree.lmtp_addresses()
    }

    /// The supervision tree.
    pub fn tree(&self) -> &TreeHandle {
        &self.parts.tree
    }

    /// Where the maildrops are. Whoever changes one behind the server's back is told `Busy`.
    pub fn store(&self) -> &Arc<dyn MaildropStore> {
        &self.parts.store
    }

    /// Where the users are.
    pub fn directory(&self) -> &Arc<dyn Directory> {
        &self.parts.directory
    }

    /// Delivers a message: durable when it returns, and in the view of every session that
    /// logs on later. `message` is read to its end on a thread that may block; octets
    /// (`&'static [u8]`, `Cursor<Vec<u8>>`, `bytes::Buf::reader`) will do as well as a file.
    ///
    /// # Errors
    /// `NoSuchUser`; `Reading`; what the store says. Nothing was delivered then.
    pub async fn deliver(
        &self,
        user: &str,
        message: impl Read + Send + 'static,
    ) -> Result<MessageId, ServerError> {
        self.deliver_as(user, Staging::default(), message).await
    }

    /// The same, with the time of receipt or a unique-id that is carried over.
    ///
    /// # Errors
    /// As `deliver`; `Duplicate` if the unique-id is taken.
    pub async fn deliver_as(
        &self,
        user: &str,
        mut staging: Staging,
        message: impl Read + Send + 'static,
    ) -> Result<MessageId, ServerError> {
        let user = self.user(user).await?;
        staging.octets_max = staging.octets_max.or(self.message_octets_max());
        let delivery = stage(self.parts.store.clone(), staging, message).await?;
        let tree = &self.parts.tree;
        let terms = tree.upkeep().terms_of(&user);
        let ids = tree
            .deliver_on(terms, user.maildrop, vec![delivery])
            .await?;
        ids.first()
            .copied()
            .ok_or(ServerError::Unavailable("the mailbox"))
    }

    /// The largest message that is taken in, in octets as received.
    pub fn message_octets_max(&self) -> Option<u64> {
        self.config()
            .limits
            .max_message_size
            .map(|octets| octets.value())
    }

    /// What is in a user's maildrop now, and a way to read it.
    ///
    /// # Errors
    /// `NoSuchUser`; what the store says.
    pub async fn contents(&self, user: &str) -> Result<MaildropContents, ServerError> {
        let user = self.user(user).await?;
        Ok(self.parts.tree.contents(user.maildrop).await?)
    }

    /// Removes messages, all or none, durable when it returns. Those that are gone already
    /// are passed over. Says how many there were.
    ///
    /// # Errors
    /// `NoSuchUser`; what the store says.
    pub async fn remove(&self, user: &str, messages: Vec<MessageId>) -> Result<usize, ServerError> {
        let user = self.user(user).await?;
        Ok(self.parts.tree.remove(user.maildrop, messages).await?)
    }

    /// The user of that name.
    ///
    /// # Errors
    /// `UserName`, `NoSuchUser`; what the directory says.
    pub async fn user(&self, name: &str) -> Result<User, ServerError> {
        let name = UserName::new(name)?;
        let directory = self.parts.directory.clone();
        blocking(move || match directory.find(&name)? {
            Some(user) => Ok(user),
            None => Err(ServerError::NoSuchUser(name.as_str().into())),
        })
        .await
    }

    /// Adds a user with an empty maildrop, durable when it returns. The password is kept as
    /// an Argon2id hash.
    ///
    /// # Errors
    /// `UserName`; `Duplicate` if the name is taken.
    pub async fn add_user(&self, name: &str, password: &str) -> Result<User, ServerError> {
        let name = UserName::new(name)?;
        let password = Secret::from(password.as_bytes().to_vec());
        let (directory, hasher) = (self.parts.directory.clone(), self.parts.hasher.clone());
        blocking(move || {
            let password_hash = Some(hasher.hash(&password)?);
            Ok::<_, ServerError>(directory.add(NewUser {
                name,
                password_hash,
            })?)
        })
        .await
    }

    /// Whether a password hash could be checked at a log-on. It costs what a log-on costs.
    ///
    /// # Errors
    /// `Hash` if it is none of those that are known, or costs too much.
    pub async fn check_password_hash(&self, stored: String) -> Result<(), ServerError> {
        let hasher = self.parts.hasher.clone();
        blocking(move || hasher.matches(&Secret::from(vec![0]), &stored).map(drop)).await
    }

    /// Ends a user's sessions, then removes the user and the maildrop with all its messages;
    /// durable when it returns.
    ///
    /// # Errors
    /// `NoSuchUser`; `Busy` if sessions come in faster than they can be ended.
    pub async fn remove_user(&self, name: &str) -> Result<User, ServerError> {
        let user = self.user(name).await?;
        let mut attempts = 1;
        loop {
            self.parts.tree.retire(user.maildrop).await?;
            let (directory, name) = (self.parts.directory.clone(), user.name.clone());
            match blocking(move || directory.remove(&name)).await {
                Err(ServerError::Store(error))
                    if error.kind() == StoreErrorKind::Busy && attempts < REMOVALS_MAX =>
                {
                    attempts += 1;
                }
                result => return result,
            }
        }
    }

    /// Whether STAT and LIST report exact sizes to users without an override, in new sessions.
    pub fn exact_rfc822_size(&self) -> bool {
        self.parts.tree.policy().sizes == SizeKind::Exact
    }

    /// The supervision tree as it is now.
    pub async fn census(&self) -> Node {
        self.parts.tree.census().await
    }

    /// Takes up new certificates, quota, retention and rules of the throttle, and, for new sessions, new protocol
    /// settings; sessions go on as they are. All or nothing.
    ///
    /// # Errors
    /// `Reload`, and everything stays as it was.
    pub async fn reload(&self, mut config: Config) -> Result<Reloaded, ServerError> {
        let parts = self.parts.clone();
        if parts.listeners_given {
            config.listener = self.config().listener.clone();
        }
        blocking(move || {
            let upkeep = upkeep(&config).map_err(|error| ServerError::Reload(error.to_string()))?;
            let all_known = parts
                .certificates
                .reload(&config)
                .map_err(|error| ServerError::Reload(error.to_string()))?;
            parts.tree.set_policy(Arc::new(config.protocol.policy()));
            parts.tree.set_upkeep(Arc::new(upkeep));
            let throttle = parts.tree.throttle();
            throttle.set_rules(config.auth.throttle.rules());
            parts.tree.set_lmtp_rules(Arc::new(rules(&config)));
            let mut current = parts.config.lock().unwrap_or_else(PoisonError::into_inner);
            let mut needs_restart = current.needs_restart(&config);
            if !all_known {
                needs_restart.push("tls.certificate");
            }
            // What needs a restart stays as it is, so that the next comparison is right.
            current.tls = config.tls;
            current.certificate = config.certificate;
            if !needs_restart.contains(&"listener") {
                current.listener = config.listener;
            }
            current.protocol = config.protocol;
            current.auth.throttle = config.auth.throttle;
            let lmtp_listener = std::mem::take(&mut current.lmtp.listener);
            current.lmtp = config.lmtp;
            current.lmtp.listener = lmtp_listener;
            current.quota = config.quota;
            current.retention = config.retention;
            slog::info!(parts.log, "configuration reloaded";
                "needs_restart" => needs_restart.join(", "));
            Ok::<_, ServerError>(Reloaded { needs_restart })
        })
        .await
        .inspect(|_| watch::warn_of_certificates(self))
    }

    /// No new connections; sessions end at a command boundary with a notice, and QUITs that
    /// were received are committed; what is left after `server.drain_timeout` is cut.
    /// Resolves when the ports are free. The store stays open: it is the caller's.
    pub async fn drain(&self) {
        let patience = self.config().server.drain_timeout.duration();
        self.parts.tree.drain(patience).await;
        self.remove_socket_files();
        self.flush_protocol_log().await;
    }

    /// Cuts everything now. Resolves like `drain`.
    pub async fn stop(&self) {
        self.parts.tree.stop().await;
        self.remove_socket_files();
        self.flush_protocol_log().await;
    }

    /// Resolves when the server has ended, and says why.
    pub async fn ended(&self) -> Ended {
        self.parts.tree.ended().await
    }

    fn remove_socket_files(&self) {
        let files = &self.parts.socket_files;
        files.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn flush_protocol_log(&self) {
        if let Some(log) = self.parts.protocol_log.clone() {
            let _ = actix_rt::task::spawn_blocking(move || log.flush()).await;
        }
    }

    fn config(&self) -> std::sync::MutexGuard<'_, Config> {
        self.parts
            .config
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
