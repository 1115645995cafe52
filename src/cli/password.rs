//! Asks for a new password, and hashes it here: no other process gets to see it.

use std::io::{self, IsTerminal, Read};

use mailroost_auth::limits::PASSWORD_OCTETS_MAX;
use mailroost_auth::{
    Argon2id, Cost, PasswordHasher, SealingError, SealingKey, Secret, ntlm, prepared,
};
use mailroost_storage::MaildropId;
use zeroize::Zeroizing;

use super::options::NewPassword;
use crate::config::Config;
use crate::control::DerivedSecrets;
use crate::exit::{Failure, Status};
use crate::sealing_key;

/// What shall be kept of a new password.
#[derive(Default)]
pub(super) struct NewSecrets {
    /// Its hash; `None` if there shall be no password.
    pub hash: Option<String>,
    nt_hash: Option<NtHash>,
    scram_keys: Option<String>,
}

/// An NT hash, and what seals it.
struct NtHash {
    hash: Zeroizing<[u8; 16]>,
    key: SealingKey,
}

impl NewSecrets {
    /// Whether anything is kept beside the hash.
    pub(super) fn has_derived(&self) -> bool {
        self.nt_hash.is_some() || self.scram_keys.is_some()
    }

    /// What is kept beside the hash, for the owner of a maildrop.
    pub(super) fn derived(&self, maildrop: u64) -> Result<DerivedSecrets, Failure> {
        Ok(DerivedSecrets {
            nt_hash: self.sealed_nt_hash(maildrop)?,
            scram_keys: self.scram_keys.clone(),
        })
    }

    /// The NT hash, sealed for the owner of a maildrop, if it shall be kept.
    fn sealed_nt_hash(&self, maildrop: u64) -> Result<Option<String>, Failure> {
        let sealed = self.nt_hash.as_ref();
        let sealed = sealed.map(|NtHash { hash, key }| key.seal(hash, MaildropId(maildrop)));
        let failed = |error: SealingError| Failure::new(Status::OsError, error.to_string());
        sealed.transpose().map_err(failed)
    }
}

/// Of the password that the options point at.
pub(super) fn new_secrets(options: &NewPassword, config: &Config) -> Result<NewSecrets, Failure> {
    if options.no_password {
        return Ok(NewSecrets::default());
    }
    if let Some(hash) = &options.hash {
        return Ok(NewSecrets {
            hash: Some(hash.clone()),
            ..NewSecrets::default()
        });
    }
    let key = options.nt_hash.then(|| sealing_key(config)).transpose()?;
    let password = if options.password_stdin {
        from_stdin()?
    } else {
        from_terminal()?
    };
    let data = |error: mailroost_auth::HashError| Failure::new(Status::Data, error.to_string());
    let hasher = Argon2id::new(cost(config)?).map_err(data)?;
    let nt_hash = key.map(|key| nt_hash_of(&password, key)).transpose()?;
    // In the form in which it is compared (RFC 4616 s2, RFC 5802 s2.2).
    let password = prepared::new_password(&Secret::from(password.to_vec()));
    let scram_keys = config.auth.scram.new_keys(&password).map_err(data)?;
    Ok(NewSecrets {
        hash: Some(hasher.hash(&password).map_err(data)?),
        nt_hash,
        scram_keys,
    })
}

fn sealing_key(config: &Config) -> Result<SealingKey, Failure> {
    let path = config.auth.ntlm.key_file.as_ref().ok_or_else(|| {
        let why = "the NT hash is kept sealed, but auth.ntlm.key_file is not set";
        Failure::new(Status::Config, why)
    })?;
    sealing_key::read_or_make(path, &config.server.store)
        .map_err(|error| Failure::new(Status::Config, format!("auth.ntlm.key_file: {error}")))
}

fn nt_hash_of(password: &[u8], key: SealingKey) -> Result<NtHash, Failure> {
    let text = std::str::from_utf8(password).map_err(|_| {
        let why = "an NT hash is made of text, and the password is not UTF-8";
        Failure::new(Status::Data, why)
    })?;
    let hash = ntlm::nt_hash(text);
    Ok(NtHash { hash, key })
}

fn cost(config: &Config) -> Result<Cost, Failure> {
    config
        .auth
        .cost()
        .map_err(|error| Failure::new(Status::Config, error.to_string()))
}

/// The first line, without its line end.
fn from_stdin() -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |error| Failure::io("standard input", &error);
    // One octet more than is accepted, and a line end, show what is too long.
    let mut limited = io::stdin().lock().take(PASSWORD_OCTETS_MAX as u64 + 3);
    let mut input = Zeroizing::new(Vec::with_capacity(PASSWORD_OCTETS_MAX + 3));
    limited.read_to_end(&mut input).map_err(failed)?;
    let end = input
        .iter()
        .position(|octet| *octet == b'\n')
        .unwrap_or(input.len());
    let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
    Ok(Zeroizing::new(line.to_vec()))
}

fn from_terminal() -> Result<Zeroizing<Vec<u8>>, Failure> {
    if !io::stdin().is_terminal() {
        let message = "no terminal to ask for the password; give it to --password-stdin";
        return Err(Failure::new(Status::Usage, message));
    }
    let ask = |prompt| {
        let answer = rpassword::prompt_password(prompt);
        answer
            .map(Zeroizing::new)
            .map_err(|error| Failure::io("the terminal", &error))
    };
    let password = ask("New password: ")?;
    if *ask("Once more: ")? != *password {
        return Err(Failure::new(Status::Data, "the two passwords differ"));
    }
    Ok(Zeroizing::new(password.as_bytes().to_vec()))
}
