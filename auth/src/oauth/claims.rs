//! What a token says of itself (RFC 7519 s4.1, RFC 7662 s2.2), and what is wanted of it.

use serde_json::{Map, Value};

use super::TokenError;

/// The claims of a token.
pub(super) type Claims = Map<String, Value>;

/// What is wanted of a token.
#[derive(Debug, Clone, Default)]
pub struct ClaimRules {
    /// Who has to have issued it; `None`: whoever.
    pub issuer: Option<String>,
    /// One of these it has to be meant for; none: for whomever.
    pub audiences: Vec<String>,
    /// All of these it has to have.
    pub scopes: Vec<String>,
    /// The claim that names the user.
    pub user_claim: String,
    /// How many seconds the clocks may differ.
    pub leeway_secs: u64,
}

/// Whether a token has to say when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expiry {
    Required,
    Optional,
}

impl ClaimRules {
    /// The user whom the claims name, if they are what is wanted at `now`, in seconds since
    /// 1970-01-01 UTC.
    pub(super) fn user(
        &self,
        claims: &Claims,
        expiry: Expiry,
        now: u64,
    ) -> Result<String, TokenError> {
        if let Some(issuer) = &self.issuer
            && claims.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err(TokenError::Refused("the token is of another issuer"));
        }
        if !self.audiences.is_empty() && !self.is_meant(claims.get("aud")) {
            return Err(TokenError::Refused("the token is meant for somebody else"));
        }
        self.is_current(claims, expiry, now)?;
        let granted = [claims.get("scope"), claims.get("scp")].map(|claim| words(claim, true));
        let granted = granted.concat();
        if !self
            .scopes
            .iter()
            .all(|scope| granted.contains(&scope.as_str()))
        {
            return Err(TokenError::Scope);
        }
        let user = claims.get(&self.user_claim).and_then(Value::as_str);
        let user = user.filter(|user| !user.is_empty());
        let user = user.ok_or(TokenError::Refused("the token names no user"))?;
        // Whoever may claim an address that they did not prove may claim anybody's.
        // Some issuers have texts in place of true and false.
        let is_verified = claims.get("email_verified").is_none_or(|verified| {
            verified.as_bool() == Some(true) || verified.as_str() == Some("true")
        });
        if self.user_claim == "email" && !is_verified {
            return Err(TokenError::Refused("the token's address is not verified"));
        }
        Ok(user.to_owned())
    }

    fn is_meant(&self, audience: Option<&Value>) -> bool {
        let named = words(audience, false);
        self.audiences
            .iter()
            .any(|ours| named.contains(&ours.as_str()))
    }

    fn is_current(&self, claims: &Claims, expiry: Expiry, now: u64) -> Result<(), TokenError> {
        // Fractions are allowed (RFC 7519 s2, NumericDate).
        let (now, leeway) = (now as f64, self.leeway_secs as f64);
        match (claims.get("exp"), expiry) {
            (None, Expiry::Optional) => {}
            (None, Expiry::Required) => {
                return Err(TokenError::Refused("the token does not say when it ends"));
            }
            (Some(end), _) => match end.as_f64() {
                Some(end) if now < end + leeway => {}
                Some(_) => return Err(TokenError::Refused("the token has expired")),
                None => return Err(TokenError::Refused("the token's end is no number")),
            },
        }
        match claims.get("nbf").map(Value::as_f64) {
            None => Ok(()),
            Some(Some(begin)) if now + leeway >= begin => Ok(()),
            Some(Some(_)) => Err(TokenError::Refused("the token is not valid yet")),
            Some(None) => Err(TokenError::Refused("the token's begin is no number")),
        }
    }
}

/// The texts of a claim that is a text or a list of texts; `split`: a text is a list with
/// spaces.
fn words(claim: Option<&Value>, split: bool) -> Vec<&str> {
    match claim {
        Some(Value::String(text)) if split => text.split(' ').collect(),
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(_) | None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn rules() -> ClaimRules {
        ClaimRules {
            issuer: Some("https://id.example".into()),
            audiences: vec!["pop".into(), "mail".into()],
            scopes: vec!["pop.read".into()],
            user_claim: "email".into(),
            leeway_secs: 30,
        }
    }

    fn good() -> Value {
        json!({
            "iss": "https://id.example", "aud": "pop", "exp": NOW + 1, "nbf": NOW,
            "scope": "openid pop.read", "email": "ann@example.org",
        })
    }

    fn user(claims: &Value) -> Result<String, TokenError> {
        rules().user(claims.as_object().unwrap(), Expiry::Required, NOW)
    }

    fn changed(claim: &str, value: Value) -> Result<String, TokenError> {
        let mut claims = good();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
            value => claims[claim] = value,
        }
        user(&claims)
    }

    #[test]
    fn what_is_wanted_is_accepted() {
        for (claim, value) in [
            ("iss", json!("https://id.example")),
            ("aud", json!(["x", "mail"])),
            ("exp", json!(NOW as f64 - 29.5)),
            ("nbf", json!(NOW + 30)),
            ("nbf", Value::Null),
            ("scope", json!(["pop.read"])),
            ("email_verified", json!(true)),
            ("email_verified", json!("true")),
        ] {
            assert_eq!(
                changed(claim, value).as_deref(),
                Ok("ann@example.org"),
                "{claim}"
            );
        }
    }

    #[test]
    fn what_is_not_is_refused() {
        for (claim, value) in [
            ("iss", json!("https://id.example/")),
            ("iss", Value::Null),
            ("iss", json!(["https://id.example"])),
            ("aud", json!("pop mail")),
            ("aud", json!([])),
            ("aud", Value::Null),
            ("exp", json!(NOW - 30)),
            ("exp", json!("soon")),
            ("exp", Value::Null),
            ("nbf", json!(NOW + 31)),
            ("nbf", json!("now")),
            ("email", Value::Null),
            ("email", json!("")),
            ("email", json!(["ann@example.org"])),
            ("email_verified", json!(false)),
            ("email_verified", json!("false")),
            ("email_verified", json!(0)),
        ] {
            let outcome = changed(claim, value.clone());
            assert!(
                matches!(outcome, Err(TokenError::Refused(_))),
                "{claim} {value}: {outcome:?}"
            );
        }
        for scope in [Value::Null, json!("pop.reading"), json!([])] {
            assert_eq!(changed("scope", scope), Err(TokenError::Scope));
        }
    }

    #[test]
    fn the_scopes_may_be_in_scp() {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove("scope");
        claims["scp"] = json!("pop.read x");
        assert!(user(&claims).is_ok());
    }
}
