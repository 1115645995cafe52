//! AV_PAIR lists (MS-NLMP 2.2.2.1): what a server says of itself in its challenge, and what a
//! client repeats and adds in its answer.

use super::{u16_at, utf16};
use crate::AuthError;

/// What a pair is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ntlm) enum AvId {
    NetBiosComputer = 1,
    NetBiosDomain = 2,
    DnsComputer = 3,
    DnsDomain = 4,
    DnsTree = 5,
    Flags = 6,
    Timestamp = 7,
    ChannelBindings = 10,
}

/// In `MsvAvFlags`: the client sends a MIC.
const FLAG_MIC: u32 = 0x2;

/// A list that was gone through to its end.
#[derive(Debug, Clone, Copy)]
pub(in crate::ntlm) struct AvPairs<'a>(&'a [u8]);

impl<'a> AvPairs<'a> {
    /// The pairs at the begin of `octets`. None at all is a list, too.
    ///
    /// # Errors
    /// `Malformed` if the octets end before the list does.
    pub(in crate::ntlm) fn parse(octets: &'a [u8]) -> Result<Self, AuthError> {
        let mut rest = octets;
        while rest.len() >= 4 {
            let (id, length) = (u16_at(rest, 0)?, usize::from(u16_at(rest, 2)?));
            if id == 0 {
                return Ok(Self(octets));
            }
            let ends_early = AuthError::Malformed("an AV pair lies outside of its list");
            rest = rest.get(4 + length..).ok_or(ends_early)?;
        }
        match octets.len() < 4 {
            true => Ok(Self(&[])),
            false => Err(AuthError::Malformed("a list of AV pairs has no end")),
        }
    }

    /// The value of the first pair with this id.
    pub(in crate::ntlm) fn find(self, id: AvId) -> Option<&'a [u8]> {
        self.iter()
            .find(|(found, _)| *found == id as u16)
            .map(|(_, value)| value)
    }

    /// Whether a MIC was announced.
    pub(in crate::ntlm) fn announce_mic(self) -> bool {
        let flags = self.find(AvId::Flags).and_then(<[u8]>::first_chunk);
        flags.is_some_and(|flags| u32::from_le_bytes(*flags) & FLAG_MIC != 0)
    }

    /// The MD5 of the channel that the client is bound to; all zero means none.
    pub(in crate::ntlm) fn channel(self) -> Option<[u8; 16]> {
        let value = self.find(AvId::ChannelBindings)?;
        let value: [u8; 16] = value.try_into().ok()?;
        (value != [0; 16]).then_some(value)
    }

    /// Whether these repeat what `ours` say of the server: a client may leave a pair out and
    /// add others, but not change one.
    pub(in crate::ntlm) fn repeat(self, ours: AvPairs<'_>) -> bool {
        self.iter().all(|(id, value)| {
            let mut same = ours.iter().filter(|(our_id, _)| *our_id == id);
            same.next().is_none_or(|(_, our_value)| our_value == value)
        })
    }

    fn iter(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (id, length) = (u16_at(rest, 0).ok()?, u16_at(rest, 2).ok()?);
            let end = 4 + usize::from(length);
            let value = rest.get(4..end)?;
            rest = &rest[end..];
            (id != 0).then_some((id, value))
        })
    }
}

/// A list in the making.
#[derive(Debug, Default)]
pub(in crate::ntlm) struct AvPairList(Vec<u8>);

impl AvPairList {
    /// Adds a pair. A value of 64 KiB or more has no place in it; no name is that long.
    pub(in crate::ntlm) fn put(&mut self, id: AvId, value: &[u8]) {
        if let Ok(length) = u16::try_from(value.len()) {
            self.0.extend((id as u16).to_le_bytes());
            self.0.extend(length.to_le_bytes());
            self.0.extend(value);
        }
    }

    /// Adds a name.
    pub(in crate::ntlm) fn name(&mut self, id: AvId, name: &str) {
        self.put(id, &utf16(name));
    }

    /// The octets, with the end of the list.
    pub(in crate::ntlm) fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 4]);
        self.0
    }
}
