//! NTLM by Samba's `ntlm_auth --helper-protocol=squid-2.5-ntlmssp`, which asks a domain. A line
//! to it is `YR` and the client's first message, or `KK` and its second, in base64; a line from
//! it is `TT` and the challenge, `AF` and who it is, `NA` and why not, or `BH` when it is
//! broken.
//!
//! What is too weak or bound to another channel is refused before it gets there.

mod answer;
mod pool;
mod process;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::NtlmSettings;
use super::account::Account;
use super::message::authenticate::Authenticate;
use super::message::negotiate;
use super::names::TargetNames;
use super::rules::Rules;
use crate::{AuthError, Exchange, Identity, Link, Mechanism, Needs, PasswordSource, Progress};

use answer::Answer;
use pool::{Lease, Pool};

pub use pool::HelperCommand;

/// NTLM over a helper program.
#[derive(Debug)]
pub struct NtlmHelper {
    pool: Arc<Pool>,
    names: TargetNames,
    rules: Rules,
}

impl NtlmHelper {
    /// No process is started before somebody logs on. The names count for nothing but for what
    /// the helper answers: a domain of theirs is left out of the user's name.
    pub fn new(command: HelperCommand, settings: NtlmSettings) -> Self {
        Self {
            pool: Arc::new(Pool::new(command)),
            rules: Rules::of(&settings),
            names: settings.names,
        }
    }
}

impl Mechanism for NtlmHelper {
    fn name(&self) -> &'static str {
        "NTLM"
    }

    fn needs(&self) -> Needs {
        self.rules.needs()
    }

    fn start(&self, link: &Link) -> Box<dyn Exchange> {
        Box::new(Asking {
            pool: Arc::clone(&self.pool),
            names: self.names.clone(),
            rules: self.rules,
            link: link.clone(),
            lease: None,
            claimed: None,
        })
    }
}

/// One exchange; a process is kept for it between its two messages.
struct Asking {
    pool: Arc<Pool>,
    names: TargetNames,
    rules: Rules,
    link: Link,
    lease: Option<Lease>,
    /// Whom the client says it is.
    claimed: Option<String>,
}

impl Asking {
    fn challenge(&mut self, message: &[u8]) -> Result<Vec<u8>, AuthError> {
        negotiate::flags(message)?;
        let line = format!("YR {}\n", STANDARD.encode(message));
        let (lease, answer) = Lease::take(&self.pool, &line)?;
        match Answer::parse(&answer)? {
            Answer::Challenge(challenge) => {
                self.lease = Some(lease);
                Ok(challenge)
            }
            Answer::Refused(error) => Err(error),
            Answer::User(_) => Err(answer::broken("it let somebody in without a proof")),
        }
    }

    fn authenticate(
        &mut self,
        lease: &Lease,
        message: &[u8],
        source: &dyn PasswordSource,
    ) -> Result<Identity, AuthError> {
        let authenticate = Authenticate::parse(message)?;
        // What the helper makes of a name that is none here, only it knows.
        let account = Account::of(&authenticate, &self.names).ok();
        self.claimed = account.and_then(|account| account.name);
        self.rules.response(&self.link, &authenticate)?;
        let line = format!("KK {}\n", STANDARD.encode(message));
        match Answer::parse(&lease.ask(&line)?)? {
            Answer::User(name) => source.admit(self.without_own_domain(&name), None),
            Answer::Refused(error) => Err(error),
            Answer::Challenge(_) => Err(answer::broken("it challenges twice")),
        }
    }

    fn without_own_domain<'a>(&self, name: &'a str) -> &'a str {
        match name.split_once('\\') {
            Some((domain, user)) if self.names.mean(domain) => user,
            Some(_) | None => name,
        }
    }
}

impl Exchange for Asking {
    fn step(&mut self, client: &[u8], source: &dyn PasswordSource) -> Progress {
        let Some(lease) = self.lease.take() else {
            return match self.challenge(client) {
                Ok(challenge) => Progress::Challenge(challenge),
                Err(error) => Progress::Failure(error),
            };
        };
        match self.authenticate(&lease, client, source) {
            Ok(identity) => Progress::Success(identity),
            Err(error) => Progress::Failure(error),
        }
    }

    fn claimed_name(&self) -> Option<&str> {
        self.claimed.as_deref()
    }
}
