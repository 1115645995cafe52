//! The certificates of the listeners, and how they are replaced while sessions go on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use mailroost_actors::tls::TlsAcceptor;
use mailroost_actors::{Binding, Security as TreeSecurity};

use super::StartError;
use super::sockets::Bound;
use crate::config::{Config, ListenerSettings, Security};
use crate::tls::{
    CertificateFacts, CertificateFiles, ReloadableAcceptor, TlsSettings, TlsSetupError,
};

/// How far ahead the end of a certificate is told, in seconds: three weeks, when whoever renews
/// them should have done it.
const EXPIRY_AHEAD_SECS: i64 = 21 * 24 * 60 * 60;

/// Who makes TLS on which listener.
pub(super) struct Certificates {
    given: Option<Arc<dyn TlsAcceptor>>,
    loaded: Vec<(Source, Arc<ReloadableAcceptor>)>,
}

/// Where a certificate stands in the configuration, and in which files it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    /// The listener that has it for itself; `None` is `[tls]`.
    listener: Option<SocketAddr>,
    files: CertificateFiles,
}

impl Certificates {
    /// Loads what the configuration names, unless an acceptor is given.
    ///
    /// # Errors
    /// One line that names the file.
    pub(super) fn load(
        given: Option<Arc<dyn TlsAcceptor>>,
        config: &Config,
    ) -> Result<Self, TlsSetupError> {
        let mut loaded = Vec::new();
        if given.is_none() {
            for source in sources(config) {
                let acceptor = ReloadableAcceptor::new(settings(config, &source))?;
                loaded.push((source, Arc::new(acceptor)));
            }
        }
        Ok(Self { given, loaded })
    }

    /// What somebody should look after, one line each.
    pub(super) fn warnings(&self, now_secs: i64) -> Vec<String> {
        let facts = self
            .loaded
            .iter()
            .flat_map(|(_, acceptor)| acceptor.certificates());
        facts
            .flat_map(|facts: CertificateFacts| facts.warnings(now_secs, EXPIRY_AHEAD_SECS))
            .collect()
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
    /// where there was none: the listeners do not know it.
    ///
    /// # Errors
    /// Names the file.
    pub(super) fn reload(&self, config: &Config) -> Result<bool, TlsSetupError> {
        let sources = sources(config);
        // What can be loaded now can be loaded again a moment later.
        for source in &sources {
            ReloadableAcceptor::new(settings(config, source))?;
        }
        let mut all_known = true;
        for source in &sources {
            match self.place(source) {
                Some(acceptor) => acceptor.replace(settings(config, source))?,
                None => all_known = false,
            }
        }
        Ok(all_known || self.given.is_some())
    }

    /// Where a certificate belongs, though it may be in other files now.
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
        let own = source(
            Some(listener.socket_address()),
            &listener.certificate,
            &listener.key,
        );
        let (_, acceptor) = self.loaded.iter().find(|(known, _)| match &own {
            Some(own) => known == own,
            None => known.listener.is_none(),
        })?;
        Some(acceptor.clone())
    }
}

/// The certificates that a configuration names.
fn sources(config: &Config) -> Vec<Source> {
    let own = config.listener.iter().filter_map(|listener| {
        let address = Some(listener.socket_address());
        source(address, &listener.certificate, &listener.key)
    });
    let everybody = source(None, &config.tls.certificate, &config.tls.key);
    everybody.into_iter().chain(own).collect()
}

fn source(
    listener: Option<SocketAddr>,
    certificate: &Option<PathBuf>,
    key: &Option<PathBuf>,
) -> Option<Source> {
    let (certificate, key) = (certificate.clone()?, key.clone()?);
    let files = CertificateFiles { certificate, key };
    Some(Source { listener, files })
}

fn settings(config: &Config, source: &Source) -> TlsSettings {
    TlsSettings {
        provider: config.tls.provider.into(),
        certificates: vec![source.files.clone()],
    }
}
