//! A message's file: a checked header of fixed size, then the body exactly as RETR sends it
//! (CRLF line ends, before transparency).

use std::fs::File;

use super::files::Files;
use crate::{BodyFacts, MaildropId, MessageId, StoreError, StoreErrorKind};

/// Octets before the body.
pub(super) const HEADER_OCTETS: u64 = 160;

const HEADER_SIZE: usize = HEADER_OCTETS as usize;
/// What the file begins with; the last two octets are the version of the format.
const MAGIC: [u8; 8] = *b"MRBODY\x01\x00";
const CARRIED_AT: usize = 73;
const CARRIED_MAX: usize = crate::numbering::UNIQUE_ID_OCTETS_MAX;

/// Octets read at a time where a whole body is examined.
const CHUNK_OCTETS: usize = 64 * 1024;

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
    /// CRC-32 of the body.
    pub(super) body_crc: u32,
    pub(super) carried_unique_id: Option<Box<str>>,
}

impl BodyHeader {
    pub(super) fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut out = [0; HEADER_SIZE];
        let mut put = |at: usize, octets: &[u8]| out[at..at + octets.len()].copy_from_slice(octets);
        put(0, &MAGIC);
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
        let sum = crc32fast::hash(&out[12..]);
        out[8..12].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// The header, or in a few words what is wrong with it.
    pub(super) fn decode(octets: &[u8; HEADER_SIZE]) -> Result<Self, &'static str> {
        if octets[..6] != MAGIC[..6] {
            return Err("it does not begin like a message file");
        }
        if octets[6..8] != MAGIC[6..] {
            return Err("it has an unknown format version");
        }
        if u32_at(octets, 8) != crc32fast::hash(&octets[12..]) {
            return Err("its header is damaged");
        }
        let carried = octets.get(CARRIED_AT..CARRIED_AT + usize::from(octets[72]));
        let carried = carried.and_then(|octets| std::str::from_utf8(octets).ok());
        let carried = carried.ok_or("its carried unique-id is none")?;
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
    let place = || format!("message {message} of maildrop {maildrop}");
    let io = |error| StoreError::io(format!("cannot read {}", place()), error);
    let corrupt = |why: &str| {
        StoreError::new(
            StoreErrorKind::Corrupt,
            format!("{} is damaged: {why}", place()),
        )
    };
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
    let header = BodyHeader::decode(&octets).map_err(corrupt)?;
    if (header.maildrop, header.message) != (maildrop, message) {
        let BodyHeader {
            message, maildrop, ..
        } = header;
        return Err(corrupt(&format!(
            "it is message {message} of maildrop {maildrop}"
        )));
    }
    let expected = header.facts.octets.saturating_add(HEADER_OCTETS);
    if length != expected {
        return Err(corrupt(&format!(
            "its file has {length} octets instead of {expected}"
        )));
    }
    Ok(header)
}

/// Reads the whole body and compares its checksum.
///
/// # Errors
/// `Corrupt` or `Io`.
pub(super) fn check_body(
    files: &dyn Files,
    file: &File,
    header: &BodyHeader,
) -> Result<(), StoreError> {
    let place = || format!("message {} of maildrop {}", header.message, header.maildrop);
    let mut sum = crc32fast::Hasher::new();
    let mut buffer = vec![0; CHUNK_OCTETS];
    let mut offset = HEADER_OCTETS;
    loop {
        let count = files
            .read_at(file, &mut buffer, offset)
            .map_err(|error| StoreError::io(format!("cannot read {}", place()), error))?;
        if count == 0 {
            break;
        }
        sum.update(&buffer[..count]);
        offset += count as u64;
    }
    if sum.finalize() == header.body_crc {
        return Ok(());
    }
    let context = format!(
        "{} is damaged: its octets are not those that were written",
        place()
    );
    Err(StoreError::new(StoreErrorKind::Corrupt, context))
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
        }
    }

    #[test]
    fn a_header_comes_back() {
        let header = header();
        assert_eq!(BodyHeader::decode(&header.encode()), Ok(header.clone()));
        let plain = BodyHeader {
            carried_unique_id: None,
            ..header
        };
        assert_eq!(BodyHeader::decode(&plain.encode()), Ok(plain));
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
