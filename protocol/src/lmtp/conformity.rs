//! Watches whether a message conforms (MS-STANXPOP3 C0011, RFC 5322 s2.1, s2.3) while it streams
//! by, and repairs what the store cannot: NUL and over-long lines. Line ends and a missing
//! header are the store's to repair, by the same rules as for every other way in.

use memchr::memchr3;

use super::policy::{LINE_OCTETS_MAX, Nonconforming};
use super::reply::Reply;

/// What goes between the halves of an over-long line. The space keeps the second half of a
/// header field one, and a dot from the start of a line.
const CUT: &[u8] = b"\r\n ";

/// The stream's state: no octet is held back.
#[derive(Debug)]
pub(super) struct Conformity {
    mode: Nonconforming,
    beginning: Beginning,
    /// Octets of the line at hand.
    line_octets: usize,
    after_cr: bool,
    fault: Option<Reply>,
}

/// The message's first line, up to where it is known whether it is a header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// Nothing yet.
    Empty,
    /// In what may be the name.
    Name,
    /// In white space behind it.
    Blank,
    /// It is known.
    Known,
}

impl Conformity {
    pub(super) fn new(mode: Nonconforming) -> Self {
        Self {
            mode,
            beginning: Beginning::Empty,
            line_octets: 0,
            after_cr: false,
            fault: None,
        }
    }

    /// Why the message is refused, if it is.
    pub(super) fn refusal(&self) -> Option<Reply> {
        match self.mode {
            Nonconforming::Refuse => self.fault,
            Nonconforming::Repair => None,
        }
    }

    /// Takes the next octets, cut anywhere, and returns what is to be stored of them: at most
    /// three for each `LINE_OCTETS_MAX` more.
    pub(super) fn pass(&mut self, octets: Vec<u8>) -> Vec<u8> {
        self.look_at_beginning(&octets);
        let mut repaired = Vec::new();
        // Octets before this are in `repaired`, or dropped.
        let mut kept = 0;
        let mut at = 0;
        while at < octets.len() {
            let rest = &octets[at..];
            let mut text = memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
            if text > 0 && std::mem::take(&mut self.after_cr) {
                self.note(Reply::BareLineEnd);
            }
            while self.line_octets + text > LINE_OCTETS_MAX {
                let fits = LINE_OCTETS_MAX - self.line_octets;
                self.note(Reply::LongLine);
                at += fits;
                text -= fits;
                repaired.extend_from_slice(&octets[kept..at]);
                repaired.extend_from_slice(CUT);
                kept = at;
                self.line_octets = 1;
            }
            self.line_octets += text;
            at += text;
            let Some(octet) = octets.get(at) else { break };
            if *octet == 0 {
                self.note(Reply::Nul);
                repaired.extend_from_slice(&octets[kept..at]);
                kept = at + 1;
            } else {
                self.line_end(*octet);
            }
            at += 1;
        }
        if kept == 0 && repaired.is_empty() {
            return octets;
        }
        repaired.extend_from_slice(&octets[kept..]);
        repaired
    }

    /// The message is complete.
    pub(super) fn finish(&mut self) {
        if self.after_cr {
            self.note(Reply::BareLineEnd);
        }
        if self.beginning != Beginning::Known {
            self.note(Reply::NoHeader);
        }
    }

    fn line_end(&mut self, octet: u8) {
        let cr = octet == b'\r';
        // CR CR and a lone LF.
        if self.after_cr == cr {
            self.note(Reply::BareLineEnd);
        }
        self.after_cr = cr;
        self.line_octets = 0;
    }

    fn look_at_beginning(&mut self, octets: &[u8]) {
        let mut octets = octets.iter();
        while self.beginning != Beginning::Known
            && let Some(octet) = octets.next()
        {
            self.beginning = match (self.beginning, *octet) {
                (Beginning::Name | Beginning::Blank, b':') => Beginning::Known,
                (Beginning::Name | Beginning::Blank, b' ' | b'\t') => Beginning::Blank,
                (Beginning::Empty | Beginning::Name, b'!'..=b'9' | b';'..=b'~') => Beginning::Name,
                _ => {
                    self.note(Reply::NoHeader);
                    Beginning::Known
                }
            };
        }
    }

    /// The first fault is the one that is told.
    fn note(&mut self, fault: Reply) {
        self.fault.get_or_insert(fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(mode: Nonconforming, message: &[u8], cut: usize) -> (Vec<u8>, Option<Reply>) {
        let mut conformity = Conformity::new(mode);
        let mut out = Vec::new();
        for octets in message.chunks(cut) {
            out.extend_from_slice(&conformity.pass(octets.to_vec()));
        }
        conformity.finish();
        (out, conformity.fault)
    }

    #[test]
    fn faults_are_found_and_what_the_store_repairs_is_left_to_it() {
        let table: [(&[u8], Option<Reply>); 11] = [
            (b"S: x\r\n\r\nbody\r\n", None),
            (b"S \t: x\r\n", None),
            (b"S: x\r\n\r\nno end", None),
            (b"S: x\r\n\r\na\nb\r\n", Some(Reply::BareLineEnd)),
            (b"S: x\r\n\r\na\rb\r\n", Some(Reply::BareLineEnd)),
            (b"S: x\r\r\n", Some(Reply::BareLineEnd)),
            (b"S: x\r", Some(Reply::BareLineEnd)),
            (b"hello\r\n", Some(Reply::NoHeader)),
            (b" S: x\r\n", Some(Reply::NoHeader)),
            (b"", Some(Reply::NoHeader)),
            (b"S", Some(Reply::NoHeader)),
        ];
        for (message, fault) in table {
            for mode in [Nonconforming::Repair, Nonconforming::Refuse] {
                for cut in 1..6 {
                    let expected = (message.to_vec(), fault);
                    assert_eq!(passed(mode, message, cut), expected, "{message:?}");
                }
            }
        }
    }

    #[test]
    fn nul_is_dropped_and_a_long_line_is_cut() {
        let long = [b"S: ".to_vec(), vec![b'x'; 2_500], b"\r\n.\r\n".to_vec()].concat();
        let cut = [
            b"S: ".to_vec(),
            vec![b'x'; 995],
            CUT.to_vec(),
            vec![b'x'; 997],
            CUT.to_vec(),
            vec![b'x'; 508],
            b"\r\n.\r\n".to_vec(),
        ];
        let longest = [b"S: ".to_vec(), vec![b'x'; 995], b"\r\n".to_vec()].concat();
        for reads in [1, 7, 998, 4_000] {
            let (repaired, fault) = passed(Nonconforming::Repair, &long, reads);
            assert_eq!((repaired, fault), (cut.concat(), Some(Reply::LongLine)));
            let whole = passed(Nonconforming::Repair, &longest, reads);
            assert_eq!(whole, (longest.clone(), None));
            let nul = passed(Nonconforming::Repair, b"S: \0x\0\0\r\0\n", reads);
            assert_eq!(nul, (b"S: x\r\n".to_vec(), Some(Reply::Nul)));
        }
    }
}
