//! App passwords: made by the server for one device or program of a user, so that it need not
//! know the user's own password and can be locked out alone.
//!
//! One is written `k7w2n9-` and five groups of five, from an alphabet of 32 that cannot be misread.
//! The first six characters are no secret: they say which of the user's app passwords it is, so
//! that one digest is computed however many there are. The other 25 are 125 random bits: nobody
//! guesses those, so that a fast digest does, and the log-on costs no Argon2id.

use argon2::password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Secret;
use crate::password::HashError;

/// Digits and letters without i, l, o and u, which are misread or make words.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ID_CHARACTERS: usize = 6;
const SECRET_CHARACTERS: usize = 25;
const GROUP_CHARACTERS: usize = 5;
const SALT_OCTETS: usize = 16;
/// What the PHC string calls HMAC-SHA-256 with the salt as its key.
const ALGORITHM: &str = "app-hmac-sha256";

/// A new app password.
pub struct NewAppPassword {
    /// What the user types, shown once.
    pub shown: Zeroizing<String>,
    /// What is kept, in PHC string form.
    pub stored: String,
}

/// Makes one.
///
/// # Errors
/// `Unavailable` if there is no randomness.
pub fn generate() -> Result<NewAppPassword, HashError> {
    let unavailable = |what: &str| HashError::Unavailable(what.to_owned());
    let mut random = Zeroizing::new([0; ID_CHARACTERS + SECRET_CHARACTERS]);
    let mut salt = [0; SALT_OCTETS];
    getrandom::fill(random.as_mut()).map_err(|error| unavailable(&error.to_string()))?;
    getrandom::fill(&mut salt).map_err(|error| unavailable(&error.to_string()))?;
    // 256 is a multiple of 32: no character is likelier than another.
    let characters = random.iter().map(|octet| ALPHABET[usize::from(octet % 32)]);
    let plain = Zeroizing::new(characters.map(char::from).collect::<String>());
    let (id, secret) = plain.split_at(ID_CHARACTERS);
    let mut params = ParamsString::new();
    let id_param = params.add_str("id", id);
    id_param.map_err(|_| unavailable("parameters"))?;
    let stored = PasswordHash {
        algorithm: Ident::new(ALGORITHM).map_err(|_| unavailable("algorithm"))?,
        version: None,
        params,
        salt: Some(Salt::new(&salt).map_err(|_| unavailable("salt"))?),
        hash: Some(
            Output::new(&digest(&salt, secret.as_bytes())).map_err(|_| unavailable("digest"))?,
        ),
    };
    // Its room is taken at once: no copy of a part is left behind.
    let groups = SECRET_CHARACTERS / GROUP_CHARACTERS;
    let mut shown = Zeroizing::new(String::with_capacity(plain.len() + groups));
    shown.push_str(id);
    for (place, character) in secret.chars().enumerate() {
        if place % GROUP_CHARACTERS == 0 {
            shown.push('-');
        }
        shown.push(character);
    }
    Ok(NewAppPassword {
        shown,
        stored: stored.to_string(),
    })
}

/// Whether a password is one of these app passwords. Most passwords do not even look like one.
pub fn is_one_of<'a>(password: &Secret, stored: impl IntoIterator<Item = &'a str>) -> bool {
    let Some(plain) = plain(password.expose_secret()) else {
        return false;
    };
    let (id, secret) = plain.split_at(ID_CHARACTERS);
    let mut stored = stored.into_iter().filter_map(parse);
    stored.any(|(stored_id, hash)| stored_id.as_bytes() == id && matches(&hash, secret))
}

/// The part that is no secret, by which people know which one it is.
pub fn id(stored: &str) -> Option<String> {
    parse(stored).map(|(id, _)| id)
}

/// The characters without dashes, in lower case, if there are as many as there should be.
fn plain(password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(ID_CHARACTERS + SECRET_CHARACTERS));
    for octet in password.iter().filter(|octet| **octet != b'-') {
        let octet = octet.to_ascii_lowercase();
        if plain.len() == plain.capacity() || !ALPHABET.contains(&octet) {
            return None;
        }
        plain.push(octet);
    }
    (plain.len() == plain.capacity()).then_some(plain)
}

fn parse(stored: &str) -> Option<(String, PasswordHash)> {
    let hash = PasswordHash::new(stored).ok()?;
    let is_ours = hash.algorithm.as_str() == ALGORITHM;
    let id = hash.params.get_str("id").filter(|_| is_ours)?.to_owned();
    (id.len() == ID_CHARACTERS).then_some((id, hash))
}

fn matches(hash: &PasswordHash, secret: &[u8]) -> bool {
    let (Some(salt), Some(output)) = (&hash.salt, &hash.hash) else {
        return false;
    };
    digest(salt, secret).ct_eq(output.as_bytes()).into()
}

fn digest(salt: &[u8], secret: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(salt).expect("HMAC takes a key of any length");
    mac.update(secret);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::from(text.as_bytes().to_vec())
    }

    #[test]
    fn one_is_recognised_among_many_and_no_other_is() {
        let made: Vec<_> = (0..5).map(|_| generate().unwrap()).collect();
        let stored = || made.iter().map(|new| new.stored.as_str());
        for new in &made {
            let shown = new.shown.as_str();
            assert_eq!(shown.len(), 6 + 5 * 6, "{shown}");
            assert!(is_one_of(&secret(shown), stored()));
            assert!(is_one_of(
                &secret(&shown.replace('-', "").to_uppercase()),
                stored()
            ));
            let others = stored().filter(|stored| *stored != new.stored);
            assert!(!is_one_of(&secret(shown), others));
            for other in ["", &shown[1..], &format!("{shown}0"), &format!("{shown} ")] {
                assert!(!is_one_of(&secret(other), stored()), "{other}");
            }
        }
    }

    #[test]
    fn the_secret_of_one_does_not_go_with_the_id_of_another() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        let mixed = format!("{}{}", &one.shown[..6], &other.shown[6..]);
        assert!(!is_one_of(
            &secret(&mixed),
            [one.stored.as_str(), &other.stored]
        ));
    }

    #[test]
    fn what_is_stored_shows_the_id_and_not_the_secret() {
        let new = generate().unwrap();
        assert!(
            new.stored.starts_with("$app-hmac-sha256$id="),
            "{}",
            new.stored
        );
        assert_eq!(id(&new.stored).as_deref(), Some(&new.shown[..6]));
        for group in new.shown.split('-').skip(1) {
            assert!(!new.stored.contains(group));
        }
    }

    #[test]
    fn what_is_no_stored_app_password_matches_nothing() {
        let new = generate().unwrap();
        for stored in [
            "",
            "$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
            "$app-hmac-sha256$id=000000",
            "$app-hmac-sha256$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(!is_one_of(&secret(&new.shown), [stored]), "{stored}");
        }
    }
}
