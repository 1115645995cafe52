//! Transparency there and back: what a client makes of what is sent is the message, and of its
//! body so many lines as were asked for, however the message is cut into chunks.

use mailroost_protocol::wire::transparency::MessageEncoder;

use crate::cut;

/// The target. The first octet says how many lines TOP asks for (255: RETR), the second where the
/// body begins, four how the message is cut.
pub fn transparency(data: &[u8]) {
    let [lines, header, data @ ..] = data else {
        return;
    };
    let lines = (*lines < 255).then_some(u64::from(*lines));
    let (chunks, message) = cut::cut(data);
    let header = usize::from(*header).min(message.len());
    let wire = encoded(&chunks, lines, header, true);
    assert_eq!(wire, encoded(&[message], lines, header, true));
    let mut expected = message[..header].to_vec();
    let wanted = usize::try_from(lines.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let body = message[header..].split_inclusive(|octet| *octet == b'\n');
    expected.extend(body.take(wanted).flatten());
    if !expected.is_empty() && !expected.ends_with(b"\r\n") {
        expected.extend_from_slice(b"\r\n");
    }
    for line_ends in [&b"\r\n"[..], b"\n"] {
        let (decoded, rest) = decoded(&wire, line_ends);
        assert_eq!(decoded, expected);
        assert!(rest.is_empty(), "something stands behind the end");
    }
    // Without a line that begins with a dot nobody need look for one.
    let has_dots = message.starts_with(b".") || message.windows(2).any(|two| two == b"\n.");
    if !has_dots {
        assert_eq!(encoded(&chunks, lines, header, false), wire);
    }
}

fn encoded(chunks: &[&[u8]], lines: Option<u64>, header: usize, dot_lines: bool) -> Vec<u8> {
    let mut encoder = MessageEncoder::new(lines, header as u64, dot_lines);
    let (mut wire, mut scratch) = (Vec::new(), Vec::new());
    for chunk in chunks {
        let encoded = encoder.encode(chunk, &mut scratch);
        wire.extend_from_slice(encoded.octets);
        if encoded.complete {
            break;
        }
    }
    wire.extend_from_slice(encoder.end());
    wire
}

/// The message as a client has it that takes `line_end` for the end of a line, and what follows
/// the termination line.
fn decoded<'a>(mut wire: &'a [u8], line_end: &[u8]) -> (Vec<u8>, &'a [u8]) {
    let mut message = Vec::new();
    loop {
        let end = wire.windows(line_end.len()).position(|end| end == line_end);
        let end = end.expect("the termination line is missing") + line_end.len();
        let (line, rest) = wire.split_at(end);
        wire = rest;
        if line == b".\r\n" {
            return (message, rest);
        }
        // Behind a bare LF a dot was doubled, too: who sees no line there keeps both.
        let line = line.strip_prefix(b".").unwrap_or(line);
        match line_end {
            b"\n" => message.extend_from_slice(line),
            _ => message.extend_from_slice(&undoubled(line)),
        }
    }
}

/// A line of a client for which a bare LF is part of it, with the dots behind LF as they were.
fn undoubled(line: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(line.len());
    let mut octets = line.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        plain.push(octet);
        if octet == b'\n' && octets.peek() == Some(&b'.') {
            octets.next();
        }
    }
    plain
}
