//! The certificates of the listeners, and how they are replaced while sessions go on.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mailroost_actors::tls::{BoxedIo, Handshake, TlsAcceptor};
use mailroost_actors::{Binding, Security as TreeSecurity};

use super::StartError;
use super::sockets::Bound;
use crate::config::{Config, ListenerSettings, Security, TlsProvider};

/// Who makes TLS on which listener.
pub(super) struct Certificates {
    given: Option<Arc<dyn TlsAcceptor>>,
    /// One for `[tls]` and one for each listener with a certificate of its own.
    loaded: Vec<(Whose, Arc<Replaceable>)>,
}

/// Where a certificate stands in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose {
    Everybody,
    Listener(std::net::SocketAddr),
}

/// What a certificate is loaded from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    whose: Whose,
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificates {
    /// Loads what the configuration names, unless an acceptor is given.
    ///
    /// # Errors
    /// One line that names the file.
    pub(super) fn load(
        given: Option<Arc<dyn TlsAcceptor>>,
        config: &Config,
    ) -> Result<Self, String> {
        if given.is_some() {
            return Ok(Self {
                given,
                loaded: Vec::new(),
            });
        }
        let provider = config.tls.provider;
        let load = |source: Source| {
            let acceptor = acceptor(provider, &source)?;
            Ok((
                source.whose,
                Arc::new(Replaceable(ArcSwap::from_pointee(acceptor))),
            ))
        };
        let loaded = sources(config)
            .into_iter()
            .map(load)
            .collect::<Result<_, String>>()?;
        Ok(Self {
            given: None,
            loaded,
        })
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
            let address = listener.socket_address();
            return Err(StartError::Tls(format!(
                "{address}: implicit TLS needs a certificate"
            )));
        }
        Ok(Binding {
            socket,
            security,
            tls,
        })
    }

    /// Loads all certificates anew, from where `config` has them now; handshakes that begin
    /// later see them. Either all are replaced or none.
    ///
    /// # Errors
    /// One line that names the file.
    pub(super) fn reload(&self, config: &Config) -> Result<(), String> {
        let provider = config.tls.provider;
        let fresh = sources(config)
            .into_iter()
            .filter_map(|source| {
                let (_, place) = self
                    .loaded
                    .iter()
                    .find(|(whose, _)| *whose == source.whose)?;
                Some(acceptor(provider, &source).map(|acceptor| (place, acceptor)))
            })
            .collect::<Result<Vec<_>, String>>()?;
        for (place, acceptor) in fresh {
            place.0.store(Arc::new(acceptor));
        }
        Ok(())
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

/// An acceptor that another can take the place of. Connections keep what they began with.
struct Replaceable(ArcSwap<Arc<dyn TlsAcceptor>>);

impl TlsAcceptor for Replaceable {
    fn accept(&self, io: BoxedIo) -> Handshake {
        self.0.load().accept(io)
    }
}

fn sources(config: &Config) -> Vec<Source> {
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
            Some(Source {
                whose,
                certificate,
                key,
            })
        })
        .collect()
}

fn acceptor(provider: TlsProvider, source: &Source) -> Result<Arc<dyn TlsAcceptor>, String> {
    Err(format!("{provider:?} {source:?}"))
}
