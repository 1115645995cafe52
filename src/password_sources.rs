//! The password sources that the configuration names, in their order.

use std::fs;
use std::sync::Arc;

use mailroost_auth::source::PamPasswords;
use mailroost_auth::source::ldap::{
    Attributes, LdapPasswords, LdapSettings, LookUp, Service, Template,
};
use mailroost_auth::{
    AnyHash, CacheLimits, ChainLink, DirectoryPasswords, ForeignLink, ForeignPasswords, Guarded,
    LinkedSource, Notices, PasswdFile, PasswordCache, PasswordChain, PasswordSource, Secret,
};
use mailroost_storage::Directory;
use zeroize::Zeroizing;

use crate::config::{AttributeName, Config, SourceKind, SourceSettings};
use crate::server::{NtlmError, StartError, sealing_key};
use crate::site::{SiteError, trusting};

/// Who knows passwords.
///
/// # Errors
/// When a source cannot be set up as its settings say.
pub(crate) async fn password_source(
    directory: Arc<dyn Directory>,
    hasher: Arc<AnyHash>,
    config: &Config,
    log: &slog::Logger,
) -> Result<Arc<dyn PasswordSource>, StartError> {
    let (config, log) = (config.clone(), log.clone());
    let built = actix_rt::task::spawn_blocking(move || build(directory, hasher, &config, &log));
    built
        .await
        .unwrap_or_else(|panic| Err(StartError::Tree(std::io::Error::other(panic))))
}

fn build(
    directory: Arc<dyn Directory>,
    hasher: Arc<AnyHash>,
    config: &Config,
    log: &slog::Logger,
) -> Result<Arc<dyn PasswordSource>, StartError> {
    let cache = PasswordCache::new(CacheLimits {
        users_max: config.auth.cache_users.size(),
        age_max: config.auth.cache_age.duration(),
    })?;
    let domains = config.server.accepted_domains();
    let mut own = DirectoryPasswords::new(directory, hasher.clone(), cache).accepting(domains);
    if let Some(key) = sealing_key(config)? {
        own = own.unsealing(key).map_err(NtlmError::from)?;
    }
    if config.auth.scram.store {
        own = own.keeping_scram_keys();
    }
    if config.auth.source.is_empty() {
        return Ok(Arc::new(own));
    }
    let setup = Setup {
        hasher,
        config,
        log,
    };
    let sources = config.auth.source.iter();
    let links = sources.map(|source| setup.link(source));
    let links = links.collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(PasswordChain::new(Arc::new(own), links)))
}

/// How many threads the foreign sources may keep waiting, beside those that hash.
pub(crate) fn waiting_threads(config: &Config) -> usize {
    let foreign = config
        .auth
        .source
        .iter()
        .filter(|source| match source.kind {
            SourceKind::Directory => false,
            SourceKind::PasswdFile | SourceKind::Ldap | SourceKind::Pam => true,
        });
    foreign.map(|source| source.max_checks.size()).sum()
}

struct Setup<'a> {
    hasher: Arc<AnyHash>,
    config: &'a Config,
    log: &'a slog::Logger,
}

impl Setup<'_> {
    fn link(&self, settings: &SourceSettings) -> Result<ChainLink, StartError> {
        let source = match settings.kind {
            SourceKind::Directory => LinkedSource::Directory,
            SourceKind::PasswdFile => {
                let path = settings.file.clone();
                let path = path.ok_or(StartError::Missing("file of a passwd_file"))?;
                let name = path.display().to_string();
                let file = PasswdFile::new(path, self.hasher.clone(), self.notices());
                LinkedSource::Foreign(self.foreign(settings, Arc::new(file), &name)?)
            }
            SourceKind::Pam => {
                let service = settings.service.as_ref();
                let service = service.ok_or(StartError::Missing("service of a pam source"))?;
                let (service, helper) = (service.as_str().to_owned(), settings.helper.clone());
                let time_limit = settings.time_limit.duration();
                let pam = PamPasswords::new(helper.clone(), service, time_limit)
                    .map_err(|source| StartError::PamHelper { helper, source })?;
                LinkedSource::Foreign(self.foreign(settings, Arc::new(pam), "pam")?)
            }
            SourceKind::Ldap => {
                let name = settings
                    .servers
                    .first()
                    .map_or("ldap", |server| server.as_str());
                let ldap = LdapPasswords::new(ldap_settings(settings)?, self.notices());
                let ldap = ldap.map_err(StartError::Tree)?;
                LinkedSource::Foreign(self.foreign(settings, Arc::new(ldap), name)?)
            }
        };
        Ok(ChainLink {
            source,
            on_wrong_password: settings.on_wrong_password.into(),
        })
    }

    fn foreign(
        &self,
        settings: &SourceSettings,
        source: Arc<dyn ForeignPasswords>,
        name: &str,
    ) -> Result<ForeignLink, StartError> {
        let auth = &self.config.auth;
        let cache = PasswordCache::new(CacheLimits {
            users_max: auth.cache_users.size(),
            age_max: settings.cache_age.duration().min(auth.cache_age.duration()),
        })?;
        let guarded = Guarded::new(source, settings.max_checks.size(), settings.rest.duration());
        Ok(ForeignLink {
            source: Arc::new(guarded),
            cache,
            provision: settings.provision,
            name: name.into(),
        })
    }

    fn notices(&self) -> Notices {
        let log = self.log.clone();
        Arc::new(move |text| slog::warn!(log, "{}", text))
    }
}

fn ldap_settings(settings: &SourceSettings) -> Result<LdapSettings, StartError> {
    let text = |name: &Option<AttributeName>| name.as_ref().map(|name| name.as_str().to_owned());
    let template = |text: &str| Template::new(text).ok_or(StartError::Missing("name in a filter"));
    let base = settings.base.as_ref().map(|base| base.as_str().to_owned());
    let filter = template(settings.filter.as_str())?;
    let look_up = match &settings.user_dn {
        Some(user) => LookUp::Direct {
            user: template(user.as_str())?,
            search: base.map(|base| (base, filter)),
        },
        None => LookUp::Search {
            service: service(settings)?,
            base: base.ok_or(StartError::Missing("base of an ldap source"))?,
            filter,
        },
    };
    Ok(LdapSettings {
        servers: settings
            .servers
            .iter()
            .map(|url| url.as_str().to_owned())
            .collect(),
        insecure: settings.insecure,
        connector: trusting(settings.ca_file.as_deref())?
            .build()
            .map_err(SiteError::from)?,
        look_up,
        attributes: Attributes {
            maildrop: text(&settings.maildrop_attribute),
            quota: text(&settings.quota_attribute),
            site: text(&settings.site_attribute),
            enabled: text(&settings.enabled_attribute),
        },
        time_limit: settings.time_limit.duration(),
    })
}

/// Who searches, with the password from its file.
pub(crate) fn service(settings: &SourceSettings) -> Result<Option<Service>, SiteError> {
    let (Some(name), Some(path)) = (&settings.bind_dn, &settings.bind_password_file) else {
        return Ok(None);
    };
    let text = fs::read(path).map(Zeroizing::new);
    let text = text.map_err(|source| SiteError::Unreadable {
        path: path.clone(),
        source,
    })?;
    let line = text
        .split(|octet| *octet == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Ok(Some(Service {
        name: name.as_str().to_owned(),
        password: Secret::from(line.to_vec()),
    }))
}
