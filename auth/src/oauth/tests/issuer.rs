//! An issuer of tokens with a key of each kind, and what it publishes of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};
use serde_json::{Value, json};

use crate::oauth::KeyDocument;

/// An issuer with a key of each kind.
pub(super) struct Issuer {
    rsa: PKey<Private>,
    p256: PKey<Private>,
    ed25519: PKey<Private>,
}

pub(super) fn encode(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

impl Issuer {
    pub(super) fn new() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        Self {
            rsa: PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(),
            p256: PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap(),
            ed25519: PKey::generate_ed25519().unwrap(),
        }
    }

    pub(super) fn rsa_jwk(&self, id: &str) -> Value {
        let rsa = self.rsa.rsa().unwrap();
        let (n, e) = (encode(rsa.n().to_vec()), encode(rsa.e().to_vec()));
        json!({ "kty": "RSA", "use": "sig", "kid": id, "n": n, "e": e })
    }

    pub(super) fn set(&self) -> Value {
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        let key = self.p256.ec_key().unwrap();
        let mut context = BigNumContext::new().unwrap();
        let point = key.public_key();
        point
            .affine_coordinates(key.group(), &mut x, &mut y, &mut context)
            .unwrap();
        let (x, y) = (x.to_vec_padded(32).unwrap(), y.to_vec_padded(32).unwrap());
        let ed = self.ed25519.raw_public_key().unwrap();
        json!({ "keys": [
            { "kty": "RSA", "use": "enc", "kid": "rsa", "n": "AQAB", "e": "AQAB" },
            { "kty": "oct", "kid": "rsa", "k": "c2VjcmV0" },
            self.rsa_jwk("rsa"),
            { "kty": "EC", "crv": "P-256", "kid": "p256", "x": encode(x), "y": encode(y) },
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "x": encode(ed) },
        ]})
    }

    pub(super) fn token(&self, algorithm: &str, id: Option<&str>, claims: &Value) -> String {
        let mut header = json!({ "alg": algorithm, "typ": "JWT" });
        if let Some(id) = id {
            header["kid"] = id.into();
        }
        let signed = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let signature = self.sign(algorithm, signed.as_bytes());
        format!("{signed}.{}", encode(signature))
    }

    fn sign(&self, algorithm: &str, octets: &[u8]) -> Vec<u8> {
        let sha256 = MessageDigest::sha256();
        match algorithm {
            "RS256" => Signer::new(sha256, &self.rsa)
                .unwrap()
                .sign_oneshot_to_vec(octets)
                .unwrap(),
            "PS256" => {
                let mut signer = Signer::new(sha256, &self.rsa).unwrap();
                signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
                signer
                    .set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)
                    .unwrap();
                signer.sign_oneshot_to_vec(octets).unwrap()
            }
            "ES256" => {
                let mut signer = Signer::new(sha256, &self.p256).unwrap();
                let der = signer.sign_oneshot_to_vec(octets).unwrap();
                let signature = EcdsaSig::from_der(&der).unwrap();
                let halves = [signature.r(), signature.s()].map(|n| n.to_vec_padded(32).unwrap());
                halves.concat()
            }
            "EdDSA" => {
                let mut signer = Signer::new_without_digest(&self.ed25519).unwrap();
                signer.sign_oneshot_to_vec(octets).unwrap()
            }
            // What an attacker has who knows the public key and nothing else.
            "HS256" => {
                let public = self.rsa.public_key_to_pem().unwrap();
                let key = PKey::hmac(&public).unwrap();
                Signer::new(sha256, &key)
                    .unwrap()
                    .sign_oneshot_to_vec(octets)
                    .unwrap()
            }
            _ => Vec::new(),
        }
    }
}

/// A document that a test can change, and that counts how often it is read.
#[derive(Clone)]
pub(super) struct Document {
    octets: Arc<Mutex<Result<Vec<u8>, String>>>,
    reads: Arc<AtomicUsize>,
}

impl Document {
    pub(super) fn of(set: &Value) -> Self {
        Self {
            octets: Arc::new(Mutex::new(Ok(set.to_string().into_bytes()))),
            reads: Arc::default(),
        }
    }

    pub(super) fn put(&self, set: &Value) {
        *self.octets.lock().unwrap() = Ok(set.to_string().into_bytes());
    }

    pub(super) fn fail(&self) {
        *self.octets.lock().unwrap() = Err("nobody there".to_owned());
    }

    pub(super) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl KeyDocument for Document {
    fn read(&self) -> Result<Vec<u8>, String> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.octets.lock().unwrap().clone()
    }
}
