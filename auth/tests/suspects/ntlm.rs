//! A client of NTLM: NTLMv2 in OEM characters, without a MIC (MS-NLMP 3.3.2).
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use hmac::{Hmac, KeyInit, Mac};
use mailroost_auth::ntlm::nt_hash;
use md5::Md5;

/// OEM, NTLM, target names and target information wanted.
const FLAGS: u32 = 0x0008_8206;
/// Octets of an AUTHENTICATE message before its payload.
const HEADER_OCTETS: usize = 64;

pub fn negotiate() -> Vec<u8> {
    let mut message = b"NTLMSSP\0\x01\0\0\0".to_vec();
    message.extend(FLAGS.to_le_bytes());
    message.extend([0; 16]);
    message
}

/// The answer to a challenge.
pub fn authenticate(user: &str, password: &str, challenge: &[u8]) -> Vec<u8> {
    let info = u32::from_le_bytes(*challenge[44..].first_chunk().unwrap()) as usize;
    let temp = [
        &[1, 1, 0, 0, 0, 0, 0, 0][..],
        &[0; 8],
        &[0xaa; 8],
        &[0; 4],
        &challenge[info..],
        &[0; 4],
    ]
    .concat();
    let upper: Vec<u8> = user
        .to_uppercase()
        .bytes()
        .flat_map(|octet| [octet, 0])
        .collect();
    let key = hmac(&nt_hash(password), &[&upper]);
    let proof = hmac(&key, &[&challenge[24..32], &temp]);
    let response = [&proof[..], &temp].concat();
    let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
    let mut payload = Vec::<u8>::new();
    // LM, NT, domain, user, machine, session key.
    for field in [&[0; 24], &response[..], b"", user.as_bytes(), b"", b""] {
        let length = u16::try_from(field.len()).unwrap().to_le_bytes();
        message.extend([length, length].concat());
        let at = u32::try_from(HEADER_OCTETS + payload.len()).unwrap();
        message.extend(at.to_le_bytes());
        payload.extend(field);
    }
    message.extend(FLAGS.to_le_bytes());
    message.extend(payload);
    message
}

fn hmac(key: &[u8; 16], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = <Hmac<Md5> as KeyInit>::new_from_slice(key).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
