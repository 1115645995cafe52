//! The certificates of the listeners, and how they are replaced while sessions go on.

use std::net::SocketAddr;
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
    /// One for `[tls]` and one for each listener with a certificate of its own.
    loaded: Vec<(Whose, Arc<ReloadableAcceptor>)>,
}

/// Where a certificate stands in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Everybody,
    Listener(SocketAddr),
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
            for (whose, settings) in wanted(config) {
                loaded.push((whose, Arc::new(ReloadableAcceptor::new(settings)?)));
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
        let wanted = wanted(config);
        // What can be loaded now can be loaded again a moment later.
        for (_, settings) in &wanted {
            ReloadableAcceptor::new(settings.clone())?;
        }
        let mut all_known = true;
        for (whose, settings) in wanted {
            match self.loaded.iter().find(|(other, _)| *other == whose) {
                Some((_, acceptor)) => acceptor.replace(settings)?,
                None => all_known = false,
            }
        }
        Ok(all_known || self.given.is_some())
    }

    fn acceptor_of(&self, listener: &ListenerSettings) -> Option<Arc<dyn TlsAcceptor>> {
        if let Some(given) = &self.given {
            return Some(given.clone());
        }
        let find = |wanted: &Whose| self.loaded.iter().find(|(whose, _)| whose == wanted);
        let own = Whose::Listener(listener.socket_address());
        let (_, acceptor) = find(&own).or_else(|| find(&Whose::Everybody))?;
        Some(acceptor.clone())
    }
}

/// The certificates that a configuration names.
fn wanted(config: &Config) -> Vec<(Whose, TlsSettings)> {
    let provider = config.tls.provider.into();
    let own = config.listener.iter().map(|listener| {
        (
            Whose::Listener(listener.socket_address()),
            &listener.certificate,
            &listener.key,
        )
    });
    std::iter::once((Whose::Everybody, &config.tls.certificate, &config.tls.key))
        .chain(own)
        .filter_map(|(whose, certificate, key)| {
            let (certificate, key) = (certificate.clone()?, key.clone()?);
            let certificates = vec![CertificateFiles { certificate, key }];
            Some((
                whose,
                TlsSettings {
                    provider,
                    certificates,
                },
            ))
        })
        .collect()
}
