//! What a user can prove an identity with, other than by the password.

use std::fmt;

use crate::{StoreError, StoreErrorKind};

/// What a credential is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoredCredential {
    /// A salted verifier for SCRAM-SHA-256, as RFC 5803 writes it.
    ScramSha256,
    /// The NT hash, sealed, in base64.
    NtHash,
    /// The hash of an application password, in PHC string form.
    AppPassword,
}

/// Something that proves who a user is. `Debug` does not show what it is made of.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// What it is good for.
    pub kind: StoredCredential,
    /// What its user calls it: up to 255 octets without control characters.
    pub label: Box<str>,
    /// What it is made of: 1 to 4,096 octets, as [`StoredCredential`] says.
    pub value: String,
    /// Seconds since 1970-01-01 UTC.
    pub created_secs: u64,
}

impl Credential {
    /// The most octets of a label: as many as a user name has.
    pub const LABEL_OCTETS_MAX: usize = 255;
    /// The most octets of a value: ten times a long PHC string.
    pub const VALUE_OCTETS_MAX: usize = 4_096;

    /// # Errors
    /// `Invalid` if label or value are outside the accepted range.
    pub fn check(&self) -> Result<(), StoreError> {
        let label_is_right =
            self.label.len() <= Self::LABEL_OCTETS_MAX && !self.label.chars().any(char::is_control);
        if !label_is_right {
            let context = format!(
                "a credential's label has up to {} octets and no control characters, not {} octets",
                Self::LABEL_OCTETS_MAX,
                self.label.len()
            );
            return Err(StoreError::new(StoreErrorKind::Invalid, context));
        }
        if (1..=Self::VALUE_OCTETS_MAX).contains(&self.value.len()) {
            return Ok(());
        }
        let context = format!(
            "credential {:?} has {} octets; 1 to {} are accepted",
            self.label,
            self.value.len(),
            Self::VALUE_OCTETS_MAX
        );
        Err(StoreError::new(StoreErrorKind::Invalid, context))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("kind", &self.kind)
            .field("label", &self.label)
            .field("created_secs", &self.created_secs)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(label: &str, value: &str) -> Credential {
        Credential {
            kind: StoredCredential::AppPassword,
            label: label.into(),
            value: value.to_owned(),
            created_secs: 7,
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?}", credential("phone", "$argon2id$secret"));
        assert!(
            shown.contains("phone") && !shown.contains("secret"),
            "{shown}"
        );
    }

    #[test]
    fn the_ranges_of_label_and_value_are_checked() {
        for (label, value, right) in [
            ("", "x".to_owned(), true),
            ("my phone", "x".repeat(4_096), true),
            ("my\nphone", "x".to_owned(), false),
            (&"x".repeat(256), "x".to_owned(), false),
            ("phone", String::new(), false),
            ("phone", "x".repeat(4_097), false),
        ] {
            let outcome = credential(label, &value).check();
            assert_eq!(outcome.is_ok(), right, "{label:?}, {} octets", value.len());
        }
    }
}
