//! OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's and Microsoft's forerunner of it): the client
//! shows a token that somebody else gave it, and that somebody else can say whose it is.

mod claims;
mod introspection;
mod jwt;
mod key;
mod key_ring;
mod message;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::{AuthError, Exchange, Link, Mechanism, Needs, PasswordSource, Progress};
use message::ClientMessage;

pub use claims::ClaimRules;
pub use introspection::{AuthorizationServer, Introspection};
pub use jwt::JwtCheck;
pub use key::Algorithm;
pub use key_ring::{KeyDocument, KeyRing};

/// Says whether a token is good, and whose it is. Calls may block.
pub trait TokenCheck: Send + Sync + 'static {
    /// The user's name, as [`PasswordSource::admit`] takes it.
    ///
    /// # Errors
    /// See [`TokenError`].
    fn check(&self, token: &str) -> Result<String, TokenError>;
}

/// Why a token lets nobody in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not one that is accepted here.
    #[error("{0}")]
    Refused(&'static str),
    /// It is, but not for this.
    #[error("the token does not have the scope that is asked for")]
    Scope,
    /// Nobody can tell now.
    #[error("{0}")]
    Unavailable(String),
}

/// What a client is told whose token is refused, so that it can get a better one.
#[derive(Debug, Clone, Default)]
pub struct Hint {
    /// The scopes to ask for, with spaces between them.
    pub scope: String,
    /// Where the authorization server describes itself (OpenID Connect Discovery).
    pub openid_configuration: Option<String>,
}

/// One of the two mechanisms.
pub struct Bearer {
    dialect: Dialect,
    check: Arc<dyn TokenCheck>,
    hint: Hint,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    OAuthBearer,
    XOAuth2,
}

impl Bearer {
    /// OAUTHBEARER.
    pub fn oauthbearer(check: Arc<dyn TokenCheck>, hint: Hint) -> Self {
        let dialect = Dialect::OAuthBearer;
        Self {
            dialect,
            check,
            hint,
        }
    }

    /// XOAUTH2.
    pub fn xoauth2(check: Arc<dyn TokenCheck>, hint: Hint) -> Self {
        let dialect = Dialect::XOAuth2;
        Self {
            dialect,
            check,
            hint,
        }
    }
}

impl Mechanism for Bearer {
    fn name(&self) -> &'static str {
        match self.dialect {
            Dialect::OAuthBearer => "OAUTHBEARER",
            Dialect::XOAuth2 => "XOAUTH2",
        }
    }

    /// Whoever sees a token has it, so TLS is a must (RFC 7628 s4).
    fn needs(&self) -> Needs {
        Needs {
            plaintext: true,
            tls: true,
            client_first: true,
            ..Needs::default()
        }
    }

    fn start(&self, _link: &Link) -> Box<dyn Exchange> {
        Box::new(BearerExchange {
            dialect: self.dialect,
            check: Arc::clone(&self.check),
            hint: self.hint.clone(),
            user: None,
            over: false,
        })
    }
}

struct BearerExchange {
    dialect: Dialect,
    check: Arc<dyn TokenCheck>,
    hint: Hint,
    /// Whose maildrop the client wants, if it says so.
    user: Option<String>,
    /// There was a message: one token is all.
    over: bool,
}

impl Exchange for BearerExchange {
    fn step(&mut self, client: &[u8], source: &dyn PasswordSource) -> Progress {
        if std::mem::replace(&mut self.over, true) {
            return Progress::Failure(AuthError::Malformed("the exchange is over"));
        }
        let message = match ClientMessage::parse(self.dialect, client) {
            Ok(message) => message,
            Err(error) => return Progress::Failure(error),
        };
        let checked = self.check.check(message.token);
        self.user = message.user;
        let admitted = match checked {
            // Another's maildrop needs a right to it.
            Ok(name) => source.admit(&name, self.user.as_deref()),
            Err(TokenError::Unavailable(why)) => Err(AuthError::Unavailable(why)),
            Err(TokenError::Refused(why)) => Err(AuthError::NotPermitted(why)),
            Err(TokenError::Scope) => {
                return self.refuse(
                    AuthError::NotPermitted("the token does not have the scope that is asked for"),
                    "insufficient_scope",
                );
            }
        };
        match admitted {
            Ok(identity) => Progress::Success(identity),
            Err(AuthError::Unavailable(why)) => Progress::Failure(AuthError::Unavailable(why)),
            // That the token is good, but for nobody here, the client does not learn.
            Err(why) => self.refuse(why, "invalid_token"),
        }
    }

    fn claimed_name(&self) -> Option<&str> {
        self.user.as_deref()
    }
}

impl BearerExchange {
    /// RFC 7628 s3.2.2; XOAUTH2 has a number for the status. The client acknowledges it with
    /// %x01, or with an empty line.
    fn refuse(&self, why: AuthError, status: &str) -> Progress {
        let scope = &self.hint.scope;
        let answer = match self.dialect {
            Dialect::OAuthBearer => {
                let mut answer = serde_json::json!({ "status": status });
                if !scope.is_empty() {
                    answer["scope"] = scope.as_str().into();
                }
                if let Some(address) = &self.hint.openid_configuration {
                    answer["openid-configuration"] = address.as_str().into();
                }
                answer
            }
            Dialect::XOAuth2 => {
                serde_json::json!({ "status": "401", "schemes": "bearer", "scope": scope })
            }
        };
        Progress::Refusal {
            challenge: answer.to_string().into_bytes(),
            why,
        }
    }
}
