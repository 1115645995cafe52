//! GSSAPI (RFC 4752 over RFC 5034): Kerberos by the system's library, the end of the exchange by
//! us. What the library reads of the system: the keytab that `KRB5_KTNAME` names, `krb5.conf`,
//! and a replay cache, which stays on. The environment belongs to the whole process, so it is
//! for whoever starts the process to set it; it is looked at here only to tell when it is wrong.

mod exchange;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
#[allow(missing_docs, reason = "it is for the fuzz targets")]
pub mod fuzzing;
mod keytab;
mod layer;
mod negotiation;
mod principal;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libgssapi::credential::{Cred, CredUsage};
use libgssapi::oid::{GSS_MECH_KRB5, GSS_MECH_SPNEGO, OidSet};

use crate::{Exchange, ExtendedProtection, Link, Mechanism, Needs};
use exchange::GssapiExchange;
pub use keytab::{Keytab, KeytabError};
use principal::AcceptedRealms;

/// Names the keytab to the library.
pub const KEYTAB_VARIABLE: &str = "KRB5_KTNAME";

/// What the mechanism is made with.
#[derive(Debug, Clone, Default)]
pub struct GssapiOptions {
    /// The keytab: the same that [`KEYTAB_VARIABLE`] names.
    pub keytab: PathBuf,
    /// The realms whose principals are users here, without their realm. None: those of the
    /// service's own principals in the keytab.
    pub realms: Vec<String>,
    /// What is asked of a channel binding.
    pub extended_protection: ExtendedProtection,
}

/// The mechanism. Any principal `pop/…`, `POP/…` or `POP3/…` of the keytab will do.
#[derive(Debug)]
pub struct Gssapi {
    rules: Arc<Rules>,
}

/// What all exchanges go by.
#[derive(Debug)]
struct Rules {
    realms: AcceptedRealms,
    extended_protection: ExtendedProtection,
}

/// Why GSSAPI cannot be offered: one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum GssapiError {
    /// The keytab is no use.
    #[error(transparent)]
    Keytab(#[from] KeytabError),
    /// The library looks for keys elsewhere.
    #[error("{KEYTAB_VARIABLE} is {found:?}, but the keytab is {keytab}")]
    OtherKeytab {
        /// What is in the environment.
        found: String,
        /// What should be.
        keytab: String,
    },
    /// The library refuses it.
    #[error("the Kerberos library takes no keys from {keytab}: {why}")]
    Refused {
        /// The file.
        keytab: String,
        /// What the library said.
        why: String,
    },
}

impl Gssapi {
    /// Reads the keytab and has the library take its keys. Blocks.
    ///
    /// # Errors
    /// See [`GssapiError`].
    pub fn new(options: GssapiOptions) -> Result<Self, GssapiError> {
        let GssapiOptions {
            keytab,
            realms,
            extended_protection,
        } = options;
        let found = Keytab::read(&keytab)?;
        let variable = std::env::var_os(KEYTAB_VARIABLE).unwrap_or_default();
        if variable != naming(&keytab) && variable != keytab {
            return Err(GssapiError::OtherKeytab {
                found: variable.to_string_lossy().into_owned(),
                keytab: keytab.display().to_string(),
            });
        }
        acceptor().map_err(|error| GssapiError::Refused {
            keytab: keytab.display().to_string(),
            why: described(&error),
        })?;
        let realms = match realms.is_empty() {
            true => found.service_realms(),
            false => realms,
        };
        let rules = Rules {
            realms: AcceptedRealms::new(realms),
            extended_protection,
        };
        Ok(Self {
            rules: Arc::new(rules),
        })
    }
}

/// The value of [`KEYTAB_VARIABLE`] that names a file, whatever its name looks like.
pub fn naming(keytab: &Path) -> OsString {
    let mut variable = OsString::from("FILE:");
    variable.push(keytab);
    variable
}

impl Mechanism for Gssapi {
    fn name(&self) -> &'static str {
        "GSSAPI"
    }

    fn needs(&self) -> Needs {
        Needs {
            client_first: true,
            channel_binding: self.rules.extended_protection == ExtendedProtection::Require,
            ..Needs::default()
        }
    }

    fn start(&self, link: &Link) -> Box<dyn Exchange> {
        Box::new(GssapiExchange::new(Arc::clone(&self.rules), link.clone()))
    }
}

/// The keys of all principals of the keytab, for Kerberos alone or wrapped in SPNEGO. The file
/// is read anew each time, so that a new keytab needs no restart.
fn acceptor() -> Result<Cred, libgssapi::error::Error> {
    let mut mechanisms = OidSet::singleton(GSS_MECH_KRB5)?;
    // Of several mechanisms one is enough for the library, and SPNEGO always has something.
    Cred::acquire(None, None, CredUsage::Accept, Some(&mechanisms))?;
    mechanisms.add(GSS_MECH_SPNEGO)?;
    Cred::acquire(None, None, CredUsage::Accept, Some(&mechanisms))
}

/// What the library says of an error, as one line. Has to be asked for on the thread on which
/// the error came about.
fn described(error: &libgssapi::error::Error) -> String {
    let text = error.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
