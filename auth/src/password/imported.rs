//! Password hashes that users bring from elsewhere: those of crypt(5), of LDAP (RFC 2307 s5.3) and
//! of Dovecot, each bounded in what it may cost to check.
//!
//! | written as | what it is |
//! | --- | --- |
//! | `$6$`, `{SHA512-CRYPT}` | SHA-512-crypt |
//! | `$5$`, `{SHA256-CRYPT}` | SHA-256-crypt |
//! | `$2a$`, `$2b$`, `$2y$`, `{BLF-CRYPT}`, `{BCRYPT}` | bcrypt |
//! | `{SSHA}`, `{SSHA256}`, `{SSHA512}` | SHA with a salt behind it, base64; without S no salt |
//! | `$argon2id$`, `$argon2i$`, `{ARGON2ID}`, `{ARGON2I}`, `{ARGON2}` | Argon2, a PHC string |
//! | `{CRYPT}` | any of those that begin with `$` |

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use sha_crypt::PasswordVerifier as _;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

use super::HashError;
use super::hash::{Argon2id, PasswordHasher};
use crate::Secret;
use crate::limits::{
    BCRYPT_COST_MAX, IMPORTED_HASH_OCTETS_MAX, PASSWORD_OCTETS_MAX, SHA_CRYPT_ROUNDS_MAX,
};
use crate::slots::Slots;

/// Makes Argon2id hashes, and checks all that are listed above.
#[derive(Debug)]
pub struct AnyHash {
    own: Argon2id,
    slots: Slots,
}

impl AnyHash {
    /// New hashes are made by `own`. At most `at_once_max` are computed at once, as each takes
    /// memory; further ones wait.
    pub fn new(own: Argon2id, at_once_max: usize) -> Self {
        let slots = Slots::new(at_once_max);
        Self { own, slots }
    }
}

impl PasswordHasher for AnyHash {
    fn hash(&self, password: &Secret) -> Result<String, HashError> {
        let _slot = self.slots.take();
        self.own.hash(password)
    }

    fn matches(&self, password: &Secret, stored: &str) -> Result<bool, HashError> {
        let octets = password.expose_secret();
        if octets.len() > PASSWORD_OCTETS_MAX && !self.is_own(stored) {
            return Ok(false);
        }
        let stored = Imported::parse(stored)?;
        let _slot = self.slots.take();
        match stored {
            Imported::Argon2(phc) => self.own.matches_any_variant(password, phc),
            Imported::ShaCrypt(text) => Ok(sha_crypt::ShaCrypt::default()
                .verify_password(octets, text)
                .is_ok()),
            Imported::Bcrypt(text) => bcrypt::verify(octets, text)
                .map_err(|_| HashError::Stored("it is damaged: bcrypt cannot read it")),
            Imported::Sha { variant, digest } => Ok(variant.matches(octets, &digest)),
        }
    }

    fn dummy(&self) -> &str {
        self.own.dummy()
    }

    fn recognise(&self, stored: &str) -> Result<(), HashError> {
        Imported::parse(stored).map(drop)
    }

    fn is_own(&self, stored: &str) -> bool {
        self.own.is_own(stored)
    }
}

/// A stored hash that is worth running.
enum Imported<'a> {
    Argon2(&'a str),
    ShaCrypt(&'a str),
    Bcrypt(&'a str),
    /// Digest, then salt.
    Sha {
        variant: ShaVariant,
        digest: Vec<u8>,
    },
}

impl<'a> Imported<'a> {
    fn parse(text: &'a str) -> Result<Self, HashError> {
        if text.len() > IMPORTED_HASH_OCTETS_MAX {
            return Err(HashError::Stored("it is too long"));
        }
        let Some((scheme, hash)) = text.strip_prefix('{').and_then(|t| t.split_once('}')) else {
            return Self::crypt(text);
        };
        let sha = |variant: ShaVariant, salted: bool| {
            let digest = STANDARD.decode(hash);
            let digest = digest.map_err(|_| HashError::Stored("it is not base64"))?;
            let as_long_as_it_should = match salted {
                true => digest.len() > variant.octets(),
                false => digest.len() == variant.octets(),
            };
            match as_long_as_it_should {
                true => Ok(Self::Sha { variant, digest }),
                false => Err(HashError::Stored(
                    "its digest or salt is too short or too long",
                )),
            }
        };
        match scheme.to_ascii_uppercase().as_str() {
            "SSHA" => sha(ShaVariant::Sha1, true),
            "SSHA256" => sha(ShaVariant::Sha256, true),
            "SSHA512" => sha(ShaVariant::Sha512, true),
            "SHA" | "SHA1" => sha(ShaVariant::Sha1, false),
            "SHA256" => sha(ShaVariant::Sha256, false),
            "SHA512" => sha(ShaVariant::Sha512, false),
            "CRYPT" | "SHA512-CRYPT" | "SHA256-CRYPT" | "BLF-CRYPT" | "BCRYPT" | "ARGON2"
            | "ARGON2ID" | "ARGON2I" => Self::crypt(hash),
            _ => Err(HashError::Stored("its scheme is not known")),
        }
    }

    /// What begins with `$` says itself what it is.
    fn crypt(text: &'a str) -> Result<Self, HashError> {
        let mut fields = text.split('$');
        let (Some(""), Some(id), Some(first)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err(HashError::Stored("it does not say what it is"));
        };
        match id {
            "argon2id" | "argon2i" => Ok(Self::Argon2(text)),
            "5" | "6" => {
                let rounds = first.strip_prefix("rounds=").map(str::parse::<u32>);
                let (salt, digest) = match rounds {
                    None => (Some(first), fields.next()),
                    Some(Ok(rounds)) if rounds <= SHA_CRYPT_ROUNDS_MAX => {
                        (fields.next(), fields.next())
                    }
                    Some(_) => {
                        return Err(HashError::Stored(
                            "its rounds are outside the accepted range",
                        ));
                    }
                };
                let octets = if id == "5" { 43 } else { 86 };
                match (salt, digest, fields.next()) {
                    (Some(_), Some(digest), None) if digest.len() == octets => {
                        Ok(Self::ShaCrypt(text))
                    }
                    _ => Err(HashError::Stored(
                        "it has a wrong number of fields, or is cut off",
                    )),
                }
            }
            "2a" | "2b" | "2y" => match first.parse::<u32>() {
                Ok(cost) if cost <= BCRYPT_COST_MAX => Ok(Self::Bcrypt(text)),
                _ => Err(HashError::Stored("its cost is outside the accepted range")),
            },
            _ => Err(HashError::Stored("its scheme is not known")),
        }
    }
}

#[derive(Clone, Copy)]
enum ShaVariant {
    Sha1,
    Sha256,
    Sha512,
}

impl ShaVariant {
    fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn matches(self, password: &[u8], digest_and_salt: &[u8]) -> bool {
        let (digest, salt) = digest_and_salt.split_at(self.octets());
        match self {
            Self::Sha1 => salted::<Sha1>(password, salt, digest),
            Self::Sha256 => salted::<Sha256>(password, salt, digest),
            Self::Sha512 => salted::<Sha512>(password, salt, digest),
        }
    }
}

fn salted<D: Digest>(password: &[u8], salt: &[u8], digest: &[u8]) -> bool {
    let computed = D::new()
        .chain_update(password)
        .chain_update(salt)
        .finalize();
    computed.as_slice().ct_eq(digest).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cost;
    use crate::limits::HASH_MEMORY_KIB_MIN;

    /// Of the password `secret`, made with `openssl passwd` and `doveadm pw`.
    const VECTORS: [&str; 17] = [
        "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/\
         cZ/1GM/O6IND4WQhG.",
        "$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.",
        "$5$rounds=10000$saltstringsaltst$nRVJUfBu7b60x4u50TScFun8GLsggmlJvebgklaft49",
        "{CRYPT}$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.",
        "{SSHA}O54jdNDyU9TP76AX8b2FlpYylokxfGmt",
        "{ssha}O54jdNDyU9TP76AX8b2FlpYylokxfGmt",
        "{SSHA256}nUbtxvwZxWSc1vGIUkQdiA1og7sBg3qDLr+aAk8C98IKQ306",
        "{SSHA512}C7rWFqZGynuJICRnZZGluCp6V18RlJrH8W4AI8F1/W6enlKT0FppfKDpQgGFs1KFL6Stq6a92sWWRA\
         eMHHNG/LZ2r2k=",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
        "{SHA512-CRYPT}$6$DBxHsZQ8/o1Wgod9$e3llMwYQ.U.tWKtw2HnDwKMJaXQDQ7UUJDwtG.1VwXOuMEYJv9y36\
         yE3SslIaa4i8QmxuOKsf7tTcAP1yAjVi.",
        "{SHA256-CRYPT}$5$zfFM1LLHKnFyjNfe$CJfFJB.ju6TsFYlVEqiErnJ44wsgQVKv5z4BK7xkNKB",
        "{BLF-CRYPT}$2y$05$2ZqpL6W3xxmw1SElvfj8kuUlu157SfRwA2kiBOUS92fTZEjzdiMSa",
        "$2b$05$2ZqpL6W3xxmw1SElvfj8kuUlu157SfRwA2kiBOUS92fTZEjzdiMSa",
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$ws6lT7IOB6RyfrfvAKvlPg$nes2/6XiGvy6WEhXfdGJW6U\
         qoVX4sk65bbSsO54rIC4",
        "$argon2id$v=19$m=65536,t=3,p=1$ws6lT7IOB6RyfrfvAKvlPg$nes2/6XiGvy6WEhXfdGJW6UqoVX4sk65b\
         bSsO54rIC4",
        "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$lx35+dhi0SM3iaydAuMoXg$9k5EcDT3cLv9CSRipf0fMXoYi\
         w1GEX188dV844FQRA8",
    ];

    fn any() -> AnyHash {
        AnyHash::new(
            Argon2id::new(Cost::new(HASH_MEMORY_KIB_MIN, 1, 1).unwrap()).unwrap(),
            2,
        )
    }

    fn secret(password: &str) -> Secret {
        Secret::from(password.as_bytes().to_vec())
    }

    #[test]
    fn hashes_of_other_programs_match_their_password_and_no_other() {
        let any = any();
        for stored in VECTORS {
            assert_eq!(any.matches(&secret("secret"), stored), Ok(true), "{stored}");
            for other in ["Secret", "secret ", ""] {
                assert_eq!(any.matches(&secret(other), stored), Ok(false), "{stored}");
            }
        }
    }

    #[test]
    fn its_own_hashes_are_told_from_those_to_be_replaced() {
        let any = any();
        let own = any.hash(&secret("secret")).unwrap();
        assert!(any.is_own(&own) && any.matches(&secret("secret"), &own).unwrap());
        for stored in VECTORS
            .iter()
            .filter(|stored| !stored.starts_with("$argon2id$"))
        {
            assert!(!any.is_own(stored), "{stored}");
        }
    }

    #[test]
    fn what_costs_too_much_is_refused_not_run() {
        for stored in [
            "$6$rounds=999999999$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKP\
             PrVACtLtip/cZ/1GM/O6IND4WQhG.",
            "$6$rounds=4294967296$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CK\
             PPrVACtLtip/cZ/1GM/O6IND4WQhG.",
            "$2y$31$2ZqpL6W3xxmw1SElvfj8kuUlu157SfRwA2kiBOUS92fTZEjzdiMSa",
            "{ARGON2I}$argon2i$v=19$m=4194304,t=4,p=1$lx35+dhi0SM3iaydAuMoXg$9k5EcDT3cLv9CSRipf0fMX\
             oYiw1GEX188dV844FQRA8",
        ] {
            let outcome = any().matches(&secret("secret"), stored);
            assert!(
                matches!(outcome, Err(HashError::Stored(why)) if why.contains("accepted range")),
                "{stored}: {outcome:?}"
            );
        }
    }

    #[test]
    fn what_is_no_known_hash_is_refused() {
        for stored in [
            "",
            "$",
            "$$",
            "secret",
            "{PLAIN}secret",
            "{SSHA}",
            "{SSHA}!!",
            "{SSHA}aaaa",
            "{",
            "{}x",
            "$1$okVkMJJr$ubNJVZdUFt0PPtJOtld0u1",
            "$y$j9T$abc$def",
            "$6$",
            "$6$salt",
            "$6$salt$short",
            "$6$rounds=x$salt$x",
            "$2y$05$",
            "$2x$05$abc",
            "*",
            "!",
            "x",
            "{SHA}O54jdNDyU9TP76AX8b2FlpYylokxfGmt",
            "{NO-SUCH}x",
            "$argon2id$",
        ] {
            let outcome = any().matches(&secret("secret"), stored);
            assert!(
                matches!(outcome, Err(HashError::Stored(_))),
                "{stored}: {outcome:?}"
            );
        }
    }
}
