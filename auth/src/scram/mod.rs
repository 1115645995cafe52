//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), server side.
//!
//! The client proves that it knows the password, the server that it knows the keys, and nobody
//! reveals anything. With -PLUS the proof also covers the TLS connection, so that it is worth
//! nothing on another one.

mod keys;
mod message;
mod unknown;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    AuthError, CredentialKind, Exchange, Identity, Link, Mechanism, Needs, PasswordSource, Progress,
};
use message::{Binding, ClientFinal, ClientFirst};

pub use keys::ScramKeys;
pub use unknown::UnknownUsers;

/// Octets of randomness in the server's part of the nonce, which is sent as base64.
const NONCE_OCTETS: usize = 18;

/// One of the two mechanisms.
pub struct Scram {
    unknown: Arc<UnknownUsers>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// SCRAM-SHA-256, and whether -PLUS is in the same table.
    Unbound { beside_plus: bool },
    /// SCRAM-SHA-256-PLUS.
    Plus,
}

impl Scram {
    /// SCRAM-SHA-256. `beside_plus`: whether SCRAM-SHA-256-PLUS is in the same table; a client
    /// that could bind and believes that the server cannot was lied to, and is refused then.
    pub fn sha_256(unknown: Arc<UnknownUsers>, beside_plus: bool) -> Self {
        let kind = Kind::Unbound { beside_plus };
        Self { unknown, kind }
    }

    /// SCRAM-SHA-256-PLUS.
    pub fn sha_256_plus(unknown: Arc<UnknownUsers>) -> Self {
        let kind = Kind::Plus;
        Self { unknown, kind }
    }
}

impl Mechanism for Scram {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Unbound { .. } => "SCRAM-SHA-256",
            Kind::Plus => "SCRAM-SHA-256-PLUS",
        }
    }

    fn needs(&self) -> Needs {
        Needs {
            client_first: true,
            credential: Some(CredentialKind::ScramSha256),
            channel_binding: self.kind == Kind::Plus,
            ..Needs::default()
        }
    }

    fn start(&self, link: &Link) -> Box<dyn Exchange> {
        Box::new(ScramExchange {
            unknown: Arc::clone(&self.unknown),
            kind: self.kind,
            link: link.clone(),
            stage: Stage::First(nonce()),
            claimed: None,
        })
    }
}

/// The server's part of a nonce; `None` without randomness.
fn nonce() -> Option<String> {
    let mut octets = [0; NONCE_OCTETS];
    getrandom::fill(&mut octets).ok()?;
    Some(STANDARD.encode(octets))
}

struct ScramExchange {
    unknown: Arc<UnknownUsers>,
    kind: Kind,
    link: Link,
    stage: Stage,
    /// Whom the client says it is.
    claimed: Option<String>,
}

enum Stage {
    /// The client's first message comes next, and this is our part of the nonce.
    First(Option<String>),
    /// Its proof comes next.
    Proof(Box<Challenged>),
    /// It is who it says, and acknowledges that we are (an empty line; RFC 5034 has no data
    /// with success).
    Acknowledgement(Identity),
    /// Nothing.
    Over,
}

/// What the proof is checked against.
struct Challenged {
    user: String,
    authzid: Option<String>,
    /// gs2-header and the channel's binding.
    binding: Vec<u8>,
    client_first_bare: String,
    server_first: String,
    nonce: String,
    keys: ScramKeys,
    /// Not what stands in for a user who does not exist.
    real: bool,
}

impl Exchange for ScramExchange {
    fn step(&mut self, client: &[u8], source: &dyn PasswordSource) -> Progress {
        let progress = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::First(nonce) => self.challenge(client, nonce, source),
            Stage::Proof(challenged) => self.prove(client, &challenged, source),
            Stage::Acknowledgement(identity) if client.is_empty() => {
                Ok(Progress::Success(identity))
            }
            Stage::Acknowledgement(_) => Err(AuthError::Malformed("nothing more was asked for")),
            Stage::Over => Err(AuthError::Malformed("the exchange is over")),
        };
        progress.unwrap_or_else(Progress::Failure)
    }

    fn claimed_name(&self) -> Option<&str> {
        self.claimed.as_deref()
    }
}

impl ScramExchange {
    fn challenge(
        &mut self,
        client: &[u8],
        nonce: Option<String>,
        source: &dyn PasswordSource,
    ) -> Result<Progress, AuthError> {
        let first = ClientFirst::parse(client)?;
        self.claimed = Some(first.user.clone());
        let channel = self.binding(&first.binding)?;
        let nonce = nonce.ok_or_else(|| AuthError::Unavailable("no randomness".to_owned()))?;
        let nonce = format!("{}{nonce}", first.nonce);
        // What stands in is made for users who exist as well, and read as theirs are: it takes the
        // same time.
        let stand_in = self.unknown.keys(&source.canonical_name(&first.user));
        let unknown = Zeroizing::new(stand_in.stored());
        let stored = source.credential(&first.user, CredentialKind::ScramSha256)?;
        let stored = stored.as_ref().map(|stored| stored.expose_secret());
        let stored = stored.and_then(|stored| std::str::from_utf8(stored).ok());
        let parsed = ScramKeys::parse(stored.unwrap_or(&unknown));
        let real = stored.is_some() && parsed.is_some();
        let keys = parsed.unwrap_or(stand_in);
        let salt = STANDARD.encode(&keys.salt);
        let server_first = format!("r={nonce},s={salt},i={}", keys.iterations);
        let binding = [first.header.as_bytes(), &channel].concat();
        self.stage = Stage::Proof(Box::new(Challenged {
            client_first_bare: first.bare.to_owned(),
            user: first.user,
            authzid: first.authzid,
            binding,
            server_first: server_first.clone(),
            nonce,
            keys,
            real,
        }));
        Ok(Progress::Challenge(server_first.into_bytes()))
    }

    /// The octets that the proof has to cover besides the header (RFC 5802 s6).
    fn binding(&self, flag: &Binding<'_>) -> Result<Vec<u8>, AuthError> {
        let refused = |why| Err(AuthError::NotPermitted(why));
        match (self.kind, flag) {
            (Kind::Unbound { .. }, Binding::None) => Ok(Vec::new()),
            (Kind::Unbound { beside_plus }, Binding::NotOffered) => {
                if beside_plus && self.link.binds() {
                    return refused("the client could bind and was not told that the server can");
                }
                Ok(Vec::new())
            }
            (Kind::Unbound { .. }, Binding::Used(_)) => {
                refused("the client binds without choosing -PLUS")
            }
            (Kind::Plus, Binding::Used(name)) => match self.link.binding(name) {
                Some(octets) => Ok(octets.to_vec()),
                None => refused("the connection has no binding of that name"),
            },
            (Kind::Plus, Binding::None | Binding::NotOffered) => {
                refused("the client chose -PLUS and does not bind")
            }
        }
    }

    fn prove(
        &mut self,
        client: &[u8],
        challenged: &Challenged,
        source: &dyn PasswordSource,
    ) -> Result<Progress, AuthError> {
        let last = ClientFinal::parse(client)?;
        let auth_message: [&[u8]; 5] = [
            challenged.client_first_bare.as_bytes(),
            b",",
            challenged.server_first.as_bytes(),
            b",",
            last.without_proof.as_bytes(),
        ];
        let proven = challenged.keys.proven(&auth_message, &last.proof);
        let same_nonce = last.nonce.as_bytes().ct_eq(challenged.nonce.as_bytes());
        if !bool::from(same_nonce) {
            return Err(AuthError::Malformed(
                "the nonce is not the one that was sent",
            ));
        }
        if !bool::from(last.binding.ct_eq(&challenged.binding)) {
            return Err(AuthError::NotPermitted("it is that of another connection"));
        }
        if !challenged.real || !proven {
            // Whoever is proven is looked up once more, to be let in; so are the others.
            drop(source.credential(&challenged.user, CredentialKind::ScramSha256));
            return Err(match challenged.real {
                true => AuthError::WrongPassword,
                false => AuthError::UnknownUser,
            });
        }
        let identity = source.admit(&challenged.user, challenged.authzid.as_deref())?;
        self.stage = Stage::Acknowledgement(identity);
        let signature = challenged.keys.server_signature(&auth_message);
        let signature = STANDARD.encode(signature.as_ref());
        Ok(Progress::Challenge(format!("v={signature}").into_bytes()))
    }
}

#[cfg(test)]
mod tests;
