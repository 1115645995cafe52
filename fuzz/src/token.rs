//! Tokens and the keys that they are checked with: octets that nobody signed let nobody in, and
//! what somebody signed lets in whom it names, if it says what is wanted of it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mailroost_auth::oauth::{
    Algorithm, ClaimRules, JwtCheck, KeyDocument, KeyRing, TokenCheck, TokenError,
};
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde_json::{Map, Value, json};

const NOW: u64 = 1_793_000_000;

/// The target. The first octet says what the rest is: a JWK set; a token; a header and claims
/// with NUL between them, which are signed.
pub fn token(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    match kind % 3 {
        0 => key_set(data),
        1 => {
            if let Ok(token) = std::str::from_utf8(data) {
                let refused = issuer().check.check(token);
                assert!(
                    matches!(refused, Err(TokenError::Refused(_))),
                    "{refused:?}"
                );
            }
        }
        _ => signed(data),
    }
}

/// Keys of unknown origin: whatever they are, a token that was signed by others is refused.
fn key_set(document: &[u8]) {
    let usable = KeyRing::check(document).is_ok();
    let check = check(document.to_vec());
    let refused = check.check(&issuer().good);
    assert!(refused.is_err(), "{refused:?}");
    let unavailable = matches!(refused, Err(TokenError::Unavailable(_)));
    assert_eq!(unavailable, !usable, "{refused:?}");
}

fn signed(data: &[u8]) {
    let Some(nul) = data.iter().position(|octet| *octet == 0) else {
        return;
    };
    let (header, claims) = (&data[..nul], &data[nul + 1..]);
    let outcome = issuer().check.check(&issuer().token(header, claims));
    let object = |octets| serde_json::from_slice::<Map<String, Value>>(octets).ok();
    let (Some(header), Some(claims)) = (object(header), object(claims)) else {
        assert!(outcome.is_err(), "{outcome:?}");
        return;
    };
    let names = |claim: &str, name: &str| match claims.get(claim) {
        Some(Value::String(text)) => text.split(' ').any(|word| word == name),
        Some(Value::Array(names)) => names.iter().any(|one| one.as_str() == Some(name)),
        _ => false,
    };
    let number = |claim: &str| claims.get(claim).and_then(Value::as_f64);
    let key_fits = matches!(
        header.get("kid").map(Value::as_str),
        None | Some(Some("ed"))
    );
    let is_good = header.get("alg") == Some(&json!("EdDSA"))
        && key_fits
        && !header.contains_key("crit")
        && claims.get("iss") == Some(&json!("https://id.example"))
        && match claims.get("aud") {
            Some(Value::String(audience)) => audience == "pop",
            Some(_) | None => names("aud", "pop"),
        }
        && number("exp").is_some_and(|end| end + 30.0 > NOW as f64)
        && (!claims.contains_key("nbf")
            || number("nbf").is_some_and(|begin| begin <= NOW as f64 + 30.0))
        && (names("scope", "mail") || names("scp", "mail"))
        && matches!(
            claims.get("email_verified"),
            None | Some(Value::Bool(true) | Value::String(_))
        );
    match outcome {
        Ok(user) => {
            assert!(is_good, "{header:?} {claims:?}");
            assert_eq!(claims.get("email"), Some(&json!(user)));
            assert!(!user.is_empty());
        }
        Err(TokenError::Unavailable(why)) => panic!("{why}"),
        Err(_) => {
            let named = claims
                .get("email")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let verified = claims.get("email_verified");
            let text = verified
                .and_then(Value::as_str)
                .is_none_or(|text| text == "true");
            assert!(
                !is_good || named.is_empty() || !text,
                "{header:?} {claims:?}"
            );
        }
    }
}

struct Document(Vec<u8>);

impl KeyDocument for Document {
    fn read(&self) -> Result<Vec<u8>, String> {
        Ok(self.0.clone())
    }
}

fn check(document: Vec<u8>) -> JwtCheck {
    let now = Instant::now();
    let age_max = Duration::from_secs(1 << 40);
    let ring = KeyRing::new(Box::new(Document(document)), age_max).with_clock(move || now);
    let algorithms = vec![
        Algorithm::Rs256,
        Algorithm::Ps256,
        Algorithm::Es256,
        Algorithm::EdDsa,
    ];
    let rules = ClaimRules {
        issuer: Some("https://id.example".to_owned()),
        audiences: vec!["pop".to_owned()],
        scopes: vec!["mail".to_owned()],
        user_claim: "email".to_owned(),
        leeway_secs: 30,
    };
    JwtCheck::new(ring, algorithms, rules).with_clock(|| NOW)
}

/// Somebody who may sign.
struct Issuer {
    key: PKey<Private>,
    check: JwtCheck,
    good: String,
}

fn issuer() -> &'static Issuer {
    static ISSUER: OnceLock<Issuer> = OnceLock::new();
    ISSUER.get_or_init(|| {
        let key = PKey::private_key_from_raw_bytes(&[7; 32], openssl::pkey::Id::ED25519).unwrap();
        let x = URL_SAFE_NO_PAD.encode(key.raw_public_key().unwrap());
        let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": x }] });
        let mut issuer = Issuer {
            key,
            check: check(set.to_string().into_bytes()),
            good: String::new(),
        };
        let claims = json!({
            "iss": "https://id.example", "aud": "pop", "exp": NOW + 1, "scope": "mail",
            "email": "ann",
        });
        issuer.good = issuer.token(br#"{"alg":"EdDSA"}"#, claims.to_string().as_bytes());
        assert_eq!(issuer.check.check(&issuer.good).as_deref(), Ok("ann"));
        issuer
    })
}

impl Issuer {
    fn token(&self, header: &[u8], claims: &[u8]) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let signed = format!("{header}.{claims}");
        let mut signer = Signer::new_without_digest(&self.key).unwrap();
        let signature = signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
