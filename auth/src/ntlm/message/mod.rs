//! The three messages of NTLM (MS-NLMP 2.2.1) as pure functions over octets. Every length and
//! every offset comes from the peer and is checked before it is followed.

pub(super) mod authenticate;
pub(super) mod av_pairs;
pub(super) mod challenge;
pub(super) mod flags;
pub(super) mod negotiate;
#[cfg(test)]
mod tests;

use crate::AuthError;

/// What each message begins with.
const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// Checks signature and type of a message.
fn expect(message: &[u8], message_type: u32) -> Result<(), AuthError> {
    if message.get(..8) != Some(SIGNATURE) {
        return Err(AuthError::Malformed("it is no NTLM message"));
    }
    match u32_at(message, 8)? == message_type {
        true => Ok(()),
        false => Err(AuthError::Malformed("this NTLM message is not due now")),
    }
}

fn u16_at(octets: &[u8], at: usize) -> Result<u16, AuthError> {
    let two = octets.get(at..).and_then(<[u8]>::first_chunk);
    let two = two.ok_or(AuthError::Malformed("the NTLM message is too short"))?;
    Ok(u16::from_le_bytes(*two))
}

fn u32_at(octets: &[u8], at: usize) -> Result<u32, AuthError> {
    let four = octets.get(at..).and_then(<[u8]>::first_chunk);
    let four = four.ok_or(AuthError::Malformed("the NTLM message is too short"))?;
    Ok(u32::from_le_bytes(*four))
}

/// The payload that the field at `at` points at: length, maximum length, offset from the
/// message's begin. It may neither reach into the `header` octets of fixed fields nor out of
/// the message. The offset of an empty one means nothing.
fn payload(message: &[u8], at: usize, header: usize) -> Result<&[u8], AuthError> {
    let length = usize::from(u16_at(message, at)?);
    let offset = u32_at(message, at + 4)?;
    if length == 0 {
        return Ok(&[]);
    }
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let inside = offset >= header;
    let end = offset.checked_add(length);
    inside
        .then(|| message.get(offset..end?))
        .flatten()
        .ok_or(AuthError::Malformed(
            "an NTLM field lies outside of its message",
        ))
}

/// Text in UTF-16, little-endian.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
