//! One exchange: NEGOTIATE comes, a challenge goes, AUTHENTICATE comes and is checked.
//!
//! A name that nobody has, or that has no NT hash, takes the same way as any other, with an NT
//! hash that nobody knows.

use std::mem;
use std::sync::Arc;

use secrecy::ExposeSecret;

use super::Parts;
use super::account::Account;
use super::message::authenticate::{Authenticate, Response};
use super::message::av_pairs::AvPairs;
use super::message::challenge::Challenge;
use super::message::flags::Flags;
use super::message::negotiate;
use super::proof::{Key, check_mic, check_v1, check_v1_extended, check_v2, exchanged, ntowf_v2};
use crate::{AuthError, CredentialKind, Exchange, Identity, Link, PasswordSource, Progress};

/// See the file's first lines.
pub(super) struct Acceptor {
    parts: Arc<Parts>,
    link: Link,
    state: State,
    /// Whom the client says it is.
    claimed: Option<String>,
}

enum State {
    /// Nothing has come yet.
    Begin,
    /// The challenge is out.
    Challenged(Challenged),
    /// An answer came: there is no second one to the same challenge.
    Over,
}

/// What an answer is checked against.
struct Challenged {
    negotiate: Vec<u8>,
    challenge: Vec<u8>,
    flags: Flags,
    nonce: [u8; 8],
    target_info: Vec<u8>,
}

impl Acceptor {
    pub(super) fn new(parts: Arc<Parts>, link: &Link) -> Self {
        Self {
            parts,
            link: link.clone(),
            state: State::Begin,
            claimed: None,
        }
    }

    fn challenge(&mut self, negotiate: &[u8]) -> Result<Vec<u8>, AuthError> {
        let granted = negotiate::flags(negotiate)?.granted();
        let granted = granted.ok_or(AuthError::Malformed("the client knows no character set"))?;
        let (target, target_type) = self.parts.names.target();
        let mut flags = granted.and(target_type);
        if self.parts.rules.allows_v1() {
            // Clients that know it ask for it by answering so.
            flags = flags.and(Flags::EXTENDED_SESSION_SECURITY);
        }
        let unavailable = |error: getrandom::Error| AuthError::Unavailable(error.to_string());
        let nonce = (self.parts.nonce)().map_err(unavailable)?;
        let target_info = self.parts.names.target_info((self.parts.clock)());
        let challenge = Challenge {
            flags,
            target,
            nonce,
            target_info: &target_info,
        };
        let challenge = challenge.build();
        self.state = State::Challenged(Challenged {
            negotiate: negotiate.to_vec(),
            challenge: challenge.clone(),
            flags,
            nonce,
            target_info,
        });
        Ok(challenge)
    }

    fn authenticate(
        &mut self,
        challenged: &Challenged,
        message: &[u8],
        source: &dyn PasswordSource,
    ) -> Result<Identity, AuthError> {
        let message = Authenticate::parse(message)?;
        let account = Account::of(&message, &self.parts.names)?;
        self.claimed.clone_from(&account.name);
        let response = self.parts.rules.response(&self.link, &message)?;
        // A name that cannot be one is asked for as well, as the empty one, which nobody has.
        let name = account.name.as_deref().unwrap_or_default();
        let stored = source.credential(name, CredentialKind::NtHash)?;
        let stored = stored.and_then(|hash| hash.expose_secret().try_into().ok().map(Key::new));
        let known = stored.is_some();
        let hash = stored.unwrap_or_else(|| self.parts.dummy.clone());
        let proven = challenged.check(&message, response, &account, &hash)?;
        if !(known && proven) {
            // Whoever is proven is looked up once more, to be let in; so are the others, by
            // something that need not be unsealed.
            drop(source.credential(name, CredentialKind::ScramSha256));
        }
        match (known, proven) {
            (true, true) => source.admit(name, None),
            (true, false) => Err(AuthError::WrongPassword),
            (false, _) => Err(AuthError::NotPermitted(
                "no user of this name has an NT hash",
            )),
        }
    }
}

impl Exchange for Acceptor {
    fn step(&mut self, client: &[u8], source: &dyn PasswordSource) -> Progress {
        match mem::replace(&mut self.state, State::Over) {
            State::Begin => match self.challenge(client) {
                Ok(challenge) => Progress::Challenge(challenge),
                Err(error) => Progress::Failure(error),
            },
            State::Challenged(challenged) => match self.authenticate(&challenged, client, source) {
                Ok(identity) => Progress::Success(identity),
                Err(error) => Progress::Failure(error),
            },
            State::Over => Progress::Failure(AuthError::Malformed("the exchange is over")),
        }
    }

    fn claimed_name(&self) -> Option<&str> {
        self.claimed.as_deref()
    }
}

impl Challenged {
    /// Whether the response proves `hash`, and all messages arrived as they were sent.
    ///
    /// # Errors
    /// `Malformed`, `NotPermitted`.
    fn check(
        &self,
        message: &Authenticate<'_>,
        response: Response<'_>,
        account: &Account,
        hash: &Key,
    ) -> Result<bool, AuthError> {
        match response {
            Response::V2 { proof, temp, pairs } => {
                if !pairs.repeat(AvPairs::parse(&self.target_info)?) {
                    let why = "the client was told other names or another time";
                    return Err(AuthError::NotPermitted(why));
                }
                // The domain as it was written; then none, as for clients that leave it out of
                // the proof (MS-NLMP 3.2.5.1.2). Both are always computed.
                let [written, none] = [account.domain.as_slice(), &[]].map(|domain| {
                    let key = ntowf_v2(hash, &account.upper_user, domain);
                    check_v2(&key, &self.nonce, temp, proof)
                });
                let Some(base_key) = written.or(none) else {
                    return Ok(false);
                };
                self.check_mic(message, pairs, base_key)
            }
            Response::V1Extended {
                client_challenge,
                answer,
            } => Ok(check_v1_extended(
                hash,
                &self.nonce,
                client_challenge,
                answer,
            )),
            Response::V1 { answer } => Ok(check_v1(hash, &self.nonce, answer)),
        }
    }

    /// The MIC has to be right if it was announced, which nobody could take back, as it is part
    /// of what was proven; one that was sent without has to be right as well.
    fn check_mic(
        &self,
        message: &Authenticate<'_>,
        pairs: AvPairs<'_>,
        base_key: Key,
    ) -> Result<bool, AuthError> {
        let announced = pairs.announce_mic();
        let mic = match message.mic() {
            Some(mic) if announced || *mic != [0; 16] => mic,
            None if announced => {
                return Err(AuthError::Malformed("a MIC was announced and not sent"));
            }
            Some(_) | None => return Ok(true),
        };
        let session_key = match self.flags.common(message.flags).has(Flags::KEY_EXCHANGE) {
            true => {
                let encrypted = message.session_key.try_into();
                let why = "keys are exchanged, and there is none";
                exchanged(&base_key, encrypted.map_err(|_| AuthError::Malformed(why))?)
            }
            false => base_key,
        };
        let messages = [
            &*self.negotiate,
            &self.challenge,
            &message.with_mic_zeroed(),
        ];
        Ok(check_mic(&session_key, messages, mic))
    }
}
