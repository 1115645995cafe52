//! Which maildrop somebody who proved who they are gets: their own, or one that they may open.

use mailroost_storage::User;

use super::DirectoryPasswords;
use crate::user_name::{AccountName, is_blocked};
use crate::{AuthError, Identity};

impl DirectoryPasswords {
    /// Lets a user in who was proven: into their own maildrop, or into `mailbox`, if its owner
    /// has them among the delegates (MS-OXPOP3 s2.2.2). POP3 has to be on for both.
    pub(in crate::source) fn open(
        &self,
        user: User,
        mailbox: Option<AccountName<'_>>,
    ) -> Result<Identity, AuthError> {
        let user = may_log_on(user)?;
        let Some(mailbox) = mailbox else {
            return Ok(identity(user));
        };
        let candidates = mailbox.candidates(self.domains());
        // A delegate form that names the account's own maildrop asks for nothing special.
        if candidates.contains(&user.name) {
            return Ok(identity(user));
        }
        match self.first_of(&candidates)? {
            Some(owner) if owner.name == user.name => Ok(identity(user)),
            Some(owner) if owner.delegates.contains(&user.name) => Ok(Identity {
                delegate: Some(user.name),
                ..identity(may_log_on(owner)?)
            }),
            Some(_) | None => Err(AuthError::NotPermitted(
                "the maildrop asked for is somebody else's",
            )),
        }
    }
}

/// The name is looked at once more: an alias may have led to one that is refused.
fn may_log_on(user: User) -> Result<User, AuthError> {
    if is_blocked(user.name.as_str()) {
        return Err(AuthError::NotPermitted(
            "Anonymous and Guest open no maildrop",
        ));
    }
    match user.pop_enabled {
        true => Ok(user),
        false => Err(AuthError::NotPermitted(
            "POP3 is switched off for this user",
        )),
    }
}

/// The owner of a maildrop, in it.
fn identity(owner: User) -> Identity {
    Identity {
        delegate: None,
        exact_rfc822_size: owner.exact_rfc822_size_in_effect(),
        user: owner.name,
        maildrop: owner.maildrop,
        site: owner.site,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mailroost_storage::{Directory, MemoryStore, NewUser, UserName};

    use super::*;
    use crate::{
        AcceptedDomains, Argon2id, CacheLimits, Cost, Link, Mechanism, PasswordCache,
        PasswordHasher, PasswordSource, Plain, Progress, Secret,
    };

    fn name(text: &str) -> UserName {
        UserName::new(text).unwrap()
    }

    /// Whoever's password is "p". `bob@corp.example` may open Ann's maildrop, and Dora's, whose
    /// POP3 is off; Ann is also called `a.miller@corp.example`, and somebody is Guest in disguise.
    fn source() -> DirectoryPasswords {
        let hasher = Argon2id::new(Cost::new(7 * 1024, 1, 1).unwrap()).unwrap();
        let hash = hasher.hash(&Secret::from(b"p".to_vec())).unwrap();
        let directory = MemoryStore::default();
        for (text, aliases, pop_enabled) in [
            ("ann", &["a.miller@corp.example", "miller"][..], true),
            ("bob@corp.example", &["bobby"], true),
            ("carl", &[], true),
            ("dora", &[], false),
            ("guest", &["disguise"], true),
        ] {
            let new = NewUser {
                name: name(text),
                password_hash: Some(hash.clone()),
            };
            let mut user = directory.add(new).unwrap();
            user.aliases = aliases.iter().map(|alias| name(alias)).collect();
            user.pop_enabled = pop_enabled;
            if text == "ann" || text == "dora" {
                user.delegates = vec![name("bob@corp.example")];
            }
            directory.update(&user).unwrap();
        }
        let limits = CacheLimits {
            users_max: 0,
            ..CacheLimits::default()
        };
        let cache = PasswordCache::new(limits).unwrap();
        DirectoryPasswords::new(Arc::new(directory), Arc::new(hasher), cache)
            .accepting(AcceptedDomains::new(["corp.example", "corp"]))
    }

    fn verify(source: &DirectoryPasswords, name: &str) -> Result<String, AuthError> {
        let verified = source.verify(name, &Secret::from(b"p".to_vec()));
        verified.map(|identity| identity.to_string())
    }

    fn is_refused(outcome: &Result<String, AuthError>) -> bool {
        matches!(outcome, Err(AuthError::NotPermitted(_)))
    }

    /// MS-OXPOP3 s2.2.2.
    #[test]
    fn the_four_forms_open_the_maildrop_of_another_with_a_right_to_it() {
        let source = source();
        for name in [
            "corp/bob/ann",
            "corp/bob/ann@corp.example",
            "bob@corp.example/ann",
            "bob@corp.example/a.miller@corp.example",
            "CORP\\Bob\\Ann",
            "corp/bobby/miller",
        ] {
            let opened = verify(&source, name);
            assert_eq!(opened.as_deref(), Ok("bob@corp.example/ann"), "{name}");
        }
    }

    #[test]
    fn without_a_right_nobody_elses_maildrop_is_opened() {
        let source = source();
        for name in [
            "corp/ann/bob",
            "corp/carl/ann",
            "corp/bob/carl",
            "corp/bob/nobody",
            "corp/bob/guest",
            "corp/bob/dora",
            "corp/dora/ann",
        ] {
            assert!(is_refused(&verify(&source, name)), "{name}");
        }
        let wrong = source.verify("corp/carl/ann", &Secret::from(b"wrong".to_vec()));
        assert_eq!(wrong, Err(AuthError::WrongPassword));
    }

    #[test]
    fn aliases_log_on_as_whose_they_are() {
        let source = source();
        for name in [
            "miller",
            "Miller",
            "a.miller@corp.example",
            "a.miller",
            "corp\\miller",
        ] {
            assert_eq!(verify(&source, name).as_deref(), Ok("ann"), "{name}");
        }
        assert_eq!(verify(&source, "corp/ann/miller").as_deref(), Ok("ann"));
    }

    #[test]
    fn guest_is_refused_in_every_disguise() {
        let source = source();
        for name in [
            "guest",
            "disguise",
            "corp\\guest",
            "\u{ff47}\u{ff55}\u{ff45}\u{ff53}\u{ff54}",
        ] {
            assert!(is_refused(&verify(&source, name)), "{name}");
        }
    }

    #[test]
    fn names_are_compared_prepared() {
        // Full-width letters, and a soft hyphen that nobody sees.
        for name in ["\u{ff41}\u{ff4e}\u{ff4e}", "an\u{ad}n"] {
            assert_eq!(verify(&source(), name).as_deref(), Ok("ann"), "{name}");
        }
    }

    #[test]
    fn all_names_that_may_mean_one_user_have_one_canonical_form() {
        let source = source();
        for name in [
            "nobody",
            "NoBody@Corp.example",
            "CORP\\nobody",
            "corp/nobody/ann",
        ] {
            assert_eq!(source.canonical_name(name), "nobody", "{name}");
        }
        assert_eq!(source.canonical_name("x@other.example"), "x@other.example");
    }

    fn plain(message: &str) -> Result<String, AuthError> {
        match Plain
            .start(&Link::default())
            .step(message.as_bytes(), &source())
        {
            Progress::Success(identity) => Ok(identity.to_string()),
            Progress::Failure(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    /// RFC 4616 s2: the authorization identity.
    #[test]
    fn plain_opens_the_maildrop_that_the_authzid_names_with_a_right_to_it() {
        assert_eq!(
            plain("ann\0bobby\0p").as_deref(),
            Ok("bob@corp.example/ann")
        );
        assert_eq!(plain("miller\0ann\0p").as_deref(), Ok("ann"));
        assert_eq!(
            plain("corp/bob/ann\0corp/bob/ann\0p").as_deref(),
            Ok("bob@corp.example/ann")
        );
        for message in [
            "carl\0bobby\0p",
            "ann\0carl\0p",
            "guest\0bobby\0p",
            "\u{7}\0ann\0p",
        ] {
            let outcome = plain(message);
            assert!(outcome.is_err(), "{message:?}: {outcome:?}");
        }
        assert_eq!(plain("ann\0bobby\0wrong"), Err(AuthError::WrongPassword));
    }
}
