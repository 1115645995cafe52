//! What the directory keeps so that secrets are proven without being revealed.

use mailroost_storage::{Credential, MaildropId, StoredCredential, User};

use crate::{AuthError, CredentialKind, SealingError, SealingKey, Secret};

/// The key of the sealed NT hashes, and one that stands in where there is none: whoever asks
/// for a user learns nothing from how long it takes.
pub(super) struct SealedHashes {
    key: SealingKey,
    dummy: String,
}

/// The maildrop of the one that stands in.
const NOBODY: MaildropId = MaildropId(0);

impl SealedHashes {
    pub(super) fn new(key: SealingKey) -> Result<Self, SealingError> {
        let dummy = key.seal(&[0; 16], NOBODY)?;
        Ok(Self { key, dummy })
    }
}

/// The newest credential of this kind, if there is a user and they have one.
///
/// # Errors
/// `NotPermitted` for one that cannot be unsealed.
pub(super) fn credential(
    user: Option<&User>,
    kind: CredentialKind,
    sealed: Option<&SealedHashes>,
) -> Result<Option<Secret>, AuthError> {
    match kind {
        CredentialKind::ScramSha256 => {
            let found = user.and_then(|user| newest(user, StoredCredential::ScramSha256));
            Ok(found.map(|found| Secret::from(found.value.clone().into_bytes())))
        }
        CredentialKind::NtHash => {
            let Some(SealedHashes { key, dummy }) = sealed else {
                return Ok(None);
            };
            let found = user.and_then(|user| {
                newest(user, StoredCredential::NtHash).map(|found| (&found.value, user.maildrop))
            });
            let (value, maildrop) = found.unwrap_or((dummy, NOBODY));
            let unsealed = key.unseal(value, maildrop);
            match (unsealed, found.is_some()) {
                (Ok(hash), true) => Ok(Some(hash)),
                (Err(_), true) => Err(AuthError::NotPermitted(
                    "the stored NT hash was sealed with another key or for another user",
                )),
                (Ok(_) | Err(_), false) => Ok(None),
            }
        }
    }
}

fn newest(user: &User, kind: StoredCredential) -> Option<&Credential> {
    let of_kind = user.credentials.iter().filter(|found| found.kind == kind);
    of_kind.max_by_key(|found| found.created_secs)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mailroost_storage::{Directory, MemoryStore, NewUser, UserName};
    use secrecy::ExposeSecret;

    use crate::{
        AcceptedDomains, Argon2id, CacheLimits, Cost, DirectoryPasswords, PasswordCache,
        PasswordSource,
    };

    use super::*;

    const HASH: [u8; 16] = *b"sixteen octets..";

    /// `ann` has an NT hash, `bob` has ann's, `carol` has none.
    fn source(key: &SealingKey, sealed_with: &SealingKey) -> DirectoryPasswords {
        let directory = Arc::new(MemoryStore::default());
        let mut sealed = None;
        for name in ["ann", "bob", "carol"] {
            let name = UserName::new(name).unwrap();
            let new = NewUser {
                name: name.clone(),
                password_hash: None,
            };
            let mut user = directory.add(new).unwrap();
            let value = sealed.get_or_insert_with(|| sealed_with.seal(&HASH, user.maildrop));
            if name.as_str() != "carol" {
                user.credentials.push(Credential {
                    kind: StoredCredential::NtHash,
                    label: "password".into(),
                    value: value.clone().unwrap(),
                    created_secs: 0,
                });
                directory.update(&user).unwrap();
            }
        }
        let limits = CacheLimits {
            users_max: 10,
            age_max: std::time::Duration::ZERO,
        };
        let hasher = Argon2id::new(Cost::new(7 * 1024, 1, 1).unwrap()).unwrap();
        let cache = PasswordCache::new(limits).unwrap();
        DirectoryPasswords::new(directory, Arc::new(hasher), cache)
            .accepting(AcceptedDomains::new(["example.org", "corp"]))
            .unsealing(key.clone())
            .unwrap()
    }

    fn nt_hash(source: &DirectoryPasswords, name: &str) -> Result<Option<Vec<u8>>, AuthError> {
        let found = source.credential(name, CredentialKind::NtHash)?;
        Ok(found.map(|hash| hash.expose_secret().to_vec()))
    }

    #[test]
    fn the_nt_hash_is_its_owners_under_each_of_their_names() {
        let key = SealingKey::generate().unwrap();
        let source = source(&key, &key);
        for name in ["ann", "ANN", "CORP\\ann", "ann@example.org"] {
            assert_eq!(nt_hash(&source, name), Ok(Some(HASH.to_vec())), "{name}");
        }
        for name in ["carol", "nobody", "", "OTHER\\ann", "corp/ann/bob", "guest"] {
            assert_eq!(nt_hash(&source, name), Ok(None), "{name}");
        }
        assert!(source.keeps(CredentialKind::NtHash));
    }

    #[test]
    fn an_nt_hash_that_was_moved_to_another_user_or_sealed_otherwise_is_of_no_use() {
        let key = SealingKey::generate().unwrap();
        let moved = nt_hash(&source(&key, &key), "bob");
        assert!(matches!(moved, Err(AuthError::NotPermitted(_))));
        let another = SealingKey::generate().unwrap();
        let otherwise = nt_hash(&source(&key, &another), "ann");
        assert!(matches!(otherwise, Err(AuthError::NotPermitted(_))));
    }

    #[test]
    fn who_proved_a_secret_is_let_in_to_their_own_maildrop() {
        let key = SealingKey::generate().unwrap();
        let source = source(&key, &key);
        let admitted = |name, wanted| source.admit(name, wanted).map(|identity| identity.user);
        let ann = UserName::new("ann").unwrap();
        for wanted in [None, Some("ann"), Some("Ann@example.org")] {
            assert_eq!(admitted("CORP\\ann", wanted).as_ref(), Ok(&ann));
        }
        assert_eq!(admitted("nobody", None), Err(AuthError::UnknownUser));
        for (name, wanted) in [("ann", Some("bob")), ("guest", None)] {
            assert!(matches!(
                admitted(name, wanted),
                Err(AuthError::NotPermitted(_))
            ));
        }
    }
}
