//! The mechanism and its keytab.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use mailroost_auth::Mechanism;
use mailroost_auth::gssapi::{Gssapi, GssapiOptions, KEYTAB_VARIABLE, Keytab, naming};

use super::GssapiSetupError;
use crate::config::{AuthSettings, GssapiSettings, MechanismName};

/// The mechanism. Blocks.
///
/// # Errors
/// One line that names the keytab.
pub(crate) fn mechanism(auth: &AuthSettings) -> Result<Arc<dyn Mechanism>, GssapiSetupError> {
    let GssapiSettings { keytab, realms } = &auth.gssapi;
    let keytab = keytab.clone().ok_or(GssapiSetupError::NoKeytab)?;
    let realms = realms.iter().map(|realm| realm.as_str().to_owned());
    let gssapi = Gssapi::new(GssapiOptions {
        keytab,
        realms: realms.collect(),
        extended_protection: auth.extended_protection.into(),
    });
    let gssapi = gssapi.map_err(|error| GssapiSetupError::Unusable(error.to_string()))?;
    Ok(Arc::new(gssapi))
}

/// Whether the keytab can be read and has keys for POP3. Blocks.
///
/// # Errors
/// One line that names the keytab.
pub(crate) fn check(settings: &GssapiSettings) -> Result<(), GssapiSetupError> {
    let keytab = settings.keytab.as_ref().ok_or(GssapiSetupError::NoKeytab)?;
    Keytab::read(keytab)
        .map(drop)
        .map_err(|error| GssapiSetupError::Unusable(error.to_string()))
}

/// Has the process see the keytab of the settings. The library takes it from the environment
/// alone, and a program that has threads can not change that safely: so the program is begun
/// anew, before it has done anything, under the same process id.
///
/// # Errors
/// It cannot be begun anew.
pub(crate) fn enter_environment(auth: &AuthSettings) -> io::Result<()> {
    let offered = auth.mechanisms.contains(&MechanismName::Gssapi);
    let Some(keytab) = auth.gssapi.keytab.as_ref().filter(|_| offered) else {
        return Ok(());
    };
    let wanted = naming(keytab);
    if env::var_os(KEYTAB_VARIABLE).as_ref() == Some(&wanted) {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let mut anew = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        anew.arg0(name);
    }
    // It only comes back when it could not.
    Err(anew.args(arguments).env(KEYTAB_VARIABLE, wanted).exec())
}
