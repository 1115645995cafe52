//! Dovecot's `dovecot-uidlist`, version 3, which Dovecot writes since 1.1.
//!
//! A line `3 V<uidvalidity> N<next uid> G<guid> [P<format>]`, then for each message
//! `<uid> [<key><value> ...] :<file name>`. The key `P` is the unique-id that POP3 clients were
//! told (empty: the file name without flags). Without it the unique-id follows from the format,
//! by default `%08Xu%08Xv`: uid and uidvalidity, eight hexadecimal digits each, which Dovecot
//! writes in lower-case in spite of the `X`. A different `pop3_uidl_format` in Dovecot's
//! configuration is not in the file and has to be brought as a two-column file.

use super::list::{LineFormat, ListedLine, base_name, number};

/// What the file's first line said.
#[derive(Debug, Default)]
pub(super) struct Format {
    uid_validity: Option<u32>,
}

impl LineFormat for Format {
    fn line<'a>(&mut self, line: &'a [u8]) -> Result<Option<ListedLine<'a>>, String> {
        let Some(uid_validity) = self.uid_validity else {
            self.uid_validity = Some(first_line(line)?);
            return Ok(None);
        };
        let (uid, mut rest) = split_word(line);
        let uid = number(uid, "a uid")?;
        let mut saved = None;
        while !rest.is_empty() && !rest.starts_with(b":") {
            let (field, after) = split_word(rest);
            if let Some(unique_id) = field.strip_prefix(b"P") {
                saved = Some(unique_id);
            }
            rest = after;
        }
        let name = rest.strip_prefix(b":").unwrap_or_default();
        if name.is_empty() {
            return Err(
                "a line is <uid> [<key><value> ...] :<file name>, here the file name is \
                        missing"
                    .to_owned(),
            );
        }
        let unique_id = match saved {
            Some(b"") => base_name(name).to_vec(),
            Some(saved) => saved.to_vec(),
            None => format!("{uid:08x}{uid_validity:08x}").into_bytes(),
        };
        Ok(Some(ListedLine {
            key: name,
            unique_id,
        }))
    }

    fn end(&self) -> Result<(), String> {
        self.uid_validity
            .map(|_| ())
            .ok_or_else(|| "the file is empty".to_owned())
    }
}

fn first_line(line: &[u8]) -> Result<u32, String> {
    let (version, mut rest) = split_word(line);
    if version != b"3" {
        let version = version.escape_ascii();
        return Err(format!(
            "a dovecot-uidlist of version 3 is needed, not \"{version}\""
        ));
    }
    let mut uid_validity = None;
    while !rest.is_empty() {
        let (field, after) = split_word(rest);
        match field.split_first() {
            Some((b'V', value)) => uid_validity = Some(number(value, "the uidvalidity")?),
            Some((b'P', format)) if format != b"%08Xu%08Xv" => {
                let format = format.escape_ascii();
                return Err(format!(
                    "unique-ids of the format {format} are not known, only \
                                    %08Xu%08Xv; use a two-column file"
                ));
            }
            _ => {}
        }
        rest = after;
    }
    uid_validity.ok_or_else(|| "the first line has no V<uidvalidity>".to_owned())
}

/// The octets before the first space, and those behind the spaces.
fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b' ', line).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    (word, rest.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::super::list::{LineError, UniqueIdList};
    use super::*;

    fn read(text: &[u8]) -> Result<UniqueIdList, (u64, String)> {
        UniqueIdList::read_lines(text, &mut Format::default()).map_err(|error| match error {
            LineError::Fault { line, reason } => (line, reason),
            LineError::Read(error) => panic!("{error}"),
        })
    }

    #[test]
    fn unique_ids_are_saved_ones_or_uid_and_uidvalidity() {
        let list = read(
            b"3 V1655390361 N30 Gbe88b9389940ab62f7580b00ce89bbd1\n\
              1 :1655390418.M1P7.host,S=3734\n\
              20 W99 P1-abc :1655390419.M2P7.host,S=10:2,S\n\
              25 P S10 :1655390420.M3P7.host\n",
        )
        .unwrap();
        assert_eq!(
            list.find(b"1655390418.M1P7.host,S=3734:2,RS"),
            Some("0000000162ab4099")
        );
        assert_eq!(list.find(b"1655390419.M2P7.host,S=10"), Some("1-abc"));
        assert_eq!(
            list.find(b"1655390420.M3P7.host"),
            Some("1655390420.M3P7.host")
        );
        assert_eq!(list.find(b"1655390421.M4P7.host"), None);
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        for (text, line, part) in [
            (b"".as_slice(), 1, "empty"),
            (b"1 1655390361 3\n1 x\n", 1, "version 3"),
            (b"3 N3\n", 1, "no V<uidvalidity>"),
            (b"3 V5 P%f N3\n", 1, "format %f"),
            (b"3 V5\nx :name\n", 2, "a uid is"),
            (b"3 V5\n1 :a\n2 W5\n", 3, "file name is missing"),
            (b"3 V5\n1 :a:2,S\n2 :a\n", 3, "listed in line 2"),
        ] {
            let (at, reason) = read(text).unwrap_err();
            assert!(at == line && reason.contains(part), "line {at}: {reason}");
        }
    }
}
