//! Sealing: a secret that has to be kept as it is (the NT hash) is encrypted with a key that is
//! not kept where the secret is, and tied to the maildrop that it belongs to. Who has a copy of
//! the store alone has nothing; who moves a sealed value to another user breaks it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use mailroost_storage::MaildropId;
use zeroize::Zeroizing;

use crate::Secret;

/// Octets of a key.
const KEY_OCTETS: usize = 32;

/// Octets of a nonce: so many that random ones never meet.
const NONCE_OCTETS: usize = 24;

/// What a sealed value begins with: the way in which it is sealed.
const VERSION: &str = "xchacha20poly1305:";

/// What an NT hash is tied to besides its maildrop, so that nothing else passes for one.
const PURPOSE: &[u8] = b"mailroost nt-hash\0";

/// Seals and unseals NT hashes. Never shown, wiped when dropped.
#[derive(Clone)]
pub struct SealingKey(Zeroizing<[u8; KEY_OCTETS]>);

/// Why there is no key, or no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealingError {
    /// A text that is no key.
    #[error("a sealing key is {KEY_OCTETS} octets in base64, and this is not")]
    Key,
    /// It was sealed with another key, for another maildrop, or changed since.
    #[error("the NT hash cannot be unsealed: it was sealed with another key or for another user")]
    Sealed,
    /// The system has no random numbers.
    #[error("there are no random numbers: {0}")]
    Randomness(getrandom::Error),
}

impl SealingKey {
    /// A new key.
    ///
    /// # Errors
    /// `Randomness`.
    pub fn generate() -> Result<Self, SealingError> {
        let mut key = Zeroizing::new([0; KEY_OCTETS]);
        getrandom::fill(&mut *key).map_err(SealingError::Randomness)?;
        Ok(Self(key))
    }

    /// The key that [`SealingKey::to_text`] wrote; blanks around it do not count.
    ///
    /// # Errors
    /// `Key`.
    pub fn parse(text: &str) -> Result<Self, SealingError> {
        let octets = Zeroizing::new(
            STANDARD
                .decode(text.trim())
                .map_err(|_| SealingError::Key)?,
        );
        let key = <[u8; KEY_OCTETS]>::try_from(octets.as_slice());
        key.map(|key| Self(Zeroizing::new(key)))
            .map_err(|_| SealingError::Key)
    }

    /// As one line of text.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}\n", STANDARD.encode(*self.0)))
    }

    /// An NT hash, sealed for the owner of this maildrop: text of about a hundred octets.
    ///
    /// # Errors
    /// `Randomness`.
    pub fn seal(&self, nt_hash: &[u8; 16], maildrop: MaildropId) -> Result<String, SealingError> {
        let mut nonce = [0; NONCE_OCTETS];
        getrandom::fill(&mut nonce).map_err(SealingError::Randomness)?;
        let payload = Payload {
            msg: nt_hash,
            aad: &tie(maildrop),
        };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| SealingError::Sealed)?;
        Ok(format!(
            "{VERSION}{}",
            STANDARD.encode([&nonce[..], &sealed].concat())
        ))
    }

    /// The NT hash again.
    ///
    /// # Errors
    /// `Sealed`.
    pub fn unseal(&self, sealed: &str, maildrop: MaildropId) -> Result<Secret, SealingError> {
        let text = sealed.strip_prefix(VERSION).ok_or(SealingError::Sealed)?;
        let octets = STANDARD.decode(text).map_err(|_| SealingError::Sealed)?;
        let (nonce, sealed) = octets
            .split_first_chunk::<NONCE_OCTETS>()
            .ok_or(SealingError::Sealed)?;
        let payload = Payload {
            msg: sealed,
            aad: &tie(maildrop),
        };
        let unsealed = self.cipher().decrypt(&XNonce::from(*nonce), payload);
        unsealed.map(Secret::from).map_err(|_| SealingError::Sealed)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

fn tie(maildrop: MaildropId) -> Vec<u8> {
    [PURPOSE, &maildrop.0.to_be_bytes()].concat()
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey")
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const HASH: [u8; 16] = *b"sixteen octets..";
    const MAILDROP: MaildropId = MaildropId(7);

    #[test]
    fn what_was_sealed_is_unsealed_for_the_same_maildrop_by_the_same_key_alone() {
        let key = SealingKey::generate().unwrap();
        let sealed = key.seal(&HASH, MAILDROP).unwrap();
        assert_eq!(key.unseal(&sealed, MAILDROP).unwrap().expose_secret(), HASH);
        let another = SealingKey::generate().unwrap();
        for (key, maildrop) in [(&key, MaildropId(8)), (&another, MAILDROP)] {
            let outcome = key.unseal(&sealed, maildrop).map(drop);
            assert_eq!(outcome, Err(SealingError::Sealed));
        }
        assert_ne!(key.seal(&HASH, MAILDROP).unwrap(), sealed);
    }

    #[test]
    fn no_octet_of_a_sealed_value_can_be_changed_or_left_out() {
        let key = SealingKey::generate().unwrap();
        let sealed = key.seal(&HASH, MAILDROP).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(key.unseal(&changed, MAILDROP).is_err(), "{at}");
            assert!(key.unseal(&sealed[..at], MAILDROP).is_err(), "{at}");
        }
    }

    #[test]
    fn a_key_survives_being_written_down_and_is_not_shown() {
        let key = SealingKey::generate().unwrap();
        let sealed = key.seal(&HASH, MAILDROP).unwrap();
        let read = SealingKey::parse(&key.to_text()).unwrap();
        assert!(read.unseal(&sealed, MAILDROP).is_ok());
        assert_eq!(format!("{key:?}"), "SealingKey");
        for text in ["", "AAAA", "not base64!", &STANDARD.encode([0; 33])] {
            assert_eq!(SealingKey::parse(text).map(drop), Err(SealingError::Key));
        }
    }
}
