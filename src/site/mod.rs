//! The way to the servers of other sites, as the configuration has it (MS-STANXPOP3 C0010).
//!
//! Connections go out by native-tls, the portable provider.

mod dialer;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailroost_actors::{Site, SiteLimits, Sites};
use native_tls::{Certificate, Protocol, TlsConnector, TlsConnectorBuilder};

use crate::config::{Config, SiteSettings};
use dialer::TcpDialer;

/// Why a site cannot be reached the way the settings say.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SiteError {
    /// A key is missing that has no default.
    #[error("a site needs {0}")]
    Missing(&'static str),
    /// The file with the certificates that are trusted.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It holds none.
    #[error("{} holds no certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
    /// The TLS library does not take the settings.
    #[error("TLS is not possible: {0}")]
    Tls(#[from] native_tls::Error),
}

/// All sites of the configuration.
///
/// # Errors
/// The first that cannot be reached the way its settings say.
pub fn sites(config: &Config) -> Result<Sites, SiteError> {
    let others = config
        .site
        .iter()
        .map(site)
        .collect::<Result<Vec<_>, _>>()?;
    let own = config.server.site.as_ref().map(|name| name.as_str());
    Ok(Sites::new(own, others))
}

/// One of them.
pub(crate) fn site(settings: &SiteSettings) -> Result<Site, SiteError> {
    let name = settings.name.as_ref().ok_or(SiteError::Missing("name"))?;
    let host = settings.address.as_ref();
    let host = host.ok_or(SiteError::Missing("address"))?.as_str().into();
    let dialer = TcpDialer::new(host, settings.port(), connector(settings)?);
    let limits = SiteLimits {
        connect: settings.connect_timeout.duration(),
        log_on: settings.log_on_timeout.duration(),
        connections_max: settings.max_connections.size(),
        ..SiteLimits::default()
    };
    let security = settings.security.into();
    Ok(Site::new(name.as_str(), security, Arc::new(dialer), limits))
}

/// TLS as the site's settings want it. With a file of its own, nobody else is trusted.
fn connector(settings: &SiteSettings) -> Result<TlsConnector, SiteError> {
    let mut builder = trusting(settings.ca_file.as_deref())?;
    if !settings.verify_certificate {
        builder
            .danger_accept_invalid_certs(true)
            .danger_accept_invalid_hostnames(true);
    }
    Ok(builder.build()?)
}

/// TLS to somebody who proves who they are. With a file of certificates, nobody else may vouch
/// for them.
pub(crate) fn trusting(ca_file: Option<&Path>) -> Result<TlsConnectorBuilder, SiteError> {
    let mut builder = TlsConnector::builder();
    builder.min_protocol_version(Some(Protocol::Tlsv12));
    if let Some(file) = ca_file {
        builder.disable_built_in_roots(true);
        for certificate in certificates(file)? {
            builder.add_root_certificate(certificate);
        }
    }
    Ok(builder)
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, SiteError> {
    let pem = fs::read(file).map_err(|source| SiteError::Unreadable {
        path: file.into(),
        source,
    })?;
    let found = Certificate::stack_from_pem(&pem)?;
    if found.is_empty() {
        return Err(SiteError::NoCertificate(file.into()));
    }
    Ok(found)
}
