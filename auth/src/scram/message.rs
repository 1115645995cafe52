//! The client's two messages of SCRAM (RFC 5802 s7), taken apart.

use std::str;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::keys::Digest32;
use crate::AuthError;
use crate::limits::{IDENTITY_OCTETS_MAX, SCRAM_NONCE_OCTETS_MAX};
use crate::prepared::prepared;

/// What the client says of channel binding.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Binding<'a> {
    /// `n`: it has none.
    None,
    /// `y`: it has, and believes that the server has not.
    NotOffered,
    /// `p=`: it uses this one.
    Used(&'a str),
}

/// client-first-message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFirst<'a> {
    pub(super) binding: Binding<'a>,
    /// gs2-header, with its last comma.
    pub(super) header: &'a str,
    /// client-first-message-bare.
    pub(super) bare: &'a str,
    pub(super) authzid: Option<String>,
    /// Prepared.
    pub(super) user: String,
    pub(super) nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    pub(super) fn parse(octets: &'a [u8]) -> Result<Self, AuthError> {
        let text = text(octets)?;
        let (binding, rest) = text.split_once(',').ok_or(INCOMPLETE)?;
        let (authzid, bare) = rest.split_once(',').ok_or(INCOMPLETE)?;
        let header = &text[..text.len() - bare.len()];
        let binding = match (binding, binding.strip_prefix("p=")) {
            ("n", _) => Binding::None,
            ("y", _) => Binding::NotOffered,
            (_, Some(name)) if is_binding_name(name) => Binding::Used(name),
            _ => return Err(AuthError::Malformed("the channel binding flag is none")),
        };
        let authzid = match (authzid, authzid.strip_prefix("a=")) {
            ("", _) => None,
            (_, Some(name)) => Some(saslname(name)?),
            _ => {
                return Err(AuthError::Malformed("the authorization identity has no a="));
            }
        };
        // `m=` would come first, and asks for an extension that nobody has (RFC 5802 s5.1).
        let (user, rest) = bare.split_once(',').ok_or(INCOMPLETE)?;
        let user = user.strip_prefix("n=").ok_or(INCOMPLETE)?;
        let (nonce, _extensions) = rest.split_once(',').unwrap_or((rest, ""));
        let nonce = nonce.strip_prefix("r=").ok_or(INCOMPLETE)?;
        if nonce.is_empty() || nonce.len() > SCRAM_NONCE_OCTETS_MAX || !is_printable(nonce) {
            return Err(AuthError::Malformed("the nonce is none"));
        }
        Ok(Self {
            binding,
            header,
            bare,
            authzid,
            user: saslname(user)?,
            nonce,
        })
    }
}

/// client-final-message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFinal<'a> {
    /// client-final-message-without-proof.
    pub(super) without_proof: &'a str,
    /// What the client took for header and channel binding.
    pub(super) binding: Vec<u8>,
    pub(super) nonce: &'a str,
    pub(super) proof: Digest32,
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(octets: &'a [u8]) -> Result<Self, AuthError> {
        let text = text(octets)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(INCOMPLETE)?;
        let mut parts = without_proof.split(',');
        let binding = parts.next().and_then(|part| part.strip_prefix("c="));
        let nonce = parts.next().and_then(|part| part.strip_prefix("r="));
        let (Some(binding), Some(nonce)) = (binding, nonce) else {
            return Err(INCOMPLETE);
        };
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| NOT_BASE64);
        let proof = decode(proof)?.try_into();
        Ok(Self {
            without_proof,
            binding: decode(binding)?,
            nonce,
            proof: proof.map_err(|_| AuthError::Malformed("the proof does not have 32 octets"))?,
        })
    }
}

const INCOMPLETE: AuthError = AuthError::Malformed("an attribute is missing or out of place");
const NOT_BASE64: AuthError = AuthError::Malformed("an attribute is not base64");

fn text(octets: &[u8]) -> Result<&str, AuthError> {
    str::from_utf8(octets).map_err(|_| AuthError::Malformed("it is not UTF-8"))
}

/// RFC 5802 s7: `=2C` and `=3D` stand for comma and equals sign, and nothing else is escaped.
fn saslname(escaped: &str) -> Result<String, AuthError> {
    let refused = || AuthError::Malformed("a name is not one of SCRAM's");
    let mut name = String::with_capacity(escaped.len());
    let mut parts = escaped.split('=');
    name.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (octet, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (None, Some(rest)) => ('=', rest),
            (None, None) => return Err(refused()),
        };
        name.push(octet);
        name.push_str(rest);
    }
    let name = prepared(&name).ok_or_else(refused)?;
    if name.len() > IDENTITY_OCTETS_MAX {
        return Err(refused());
    }
    Ok(name.to_string())
}

fn is_binding_name(name: &str) -> bool {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b".-".contains(&octet);
    !name.is_empty() && name.bytes().all(allowed)
}

fn is_printable(nonce: &str) -> bool {
    nonce.bytes().all(|octet| octet.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_first_message_is_taken_apart() {
        let first = ClientFirst::parse(b"p=tls-exporter,a=bob,n=al=2Cice=3D,r=abc,x=1").unwrap();
        assert_eq!(first.binding, Binding::Used("tls-exporter"));
        assert_eq!(first.header, "p=tls-exporter,a=bob,");
        assert_eq!(first.bare, "n=al=2Cice=3D,r=abc,x=1");
        assert_eq!(first.authzid.as_deref(), Some("bob"));
        assert_eq!(first.user, "al,ice=");
        assert_eq!(first.nonce, "abc");
    }

    #[test]
    fn names_are_prepared() {
        let first = ClientFirst::parse("n,,n=\u{2168},r=abc".as_bytes()).unwrap();
        assert_eq!(first.user, "IX");
        assert!(ClientFirst::parse("n,,n=\u{ad},r=abc".as_bytes()).is_err());
    }

    #[test]
    fn what_is_no_first_message_is_malformed() {
        let long = format!("n,,n={},r=abc", "a".repeat(IDENTITY_OCTETS_MAX + 1));
        let long_nonce = format!("n,,n=a,r={}", "a".repeat(SCRAM_NONCE_OCTETS_MAX + 1));
        for message in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=a",
            "n,,r=abc,n=a",
            "n,,n=,r=abc",
            "n,,n=a,r=",
            "z,,n=a,r=b",
            "p,,n=a,r=b",
            "p=,,n=a,r=b",
            "p=a b,,n=a,r=b",
            "n,bob,n=a,r=b",
            "n,,m=x,n=a,r=b",
            "n,,n==2c,r=b",
            "n,,n=a=,r=b",
            "n,,n=a,r=b\u{7f}",
            "n,a=,n=a,r=b",
            &long,
            &long_nonce,
        ] {
            let outcome = ClientFirst::parse(message.as_bytes());
            assert!(matches!(outcome, Err(AuthError::Malformed(_))), "{message}");
        }
    }

    #[test]
    fn what_is_no_final_message_is_malformed() {
        let proof = STANDARD.encode([0; 32]);
        let good = format!("c=biws,r=abc,p={proof}");
        assert!(ClientFinal::parse(good.as_bytes()).is_ok());
        for message in [
            String::new(),
            good.replace("c=biws", "c=b!"),
            good.replace("c=", "d="),
            good.replace("r=", "s="),
            good.replace(",p=", ",q="),
            good.replace(&proof, "AAAA"),
            good.replace(&proof, ""),
        ] {
            let outcome = ClientFinal::parse(message.as_bytes());
            assert!(matches!(outcome, Err(AuthError::Malformed(_))), "{message}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_taken_apart_without_a_panic(octets in any::<Vec<u8>>()) {
            let _ = (ClientFirst::parse(&octets), ClientFinal::parse(&octets));
        }

        #[test]
        fn near_misses_are_taken_apart_without_a_panic(text in "[nypcar=,a-f2CD3]{0,40}") {
            let _ = ClientFirst::parse(text.as_bytes());
            let _ = ClientFinal::parse(text.as_bytes());
        }
    }
}
