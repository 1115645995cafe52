//! What RETR and TOP have to send of a message, worked out plainly.
//!
//! [MS-STANXPOP3 C0011, RFC 5322 s2.1, RFC 1939 s3, s7] Every line ends in CRLF, there is a
//! header and an empty line below it; a line that begins with a dot gets one more; TOP sends
//! the header, the empty line and so many lines of the body.

/// A message as a list of lines without their ends: header lines, then body lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    header: Vec<Vec<u8>>,
    body: Vec<Vec<u8>>,
}

impl Form {
    /// The form of a message that was delivered like this.
    pub fn of(delivered: &[u8]) -> Self {
        let mut header = lines(delivered);
        let mut count = 0;
        while let Some(line) = header.get(count) {
            let continues = count > 0 && matches!(line.first(), Some(b' ' | b'\t'));
            if !continues && !is_field(line) {
                break;
            }
            count += 1;
        }
        let mut body = header.split_off(count);
        if body.first().is_some_and(Vec::is_empty) {
            body.remove(0);
        }
        Self { header, body }
    }

    /// The octets that RETR sends, before transparency. LIST's exact size is their number.
    pub fn exact(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        let empty = Vec::new();
        for line in self.header.iter().chain([&empty]).chain(&self.body) {
            octets.extend(line);
            octets.extend(b"\r\n");
        }
        octets
    }

    /// Octets of the header with the empty line that ends it.
    pub fn header_octets(&self) -> usize {
        self.header.iter().map(|line| line.len() + 2).sum::<usize>() + 2
    }

    /// Whether any line begins with a dot.
    pub fn dot_lines(&self) -> bool {
        self.header
            .iter()
            .chain(&self.body)
            .any(|line| line.starts_with(b"."))
    }

    /// The lines that RETR sends, without the termination line.
    pub fn retr_lines(&self) -> Vec<u8> {
        self.top_lines(self.body.len())
    }

    /// The lines that TOP sends, without the termination line.
    pub fn top_lines(&self, lines: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        let empty = Vec::new();
        for line in self
            .header
            .iter()
            .chain([&empty])
            .chain(self.body.iter().take(lines))
        {
            if line.starts_with(b".") {
                octets.push(b'.');
            }
            octets.extend(line);
            octets.extend(b"\r\n");
        }
        octets
    }
}

/// Lines without their ends, whichever these are: CRLF, LF, CR, or CR CR LF.
fn lines(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let mut rest = octets;
    while let Some(&octet) = rest.first() {
        let end = [&b"\r\r\n"[..], b"\r\n", b"\r", b"\n"]
            .into_iter()
            .find(|e| rest.starts_with(e));
        rest = &rest[end.map_or(1, <[u8]>::len)..];
        match end {
            Some(_) => lines.push(std::mem::take(&mut line)),
            None => line.push(octet),
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A name of printing octets, perhaps white space, a colon.
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|octet| *octet == b':') else {
        return false;
    };
    let name = line[..colon].trim_ascii_end();
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_forms() {
        let cases: [(&[u8], &[u8], usize); 9] = [
            (b"", b"\r\n", 2),
            (b".", b"\r\n.\r\n", 2),
            (b"\r\n", b"\r\n", 2),
            (b"\r\n\r\n", b"\r\n\r\n", 2),
            (b"A: b", b"A: b\r\n\r\n", 8),
            (b"A: b\n\nc", b"A: b\r\n\r\nc\r\n", 8),
            (b"A: b\r\r\n\r\r\nc\r", b"A: b\r\n\r\nc\r\n", 8),
            (b"A: b\nno field\n", b"A: b\r\n\r\nno field\r\n", 8),
            (b" x\nA: b\n", b"\r\n x\r\nA: b\r\n", 2),
        ];
        for (delivered, exact, header_octets) in cases {
            let form = Form::of(delivered);
            assert_eq!(form.exact(), exact, "{delivered:?}");
            assert_eq!(form.header_octets(), header_octets, "{delivered:?}");
        }
    }

    #[test]
    fn top_counts_lines_of_the_body_only() {
        let form = Form::of(b"A: b\r\n\r\n.one\r\ntwo\r\n");
        assert_eq!(form.top_lines(0), b"A: b\r\n\r\n");
        assert_eq!(form.top_lines(1), b"A: b\r\n\r\n..one\r\n");
        assert_eq!(form.top_lines(9), form.retr_lines());
        assert!(form.dot_lines());
    }
}
