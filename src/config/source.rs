//! The section `[[auth.source]]`: who knows passwords, in the order in which they are asked.

use std::path::PathBuf;

use super::Config;
use super::check::Conflict;
use super::ldap_value::{
    AttributeName, DistinguishedName, LdapFilter, LdapUrl, PamService, UserTemplate,
};
use super::section::section;
use super::value::{Ranged, Seconds, Setting, choice};
use crate::password_sources::service;
use crate::site::trusting;

section! {
    /// A source of passwords. Repeat the section for each one; they are asked in the order of the
    /// file. Without any: the directory alone. See docs/authentication.md.
    pub struct SourceSettings {
        /// "directory": the hashes of this server's own users. "passwd_file": a file of names and
        /// hashes. "ldap": LDAP servers, or Active Directory. "pam": PAM, by mailroost-pam.
        kind: SourceKind = SourceKind::Directory,
        /// Whether a wrong password ends the search ("stop"), or the next source may know a better
        /// one ("next"). Somebody whom a source does not know is looked for at the next one in any
        /// case; a source that does not answer ends the search.
        on_wrong_password: OnWrongPassword = OnWrongPassword::Stop,
        /// Whether somebody who is not in the directory gets an empty maildrop when they first
        /// log on. If not, they are refused. Not for the directory itself.
        provision: bool = false,
        /// How long a password that this source proved is remembered; a change there is noticed no
        /// later. At most auth.cache_age. Not for the directory.
        cache_age: Seconds<0, 86_400> = Seconds::fixed(300),
        /// Checks at once. Further ones wait a quarter of a second and then fail as temporary. Not
        /// for the directory.
        max_checks: Ranged<1, 256> = Ranged::fixed(8),
        /// How long a source that failed three times in a row is left alone; then one log-on tries
        /// it again. Not for the directory.
        rest: Seconds<1, 3600> = Seconds::fixed(10),
        /// The file of a "passwd_file": "name:hash" on each line, as in passwd(5), shadow(5) or
        /// Dovecot's passwd-file. It is read again when it changes.
        file: Option<PathBuf> = None,
        /// The servers of "ldap": ldaps://HOST[:PORT], or ldap://HOST[:PORT] for StartTLS. The
        /// next one is asked when one fails.
        servers: Vec<LdapUrl> = Vec::new(),
        /// Whether ldap:// goes without TLS. Whoever is on the way can read all passwords then.
        insecure: bool = false,
        /// Certificates (PEM) of those who may vouch for the servers, and nobody else may then.
        /// Not set: those whom the system trusts.
        ca_file: Option<PathBuf> = None,
        /// How long one check of "ldap" or "pam" may take, all servers together.
        time_limit: Seconds<1, 60> = Seconds::fixed(5),
        /// The entry below which users are searched for.
        base: Option<DistinguishedName> = None,
        /// The filter that finds a user: {user} is the name without a domain, {domain} the domain,
        /// {name} the whole. Active Directory: "(sAMAccountName={user})".
        filter: LdapFilter = LdapFilter::of_uid(),
        /// Who searches. Not set: nobody in particular.
        bind_dn: Option<DistinguishedName> = None,
        /// The file whose first line is the password of bind_dn.
        bind_password_file: Option<PathBuf> = None,
        /// Binds without a search: the DN of a user, or what Active Directory takes in place of
        /// one, with {user}, {domain} and {name} as in filter.
        user_dn: Option<UserTemplate> = None,
        /// The attribute that names the maildrop. Not set: the name that was given, without a
        /// domain that is one of server.domains.
        maildrop_attribute: Option<AttributeName> = None,
        /// The attribute that says how many octets the maildrop may hold.
        quota_attribute: Option<AttributeName> = None,
        /// The attribute that names the site which has the maildrop.
        site_attribute: Option<AttributeName> = None,
        /// The attribute that says whether the user may log on: FALSE, no, 0 and disabled mean
        /// no. "userAccountControl" is understood.
        enabled_attribute: Option<AttributeName> = None,
        /// The service of "pam": a file in /etc/pam.d.
        service: Option<PamService> = None,
        /// The program that asks PAM.
        helper: PathBuf = "/usr/libexec/mailroost-pam".into(),
    }
}

choice! {
    /// What kind of source it is.
    pub enum SourceKind {
        /// The hashes of the users of this server.
        Directory = "directory",
        /// A file of names and hashes.
        PasswdFile = "passwd_file",
        /// LDAP servers, or Active Directory.
        Ldap = "ldap",
        /// PAM, asked by a program of its own.
        Pam = "pam",
    }
}

choice! {
    /// What a wrong password means for the sources behind.
    pub enum OnWrongPassword {
        /// None of them is asked.
        Stop = "stop",
        /// The next one is.
        Next = "next",
    }
}

impl From<OnWrongPassword> for mailroost_auth::OnWrongPassword {
    fn from(setting: OnWrongPassword) -> Self {
        match setting {
            OnWrongPassword::Stop => Self::Stop,
            OnWrongPassword::Next => Self::Next,
        }
    }
}

/// They are printed as sections of their own.
impl Setting for SourceSettings {
    fn accepted() -> String {
        "a section [[auth.source]]".into()
    }

    fn toml(&self) -> Option<String> {
        None
    }
}

/// Each source has what its kind needs, and nothing of another kind.
pub(super) fn check(config: &Config) -> Result<(), Conflict> {
    for (index, source) in config.auth.source.iter().enumerate() {
        let conflict = |key, why: &str| Conflict {
            section: "auth.source",
            index,
            key,
            why: why.to_owned(),
        };
        let (needed, others) = source.keys_of_kind();
        if let Some((key, _)) = needed.iter().find(|(_, is_set)| !is_set) {
            return Err(conflict(key, "a source of this kind needs it"));
        }
        if let Some((key, _)) = others.iter().find(|(_, is_set)| *is_set) {
            return Err(conflict(key, "a source of this kind has no use for it"));
        }
        if let Err(error) = trusting(source.ca_file.as_deref()) {
            return Err(conflict("ca_file", &error.to_string()));
        }
        if let Err(error) = service(source) {
            return Err(conflict("bind_password_file", &error.to_string()));
        }
        let earlier = &config.auth.source[..index];
        if source.kind == SourceKind::Directory
            && earlier
                .iter()
                .any(|other| other.kind == SourceKind::Directory)
        {
            return Err(conflict("kind", "the directory is asked already"));
        }
    }
    Ok(())
}

/// A key, and whether it is set.
type Key = (&'static str, bool);

impl SourceSettings {
    /// The paths of its files.
    pub(super) fn paths(&mut self) -> [&mut Option<PathBuf>; 3] {
        [
            &mut self.file,
            &mut self.ca_file,
            &mut self.bind_password_file,
        ]
    }

    /// What its kind cannot do without, and what it has no use for.
    fn keys_of_kind(&self) -> (Vec<Key>, Vec<Key>) {
        let file = ("file", self.file.is_some());
        let service = ("service", self.service.is_some());
        let servers = ("servers", !self.servers.is_empty());
        let direct = ("user_dn", self.user_dn.is_some());
        let base = ("base", self.base.is_some());
        let other_ldap = [
            base,
            direct,
            ("insecure", self.insecure),
            ("ca_file", self.ca_file.is_some()),
            ("bind_dn", self.bind_dn.is_some()),
            ("bind_password_file", self.bind_password_file.is_some()),
        ];
        match self.kind {
            SourceKind::Directory => {
                let mut others = vec![file, ("provision", self.provision), servers, service];
                others.extend(other_ldap);
                (vec![], others)
            }
            SourceKind::Pam => {
                let mut others = vec![file, servers];
                others.extend(other_ldap);
                (vec![service], others)
            }
            SourceKind::PasswdFile => {
                let mut others = vec![servers, service];
                others.extend(other_ldap);
                (vec![file], others)
            }
            SourceKind::Ldap => {
                let mut needed = vec![servers];
                needed.extend((!direct.1).then_some(base));
                let with_service = self.bind_dn.is_some();
                let password = ("bind_password_file", self.bind_password_file.is_some());
                needed.extend(with_service.then_some(password));
                (needed, vec![file, service])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigError;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        let plain = "listener = []\nprotocol.login_type = \"plain_text_login\"\n";
        Config::parse("m.toml", &format!("{plain}{text}"))
    }

    #[test]
    fn sources_are_read_in_order_and_what_is_printed_of_them_can_be_read() {
        let text = "[auth]\ncache_age = 60\n[[auth.source]]\n[[auth.source]]\nkind = \
                    \"passwd_file\"\nfile = \"/etc/users\"\nprovision = true\n";
        let config = parse(text).unwrap();
        let kinds: Vec<_> = config
            .auth
            .source
            .iter()
            .map(|source| source.kind)
            .collect();
        assert_eq!(kinds, [SourceKind::Directory, SourceKind::PasswdFile]);
        let printed = config.print();
        assert_eq!(printed.matches("\n[[auth.source]]\n").count(), 2);
        assert_eq!(Config::parse("m.toml", &printed).unwrap().auth, config.auth);
        let without = parse("").unwrap().print();
        assert_eq!(without.matches("\n# [[auth.source]]\n").count(), 1);
    }

    #[test]
    fn what_is_wrong_with_a_source_is_said_in_one_line() {
        let table = [
            (
                "[[auth.source]]\nkind = \"passwd_file\"\n",
                "m.toml: auth.source.file is not set: a source of this kind needs it; accepted: a \
                 path",
            ),
            (
                "[[auth.source]]\n[[auth.source]]\nfile = \"users\"\n",
                "m.toml:5: auth.source.file = \"users\": a source of this kind has no use for it; \
                 accepted: a path",
            ),
            (
                "[[auth.source]]\nprovision = true\n",
                "m.toml:4: auth.source.provision = true: a source of this kind has no use for it; \
                 accepted: true or false",
            ),
            (
                "[[auth.source]]\n[[auth.source]]\nkind = \"directory\"\n",
                "m.toml:5: auth.source.kind = \"directory\": the directory is asked already; \
                 accepted: \"directory\", \"passwd_file\", \"ldap\", \"pam\"",
            ),
            (
                "[[auth.source]]\nkind = \"sql\"\n",
                "m.toml:4: auth.source.kind = \"sql\": unknown value; accepted: \"directory\", \
                 \"passwd_file\", \"ldap\", \"pam\"",
            ),
            (
                "[[auth.source]]\nfiel = \"users\"\n",
                "m.toml:4: auth.source.fiel: unknown key; nearest: file, filter",
            ),
            (
                "[auth]\nsource = 3\n",
                "m.toml:4: auth.source = 3: wrong type; accepted: a list, each a \
                 section [[auth.source]]",
            ),
        ];
        for (text, line) in table {
            assert_eq!(parse(text).unwrap_err().to_string(), line, "for {text:?}");
        }
    }
}
