//! Trace lines: what is put in front of a message for one recipient (Return-Path, Delivered-To).

use crate::{BodyFacts, StoreError, StoreErrorKind};

/// The most octets of trace lines: two lines with addresses of any length, with room to spare.
pub const TRACE_OCTETS_MAX: usize = 4_096;

/// Whether these are whole header lines, each of which ends in CRLF; none are right, too.
///
/// # Errors
/// `Invalid`.
pub fn check_trace(trace: &[u8]) -> Result<(), StoreError> {
    let invalid = |why: &str| {
        let context = format!("trace lines of {} octets: {why}", trace.len());
        Err(StoreError::new(StoreErrorKind::Invalid, context))
    };
    if trace.len() > TRACE_OCTETS_MAX {
        return invalid(&format!("{TRACE_OCTETS_MAX} at most are accepted"));
    }
    let mut rest = trace;
    while !rest.is_empty() {
        let Some(end) = memchr::memchr2(b'\r', b'\n', rest) else {
            return invalid("the last does not end in CRLF");
        };
        let folded = rest.len() < trace.len() && matches!(rest[0], b' ' | b'\t');
        let begins_rightly = rest[0].is_ascii_graphic() || folded;
        if !begins_rightly || !rest[end..].starts_with(b"\r\n") {
            return invalid("one is empty or does not end in CRLF");
        }
        rest = &rest[end + 2..];
    }
    Ok(())
}

/// What is known of a message that begins with these trace lines and goes on with `body`.
pub fn facts_with_trace(trace: &[u8], body: BodyFacts) -> BodyFacts {
    let octets = trace.len() as u64;
    let dot_line = trace.starts_with(b".") || memchr::memmem::find(trace, b"\n.").is_some();
    BodyFacts {
        octets: body.octets + octets,
        header_octets: body.header_octets + octets,
        dot_lines: body.dot_lines || dot_line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_header_lines_are_trace_lines() {
        for good in ["", "A: 1\r\n", "A: 1\r\nB: 2\r\n\tfolded\r\n"] {
            assert!(check_trace(good.as_bytes()).is_ok(), "{good:?}");
        }
        for bad in [
            "A: 1",
            "A: 1\n",
            "A: 1\r",
            "A: 1\r\n\r\n",
            "\r\n",
            " folded\r\n",
            "A: 1\rB: 2\r\n",
            "A: 1\r\nB: 2\n",
            &format!("A: {}\r\n", "x".repeat(TRACE_OCTETS_MAX)),
        ] {
            let kind = check_trace(bad.as_bytes()).map_err(|error| error.kind());
            assert_eq!(kind, Err(StoreErrorKind::Invalid), "{bad:?}");
        }
    }

    #[test]
    fn a_trace_adds_to_the_header() {
        let body = BodyFacts {
            octets: 10,
            header_octets: 2,
            dot_lines: false,
        };
        let facts = facts_with_trace(b"A: 1\r\n", body);
        assert_eq!((facts.octets, facts.header_octets), (16, 8));
        assert!(!facts.dot_lines);
        assert!(facts_with_trace(b"A: 1\r\n.: 2\r\n", body).dot_lines);
    }
}
