//! The way to the other sites (MS-STANXPOP3 C0010): which server has a user's maildrop, a log-on
//! there within its limits, and the octets that pass afterwards.
//!
//! There is no actor in it. A connection to a site belongs to the session that asked for it and
//! dies with it; what is counted here lives above all sessions and is given back by guards.

mod log_on;
mod passage;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mailroost_auth::Breaker;
use tokio::sync::Semaphore;

use crate::tls::BoxedIo;
pub(crate) use log_on::{NotHandedOn, Onward};
pub(crate) use passage::{Broken, Passage, Passed};

/// Which sites there are, and which is the server's own.
#[derive(Clone, Default)]
pub struct Sites {
    own: Option<Box<str>>,
    others: HashMap<Box<str>, Arc<Site>>,
}

/// A site, its server and how much it may cost.
pub struct Site {
    name: Box<str>,
    security: SiteSecurity,
    dialer: Arc<dyn Dialer>,
    limits: SiteLimits,
    connections: Arc<Semaphore>,
    breaker: Breaker,
}

/// How octets are protected on the way to a site's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SiteSecurity {
    /// The TLS handshake comes first (RFC 8314).
    ImplicitTls,
    /// STLS comes before the log-on (RFC 2595 s4).
    Stls,
    /// Not at all: passwords and mail can be read on the way.
    DangerousPlaintext,
}

/// How much one site's server may cost.
#[derive(Debug, Clone)]
pub struct SiteLimits {
    /// For the connection, and for the handshake of implicit TLS.
    pub connect: Duration,
    /// For the rest of the log-on there, from its greeting to its answer to PASS.
    pub log_on: Duration,
    /// Connections at once.
    pub connections_max: usize,
    /// Failures in a row after which the server is left alone for `rest`, so that a dead one
    /// does not hold sessions (KB932905).
    pub failures_max: u32,
    /// See `failures_max`. One session tries again after it.
    pub rest: Duration,
}

impl Default for SiteLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            log_on: Duration::from_secs(30),
            connections_max: 1_000,
            failures_max: 3,
            rest: Duration::from_secs(10),
        }
    }
}

/// A connection under way.
pub type Dialing = Pin<Box<dyn Future<Output = Result<BoxedIo, String>> + Send>>;

/// Makes connections to one server. Their deadlines are the caller's business.
pub trait Dialer: Send + Sync + 'static {
    /// A connection without TLS. An error is one line that says why there is none.
    fn connect(&self) -> Dialing;

    /// Puts TLS on a connection, client side; the server's certificate is checked unless the
    /// dialer was told not to.
    fn start_tls(&self, io: BoxedIo) -> Dialing;
}

impl Sites {
    /// `own` is the name of the server's own site, `others` are those that sessions can be
    /// handed on to.
    pub fn new(own: Option<&str>, others: impl IntoIterator<Item = Site>) -> Self {
        Self {
            own: own.map(Into::into),
            others: others
                .into_iter()
                .map(|site| (site.name.clone(), Arc::new(site)))
                .collect(),
        }
    }

    /// Whether the maildrops of that site's users are here.
    pub(crate) fn is_own(&self, site: &str) -> bool {
        self.own.as_deref() == Some(site)
    }

    /// Whether a session could be handed on at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.others.is_empty()
    }

    pub(crate) fn find(&self, site: &str) -> Option<&Arc<Site>> {
        self.others.get(site)
    }
}

impl Site {
    /// The site of that name, and the way to its server.
    pub fn new(
        name: &str,
        security: SiteSecurity,
        dialer: Arc<dyn Dialer>,
        limits: SiteLimits,
    ) -> Self {
        let connections_max = limits.connections_max.min(Semaphore::MAX_PERMITS);
        Self {
            name: name.into(),
            security,
            dialer,
            connections: Arc::new(Semaphore::new(connections_max)),
            breaker: Breaker::new(limits.failures_max, limits.rest),
            limits,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Sites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sites")
            .field("own", &self.own)
            .field("others", &self.others.keys())
            .finish()
    }
}
