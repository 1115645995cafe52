//! An issuer of bearer tokens, signed with Ed25519 (RFC 8037).
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mailroost_auth::oauth::{Algorithm, ClaimRules, JwtCheck, KeyDocument, KeyRing};
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;

const NOW: u64 = 1_700_000_000;

pub struct Issuer {
    key: PKey<Private>,
    pub check: Arc<JwtCheck>,
}

struct Published(String);

impl KeyDocument for Published {
    fn read(&self) -> Result<Vec<u8>, String> {
        Ok(self.0.clone().into_bytes())
    }
}

impl Issuer {
    pub fn new() -> Self {
        let key = PKey::generate_ed25519().unwrap();
        let x = URL_SAFE_NO_PAD.encode(key.raw_public_key().unwrap());
        let set = serde_json::json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x }] });
        let document = Box::new(Published(set.to_string()));
        let keys = KeyRing::new(document, Duration::from_secs(3600));
        let rules = ClaimRules {
            user_claim: "sub".to_owned(),
            ..ClaimRules::default()
        };
        let check = JwtCheck::new(keys, vec![Algorithm::EdDsa], rules).with_clock(|| NOW);
        Self {
            key,
            check: Arc::new(check),
        }
    }

    pub fn token(&self, user: &str) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA"}"#);
        let claims = serde_json::json!({ "sub": user, "exp": NOW + 60 });
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signer = Signer::new_without_digest(&self.key).unwrap();
        let signature = signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
