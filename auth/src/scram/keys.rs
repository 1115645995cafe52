//! What is stored of a password for SCRAM-SHA-256 (RFC 5802 s3, RFC 7677), in the form of
//! RFC 5803: `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::limits::{
    PASSWORD_OCTETS_MAX, SCRAM_ITERATIONS, SCRAM_SALT_OCTETS, SCRAM_SALT_OCTETS_MAX,
};
use crate::{HashError, Secret};

const SCHEME: &str = "SCRAM-SHA-256";

/// Octets of SHA-256.
pub(super) type Digest32 = [u8; 32];

/// Salt, iterations and the two keys. Whoever has them can play the server, and can guess at the
/// password as quickly as the iterations allow; they do not have the password.
pub struct ScramKeys {
    pub(super) iterations: u32,
    pub(super) salt: Vec<u8>,
    pub(super) stored_key: Zeroizing<Digest32>,
    pub(super) server_key: Zeroizing<Digest32>,
}

impl ScramKeys {
    /// The keys of a new password, under a salt of their own. The password is prepared by
    /// SASLprep where that can be.
    ///
    /// # Errors
    /// [`HashError::Password`] if it is empty or too long, [`HashError::Cost`] if the iterations
    /// are outside [`SCRAM_ITERATIONS`], [`HashError::Unavailable`] without randomness.
    pub fn new(password: &Secret, iterations: u32) -> Result<Self, HashError> {
        let octets = password.expose_secret().len();
        if octets == 0 || octets > PASSWORD_OCTETS_MAX {
            return Err(HashError::Password { octets });
        }
        if !SCRAM_ITERATIONS.contains(&iterations) {
            return Err(HashError::Cost {
                name: "SCRAM iterations",
                value: iterations.into(),
                min: (*SCRAM_ITERATIONS.start()).into(),
                max: (*SCRAM_ITERATIONS.end()).into(),
            });
        }
        let mut salt = vec![0; SCRAM_SALT_OCTETS];
        getrandom::fill(&mut salt).map_err(|error| HashError::Unavailable(error.to_string()))?;
        Ok(Self::derive(password, salt, iterations))
    }

    /// RFC 5802 s3: SaltedPassword, ClientKey, StoredKey, ServerKey.
    pub(super) fn derive(password: &Secret, salt: Vec<u8>, iterations: u32) -> Self {
        let password = crate::prepared::new_password(password);
        let mut salted = Zeroizing::new([0; 32]);
        pbkdf2::pbkdf2_hmac::<Sha256>(password.expose_secret(), &salt, iterations, salted.as_mut());
        let client_key = mac(salted.as_ref(), &[b"Client Key"]);
        Self {
            iterations,
            salt,
            stored_key: Zeroizing::new(Sha256::digest(client_key.as_ref()).into()),
            server_key: mac(salted.as_ref(), &[b"Server Key"]),
        }
    }

    /// Reads the form of RFC 5803; `None` if it is another, or asks for iterations or a salt
    /// outside the limits.
    pub fn parse(stored: &str) -> Option<Self> {
        let mut parts = stored.split('$');
        let (Some(SCHEME), Some(cost), Some(keys), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let (iterations, salt) = cost.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let iterations = iterations.parse().ok()?;
        let salt = STANDARD.decode(salt).ok()?;
        let acceptable = SCRAM_ITERATIONS.contains(&iterations)
            && (1..=SCRAM_SALT_OCTETS_MAX).contains(&salt.len());
        let key = |text: &str| -> Option<Zeroizing<Digest32>> {
            let octets = Zeroizing::new(STANDARD.decode(text).ok()?);
            octets.as_slice().try_into().ok().map(Zeroizing::new)
        };
        acceptable.then_some(Self {
            iterations,
            salt,
            stored_key: key(stored_key)?,
            server_key: key(server_key)?,
        })
    }

    /// The form of RFC 5803.
    pub fn stored(&self) -> String {
        format!(
            "{SCHEME}${}:{}${}:{}",
            self.iterations,
            STANDARD.encode(&self.salt),
            STANDARD.encode(self.stored_key.as_ref()),
            STANDARD.encode(self.server_key.as_ref()),
        )
    }

    /// Whether `proof` was made by somebody with the password for this AuthMessage; compared in
    /// constant time (RFC 5802 s3).
    pub(super) fn proven(&self, auth_message: &[&[u8]], proof: &Digest32) -> bool {
        let mut client_key = mac(self.stored_key.as_ref(), auth_message);
        for (octet, proof) in client_key.iter_mut().zip(proof) {
            *octet ^= proof;
        }
        let stored_key = Sha256::digest(client_key.as_ref());
        stored_key.as_slice().ct_eq(self.stored_key.as_ref()).into()
    }

    /// ServerSignature, which proves the server to the client.
    pub(super) fn server_signature(&self, auth_message: &[&[u8]]) -> Zeroizing<Digest32> {
        mac(self.server_key.as_ref(), auth_message)
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramKeys")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// HMAC-SHA-256 over the parts as if they were one.
pub(super) fn mac(key: &[u8], parts: &[&[u8]]) -> Zeroizing<Digest32> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_and_parsed_again_is_the_same() {
        let keys = ScramKeys::new(&Secret::from(b"pencil".to_vec()), 4096).unwrap();
        let stored = keys.stored();
        assert!(stored.starts_with("SCRAM-SHA-256$4096:"), "{stored}");
        assert_eq!(ScramKeys::parse(&stored).unwrap().stored(), stored);
    }

    #[test]
    fn what_is_not_of_the_form_or_over_the_limits_is_refused() {
        let key = STANDARD.encode([7; 32]);
        let good = format!("SCRAM-SHA-256$4096:c2FsdA==${key}:{key}");
        assert!(ScramKeys::parse(&good).is_some());
        for stored in [
            String::new(),
            good.replace("SHA-256", "SHA-1"),
            good.replace("4096", "4095"),
            good.replace("4096", "1000000001"),
            good.replace("c2FsdA==", ""),
            good.replace("c2FsdA==", "c2FsdA"),
            good.replace(&format!(":{key}"), ":AAAA"),
            format!("{good}$"),
        ] {
            assert!(ScramKeys::parse(&stored).is_none(), "{stored}");
        }
    }

    #[test]
    fn iterations_outside_the_range_and_bad_passwords_are_refused() {
        let keys = |password: &[u8], iterations| {
            ScramKeys::new(&Secret::from(password.to_vec()), iterations)
        };
        assert!(matches!(keys(b"x", 4095), Err(HashError::Cost { .. })));
        assert!(matches!(
            keys(b"", 4096),
            Err(HashError::Password { octets: 0 })
        ));
    }

    #[test]
    fn debug_shows_no_key() {
        let keys = ScramKeys::new(&Secret::from(b"pencil".to_vec()), 4096).unwrap();
        assert_eq!(format!("{keys:?}"), "ScramKeys { iterations: 4096, .. }");
    }
}
