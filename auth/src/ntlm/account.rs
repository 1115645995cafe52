//! Who a client says to be: as a name to look up, and as the octets that its proof is over.

use super::message::authenticate::Authenticate;
use super::message::flags::Flags;
use super::message::utf16;
use super::names::TargetNames;
use crate::AuthError;
use crate::limits::IDENTITY_OCTETS_MAX;

/// User and domain of an AUTHENTICATE message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// What is looked up: `user`, or `DOMAIN\user` for a domain that is not the server's own.
    /// `None` if the name cannot be one.
    pub(super) name: Option<String>,
    /// The user's name in upper case, UTF-16.
    pub(super) upper_user: Vec<u8>,
    /// The domain's name as it was written, UTF-16.
    pub(super) domain: Vec<u8>,
}

impl Account {
    /// Of a message to the server of these names.
    ///
    /// # Errors
    /// `Malformed` for what is not UTF-16 or too long.
    pub(super) fn of(message: &Authenticate<'_>, own: &TargetNames) -> Result<Self, AuthError> {
        let characters = match message.flags.has(Flags::UNICODE) {
            true => Characters::Unicode,
            false => Characters::Oem,
        };
        let (user, domain) = (
            characters.text(message.user)?,
            characters.text(message.domain)?,
        );
        if user.len().max(domain.len()) > IDENTITY_OCTETS_MAX {
            return Err(AuthError::Malformed("the user or the domain is too long"));
        }
        Ok(Self {
            name: name(&user, &domain, own),
            upper_user: characters.upper(message.user, &user),
            domain: characters.wide(message.domain),
        })
    }
}

/// A delegate's form is for USER (MS-OXPOP3 2.2.2): whoever proves a secret names themselves.
fn name(user: &str, domain: &str, own: &TargetNames) -> Option<String> {
    if user.is_empty() || user.contains(['/', '\\']) || domain.contains(['/', '\\']) {
        return None;
    }
    match domain.is_empty() || own.mean(domain) {
        true => Some(user.to_owned()),
        false => Some(format!("{domain}\\{user}")),
    }
}

/// The character set of a message.
#[derive(Clone, Copy)]
enum Characters {
    /// UTF-16.
    Unicode,
    /// Whatever the client's machine has. Clients that use it widen each octet by itself for
    /// the proof, and have nothing but ASCII in upper case.
    Oem,
}

impl Characters {
    fn text(self, octets: &[u8]) -> Result<String, AuthError> {
        match self {
            Self::Unicode => {
                let (units, odd) = octets.as_chunks();
                let units: Vec<u16> = units.iter().map(|two| u16::from_le_bytes(*two)).collect();
                let text = String::from_utf16(&units).ok().filter(|_| odd.is_empty());
                text.ok_or(AuthError::Malformed("a name is not UTF-16"))
            }
            Self::Oem => Ok(match std::str::from_utf8(octets) {
                Ok(text) => text.to_owned(),
                Err(_) => octets.iter().copied().map(char::from).collect(),
            }),
        }
    }

    fn wide(self, octets: &[u8]) -> Vec<u8> {
        match self {
            Self::Unicode => octets.to_vec(),
            Self::Oem => octets.iter().flat_map(|octet| [*octet, 0]).collect(),
        }
    }

    fn upper(self, octets: &[u8], text: &str) -> Vec<u8> {
        match self {
            Self::Unicode => utf16(&text.chars().map(upper_case).collect::<String>()),
            Self::Oem => self.wide(&octets.to_ascii_uppercase()),
        }
    }
}

/// Upper case as Windows has it: a character becomes one other, or stays (`ß` does).
fn upper_case(character: char) -> char {
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        (Some(_) | None, Some(_) | None) => character,
    }
}
