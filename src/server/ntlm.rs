//! NTLM as the configuration has it: over the directory's NT hashes, or over a helper.

use std::sync::Arc;

use mailroost_auth::ntlm::{Ntlm, NtlmHelper, TargetNameError};
use mailroost_auth::{Mechanism, SealingError, SealingKey};

use crate::config::{AuthSettings, Config, MechanismName};
use crate::sealing_key::{self, KeyFileError};

/// Why NTLM cannot be offered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NtlmError {
    /// Nothing could check a log-on.
    #[error("NTLM needs auth.ntlm.key_file or auth.ntlm.helper")]
    NoSource,
    /// The key of the NT hashes cannot be had.
    #[error("auth.ntlm.key_file: {0}")]
    KeyFile(#[from] KeyFileError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] SealingError),
    /// The server cannot be called so.
    #[error("[auth.ntlm]: {0}")]
    Name(#[from] TargetNameError),
    /// There are no random numbers.
    #[error("NTLM has no random numbers: {0}")]
    Randomness(String),
}

/// The mechanism.
pub(crate) fn mechanism(auth: &AuthSettings) -> Result<Arc<dyn Mechanism>, NtlmError> {
    let settings = auth.ntlm_settings()?;
    let ntlm = &auth.ntlm;
    match (ntlm.helper_command(), &ntlm.key_file) {
        (Some(command), _) => Ok(Arc::new(NtlmHelper::new(command, settings))),
        (None, Some(_)) => {
            let ntlm = Ntlm::new(settings);
            Ok(Arc::new(ntlm.map_err(|error| {
                NtlmError::Randomness(error.to_string())
            })?))
        }
        (None, None) => Err(NtlmError::NoSource),
    }
}

/// The key of the NT hashes, where they are needed. Reads a file, or makes it.
pub(crate) fn sealing_key(config: &Config) -> Result<Option<SealingKey>, NtlmError> {
    let ntlm = &config.auth.ntlm;
    let offered = config.auth.mechanisms.contains(&MechanismName::Ntlm);
    match &ntlm.key_file {
        Some(path) if offered && ntlm.helper.is_none() => {
            Ok(Some(sealing_key::read_or_make(path, &config.server.store)?))
        }
        Some(_) | None => Ok(None),
    }
}
