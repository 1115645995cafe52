//! Connections to the servers, kept for the next log-on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings};
use native_tls::TlsConnector;
use secrecy::ExposeSecret;

use super::{Failed, Service};
use crate::AuthError;
use crate::limits::LDAP_CONNECTIONS_KEPT_MAX;

/// Those that search are bound as the service, those that bind are never searched on as anybody
/// but who bound last.
pub(super) struct Connections {
    servers: Vec<String>,
    settings: LdapConnSettings,
    /// The server that worked last.
    turn: AtomicUsize,
    searchers: Mutex<Vec<Ldap>>,
    binders: Mutex<Vec<Ldap>>,
}

impl Connections {
    pub(super) fn new(servers: Vec<String>, insecure: bool, connector: TlsConnector) -> Self {
        Self {
            servers,
            // ldaps:// does not look at it.
            settings: LdapConnSettings::new()
                .set_starttls(!insecure)
                .set_connector(connector),
            turn: AtomicUsize::new(0),
            searchers: Mutex::default(),
            binders: Mutex::default(),
        }
    }

    /// After a failure: other connections to that server are of no more use.
    pub(super) fn turn_to_the_next(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
        for kept in [&self.searchers, &self.binders] {
            lock(kept).clear();
        }
    }

    /// One that is bound as the service.
    pub(super) async fn searcher(&self, service: Option<&Service>) -> Result<Ldap, Failed> {
        if let Some(kept) = take(&self.searchers) {
            return Ok(kept);
        }
        let mut ldap = self.connect().await?;
        if let Some(Service { name, password }) = service {
            let password = std::str::from_utf8(password.expose_secret());
            let password =
                password.map_err(|_| Failed::Broken("its password is no text".into()))?;
            let result = ldap.simple_bind(name, password).await?;
            if result.rc != 0 {
                let why = format!("the LDAP server refuses bind_dn with code {}", result.rc);
                return Err(AuthError::Unavailable(why).into());
            }
        }
        Ok(ldap)
    }

    pub(super) fn put_searcher_back(&self, ldap: Ldap) {
        put(&self.searchers, ldap);
    }

    /// One to bind on.
    pub(super) async fn binder(&self) -> Result<Ldap, Failed> {
        match take(&self.binders) {
            Some(kept) => Ok(kept),
            None => self.connect().await,
        }
    }

    pub(super) fn put_binder_back(&self, ldap: Ldap) {
        put(&self.binders, ldap);
    }

    async fn connect(&self) -> Result<Ldap, Failed> {
        let turn = self.turn.load(Ordering::Relaxed);
        let server = &self.servers[turn % self.servers.len()];
        let connected = LdapConnAsync::with_settings(self.settings.clone(), server).await;
        let (connection, ldap) =
            connected.map_err(|error| Failed::Broken(format!("{server}: {error}")))?;
        // It ends when the last handle is dropped.
        tokio::spawn(connection.drive());
        Ok(ldap)
    }
}

fn lock(kept: &Mutex<Vec<Ldap>>) -> std::sync::MutexGuard<'_, Vec<Ldap>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(kept: &Mutex<Vec<Ldap>>) -> Option<Ldap> {
    let mut kept = lock(kept);
    while let Some(mut ldap) = kept.pop() {
        if !ldap.is_closed() {
            return Some(ldap);
        }
    }
    None
}

fn put(kept: &Mutex<Vec<Ldap>>, ldap: Ldap) {
    let mut kept = lock(kept);
    if kept.len() < LDAP_CONNECTIONS_KEPT_MAX {
        kept.push(ldap);
    }
}
