//! CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2), the server's.

use super::flags::Flags;
use super::{SIGNATURE, utf16};

/// Octets before the payload, an empty version among them.
const HEADER_OCTETS: usize = 56;

/// What a challenge says.
pub(in crate::ntlm) struct Challenge<'a> {
    /// What is granted.
    pub(in crate::ntlm) flags: Flags,
    /// The name of the domain or the server, ASCII.
    pub(in crate::ntlm) target: &'a str,
    /// What the client has to answer; used once.
    pub(in crate::ntlm) nonce: [u8; 8],
    /// AV pairs, with their end.
    pub(in crate::ntlm) target_info: &'a [u8],
}

impl Challenge<'_> {
    /// As octets. No version is told.
    pub(in crate::ntlm) fn build(&self) -> Vec<u8> {
        let target = match self.flags.has(Flags::UNICODE) {
            true => utf16(self.target),
            false => self.target.as_bytes().to_vec(),
        };
        let mut out = Vec::with_capacity(HEADER_OCTETS + target.len() + self.target_info.len());
        out.extend(SIGNATURE);
        out.extend(2_u32.to_le_bytes());
        field(&mut out, target.len(), HEADER_OCTETS);
        out.extend(self.flags.0.to_le_bytes());
        out.extend(self.nonce);
        out.extend([0; 8]);
        let at = HEADER_OCTETS + target.len();
        field(&mut out, self.target_info.len(), at);
        out.extend([0; 8]);
        out.extend(target);
        out.extend(self.target_info);
        out
    }
}

/// Length, maximum length, offset. Names are bounded, so that all of it fits.
fn field(out: &mut Vec<u8>, length: usize, offset: usize) {
    let length = u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes();
    out.extend(length);
    out.extend(length);
    let offset = u32::try_from(offset).unwrap_or(u32::MAX);
    out.extend(offset.to_le_bytes());
}
