//! The section `[[auth.source]]`: who knows passwords, in the order in which they are asked.

use std::path::PathBuf;

use super::Config;
use super::check::Conflict;
use super::section::section;
use super::value::{Ranged, Seconds, Setting, choice};

section! {
    /// A source of passwords. Repeat the section for each one; they are asked in the order of the
    /// file. Without any: the directory alone. See docs/authentication.md.
    pub struct SourceSettings {
        /// "directory": the hashes of this server's own users. "passwd_file": a file of names and
        /// hashes.
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
    }
}

choice! {
    /// What kind of source it is.
    pub enum SourceKind {
        /// The hashes of the users of this server.
        Directory = "directory",
        /// A file of names and hashes.
        PasswdFile = "passwd_file",
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
    pub(super) fn paths(&mut self) -> [&mut Option<PathBuf>; 1] {
        [&mut self.file]
    }

    /// What its kind cannot do without, and what it has no use for.
    fn keys_of_kind(&self) -> (Vec<Key>, Vec<Key>) {
        let file = ("file", self.file.is_some());
        match self.kind {
            SourceKind::Directory => (vec![], vec![file, ("provision", self.provision)]),
            SourceKind::PasswdFile => (vec![file], vec![]),
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
                 accepted: \"directory\", \"passwd_file\"",
            ),
            (
                "[[auth.source]]\nkind = \"sql\"\n",
                "m.toml:4: auth.source.kind = \"sql\": unknown value; accepted: \"directory\", \
                 \"passwd_file\"",
            ),
            (
                "[[auth.source]]\nfiel = \"users\"\n",
                "m.toml:4: auth.source.fiel: unknown key; nearest: file",
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
