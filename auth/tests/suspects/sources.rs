//! The sources of passwords.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::sync::Arc;
use std::time::Duration;

use mailroost_auth::{
    AcceptedDomains, CacheLimits, ChainLink, DirectoryPasswords, ForeignLink, ForeignPasswords,
    Guarded, LinkedSource, OnWrongPassword, PasswdFile, PasswordCache, PasswordChain,
    PasswordSource,
};

use super::Parts;
use super::counted::Elsewhere;

/// Makes a source of its parts.
pub type MakeSource = fn(Parts) -> Arc<dyn PasswordSource>;

/// The sources. Where passwords are elsewhere than in the directory, erin's is.
pub fn sources() -> [(&'static str, MakeSource); 5] {
    [
        ("the directory", |parts| Arc::new(own(&parts))),
        ("a chain of the directory", |parts| {
            chain(&parts, vec![directory()])
        }),
        ("directory, then file", |parts| {
            let file = file(&parts, OnWrongPassword::Stop);
            chain(&parts, vec![directory(), file])
        }),
        ("file, then directory", |parts| {
            let file = file(&parts, OnWrongPassword::Next);
            chain(&parts, vec![file, directory()])
        }),
        ("server elsewhere, then directory", |parts| {
            let elsewhere = Elsewhere {
                counters: parts.counters.clone(),
            };
            let guarded = Guarded::new(Arc::new(elsewhere), 2, Duration::from_secs(1));
            let elsewhere = foreign(Arc::new(guarded), OnWrongPassword::Stop);
            chain(&parts, vec![elsewhere, directory()])
        }),
    ]
}

fn chain(parts: &Parts, links: Vec<ChainLink>) -> Arc<dyn PasswordSource> {
    Arc::new(PasswordChain::new(Arc::new(own(parts)), links))
}

fn own(parts: &Parts) -> DirectoryPasswords {
    let (directory, hasher) = (Arc::clone(&parts.directory), Arc::clone(&parts.hasher));
    DirectoryPasswords::new(directory, hasher, cache())
        .accepting(AcceptedDomains::new(["x.org"]))
        .keeping_scram_keys()
        .unsealing(parts.key.clone())
        .unwrap()
}

fn directory() -> ChainLink {
    ChainLink {
        source: LinkedSource::Directory,
        on_wrong_password: OnWrongPassword::Stop,
    }
}

fn file(parts: &Parts, on_wrong_password: OnWrongPassword) -> ChainLink {
    let path = parts.folder.join("passwd");
    let told = Arc::new(|notice: &str| panic!("{notice}"));
    let file = PasswdFile::new(path, Arc::clone(&parts.hasher), told);
    foreign(Arc::new(file), on_wrong_password)
}

fn foreign(source: Arc<dyn ForeignPasswords>, on_wrong_password: OnWrongPassword) -> ChainLink {
    let link = ForeignLink {
        source,
        cache: cache(),
        provision: false,
        name: "elsewhere".into(),
    };
    ChainLink {
        source: LinkedSource::Foreign(link),
        on_wrong_password,
    }
}

/// Remembers nobody: a good log-on would cost nothing the second time.
fn cache() -> PasswordCache {
    let limits = CacheLimits {
        users_max: 0,
        ..CacheLimits::default()
    };
    PasswordCache::new(limits).unwrap()
}
