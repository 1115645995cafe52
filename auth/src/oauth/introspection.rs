//! Tokens that only their issuer can check: it is asked (RFC 7662).

use std::time::{Duration, Instant};

use serde_json::Value;

use super::claims::Expiry;
use super::jwt::unix_secs;
use super::{ClaimRules, TokenCheck, TokenError};
use crate::breaker::Breaker;
use crate::limits::SOURCE_FAILURES_MAX;

/// An authorization server's introspection endpoint. Calls block; they have a time limit of
/// their own.
pub trait AuthorizationServer: Send + Sync + 'static {
    /// What it says of a token: the JSON of RFC 7662 s2.2.
    ///
    /// # Errors
    /// Why it did not answer, for the log.
    fn introspect(&self, token: &str) -> Result<Vec<u8>, String>;
}

/// Asks for each token.
pub struct Introspection {
    server: Box<dyn AuthorizationServer>,
    rules: ClaimRules,
    breaker: Breaker,
}

impl Introspection {
    /// Asks `server`; after [`SOURCE_FAILURES_MAX`] failures in a row not for `rest`.
    pub fn new(server: Box<dyn AuthorizationServer>, rules: ClaimRules, rest: Duration) -> Self {
        Self {
            server,
            rules,
            breaker: Breaker::new(SOURCE_FAILURES_MAX, rest),
        }
    }

    fn ask(&self, token: &str) -> Result<Value, String> {
        if !self.breaker.lets_try(Instant::now()) {
            return Err("it failed several times in a row and is left alone for a while".into());
        }
        let answer = self.server.introspect(token).and_then(|octets| {
            serde_json::from_slice(&octets).map_err(|error| format!("it answers no JSON: {error}"))
        });
        match &answer {
            Ok(_) => self.breaker.worked(),
            Err(_) => self.breaker.failed(Instant::now()),
        }
        answer
    }
}

impl TokenCheck for Introspection {
    fn check(&self, token: &str) -> Result<String, TokenError> {
        let answer = self
            .ask(token)
            .map_err(|why| TokenError::Unavailable(format!("the authorization server: {why}")))?;
        match answer {
            Value::Object(claims) if claims.get("active") == Some(&Value::Bool(true)) => {
                self.rules.user(&claims, Expiry::Optional, unix_secs())
            }
            _ => Err(TokenError::Refused("the token is not active")),
        }
    }
}
