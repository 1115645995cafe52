//! A client of SCRAM-SHA-256 (RFC 5802 s3, RFC 7677).
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The client's first message behind its header.
pub fn first(user: &str) -> String {
    format!("n={user},r=0123456789")
}

/// Its last one; `binding` is the header and the octets of the channel. Also the iterations that
/// it was told.
pub fn last(password: &str, first: &str, challenge: &[u8], binding: &[u8]) -> (String, u32) {
    let challenge = std::str::from_utf8(challenge).unwrap();
    let mut attributes = challenge.split(',').map(|attribute| &attribute[2..]);
    let mut next = || attributes.next().unwrap();
    let (nonce, salt, iterations) = (next(), STANDARD.decode(next()).unwrap(), next());
    let iterations = iterations.parse().unwrap();
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, iterations, &mut salted);
    let client_key = hmac(&salted, b"Client Key");
    let without_proof = format!("c={},r={nonce}", STANDARD.encode(binding));
    let message = format!("{first},{challenge},{without_proof}");
    let signature = hmac(&Sha256::digest(client_key), message.as_bytes());
    let proof: Vec<u8> = client_key
        .iter()
        .zip(signature)
        .map(|(a, b)| a ^ b)
        .collect();
    let last = format!("{without_proof},p={}", STANDARD.encode(proof));
    (last, iterations)
}

fn hmac(key: &[u8], octets: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
    mac.update(octets);
    mac.finalize().into_bytes().into()
}
