//! NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1), the client's first.

use super::flags::Flags;
use super::{expect, payload, u32_at};
use crate::AuthError;
use crate::limits::NTLM_NEGOTIATE_OCTETS_MAX;

/// Octets of a message with both names but without a version: what curl sends.
const HEADER_OCTETS: usize = 32;

/// What the client can do.
///
/// # Errors
/// `Malformed`: not this message, too long, or a name outside of it.
pub(in crate::ntlm) fn flags(message: &[u8]) -> Result<Flags, AuthError> {
    expect(message, 1)?;
    if message.len() > NTLM_NEGOTIATE_OCTETS_MAX {
        return Err(AuthError::Malformed("the NEGOTIATE message is too long"));
    }
    let flags = Flags(u32_at(message, 12)?);
    // Neither name is of any use; they only have to be where they are said to be.
    for (supplied, at) in [
        (Flags::DOMAIN_SUPPLIED, 16),
        (Flags::WORKSTATION_SUPPLIED, 24),
    ] {
        if flags.has(supplied) {
            payload(message, at, HEADER_OCTETS)?;
        }
    }
    Ok(flags)
}
