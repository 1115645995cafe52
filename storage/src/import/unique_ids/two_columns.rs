//! The plain form: a message's number or file name, white space, its unique-id.
//!
//! Empty lines and lines that begin with `#` are passed over. File names may hold spaces, as the
//! unique-id is the last word of its line.

use super::list::{LineFormat, ListedLine};

/// It has no first line to remember.
#[derive(Debug)]
pub(super) struct Format;

impl LineFormat for Format {
    fn line<'a>(&mut self, line: &'a [u8]) -> Result<Option<ListedLine<'a>>, String> {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(None);
        }
        let Some(space) = line.iter().rposition(|octet| matches!(octet, b' ' | b'\t')) else {
            return Err("a line is a number or file name, white space, a unique-id".to_owned());
        };
        let key = line[..space].trim_ascii_end();
        Ok(Some(ListedLine {
            key,
            unique_id: line[space + 1..].to_vec(),
        }))
    }

    fn end(&self) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::{LineError, UniqueIdList};
    use super::*;

    #[test]
    fn numbers_and_file_names_are_found() {
        let text = b"# kept\r\n\n1\t\t57\r\n 12 abc\na name:2,S  !x\n";
        let list = UniqueIdList::read_lines(text.as_slice(), &mut Format).unwrap();
        assert_eq!(list.find(b"1"), Some("57"));
        assert_eq!(list.find(b"12"), Some("abc"));
        assert_eq!(list.find(b"a name:2,"), Some("!x"));
    }

    #[test]
    fn a_bad_unique_id_a_lone_word_and_an_endless_line_are_errors() {
        let endless = [b'x'; 5000];
        for (text, part) in [
            (b"1 5\n2 \xE4\n".as_slice(), "0x21 to 0x7E"),
            (b"1 5\nword\n", "a line is"),
            (&endless, "up to 4096 octets"),
        ] {
            match UniqueIdList::read_lines(text, &mut Format) {
                Err(LineError::Fault { reason, .. }) => assert!(reason.contains(part), "{reason}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
