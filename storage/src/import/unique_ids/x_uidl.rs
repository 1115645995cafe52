//! The `X-UIDL` field, in which servers and fetching programs leave a message's unique-id.

const FIELD_NAME: &[u8] = b"x-uidl";

/// The value of the first `X-UIDL` field of a header section, which may be followed by the body
/// or cut short. White space around it is not part of it.
pub(crate) fn find_x_uidl(header: &[u8]) -> Option<&[u8]> {
    header
        .split(|&octet| octet == b'\n')
        .take_while(|line| !line.trim_ascii().is_empty())
        .find_map(field_value)
}

/// The octets of the first line if it is an `X-UIDL` field that fits into it, else 0.
pub(crate) fn leading_field_octets(header: &[u8]) -> usize {
    let Some(end) = memchr::memchr(b'\n', header) else {
        return 0;
    };
    let folded = matches!(header.get(end + 1), Some(b' ' | b'\t'));
    if folded || field_value(&header[..end]).is_none() {
        0
    } else {
        end + 1
    }
}

fn field_value(line: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', line)?;
    let name = line[..colon].trim_ascii_end();
    name.eq_ignore_ascii_case(FIELD_NAME)
        .then(|| line[colon + 1..].trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_field_of_the_header_counts() {
        let message = b"A: 1\r\nx-uidl:  abc \r\nX-UIDL: def\r\n\r\nX-UIDL: body\r\n";
        assert_eq!(find_x_uidl(message), Some(b"abc".as_slice()));
        assert_eq!(find_x_uidl(b"A: 1\n\nX-UIDL: body\n"), None);
        assert_eq!(find_x_uidl(b"X-UIDL:\n\n"), Some(b"".as_slice()));
        assert_eq!(
            find_x_uidl(b"X-UIDL-2: no\nX-UIDL : yes"),
            Some(b"yes".as_slice())
        );
    }

    #[test]
    fn only_a_first_line_is_a_leading_field() {
        assert_eq!(leading_field_octets(b"X-UIDL: 7\r\nA: 1\r\n"), 11);
        assert_eq!(leading_field_octets(b"X-UIDL: 7\n\nbody"), 10);
        assert_eq!(leading_field_octets(b"X-UIDL: 7\n folded\n"), 0);
        assert_eq!(leading_field_octets(b"A: 1\nX-UIDL: 7\n"), 0);
        assert_eq!(leading_field_octets(b"X-UIDL: 7"), 0);
    }
}
