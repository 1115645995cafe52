//! What a store makes of a message on its way in: CRLF line ends, a header section and its end,
//! whatever came and however it was cut; and of what conforms, nothing else.

use mailroost_storage::BodyFacts;
use mailroost_storage::body::normalise::Normaliser;

use crate::cut;

/// The target. Four octets say how the message is cut.
pub fn message(data: &[u8]) {
    let (reads, all) = cut::cut(data);
    let (stored, facts) = normalised(&reads);
    assert_eq!(
        (&stored, facts),
        (&normalised(&[all]).0, normalised(&[all]).1)
    );
    assert_eq!(facts.octets, stored.len() as u64);
    // A CR stands before LF and nowhere else, an LF behind CR and nowhere else.
    let crs = stored.iter().filter(|octet| **octet == b'\r').count();
    let lfs = stored.iter().filter(|octet| **octet == b'\n').count();
    let pairs = stored.windows(2).filter(|two| two == b"\r\n").count();
    assert_eq!((crs, lfs), (pairs, pairs));
    assert!(stored.ends_with(b"\r\n"));
    let dots = stored.starts_with(b".") || stored.windows(2).any(|two| two == b"\n.");
    assert_eq!(facts.dot_lines, dots);
    // The header ends with the first empty line.
    let header = &stored[..usize::try_from(facts.header_octets).unwrap()];
    let first_empty = match stored.starts_with(b"\r\n") {
        true => 2,
        false => {
            stored
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .unwrap()
                + 4
        }
    };
    assert_eq!(header.len(), first_empty);
    // Nothing is lost but line ends, and nothing added.
    let other = |octets: &[u8]| -> Vec<u8> {
        let other = octets.iter().copied();
        other.filter(|octet| !b"\r\n".contains(octet)).collect()
    };
    assert_eq!(other(&stored), other(all));
    let (again, facts_again) = normalised(&[&stored]);
    assert_eq!((again, facts_again), (stored, facts));
}

fn normalised(reads: &[&[u8]]) -> (Vec<u8>, BodyFacts) {
    let mut normaliser = Normaliser::new();
    let mut stored = Vec::new();
    for read in reads {
        normaliser.push(read, &mut stored);
    }
    normaliser.finish(&mut stored);
    let facts = BodyFacts {
        octets: normaliser.octets(),
        header_octets: normaliser.header_octets(),
        dot_lines: normaliser.dot_lines(),
    };
    (stored, facts)
}
