//! Public keys of an authorization server (JWK, RFC 7517 and 7518), and signatures by them.
//!
//! A key says itself which one algorithm it is for, whatever a token claims: a public key is
//! never taken for the secret of an HMAC.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Verifier};
use serde::Deserialize;

/// The bits of an RSA key: fewer can be factored (RFC 7518 s3.3), more only cost time.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// Octets of each half of a signature by P-256.
const P256_OCTETS: usize = 32;

/// How a token is signed (RFC 7518 s3.1, RFC 8037 s3.1). There is no "none" and no HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The one of this name, as a token's header has it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Rs256 | Self::Ps256 => Kind::Rsa,
            Self::Es256 => Kind::P256,
            Self::EdDsa => Kind::Ed25519,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    Ed25519,
}

/// A key.
pub(super) struct Key {
    pub(super) id: Option<String>,
    kind: Kind,
    /// The only algorithm, if the key says so.
    only: Option<String>,
    key: PKey<Public>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys of a JWK set. One that is not for signatures, or of a kind that is not known, is
/// passed over (RFC 7517 s5).
pub(super) fn parse_set(document: &[u8]) -> Result<Vec<Key>, String> {
    let set: KeySet = serde_json::from_slice(document)
        .map_err(|error| format!("the keys are no JWK set: {error}"))?;
    let keys: Vec<Key> = set.keys.into_iter().filter_map(parse_key).collect();
    match keys.is_empty() {
        true => Err("the JWK set has no key that can be used".to_owned()),
        false => Ok(keys),
    }
}

fn parse_key(value: serde_json::Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let signs = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
    let verifies = |operations: &Vec<String>| operations.iter().any(|one| one == "verify");
    if !signs || !jwk.key_ops.as_ref().is_none_or(verifies) {
        return None;
    }
    let (kind, key) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => (Kind::Rsa, rsa(&octets(&jwk.n)?, &octets(&jwk.e)?).ok()?),
        ("EC", Some("P-256")) => (Kind::P256, p256(&octets(&jwk.x)?, &octets(&jwk.y)?).ok()?),
        ("OKP", Some("Ed25519")) => {
            let key = PKey::public_key_from_raw_bytes(&octets(&jwk.x)?, Id::ED25519);
            (Kind::Ed25519, key.ok()?)
        }
        _ => return None,
    };
    if kind == Kind::Rsa && !RSA_BITS.contains(&key.bits()) {
        return None;
    }
    Some(Key {
        id: jwk.kid,
        kind,
        only: jwk.alg,
        key,
    })
}

fn octets(member: &Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(member.as_deref()?).ok()
}

fn rsa(n: &[u8], e: &[u8]) -> Result<PKey<Public>, ErrorStack> {
    let (n, e) = (BigNum::from_slice(n)?, BigNum::from_slice(e)?);
    PKey::from_rsa(Rsa::from_public_components(n, e)?)
}

fn p256(x: &[u8], y: &[u8]) -> Result<PKey<Public>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let (x, y) = (BigNum::from_slice(x)?, BigNum::from_slice(y)?);
    // Refuses a point that is not on the curve.
    let key = EcKey::from_public_key_affine_coordinates(&group, &x, &y)?;
    PKey::from_ec_key(key)
}

impl Key {
    /// Whether this key can have made signatures of that algorithm.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        let only = self.only.as_deref();
        self.kind == algorithm.kind()
            && only.is_none_or(|only| Algorithm::named(only) == Some(algorithm))
    }

    /// Whether it signed these octets.
    pub(super) fn signed(&self, algorithm: Algorithm, octets: &[u8], signature: &[u8]) -> bool {
        self.is_for(algorithm) && self.verify(algorithm, octets, signature).unwrap_or(false)
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        octets: &[u8],
        signature: &[u8],
    ) -> Result<bool, ErrorStack> {
        let sha256 = MessageDigest::sha256();
        match algorithm {
            Algorithm::Rs256 => {
                let mut verifier = Verifier::new(sha256, &self.key)?;
                verifier.set_rsa_padding(Padding::PKCS1)?;
                verifier.verify_oneshot(signature, octets)
            }
            Algorithm::Ps256 => {
                let mut verifier = Verifier::new(sha256, &self.key)?;
                verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
                verifier.set_rsa_mgf1_md(sha256)?;
                verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
                verifier.verify_oneshot(signature, octets)
            }
            Algorithm::Es256 => {
                if signature.len() != 2 * P256_OCTETS {
                    return Ok(false);
                }
                let (r, s) = signature.split_at(P256_OCTETS);
                let (r, s) = (BigNum::from_slice(r)?, BigNum::from_slice(s)?);
                let der = EcdsaSig::from_private_components(r, s)?.to_der()?;
                Verifier::new(sha256, &self.key)?.verify_oneshot(&der, octets)
            }
            Algorithm::EdDsa => {
                Verifier::new_without_digest(&self.key)?.verify_oneshot(signature, octets)
            }
        }
    }
}
