//! Tokens that can be checked here: JSON Web Tokens (RFC 7519) under a JSON Web Signature in its
//! compact form (RFC 7515 s7.1), as RFC 8725 wants it done.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::claims::{Claims, Expiry};
use super::key::Algorithm;
use super::key_ring::KeyRing;
use super::{ClaimRules, TokenCheck, TokenError};

type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// Checks tokens against the keys of their issuer.
pub struct JwtCheck {
    keys: KeyRing,
    pub(super) algorithms: Vec<Algorithm>,
    rules: ClaimRules,
    clock: Clock,
}

impl JwtCheck {
    /// Accepts tokens that are signed with one of these algorithms by one of these keys.
    pub fn new(keys: KeyRing, algorithms: Vec<Algorithm>, rules: ClaimRules) -> Self {
        Self {
            keys,
            algorithms,
            rules,
            clock: Box::new(unix_secs),
        }
    }

    /// With another clock, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }
}

pub(super) fn unix_secs() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.map_or(0, |elapsed| elapsed.as_secs())
}

const NOT_A_JWT: TokenError = TokenError::Refused("the token is no signed JWT");

impl TokenCheck for JwtCheck {
    /// Nothing that the token says is believed before its signature, but which algorithm and key
    /// to check it with; both are chosen among those that are expected.
    fn check(&self, token: &str) -> Result<String, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(NOT_A_JWT)?;
        let (header, claims) = signed.split_once('.').ok_or(NOT_A_JWT)?;
        let header = object(header)?;
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(Algorithm::named)
            .filter(|algorithm| self.algorithms.contains(algorithm))
            .ok_or(TokenError::Refused("the token's algorithm is not accepted"))?;
        // An extension that has to be understood, and is not (RFC 7515 s4.1.11).
        if header.contains_key("crit") {
            return Err(NOT_A_JWT);
        }
        let id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.as_str()),
            Some(_) => return Err(NOT_A_JWT),
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| NOT_A_JWT)?;
        if !self
            .keys
            .signed(id, algorithm, signed.as_bytes(), &signature)?
        {
            return Err(TokenError::Refused("the token's signature is wrong"));
        }
        self.rules
            .user(&object(claims)?, Expiry::Required, (self.clock)())
    }
}

fn object(part: &str) -> Result<Claims, TokenError> {
    let octets = URL_SAFE_NO_PAD.decode(part).map_err(|_| NOT_A_JWT)?;
    match serde_json::from_slice(&octets) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) | Err(_) => Err(NOT_A_JWT),
    }
}
