//! The certificates of the listeners, and how they are replaced while sessions go on.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use mailroost_actors::tls::TlsAcceptor;
use mailroost_actors::{Binding, Security as TreeSecurity};

use super::StartError;
use super::sockets::Bound;
use crate::config::{Config, ListenerSettings, Security};
use crate::tls::{CertificateFiles, ReloadableAcceptor, TlsSetupError};

/// Who makes TLS on which listener.
pub(crate) struct Certificates {
    given: Option<Arc<dyn TlsAcceptor>>,
    loaded: Vec<(Source, Arc<ReloadableAcceptor>)>,
}

/// Where a listener's default certificate stands in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    /// The listener that has its own; `None` is `[tls]`.
    listener: Option<SocketAddr>,
    files: CertificateFiles,
}

impl Certificates {
    /// Loads what the configuration names, unless an acceptor is given.
    ///
    /// # Errors
    /// One line that names the file.
    pub(crate) fn load(
        given: Option<Arc<dyn TlsAcceptor>>,
        config: &Config,
    ) -> Result<Self, TlsSetupError> {
        let mut loaded = Vec::new();
        if given.is_none() {
            for source in sources(config) {
                let acceptor = ReloadableAcceptor::new(config.tls_settings(source.files.clone()))?;
                loaded.push((source, Arc::new(acceptor)));
            }
        }
        Ok(Self { given, loaded })
    }

    /// Whether there is anything to look after.
    pub(super) fn is_empty(&self) -> bool {
        self.loaded.is_empty()
    }

    /// What somebody should look after within `ahead_secs`, one line each.
    pub(super) fn warnings(&self, now_secs: i64, ahead_secs: i64) -> Vec<String> {
        let mut warnings = Vec::new();
        for (_, acceptor) in &self.loaded {
            for facts in acceptor.certificates() {
                warnings.extend(facts.warnings(now_secs, ahead_secs));
            }
        }
        // Many listeners show the same one.
        let mut told = HashSet::new();
        warnings.retain(|warning| told.insert(warning.clone()));
        warnings
    }

    /// New keys for session tickets; see [`ReloadableAcceptor::renew_ticket_keys`].
    ///
    /// # Errors
    /// The first one. The others are renewed all the same.
    pub(super) fn renew_ticket_keys(&self) -> Result<(), TlsSetupError> {
        let mut renewed = Ok(());
        for (_, acceptor) in &self.loaded {
            renewed = renewed.and(acceptor.renew_ticket_keys());
        }
        renewed
    }

    /// The socket with the TLS that it needs or offers.
    pub(super) fn binding(&self, bound: Bound) -> Result<Binding, StartError> {
        let Bound { socket, listener } = bound;
        let tls = self.acceptor_of(&listener);
        let security = match listener.security {
            Security::Stls => TreeSecurity::Stls,
            Security::ImplicitTls => TreeSecurity::ImplicitTls,
        };
        if tls.is_none() && security == TreeSecurity::ImplicitTls {
            return Err(StartError::NoCertificate(listener.socket_address()));
        }
        Ok(Binding {
            socket,
            security,
            tls,
        })
    }

    /// Loads all certificates anew, from where `config` has them now; handshakes that begin
    /// later see them. Either all are replaced or none. `false` if there is a certificate
    /// where there was none, or none where there was one: the listeners do not know it.
    ///
    /// # Errors
    /// Names the file.
    pub(super) fn reload(&self, config: &Config) -> Result<bool, TlsSetupError> {
        let sources = sources(config);
        // What can be loaded now can be loaded again a moment later.
        for source in &sources {
            ReloadableAcceptor::new(config.tls_settings(source.files.clone()))?;
        }
        // A listener's own that is gone is said of the listener.
        let for_everybody = |source: &Source| source.listener.is_none();
        let mut all_known = sources.iter().any(for_everybody)
            || !self.loaded.iter().any(|(known, _)| for_everybody(known));
        for source in &sources {
            match self.place(source) {
                Some(acceptor) => acceptor.replace(config.tls_settings(source.files.clone()))?,
                None => all_known = false,
            }
        }
        Ok(all_known || self.given.is_some())
    }

    /// Where certificates belong, though they may be in other files now.
    fn place(&self, source: &Source) -> Option<&ReloadableAcceptor> {
        let same = |known: &Source| known == source;
        let same_listener = |known: &Source| known.listener == source.listener;
        let find = |is: &dyn Fn(&Source) -> bool| self.loaded.iter().find(|(known, _)| is(known));
        find(&same)
            .or_else(|| find(&same_listener))
            .map(|(_, acceptor)| &**acceptor)
    }

    fn acceptor_of(&self, listener: &ListenerSettings) -> Option<Arc<dyn TlsAcceptor>> {
        if let Some(given) = &self.given {
            return Some(given.clone());
        }
        let own = own(listener);
        let (_, acceptor) = self.loaded.iter().find(|(known, _)| match &own {
            Some(own) => known == own,
            None => known.listener.is_none(),
        })?;
        Some(acceptor.clone())
    }
}

/// The default certificates that a configuration names.
fn sources(config: &Config) -> Vec<Source> {
    let everybody = config.tls.certificate_files();
    let everybody = everybody.map(|files| Source {
        listener: None,
        files,
    });
    everybody
        .into_iter()
        .chain(config.listener.iter().filter_map(own))
        .collect()
}

fn own(listener: &ListenerSettings) -> Option<Source> {
    let files = listener.certificate_files()?;
    Some(Source {
        listener: Some(listener.socket_address()),
        files,
    })
}
