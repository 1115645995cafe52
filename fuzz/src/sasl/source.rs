//! The source behind the mechanisms: Ann, her password and what is stored of it, and a record of
//! whom it was asked about.

use std::sync::{Mutex, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use mailroost_auth::{AuthError, CredentialKind, Identity, PasswordSource, Secret};
use mailroost_storage::{MaildropId, UserName};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

pub const NAME: &str = "ann";
pub const PASSWORD: &str = "open sesame";
pub const SALT: &[u8] = b"salt of sixteen.";
pub const ITERATIONS: u32 = 4_096;

/// Knows Ann.
#[derive(Default)]
pub struct Ann {
    /// Names and passwords that were to be verified.
    pub verified: Mutex<Vec<(String, Vec<u8>)>>,
    /// Names that were proven otherwise, and whom they wanted to act as.
    pub admitted: Mutex<Vec<(String, Option<String>)>>,
}

impl PasswordSource for Ann {
    fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError> {
        let password = password.expose_secret().to_vec();
        let is_right = name == NAME && password == PASSWORD.as_bytes();
        let mut verified = self.verified.lock().unwrap();
        verified.push((name.to_owned(), password));
        is_right.then(identity).ok_or(AuthError::WrongPassword)
    }

    fn credential(&self, name: &str, kind: CredentialKind) -> Result<Option<Secret>, AuthError> {
        let octets = match kind {
            CredentialKind::ScramSha256 => scram_keys().stored.clone().into_bytes(),
            CredentialKind::NtHash => mailroost_auth::ntlm::nt_hash(PASSWORD).to_vec(),
            _ => return Ok(None),
        };
        Ok((name == NAME).then(|| octets.into()))
    }

    fn keeps(&self, _kind: CredentialKind) -> bool {
        true
    }

    fn admit(&self, name: &str, authorization: Option<&str>) -> Result<Identity, AuthError> {
        let mut admitted = self.admitted.lock().unwrap();
        admitted.push((name.to_owned(), authorization.map(str::to_owned)));
        if name == NAME && authorization.is_none_or(|wanted| wanted == NAME) {
            return Ok(identity());
        }
        Err(AuthError::NotPermitted("not theirs"))
    }
}

fn identity() -> Identity {
    Identity {
        user: UserName::new(NAME).unwrap(),
        delegate: None,
        maildrop: MaildropId(1),
        exact_rfc822_size: None,
        site: None,
    }
}

/// What follows from Ann's password (RFC 5802 s3).
pub struct AnnsKeys {
    pub client_key: [u8; 32],
    /// In the form of RFC 5803.
    pub stored: String,
}

pub fn scram_keys() -> &'static AnnsKeys {
    static KEYS: OnceLock<AnnsKeys> = OnceLock::new();
    KEYS.get_or_init(|| {
        // RFC 5802 s2.2: Hi().
        let mut block = mac(PASSWORD.as_bytes(), &[SALT, &[0, 0, 0, 1]].concat());
        let mut salted = block;
        for _ in 1..ITERATIONS {
            block = mac(PASSWORD.as_bytes(), &block);
            salted
                .iter_mut()
                .zip(block)
                .for_each(|(sum, octet)| *sum ^= octet);
        }
        let client_key = mac(&salted, b"Client Key");
        let stored_key = STANDARD.encode(Sha256::digest(client_key));
        let server_key = STANDARD.encode(mac(&salted, b"Server Key"));
        let salt = STANDARD.encode(SALT);
        let stored = format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored_key}:{server_key}");
        AnnsKeys { client_key, stored }
    })
}

pub fn mac(key: &[u8], octets: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
    mac.update(octets);
    mac.finalize().into_bytes().into()
}
