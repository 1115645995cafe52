//! What is said where the Kerberos library is not built in.

use std::io;
use std::sync::Arc;

use mailroost_auth::Mechanism;

use super::GssapiSetupError;
use crate::config::{AuthSettings, GssapiSettings};

pub(crate) fn mechanism(_auth: &AuthSettings) -> Result<Arc<dyn Mechanism>, GssapiSetupError> {
    Err(GssapiSetupError::NotBuiltIn)
}

pub(crate) fn check(_settings: &GssapiSettings) -> Result<(), GssapiSetupError> {
    Err(GssapiSetupError::NotBuiltIn)
}

/// Nothing looks at the environment.
pub(crate) fn enter_environment(_auth: &AuthSettings) -> io::Result<()> {
    Ok(())
}
