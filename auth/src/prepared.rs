//! SASLprep (RFC 4013): names and passwords in the form in which they are compared, so that the
//! same text typed on two keyboards is the same.

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::Secret;

/// The prepared form of a text; `None` if it has characters that nobody should have in a name
/// or a password, or if nothing is left of it.
pub fn prepared(text: &str) -> Option<Zeroizing<String>> {
    let prepared = stringprep::saslprep(text).ok()?;
    (!prepared.is_empty()).then(|| Zeroizing::new(prepared.into_owned()))
}

/// The forms in which a password counts, likeliest first: prepared, as RFC 4616 s2 and RFC 5802
/// s2.2 want it, and then the octets as they came, if these differ. Passwords that were stored
/// before they were prepared, or that cannot be, so stay good. How many there are depends on
/// the octets alone: 1 or 2.
pub fn password_forms(octets: &Secret) -> Vec<Secret> {
    let raw = octets.expose_secret();
    let prepared = std::str::from_utf8(raw).ok().and_then(prepared);
    let other = prepared.filter(|text| text.as_bytes() != raw);
    let other = other.map(|text| Secret::from(text.as_bytes().to_vec()));
    let raw = Secret::from(raw.to_vec());
    other.into_iter().chain([raw]).collect()
}

/// The one form in which a new password is stored.
pub fn new_password(octets: &Secret) -> Secret {
    let mut forms = password_forms(octets);
    forms.swap_remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<String> {
        prepared(text).map(|prepared| prepared.to_string())
    }

    /// RFC 4013 s3.
    #[test]
    fn the_examples_of_rfc_4013() {
        for (given, expected) in [
            ("I\u{ad}X", Some("IX")),
            ("user", Some("user")),
            ("USER", Some("USER")),
            ("\u{aa}", Some("a")),
            ("\u{2168}", Some("IX")),
            ("\u{7}", None),
            ("\u{627}1", None),
        ] {
            assert_eq!(text(given).as_deref(), expected, "{given:?}");
        }
    }

    #[test]
    fn what_maps_to_nothing_is_no_name() {
        assert_eq!(text("\u{ad}"), None);
        assert_eq!(text(""), None);
    }

    #[test]
    fn a_password_counts_prepared_and_as_it_came() {
        let forms = |octets: &[u8]| -> Vec<Vec<u8>> {
            let forms = password_forms(&Secret::from(octets.to_vec()));
            let exposed = forms.iter().map(|form| form.expose_secret().to_vec());
            exposed.collect()
        };
        assert_eq!(forms(b"plain ascii"), [b"plain ascii"]);
        let wide = "\u{2168}".as_bytes();
        assert_eq!(forms(wide), [b"IX", wide]);
        assert_eq!(forms(b"\xff\xfe"), [b"\xff\xfe"]);
        assert_eq!(forms(b"a\x07b"), [b"a\x07b"]);
        assert_eq!(forms(b""), [b""]);
    }

    #[test]
    fn a_new_password_is_stored_prepared_where_it_can_be() {
        let stored = |octets: &[u8]| {
            let stored = new_password(&Secret::from(octets.to_vec()));
            stored.expose_secret().to_vec()
        };
        assert_eq!(stored("\u{2168}".as_bytes()), b"IX");
        assert_eq!(stored(b"\xff"), b"\xff");
    }
}
