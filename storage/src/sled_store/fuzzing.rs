//! A way to the decoders of what is on disk, for the fuzz targets. It is compiled for them alone
//! (feature `fuzzing`) and promises nothing.

use super::body_file::{BodyHeader, HEADER_OCTETS};
use super::record::{
    JournalEntry, MaildropRow, decode_deleted, decode_segment, decode_user, encode_deleted,
    encode_segment, encode_user,
};

/// What is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Row,
    Segment,
    Deleted,
    Journal,
    User,
    /// The header of a message's file; its checksum is put right first.
    Header,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Row,
        Self::Segment,
        Self::Deleted,
        Self::Journal,
        Self::User,
        Self::Header,
    ];
}

/// What `octets` mean, encoded anew; `None` if they mean nothing.
pub fn recoded(kind: Kind, octets: &[u8]) -> Option<Vec<u8>> {
    const SEGMENT: u64 = 7;
    let (mut records, mut deleted) = (Vec::new(), Vec::new());
    Some(match kind {
        Kind::Row => MaildropRow::decode(octets)?.encode(),
        Kind::Segment => {
            decode_segment(SEGMENT, octets, &mut records)?;
            encode_segment(records.iter())
        }
        Kind::Deleted => {
            decode_deleted(SEGMENT, octets, &mut deleted)?;
            encode_deleted(deleted.iter())
        }
        Kind::Journal => JournalEntry::decode(octets)?.encode(),
        Kind::User => encode_user(&decode_user(octets)?),
        Kind::Header => {
            let mut header = *octets.first_chunk::<{ HEADER_OCTETS as usize }>()?;
            let sum = crc32fast::hash(&header[12..]);
            header[8..12].copy_from_slice(&sum.to_le_bytes());
            BodyHeader::decode(&header).ok()?.encode().to_vec()
        }
    })
}
