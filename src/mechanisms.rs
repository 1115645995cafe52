//! The table of the SASL mechanisms that come with the server.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailroost_auth::{External, Mechanism, Plain, Scram, UnknownUsers};

use crate::config::{Config, MechanismName};
use crate::gssapi;
use crate::oauth::Tokens;
use crate::server::{StartError, ntlm_mechanism};

/// The file in the store's folder that the salts of users who do not exist are made from.
const SCRAM_SECRET_FILE: &str = "scram_secret";

/// Those that the settings name, in their order. Blocks: some have files.
pub(crate) fn mechanisms_of(
    config: &Config,
    log: &slog::Logger,
) -> Result<Vec<Arc<dyn Mechanism>>, StartError> {
    let mut setup = Setup {
        config,
        log,
        unknown: None,
        tokens: None,
    };
    let names = config.auth.mechanisms.iter();
    names.map(|name| setup.mechanism(*name)).collect()
}

/// What several mechanisms share is made once.
struct Setup<'a> {
    config: &'a Config,
    log: &'a slog::Logger,
    unknown: Option<Arc<UnknownUsers>>,
    tokens: Option<Tokens>,
}

impl Setup<'_> {
    fn mechanism(&mut self, name: MechanismName) -> Result<Arc<dyn Mechanism>, StartError> {
        let auth = &self.config.auth;
        Ok(match name {
            MechanismName::Gssapi => gssapi::mechanism(auth)?,
            MechanismName::Plain => Arc::new(Plain),
            MechanismName::Ntlm => ntlm_mechanism(auth)?,
            MechanismName::ScramSha256 => {
                let beside_plus = auth.mechanisms.contains(&MechanismName::ScramSha256Plus);
                Arc::new(Scram::sha_256(self.unknown()?, beside_plus))
            }
            MechanismName::ScramSha256Plus => Arc::new(Scram::sha_256_plus(self.unknown()?)),
            MechanismName::OAuthBearer => Arc::new(self.tokens()?.oauthbearer()),
            MechanismName::XOAuth2 => Arc::new(self.tokens()?.xoauth2()),
            MechanismName::External => Arc::new(External::new(auth.external.certificate_name())),
        })
    }

    fn unknown(&mut self) -> Result<Arc<UnknownUsers>, StartError> {
        if let Some(unknown) = &self.unknown {
            return Ok(Arc::clone(unknown));
        }
        let scram = &self.config.auth.scram;
        let secret = match (&scram.secret_file, self.config.server.store.is_dir()) {
            (Some(file), _) => secret_in(file)?,
            (None, true) => secret_in(&self.config.server.store.join(SCRAM_SECRET_FILE))?,
            // A server that is embedded need not have a folder.
            (None, false) => new_secret().map_err(|source| StartError::Secret {
                file: PathBuf::new(),
                source,
            })?,
        };
        let unknown = Arc::new(UnknownUsers::new(secret, scram.iterations()));
        Ok(Arc::clone(self.unknown.insert(unknown)))
    }

    fn tokens(&mut self) -> Result<&Tokens, StartError> {
        match self.tokens.take() {
            Some(tokens) => Ok(self.tokens.insert(tokens)),
            None => {
                let tokens = Tokens::new(&self.config.auth.oauth, self.log)?;
                Ok(self.tokens.insert(tokens))
            }
        }
    }
}

/// The 32 octets in a file, which is made if it is not there.
fn secret_in(file: &Path) -> Result<[u8; 32], StartError> {
    let secret = match File::open(file) {
        Ok(mut open) => {
            let mut secret = [0; 32];
            open.read_exact(&mut secret).map(|()| secret)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => make_secret(file),
        Err(error) => Err(error),
    };
    secret.map_err(|source| StartError::Secret {
        file: file.to_owned(),
        source,
    })
}

fn make_secret(file: &Path) -> io::Result<[u8; 32]> {
    let secret = new_secret()?;
    let mut options = OpenOptions::new();
    let mut made = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    made.write_all(&secret)?;
    made.sync_all()?;
    Ok(secret)
}

fn new_secret() -> io::Result<[u8; 32]> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let made = secret_in(&file).unwrap();
        assert_eq!(secret_in(&file).unwrap(), made);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&file, b"too short").unwrap();
        let error = secret_in(&file).unwrap_err().to_string();
        assert!(error.contains("secret"), "{error}");
    }
}
