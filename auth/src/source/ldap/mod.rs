//! LDAP (RFC 4511) and Active Directory: the password is right if the server lets its owner bind.

mod answer;
mod connections;
mod entry;
mod template;

use std::time::Duration;

use ldap3::{Ldap, LdapError, Scope, SearchOptions, SearchResult};
use native_tls::TlsConnector;
use secrecy::ExposeSecret;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::foreign::{Claim, ForeignAccount, ForeignPasswords, Notices};
use crate::{AuthError, Secret};
use connections::Connections;
use template::Form;

pub use entry::Attributes;
pub use template::Template;

/// How to reach the servers, and how to find somebody there.
pub struct LdapSettings {
    /// Where: `ldaps://HOST[:PORT]`, or `ldap://HOST[:PORT]` for StartTLS. In order; the next one
    /// is tried when one fails.
    pub servers: Vec<String>,
    /// Without StartTLS on `ldap://`: whoever is on the way reads the passwords.
    pub insecure: bool,
    /// How servers prove who they are.
    pub connector: TlsConnector,
    /// How somebody is found.
    pub look_up: LookUp,
    /// What else is read of an entry.
    pub attributes: Attributes,
    /// How long one check may take, with all connections and all servers.
    pub time_limit: Duration,
}

/// How somebody's entry is found.
pub enum LookUp {
    /// It is searched for.
    Search {
        /// Who searches; nobody in particular if it is not set.
        service: Option<Service>,
        /// Below this entry.
        base: String,
        /// By this filter.
        filter: Template,
    },
    /// Its DN follows from the name, or the server takes a name in place of one.
    Direct {
        /// Which.
        user: Template,
        /// Below this entry, and by this filter, attributes are read where a server takes names.
        search: Option<(String, Template)>,
    },
}

/// Who searches.
pub struct Service {
    /// Its DN, or a name that the server takes.
    pub name: String,
    /// Its password.
    pub password: Secret,
}

/// A [`ForeignPasswords`] over LDAP servers.
pub struct LdapPasswords {
    connections: Connections,
    look_up: LookUp,
    attributes: Attributes,
    share: Duration,
    attempts: usize,
    notices: Notices,
    /// Drives the connections; `None` only while it is dropped.
    runtime: Option<Runtime>,
}

/// Why an attempt came to nothing.
enum Failed {
    /// The connection did not work; another one may.
    Broken(String),
    /// There is an answer.
    Refused(AuthError),
}

impl From<LdapError> for Failed {
    fn from(error: LdapError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<AuthError> for Failed {
    fn from(error: AuthError) -> Self {
        Self::Refused(error)
    }
}

type Found = Option<(String, ForeignAccount)>;

impl LdapPasswords {
    /// Connects when it is first asked.
    ///
    /// # Errors
    /// When the system gives no thread to drive the connections.
    pub fn new(settings: LdapSettings, notices: Notices) -> std::io::Result<Self> {
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).thread_name("ldap").enable_all();
        // A connection that was closed meanwhile costs one attempt.
        let attempts = settings.servers.len().max(2);
        Ok(Self {
            attempts,
            share: settings.time_limit / u32::try_from(attempts).unwrap_or(u32::MAX),
            connections: Connections::new(settings.servers, settings.insecure, settings.connector),
            look_up: settings.look_up,
            attributes: settings.attributes,
            notices,
            runtime: Some(runtime.build()?),
        })
    }

    /// Runs `work`, and once more on another connection or server if one breaks or hangs.
    fn attempt<T>(&self, work: impl AsyncFn() -> Result<T, Failed>) -> Result<T, AuthError> {
        let Some(runtime) = &self.runtime else {
            return Err(AuthError::Unavailable("it is shutting down".to_owned()));
        };
        runtime.block_on(async {
            let mut why = String::new();
            for _ in 0..self.attempts {
                match timeout(self.share, work()).await {
                    Ok(Ok(done)) => return Ok(done),
                    Ok(Err(Failed::Refused(error))) => return Err(error),
                    Ok(Err(Failed::Broken(broken))) => why = broken,
                    Err(_elapsed) => why = "it takes too long to answer".to_owned(),
                }
                self.connections.turn_to_the_next();
            }
            Err(AuthError::Unavailable(why))
        })
    }

    async fn prove(&self, claim: &Claim<'_>, password: &str) -> Result<ForeignAccount, Failed> {
        match &self.look_up {
            LookUp::Search {
                service,
                base,
                filter,
            } => {
                let filter = filter
                    .fill(Form::Filter, claim)
                    .ok_or(AuthError::UnknownUser)?;
                let Some((dn, account)) = self.find(service.as_ref(), base, &filter).await? else {
                    // Somebody who is not there costs a bind as well.
                    self.bind_nobody(password).await?;
                    return Err(AuthError::UnknownUser.into());
                };
                let bound = self.bind(&dn, password).await?;
                self.connections.put_binder_back(bound);
                Ok(account)
            }
            LookUp::Direct { user, search } => {
                let name = user
                    .fill(user.form(), claim)
                    .ok_or(AuthError::UnknownUser)?;
                let mut ldap = self.bind(&name, password).await?;
                let found = match (self.attributes.are_none(), user.form(), search) {
                    (false, Form::Dn, _) => {
                        let (base, any) = (name.as_str(), "(objectClass=*)");
                        self.search(&mut ldap, base, Scope::Base, any).await?
                    }
                    (false, Form::Principal | Form::Filter, Some((base, filter))) => {
                        let filter = filter.fill(Form::Filter, claim);
                        let filter = filter.ok_or(AuthError::UnknownUser)?;
                        self.search(&mut ldap, base, Scope::Subtree, &filter)
                            .await?
                    }
                    (true, ..) | (false, Form::Principal | Form::Filter, None) => None,
                };
                self.connections.put_binder_back(ldap);
                Ok(found.map(|(_, account)| account).unwrap_or_default())
            }
        }
    }

    /// DN and attributes of the one entry that the filter means.
    async fn find(
        &self,
        service: Option<&Service>,
        base: &str,
        filter: &str,
    ) -> Result<Found, Failed> {
        let mut ldap = self.connections.searcher(service).await?;
        let found = self.search(&mut ldap, base, Scope::Subtree, filter).await;
        if let Ok(_) | Err(Failed::Refused(_)) = found {
            self.connections.put_searcher_back(ldap);
        }
        found
    }

    async fn search(
        &self,
        ldap: &mut Ldap,
        base: &str,
        scope: Scope,
        filter: &str,
    ) -> Result<Found, Failed> {
        // One more than is wanted shows that the filter means several.
        ldap.with_search_options(SearchOptions::new().sizelimit(2));
        let names = self.attributes.names();
        let SearchResult(entries, result) = ldap.search(base, scope, filter, names).await?;
        let mut entries = entries.into_iter().filter(|entry| !entry.is_ref());
        match (result.rc, entries.next(), entries.next()) {
            // noSuchObject
            (0 | 32, None, _) => Ok(None),
            (0, Some(entry), None) => Ok(Some(self.attributes.read(entry, &self.notices)?)),
            (0 | 4, Some(_), _) => Err(AuthError::NotPermitted(
                "the name means several entries of the LDAP server",
            )
            .into()),
            (code, _, _) => {
                let why = format!("the LDAP server refuses the search with code {code}");
                Err(AuthError::Unavailable(why).into())
            }
        }
    }

    /// Binds as somebody; who has done with the connection puts it back.
    async fn bind(&self, name: &str, password: &str) -> Result<Ldap, Failed> {
        let mut ldap = self.connections.binder().await?;
        let result = ldap.simple_bind(name, password).await?;
        match answer::of_bind(&result) {
            Ok(()) => Ok(ldap),
            Err(error) => {
                self.connections.put_binder_back(ldap);
                Err(error.into())
            }
        }
    }

    async fn bind_nobody(&self, password: &str) -> Result<(), Failed> {
        match self.bind("cn=nobody", password).await {
            Ok(_) | Err(Failed::Refused(_)) => Ok(()),
            Err(broken) => Err(broken),
        }
    }
}

impl ForeignPasswords for LdapPasswords {
    fn check(&self, claim: &Claim<'_>, password: &Secret) -> Result<ForeignAccount, AuthError> {
        let Ok(password) = std::str::from_utf8(password.expose_secret()) else {
            return Err(AuthError::WrongPassword);
        };
        // RFC 4513 s5.1.2: a bind without a password is an unauthenticated one, and succeeds.
        if password.is_empty() {
            return Err(AuthError::WrongPassword);
        }
        self.attempt(async || self.prove(claim, password).await)
    }

    fn feign(&self, password: &Secret) {
        let Ok(password) = std::str::from_utf8(password.expose_secret()) else {
            return;
        };
        if password.is_empty() {
            return;
        }
        // What comes of it is of no interest.
        let _ = self.attempt(async || {
            if let LookUp::Search { service, base, .. } = &self.look_up {
                self.find(service.as_ref(), base, "(!(objectClass=*))")
                    .await?;
            }
            self.bind_nobody(password).await
        });
    }
}

impl Drop for LdapPasswords {
    /// It may be dropped where nothing may block.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
