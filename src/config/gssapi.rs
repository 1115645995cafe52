//! The section `[auth.gssapi]`, and what its settings need.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check::Conflict;
use super::section::section;
use super::value::Setting;
use super::{Config, MechanismName};
use crate::gssapi;

/// The longest name of a realm, in octets: that of a domain, which most are.
const REALM_OCTETS_MAX: usize = 255;

section! {
    /// GSSAPI: tickets of Kerberos. Needs "GSSAPI" among auth.mechanisms, and a program that was
    /// built with the Kerberos library.
    pub struct GssapiSettings {
        /// The keytab with the keys of this service. Clients ask for pop/HOST, those of Windows
        /// for POP/HOST or POP3/HOST: any of them that is in it will do, no other. What changes
        /// in the file counts at once.
        keytab: Option<PathBuf> = None,
        /// Realms whose principals are users here: ann@REALM is the user ann. Without any, those
        /// of the keys in the keytab. Principals of other realms are refused.
        realms: Vec<Realm> = Vec::new(),
    }
}

impl Setting for GssapiSettings {
    fn accepted() -> String {
        "a section [auth.gssapi]".into()
    }

    /// It is printed as a section of its own.
    fn toml(&self) -> Option<String> {
        None
    }
}

/// The name of a Kerberos realm; upper and lower case count (RFC 4120 s6.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Realm(String);

impl Realm {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for Realm {
    fn accepted() -> String {
        "a Kerberos realm such as \"EXAMPLE.ORG\"".into()
    }
}

impl TryFrom<String> for Realm {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |c: char| c.is_ascii_graphic() && !"@/\\:".contains(c);
        if (1..=REALM_OCTETS_MAX).contains(&text.len()) && text.chars().all(plain) {
            Ok(Self(text))
        } else {
            Err("not a realm")
        }
    }
}

impl From<Realm> for String {
    fn from(realm: Realm) -> Self {
        realm.0
    }
}

/// Where GSSAPI is to be offered, it has to be possible.
pub(super) fn check(config: &Config) -> Result<(), Conflict> {
    let auth = &config.auth;
    if !auth.mechanisms.contains(&MechanismName::Gssapi) {
        return Ok(());
    }
    if !gssapi::BUILT_IN {
        return Err(Conflict {
            section: "auth",
            index: 0,
            key: "mechanisms",
            why: gssapi::GssapiSetupError::NotBuiltIn.to_string(),
        });
    }
    gssapi::check(&auth.gssapi).map_err(|error| Conflict {
        section: "auth.gssapi",
        index: 0,
        key: "keytab",
        why: error.to_string(),
    })
}
