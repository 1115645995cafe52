//! Class 14: tokens that name their own algorithm, key, or issuer.

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use serde_json::{Value, json};

use crate::issuer::Issuer;
use crate::target::{More, Target, WELCOME, place};

fn base64url(octets: &[u8]) -> String {
    let text = openssl::base64::encode_block(octets);
    let text = text.trim_end_matches('=');
    text.replace('+', "-").replace('/', "_")
}

fn claims() -> Value {
    json!({
        "iss": "https://id.example", "aud": "mailroost", "email": "ann@example.org",
        "exp": 4_102_444_800_u64,
    })
}

/// A token of any header, signed by `sign`.
fn token(header: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let parts = [header.to_string(), claims().to_string()].map(|part| base64url(part.as_bytes()));
    let signed = parts.join(".");
    format!("{signed}.{}", base64url(&sign(signed.as_bytes())))
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let key = PKey::hmac(key).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    signer.sign_oneshot_to_vec(text).unwrap()
}

/// RFC 7628 s3.1.
fn bearer(target: &Target, token: &str) -> String {
    let message = format!("n,a=ann@example.org,\x01auth=Bearer {token}\x01\x01");
    let mut wire = target.tls_wire();
    assert_eq!(wire.ask("AUTH OAUTHBEARER"), "+ ");
    let reply = wire.ask(&openssl::base64::encode_block(message.as_bytes()));
    match reply.starts_with("+ ") {
        // What is wrong is in the challenge; the client acknowledges it.
        true => wire.ask("AQ=="),
        false => reply,
    }
}

#[test]
fn class_14_a_token_chooses_neither_its_algorithm_nor_its_key() {
    let place = place(More {
        protocol: "max_command_size = 1024",
        auth: "mechanisms = [\"OAUTHBEARER\"]",
        sections: "[auth.oauth]\nissuer = \"https://id.example\"\naudience = [\"mailroost\"]\n\
                   algorithms = [\"RS256\", \"ES256\"]\njwks_file = \"keys.json\"\n",
        ..More::default()
    });
    place.add_user("ann@example.org");
    let rsa = Rsa::generate(2048).unwrap();
    let key = PKey::from_rsa(rsa.clone()).unwrap();
    let issuer = Issuer::new("ec");
    let mut keys: Value = serde_json::from_str(&issuer.keys()).unwrap();
    let public = json!({
        "kty": "RSA", "kid": "rsa",
        "n": base64url(&rsa.n().to_vec()), "e": base64url(&rsa.e().to_vec()),
    });
    keys["keys"].as_array_mut().unwrap().push(public);
    place.file("keys.json", keys.to_string());
    let target = Target::start(place);
    let by_rsa = |text: &[u8]| {
        let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
        signer.sign_oneshot_to_vec(text).unwrap()
    };
    let good = token(&json!({ "alg": "RS256", "kid": "rsa" }), by_rsa);
    assert_eq!(bearer(&target, &good), WELCOME);
    let unsigned = |_: &[u8]| Vec::new();
    for name in ["none", "None", "NONE", "nOnE", ""] {
        let forged = token(&json!({ "alg": name, "kid": "rsa" }), unsigned);
        assert!(bearer(&target, &forged).starts_with("-ERR"), "{name:?}");
    }
    // The public key in each form that a careless library would take for a shared secret.
    let forms = [
        key.public_key_to_pem().unwrap(),
        rsa.public_key_to_pem_pkcs1().unwrap(),
        key.public_key_to_der().unwrap(),
        rsa.n().to_vec(),
        base64url(&rsa.n().to_vec()).into_bytes(),
    ];
    for secret in &forms {
        for header in [
            json!({ "alg": "HS256", "kid": "rsa" }),
            json!({ "alg": "HS256" }),
        ] {
            let forged = token(&header, |text| hmac(secret, text));
            assert!(bearer(&target, &forged).starts_with("-ERR"), "{header}");
        }
    }
    refuses_keys_of_the_tokens_own(&target);
    // Not for us, not from them, over, or not yet.
    for change in [
        ("aud", json!("elsewhere")),
        ("aud", json!(["mailroost2"])),
        ("iss", json!("https://id.example.evil")),
        ("exp", json!(1)),
        ("exp", json!("never")),
        ("nbf", json!(4_102_444_800_u64)),
        ("email", json!("bob@example.org")),
    ] {
        let refused = issuer.token("ann@example.org", std::slice::from_ref(&change));
        assert!(bearer(&target, &refused).starts_with("-ERR"), "{change:?}");
    }
    assert_eq!(
        bearer(&target, &issuer.token("ann@example.org", &[])),
        WELCOME
    );
}

/// Keys that the token brings along or names as files, and a key of another kind.
fn refuses_keys_of_the_tokens_own(target: &Target) {
    let strange = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    for header in [
        json!({ "alg": "HS256", "kid": "../../../dev/null" }),
        json!({ "alg": "RS256", "kid": "../keys.json" }),
        json!({ "alg": "RS256", "kid": "keys.json\u{0}" }),
        json!({ "alg": "ES256", "kid": "rsa" }),
        json!({ "alg": "RS256", "kid": "ec" }),
        json!({ "alg": "RS256", "kid": "x", "jku": "https://127.0.0.1/keys" }),
        json!({ "alg": "RS256", "kid": "rsa", "crit": ["b64"], "b64": false }),
    ] {
        let forged = token(&header, |text| {
            let mut signer = Signer::new(MessageDigest::sha256(), &strange).unwrap();
            signer.sign_oneshot_to_vec(text).unwrap()
        });
        assert!(bearer(target, &forged).starts_with("-ERR"), "{header}");
    }
}
