//! The header of a message's file: of fixed size, and checked. Behind it stands the body exactly
//! as RETR sends it (CRLF line ends, before transparency); or only the trace lines of it, and the
//! rest is in a file of its own (see [`super::message_file`]).

use std::fs::File;

use super::files::Files;
use crate::{BodyFacts, MaildropId, MessageId, StoreError, StoreErrorKind};

/// Octets before the body.
pub(super) const HEADER_OCTETS: u64 = 160;

/// The same, to count octets in memory.
pub(super) const HEADER_SIZE: usize = HEADER_OCTETS as usize;
/// What the file begins with; then two octets for the version of the format.
const MAGIC: [u8; 6] = *b"MRBODY";
/// The whole body stands behind the header.
const VERSION_WHOLE: [u8; 2] = [1, 0];
/// The body is apart.
const VERSION_APART: [u8; 2] = [2, 0];
const CARRIED_AT: usize = 73;
const CARRIED_MAX: usize = crate::numbering::UNIQUE_ID_OCTETS_MAX;

/// All that the index has to know of a message, and what RETR needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BodyHeader {
    pub(super) maildrop: MaildropId,
    pub(super) message: MessageId,
    pub(super) facts: BodyFacts,
    pub(super) received_secs: u64,
    /// The revision of the maildrop whose commit took the message in.
    pub(super) revision: u64,
    /// How many messages that commit took in.
    pub(super) batch: u32,
    /// CRC-32 of the body, or of the part of it that is apart.
    pub(super) body_crc: u32,
    pub(super) carried_unique_id: Option<Box<str>>,
    /// If the body is in a file of its own: what stands here of it.
    pub(super) apart: Option<Apart>,
}

/// A message whose body is in a file of its own: that can be the file of other messages too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Apart {
    /// Octets of trace lines behind the header.
    pub(super) trace_octets: u32,
    /// CRC-32 of the trace lines.
    pub(super) trace_crc: u32,
    /// The deleted message that it was made of.
    pub(super) restored_from: Option<MessageId>,
}

impl BodyHeader {
    /// Octets of the message that stand behind the header.
    pub(super) fn own_octets(&self) -> u64 {
        match self.apart {
            None => self.facts.octets,
            Some(apart) => u64::from(apart.trace_octets),
        }
    }

    /// Octets of the message that are apart.
    pub(super) fn apart_octets(&self) -> u64 {
        self.facts.octets.saturating_sub(self.own_octets())
    }

    pub(super) fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut out = [0; HEADER_SIZE];
        let mut put = |at: usize, octets: &[u8]| out[at..at + octets.len()].copy_from_slice(octets);
        put(0, &MAGIC);
        let version = self.apart.map_or(VERSION_WHOLE, |_| VERSION_APART);
        put(6, &version);
        put(12, &u32::from(self.facts.dot_lines).to_le_bytes());
        put(16, &self.maildrop.0.to_le_bytes());
        put(24, &self.message.0.to_le_bytes());
        put(32, &self.facts.octets.to_le_bytes());
        put(40, &self.facts.header_octets.to_le_bytes());
        put(48, &self.received_secs.to_le_bytes());
        put(56, &self.revision.to_le_bytes());
        put(64, &self.batch.to_le_bytes());
        put(68, &self.body_crc.to_le_bytes());
        let carried = self.carried_unique_id.as_deref().unwrap_or("").as_bytes();
        // Its length was checked when it was staged.
        let carried = &carried[..carried.len().min(CARRIED_MAX)];
        put(72, &[carried.len() as u8]);
        put(CARRIED_AT, carried);
        if let Some(apart) = self.apart {
            put(144, &apart.trace_octets.to_le_bytes());
            put(148, &apart.trace_crc.to_le_bytes());
            // No message has the number 0.
            let restored_from = apart.restored_from.map_or(0, |message| message.0);
            put(152, &restored_from.to_le_bytes());
        }
        let sum = crc32fast::hash(&out[12..]);
        out[8..12].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// The header, or in a few words what is wrong with it.
    pub(super) fn decode(octets: &[u8; HEADER_SIZE]) -> Result<Self, &'static str> {
        if octets[..6] != MAGIC {
            return Err("it does not begin like a message file");
        }
        let is_apart = octets[6..8] == VERSION_APART;
        if !is_apart && octets[6..8] != VERSION_WHOLE {
            return Err("it has an unknown format version");
        }
        if u32_at(octets, 8) != crc32fast::hash(&octets[12..]) {
            return Err("its header is damaged");
        }
        let carried = octets.get(CARRIED_AT..CARRIED_AT + usize::from(octets[72]));
        let carried = carried.and_then(|octets| std::str::from_utf8(octets).ok());
        let carried = carried.ok_or("its carried unique-id is none")?;
        let apart = is_apart.then(|| Apart {
            trace_octets: u32_at(octets, 144),
            trace_crc: u32_at(octets, 148),
            restored_from: Some(u64_at(octets, 152))
                .filter(|number| *number > 0)
                .map(MessageId),
        });
        Ok(Self {
            maildrop: MaildropId(u64_at(octets, 16)),
            message: MessageId(u64_at(octets, 24)),
            facts: BodyFacts {
                octets: u64_at(octets, 32),
                header_octets: u64_at(octets, 40),
                dot_lines: u32_at(octets, 12) & 1 == 1,
            },
            received_secs: u64_at(octets, 48),
            revision: u64_at(octets, 56),
            batch: u32_at(octets, 64),
            body_crc: u32_at(octets, 68),
            carried_unique_id: Some(carried).filter(|text| !text.is_empty()).map(Box::from),
            apart,
        })
    }
}

fn u32_at(octets: &[u8; HEADER_SIZE], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&octets[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(octets: &[u8; HEADER_SIZE], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&octets[at..at + 8]);
    u64::from_le_bytes(word)
}

/// Reads the header of an open file and checks it against the name and the length of the file.
///
/// # Errors
/// `Corrupt`, which names the message, or `Io`.
pub(super) fn read_header(
    files: &dyn Files,
    file: &File,
    maildrop: MaildropId,
    message: MessageId,
) -> Result<BodyHeader, StoreError> {
    let io = |error| {
        let place = format!("message {message} of maildrop {maildrop}");
        StoreError::io(format!("cannot read {place}"), error)
    };
    let corrupt = |why: &str| corrupt(maildrop, message, why);
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(corrupt("it is not a plain file"));
    }
    let length = metadata.len();
    let mut octets = [0; HEADER_SIZE];
    let mut filled = 0;
    while filled < HEADER_SIZE {
        match files
            .read_at(file, &mut octets[filled..], filled as u64)
            .map_err(io)?
        {
            0 => return Err(corrupt("it ends in its header")),
            count => filled += count,
        }
    }
    checked_header(&octets, length, maildrop, message)
}

/// What these octets say, checked against the name and the length of the file that they begin.
///
/// # Errors
/// `Corrupt`, which names the message.
pub(super) fn checked_header(
    octets: &[u8; HEADER_SIZE],
    length: u64,
    maildrop: MaildropId,
    message: MessageId,
) -> Result<BodyHeader, StoreError> {
    let corrupt = |why: &str| corrupt(maildrop, message, why);
    let header = BodyHeader::decode(octets).map_err(corrupt)?;
    if (header.maildrop, header.message) != (maildrop, message) {
        let BodyHeader {
            message, maildrop, ..
        } = header;
        return Err(corrupt(&format!(
            "it is message {message} of maildrop {maildrop}"
        )));
    }
    let expected = header.own_octets().saturating_add(HEADER_OCTETS);
    if length != expected {
        return Err(corrupt(&format!(
            "its file has {length} octets instead of {expected}"
        )));
    }
    Ok(header)
}

fn corrupt(maildrop: MaildropId, message: MessageId, why: &str) -> StoreError {
    let context = format!("message {message} of maildrop {maildrop} is damaged: {why}");
    StoreError::new(StoreErrorKind::Corrupt, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> BodyHeader {
        BodyHeader {
            maildrop: MaildropId(u64::MAX),
            message: MessageId(1 << 40),
            facts: BodyFacts {
                octets: 12,
                header_octets: 7,
                dot_lines: true,
            },
            received_secs: 1_800_000_000,
            revision: 3,
            batch: 2,
            body_crc: 0xDEAD_BEEF,
            carried_unique_id: Some("~".repeat(70).into()),
            apart: Some(Apart {
                trace_octets: 9,
                trace_crc: 0xFEED,
                restored_from: Some(MessageId(1 << 39)),
            }),
        }
    }

    #[test]
    fn a_header_comes_back() {
        let header = header();
        assert_eq!(BodyHeader::decode(&header.encode()), Ok(header.clone()));
        let plain = BodyHeader {
            carried_unique_id: None,
            apart: None,
            ..header
        };
        assert_eq!(BodyHeader::decode(&plain.encode()), Ok(plain));
    }

    /// As headers were written before there were bodies apart.
    #[test]
    fn a_header_of_the_first_version_is_understood() {
        let mut octets = [0; HEADER_SIZE];
        let mut put = |at: usize, part: &[u8]| octets[at..at + part.len()].copy_from_slice(part);
        put(0, b"MRBODY\x01\x00\x1e\xc1\xde\xf0\x01");
        put(16, &[7, 0, 0, 0, 0, 0, 0, 0, 3]);
        put(32, &[12, 0, 0, 0, 0, 0, 0, 0, 7]);
        put(48, &1_800_000_000_u64.to_le_bytes());
        put(
            56,
            &[3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0xEF, 0xBE, 0xAD, 0xDE],
        );
        put(72, b"\x09carried-1");
        let header = BodyHeader {
            maildrop: MaildropId(7),
            message: MessageId(3),
            carried_unique_id: Some("carried-1".into()),
            apart: None,
            ..header()
        };
        assert_eq!(BodyHeader::decode(&octets), Ok(header));
    }

    #[test]
    fn any_changed_octet_is_seen() {
        for at in 0..HEADER_SIZE {
            let mut octets = header().encode();
            octets[at] ^= 1;
            assert!(BodyHeader::decode(&octets).is_err(), "octet {at}");
        }
        assert!(BodyHeader::decode(&[0; HEADER_SIZE]).is_err());
    }
}
