//! NTLM (MS-NLMP) as a SASL mechanism (MS-OXPOP3): NTLMv2, checked here against NT hashes that
//! a password source keeps, or by Samba's `ntlm_auth` against a domain.
//!
//! LM responses and anonymous log-ons are always refused; NTLMv1 has to be allowed. Each challenge is random and good for one answer, so that
//! nothing can be replayed. POP3 uses no session security: flags for it are granted, because
//! clients insist, and keys are computed to check the MIC alone.

mod acceptor;
mod account;
mod helper;
mod message;
mod names;
mod proof;
mod rules;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::{CredentialKind, Exchange, ExtendedProtection, Link, Mechanism, Needs};

pub use helper::{HelperCommand, NtlmHelper};
pub use names::{TargetNameError, TargetNames};
pub use proof::nt_hash;

use proof::Key;
use rules::Rules;

/// What both sources of the truth have in common.
#[derive(Debug, Clone, Default)]
pub struct NtlmSettings {
    /// What the server calls itself.
    pub names: TargetNames,
    /// What is asked of the client's channel binding.
    pub extended_protection: ExtendedProtection,
    /// Dangerous: which responses of NTLMv1 are accepted.
    pub v1: V1,
}

/// Responses of NTLMv1. It is DES with keys of 56 bits: who listens to one can find the NT hash
/// in hours, and log on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum V1 {
    /// None.
    #[default]
    Refused,
    /// Those with extended session security, where the client's challenge keeps tables of known
    /// answers from being made in advance.
    Extended,
    /// Those without, too: a false server that chooses its challenge finds the answer in tables
    /// that can be had. The LM response beside it is not looked at.
    Plain,
}

/// NTLM over the NT hashes of the password source.
pub struct Ntlm(Arc<Parts>);

/// What the exchanges share.
struct Parts {
    names: TargetNames,
    rules: Rules,
    nonce: Box<dyn Fn() -> Result<[u8; 8], getrandom::Error> + Send + Sync>,
    clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
    /// What is computed with where there is no NT hash: nobody knows a password for it.
    dummy: Key,
}

impl Ntlm {
    /// With challenges of the system's random numbers.
    ///
    /// # Errors
    /// If there are none.
    pub fn new(settings: NtlmSettings) -> Result<Self, getrandom::Error> {
        let mut dummy = Key::default();
        getrandom::fill(&mut *dummy)?;
        let nonce = || {
            let mut nonce = [0; 8];
            getrandom::fill(&mut nonce).map(|()| nonce)
        };
        Ok(Self(Arc::new(Parts {
            rules: Rules::of(&settings),
            names: settings.names,
            nonce: Box::new(nonce),
            clock: Box::new(SystemTime::now),
            dummy,
        })))
    }

    /// With the same challenge and time in every exchange, so that a dialog can be written
    /// down. Nothing but a test may do this: answers can be replayed.
    #[must_use]
    pub fn with_fixed_challenge(self, nonce: [u8; 8], at: SystemTime) -> Self {
        let Parts { names, rules, .. } = &*self.0;
        Self(Arc::new(Parts {
            names: names.clone(),
            rules: *rules,
            nonce: Box::new(move || Ok(nonce)),
            clock: Box::new(move || at),
            dummy: self.0.dummy.clone(),
        }))
    }
}

impl Mechanism for Ntlm {
    fn name(&self) -> &'static str {
        "NTLM"
    }

    fn needs(&self) -> Needs {
        Needs {
            credential: Some(CredentialKind::NtHash),
            ..self.0.rules.needs()
        }
    }

    fn start(&self, link: &Link) -> Box<dyn Exchange> {
        Box::new(acceptor::Acceptor::new(Arc::clone(&self.0), link))
    }
}

impl fmt::Debug for Ntlm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ntlm")
            .field("names", &self.0.names)
            .field("rules", &self.0.rules)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
