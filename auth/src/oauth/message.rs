//! The client's message of OAUTHBEARER (RFC 7628 s3.1) and of XOAUTH2, taken apart.

use std::str;

use super::Dialect;
use crate::AuthError;
use crate::limits::{IDENTITY_OCTETS_MAX, TOKEN_OCTETS_MAX};

/// What separates its parts.
const SEPARATOR: char = '\x01';

/// What the client says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientMessage<'a> {
    /// Whose maildrop it wants, if it says so.
    pub(super) user: Option<String>,
    pub(super) token: &'a str,
}

impl<'a> ClientMessage<'a> {
    pub(super) fn parse(dialect: Dialect, octets: &'a [u8]) -> Result<Self, AuthError> {
        let malformed = AuthError::Malformed;
        let text = str::from_utf8(octets).map_err(|_| malformed("it is not UTF-8"))?;
        let text = text
            .strip_suffix("\x01\x01")
            .ok_or(malformed("it does not end with two separators"))?;
        let (header, pairs) = text
            .split_once(SEPARATOR)
            .ok_or(malformed("it has no key and value"))?;
        let user = match dialect {
            Dialect::OAuthBearer => of_gs2_header(header)?,
            Dialect::XOAuth2 => {
                let user = header.strip_prefix("user=");
                Some(user.ok_or(malformed("it names no user"))?.to_owned())
            }
        };
        if user
            .as_ref()
            .is_some_and(|user| user.len() > IDENTITY_OCTETS_MAX)
        {
            return Err(malformed("the name is too long"));
        }
        let mut credentials = None;
        for pair in pairs.split(SEPARATOR) {
            // Keys that nobody knows are passed over (RFC 7628 s3.1).
            match pair.split_once('=') {
                Some(("auth", value)) if credentials.is_none() => credentials = Some(value),
                Some(("auth", _)) => return Err(malformed("it has two tokens")),
                Some((key, _)) if is_key(key) => {}
                Some(_) | None => return Err(malformed("a key without a value")),
            }
        }
        let token = credentials
            .and_then(|credentials| credentials.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token)
            .filter(|token| is_token(token))
            .ok_or(malformed("it has no bearer token"))?;
        Ok(Self {
            user: user.filter(|user| !user.is_empty()),
            token,
        })
    }
}

/// `n,a=user,`: a channel is never bound, and so `p=` has no place here (RFC 7628 s3.1).
fn of_gs2_header(header: &str) -> Result<Option<String>, AuthError> {
    let refused = AuthError::Malformed("the header is not one of RFC 5801");
    let mut parts = header.split(',');
    let (Some("n" | "y"), Some(authzid), Some(""), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(refused);
    };
    match authzid.strip_prefix("a=") {
        None if authzid.is_empty() => Ok(None),
        None => Err(refused),
        Some(name) => {
            let plain = name.replace("=2C", ",").replace("=3D", "=");
            // Each equals sign belongs to one of the two.
            let escapes = name.matches("=2C").count() + name.matches("=3D").count();
            (escapes == name.matches('=').count())
                .then_some(Some(plain))
                .ok_or(refused)
        }
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|octet| octet.is_ascii_alphabetic())
}

/// RFC 6750 s2.1: b64token.
fn is_token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/".contains(&octet);
    !body.is_empty() && token.len() <= TOKEN_OCTETS_MAX && body.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(dialect: Dialect, text: &str) -> Option<(Option<String>, String)> {
        let message = ClientMessage::parse(dialect, text.as_bytes()).ok()?;
        Some((message.user, message.token.to_owned()))
    }

    /// RFC 7628 s4.1, and Google's example of XOAUTH2.
    #[test]
    fn the_examples() {
        assert_eq!(
            parse(
                Dialect::OAuthBearer,
                "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01\
                 auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
            ),
            Some((
                Some("user@example.com".to_owned()),
                "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==".to_owned()
            ))
        );
        assert_eq!(
            parse(
                Dialect::XOAuth2,
                "user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGE\
                 uY29tCg\x01\x01"
            ),
            Some((
                Some("someuser@example.com".to_owned()),
                "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg".to_owned()
            ))
        );
    }

    #[test]
    fn names_may_be_missing_or_escaped() {
        for (header, user) in [
            ("n,,", None),
            ("y,,", None),
            ("n,a=a=2Cb=3D,", Some("a,b=")),
        ] {
            let text = format!("{header}\x01auth=bearer t\x01\x01");
            let (parsed, _) = parse(Dialect::OAuthBearer, &text).unwrap();
            assert_eq!(parsed.as_deref(), user);
        }
    }

    #[test]
    fn what_is_no_message_is_malformed() {
        let long = format!(
            "n,,\x01auth=Bearer {}\x01\x01",
            "a".repeat(TOKEN_OCTETS_MAX + 1)
        );
        let name = format!(
            "n,a={},\x01auth=Bearer a\x01\x01",
            "a".repeat(IDENTITY_OCTETS_MAX + 1)
        );
        for text in [
            "",
            "\x01",
            "\x01\x01",
            "n,,\x01\x01",
            "n,,\x01auth=Bearer t\x01",
            "n,,\x01auth=Bearer \x01\x01",
            "n,,\x01auth=Bearer t t\x01\x01",
            "n,,\x01auth=Bearer ===\x01\x01",
            "n,,\x01auth=Basic t\x01\x01",
            "n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01",
            "n,,\x01auth=Bearer a\x01x\x01\x01",
            "n,,\x01auth=Bearer a\x011=2\x01\x01",
            "p=tls-exporter,,\x01auth=Bearer a\x01\x01",
            "n,bob,\x01auth=Bearer a\x01\x01",
            "n,a=b=c,\x01auth=Bearer a\x01\x01",
            "n,\x01auth=Bearer a\x01\x01",
            &long,
            &name,
        ] {
            assert_eq!(parse(Dialect::OAuthBearer, text), None, "{text:?}");
        }
        for text in [
            "auth=Bearer t\x01\x01",
            "user=a\x01\x01",
            "n,,\x01auth=Bearer t\x01\x01",
        ] {
            assert_eq!(parse(Dialect::XOAuth2, text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_taken_apart_without_a_panic(octets in any::<Vec<u8>>()) {
            let _ = ClientMessage::parse(Dialect::OAuthBearer, &octets);
            let _ = ClientMessage::parse(Dialect::XOAuth2, &octets);
        }
    }
}
