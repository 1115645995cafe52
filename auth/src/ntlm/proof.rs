//! The computations of NTLM (MS-NLMP 3.3), over primitives of RustCrypto. All comparisons take
//! the same time whatever differs.

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit as _};
use hmac::{Hmac, Mac};
use md4::Md4;
use md5::{Digest, Md5};
use rc4::{Rc4, StreamCipher};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::message::utf16;

/// Sixteen octets that must not become known.
pub(super) type Key = Zeroizing<[u8; 16]>;

/// The NT hash of a password (`NTOWFv1`, MS-NLMP 3.3.1): MD4 over its UTF-16 form. Whoever
/// knows it can log on; it is as secret as the password.
pub fn nt_hash(password: &str) -> Key {
    let password = Zeroizing::new(utf16(password));
    Zeroizing::new(Md4::digest(&*password).into())
}

/// HMAC-MD5 over these parts one after the other.
fn hmac_md5(key: &[u8; 16], parts: &[&[u8]]) -> Key {
    let mut mac = <Hmac<Md5>>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// `NTOWFv2` (MS-NLMP 3.3.2): the NT hash bound to a name; the user's in upper case, the
/// domain's as it is, both UTF-16.
pub(super) fn ntowf_v2(nt_hash: &[u8; 16], upper_user: &[u8], domain: &[u8]) -> Key {
    hmac_md5(nt_hash, &[upper_user, domain])
}

/// Whether `proof` is that of `temp` and our challenge; then the session's base key.
pub(super) fn check_v2(
    ntowf_v2: &[u8; 16],
    nonce: &[u8; 8],
    temp: &[u8],
    proof: &[u8; 16],
) -> Option<Key> {
    let expected = hmac_md5(ntowf_v2, &[nonce, temp]);
    bool::from(expected.ct_eq(proof)).then(|| hmac_md5(ntowf_v2, &[&*expected]))
}

/// Whether `answer` is that of NTLMv1 with extended session security (MS-NLMP 3.3.1) to our
/// challenge and the client's.
pub(super) fn check_v1_extended(
    nt_hash: &[u8; 16],
    nonce: &[u8; 8],
    client_challenge: &[u8; 8],
    answer: &[u8; 24],
) -> bool {
    let both: [u8; 16] = Md5::new()
        .chain_update(nonce)
        .chain_update(client_challenge)
        .finalize()
        .into();
    let mut question = [0; 8];
    question.copy_from_slice(&both[..8]);
    check_v1(nt_hash, &question, answer)
}

/// Whether `answer` is that of NTLMv1 to this challenge (`DESL`, MS-NLMP 6).
pub(super) fn check_v1(nt_hash: &[u8; 16], question: &[u8; 8], answer: &[u8; 24]) -> bool {
    let mut keys = Zeroizing::new([0; 21]);
    keys[..16].copy_from_slice(nt_hash);
    let mut expected = [0; 24];
    for (key, block) in keys.chunks(7).zip(expected.chunks_mut(8)) {
        block.copy_from_slice(&des(key, *question));
    }
    expected.ct_eq(answer).into()
}

/// DES of one block, under a key of 56 bits.
fn des(key: &[u8], block: [u8; 8]) -> [u8; 8] {
    let bits = key
        .iter()
        .fold(0, |bits: u64, octet| bits << 8 | u64::from(*octet));
    // Seven bits in each octet; the lowest is for parity, which nobody looks at.
    let mut spread = Zeroizing::new([0; 8]);
    for (index, octet) in spread.iter_mut().enumerate() {
        *octet = ((bits >> (49 - 7 * index)) & 0x7f) as u8 * 2;
    }
    let mut block = block.into();
    Des::new((&*spread).into()).encrypt_block(&mut block);
    block.into()
}

/// The session key that the client chose and encrypted with the base key (`KEY_EXCH`).
pub(super) fn exchanged(base_key: &[u8; 16], encrypted: &[u8; 16]) -> Key {
    let mut key = Zeroizing::new(*encrypted);
    let mut cipher = Rc4::new_from_slice(base_key).expect("RC4 takes keys of 1 to 256 octets");
    cipher.apply_keystream(&mut *key);
    key
}

/// Whether `mic` covers the three messages (MS-NLMP 3.2.5.1.2), the last one with its own zeroed.
pub(super) fn check_mic(session_key: &[u8; 16], messages: [&[u8]; 3], mic: &[u8; 16]) -> bool {
    hmac_md5(session_key, &messages).ct_eq(mic).into()
}

#[cfg(test)]
mod tests;
