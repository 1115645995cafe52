//! Asks for a new password, and hashes it here: no other process gets to see it.

use std::io::{self, IsTerminal, Read};

use mailroost_auth::limits::PASSWORD_OCTETS_MAX;
use mailroost_auth::{Argon2id, Cost, PasswordHasher, Secret};
use zeroize::Zeroizing;

use super::options::NewPassword;
use crate::config::Config;
use crate::exit::{Failure, Status};

/// The hash of the password that the options point at; `None` if there shall be none.
pub(super) fn new_hash(options: &NewPassword, config: &Config) -> Result<Option<String>, Failure> {
    if options.no_password {
        return Ok(None);
    }
    if let Some(hash) = &options.hash {
        return Ok(Some(hash.clone()));
    }
    let password = if options.password_stdin {
        from_stdin()?
    } else {
        from_terminal()?
    };
    let data = |error: mailroost_auth::HashError| Failure::new(Status::Data, error.to_string());
    let hasher = Argon2id::new(cost(config)?).map_err(data)?;
    hasher
        .hash(&Secret::from(password.to_vec()))
        .map(Some)
        .map_err(data)
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
