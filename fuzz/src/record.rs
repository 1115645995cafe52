//! What the store has on disk: octets mean a record or nothing, and a record that is written and
//! read is the same.

use mailroost_storage::sled_store::fuzzing::{Kind, recoded};

/// The target. The first octet says which kind of record it is.
pub fn record(data: &[u8]) {
    let Some((kind, octets)) = data.split_first() else {
        return;
    };
    let kind = Kind::ALL[usize::from(*kind) % Kind::ALL.len()];
    if let Some(once) = recoded(kind, octets) {
        let twice = recoded(kind, &once);
        assert_eq!(twice.as_ref(), Some(&once), "{kind:?}");
        // Numbers may be written longer than they have to be, and never are by us; records of
        // earlier versions, which lack what came later, are written with it.
        let grown = once.len() > octets.len() + 16;
        assert!(!grown || kind == Kind::Header, "{kind:?}");
    }
}
