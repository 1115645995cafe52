//! The control socket: however frames are cut they are the same, and a request that is understood
//! says the same when it is written and read again.

use mailroost::control::fuzzing::{recoded, recoded_reply, recoded_request};

use crate::cut;

/// The target. Four octets say how what arrives is cut.
pub fn control(data: &[u8]) {
    let (reads, all) = cut::cut(data);
    let whole = recoded(&[all]);
    let cut = recoded(&reads);
    assert_eq!(whole.is_ok(), cut.is_ok());
    let (Ok((octets, documents)), Ok(cut)) = (whole, cut) else {
        return;
    };
    assert!(all.starts_with(&octets));
    assert_eq!(cut, (octets, documents.clone()));
    for json in &documents {
        for read in [recoded_request, recoded_reply] {
            if let Some(once) = read(json) {
                assert_eq!(read(&once), Some(once));
            }
        }
    }
}
