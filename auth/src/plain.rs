//! PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd`.

use std::str;

use crate::limits::{IDENTITY_OCTETS_MAX, PASSWORD_OCTETS_MAX};
use crate::{
    AuthError, Exchange, Identity, Link, Mechanism, Needs, PasswordSource, Progress, Secret,
};

/// The mechanism. It shows the password to whoever reads the connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Mechanism for Plain {
    fn name(&self) -> &'static str {
        "PLAIN"
    }

    fn needs(&self) -> Needs {
        Needs {
            plaintext: true,
            client_first: true,
            ..Needs::default()
        }
    }

    fn start(&self, _link: &Link) -> Box<dyn Exchange> {
        Box::new(PlainExchange::default())
    }
}

/// Keeps nothing of what the client says but a password that was right.
#[derive(Default)]
struct PlainExchange {
    proven: Option<Secret>,
}

impl Exchange for PlainExchange {
    fn step(&mut self, client: &[u8], source: &dyn PasswordSource) -> Progress {
        let verified = Message::parse(client).and_then(|message| message.verify(source));
        match verified {
            Ok((identity, password)) => {
                self.proven = Some(password);
                Progress::Success(identity)
            }
            Err(error) => Progress::Failure(error),
        }
    }

    fn take_password(&mut self) -> Option<Secret> {
        self.proven.take()
    }
}

/// The client's only message.
struct Message<'a> {
    authzid: &'a str,
    authcid: &'a str,
    passwd: &'a str,
}

impl<'a> Message<'a> {
    fn parse(octets: &'a [u8]) -> Result<Self, AuthError> {
        let text = str::from_utf8(octets).map_err(|_| AuthError::Malformed("it is not UTF-8"))?;
        let mut parts = text.split('\0');
        let (Some(authzid), Some(authcid), Some(passwd), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(AuthError::Malformed("it does not have exactly two NULs"));
        };
        let too_long = authzid.len().max(authcid.len()) > IDENTITY_OCTETS_MAX;
        if authcid.is_empty() {
            Err(AuthError::Malformed("the authentication identity is empty"))
        } else if passwd.is_empty() {
            Err(AuthError::Malformed("the password is empty"))
        } else if too_long || passwd.len() > PASSWORD_OCTETS_MAX {
            Err(AuthError::Malformed(
                "an identity or the password is too long",
            ))
        } else {
            Ok(Self {
                authzid,
                authcid,
                passwd,
            })
        }
    }

    /// The password is always checked first: who does not know it learns nothing about whom
    /// it may act for.
    fn verify(&self, source: &dyn PasswordSource) -> Result<(Identity, Secret), AuthError> {
        let password = Secret::from(self.passwd.as_bytes().to_vec());
        let identity = source.verify(self.authcid, &password)?;
        let authzid = self.authzid.to_lowercase();
        let itself = authzid == self.authcid.to_lowercase() || authzid == identity.user.as_str();
        if authzid.is_empty() || itself {
            return Ok((identity, password));
        }
        // Under the name that was proven, which the client's need not be in each source.
        let identity = source.admit(identity.who().as_str(), Some(self.authzid))?;
        Ok((identity, password))
    }
}

#[cfg(test)]
mod tests {
    use mailroost_storage::{MaildropId, UserName};
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    /// Knows one user under two names.
    struct Alice;

    impl PasswordSource for Alice {
        fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError> {
            match (name.to_lowercase().as_str(), password.expose_secret()) {
                ("alice" | "contoso\\alice", b"open sesame") => Ok(Identity {
                    delegate: None,
                    user: UserName::new("alice").unwrap(),
                    maildrop: MaildropId(7),
                    exact_rfc822_size: None,
                    site: None,
                }),
                ("alice" | "contoso\\alice", _) => Err(AuthError::WrongPassword),
                _ => Err(AuthError::UnknownUser),
            }
        }

        fn admit(&self, name: &str, wanted: Option<&str>) -> Result<Identity, AuthError> {
            assert_eq!((name, wanted), ("alice", Some("bob")));
            Err(AuthError::NotPermitted("not hers"))
        }
    }

    fn exchange() -> Box<dyn Exchange> {
        Plain.start(&Link::default())
    }

    fn outcome(message: &[u8]) -> Result<MaildropId, AuthError> {
        match exchange().step(message, &Alice) {
            Progress::Success(identity) => Ok(identity.maildrop),
            Progress::Failure(error) => Err(error),
            other @ (Progress::Challenge(_) | Progress::Refusal { .. }) => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_initial_response_is_enough() {
        assert_eq!(outcome(b"\0alice\0open sesame"), Ok(MaildropId(7)));
    }

    #[test]
    fn a_password_that_was_right_is_given_once_and_no_other() {
        let mut exchange = Plain.start(&Link::default());
        exchange.step(b"\0alice\0wrong", &Alice);
        assert!(exchange.take_password().is_none());
        exchange.step(b"\0alice\0open sesame", &Alice);
        let password = exchange.take_password().unwrap();
        assert_eq!(password.expose_secret(), b"open sesame");
        assert!(exchange.take_password().is_none());
    }

    #[test]
    fn an_empty_message_is_malformed_and_not_a_missing_one() {
        assert!(matches!(outcome(b""), Err(AuthError::Malformed(_))));
    }

    #[test]
    fn an_authzid_that_names_the_same_user_is_accepted() {
        for message in [
            &b"alice\0alice\0open sesame"[..],
            b"ALICE\0alice\0open sesame",
            b"alice\0Contoso\\Alice\0open sesame",
        ] {
            assert_eq!(outcome(message), Ok(MaildropId(7)));
        }
    }

    #[test]
    fn another_authzid_is_not_permitted_and_only_told_with_the_right_password() {
        let refused = outcome(b"bob\0alice\0open sesame");
        assert!(
            matches!(refused, Err(AuthError::NotPermitted(_))),
            "{refused:?}"
        );
        assert_eq!(outcome(b"bob\0alice\0wrong"), Err(AuthError::WrongPassword));
    }

    #[test]
    fn refusals_of_the_source_are_passed_on() {
        assert_eq!(outcome(b"\0alice\0wrong"), Err(AuthError::WrongPassword));
        assert_eq!(outcome(b"\0bob\0open sesame"), Err(AuthError::UnknownUser));
    }

    #[test]
    fn messages_that_are_not_plain_are_malformed() {
        let long = [b"\0", &[b'a'; 256][..], b"\0x"].concat();
        let long_passwd = [b"\0alice\0", &[b'a'; PASSWORD_OCTETS_MAX + 1][..]].concat();
        for message in [
            &b"alice"[..],
            b"alice\0open sesame",
            b"\0alice\0open sesame\0",
            b"\0\0open sesame",
            b"\0alice\0",
            b"\0\0",
            b"\0alice\0\xff\xfe",
            b"\0al\xffice\0open sesame",
            &long,
            &long_passwd,
        ] {
            let outcome = outcome(message);
            assert!(
                matches!(outcome, Err(AuthError::Malformed(_))),
                "{message:?}: {outcome:?}"
            );
        }
    }

    #[test]
    fn each_part_may_have_255_octets() {
        let part = [b'a'; 255];
        let message = [&part[..], b"\0", &part, b"\0", &part].concat();
        assert_eq!(outcome(&message), Err(AuthError::UnknownUser));
    }

    proptest! {
        #[test]
        fn no_message_panics_or_lets_in(message in proptest::collection::vec(any::<u8>(), 1..64)) {
            prop_assert!(outcome(&message).is_err());
        }

        #[test]
        fn what_stands_between_the_nuls_is_taken_verbatim(
            name in "[^\0]{1,40}", password in "[^\0]{1,40}",
        ) {
            let message = format!("\0{name}\0{password}");
            let parsed = Message::parse(message.as_bytes()).unwrap();
            prop_assert_eq!((parsed.authcid, parsed.passwd), (&*name, &*password));
            prop_assert_eq!(parsed.authzid, "");
        }
    }
}
