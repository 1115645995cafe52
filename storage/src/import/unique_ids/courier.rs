//! Courier's `courierpop3dsizelist`, versions 2 and 3 (Courier 0.43 and later).
//!
//! A line `/<version> <next uid> <uidvalidity>`, then for each message
//! `<file name> <octets> <uid>:<uidvalidity>`, in version 3 with `:<0 or 1>` behind it. Courier
//! finds messages by their names without flags and tells POP3 clients `UID<uid>-<uidvalidity>`;
//! where the uidvalidity is 0, `UID<uid>`; where the uid is 0 too, the name itself, with octets
//! that it thinks dangerous as `+` and two upper-case hexadecimal digits. (Read in Courier's
//! pop3 server, which is the only specification; not compared with a running one.)

use super::list::{LineFormat, ListedLine, base_name, number};

/// Whether the file's first line has been seen.
#[derive(Debug, Default)]
pub(super) struct Format {
    first_line_seen: bool,
}

impl LineFormat for Format {
    fn line<'a>(&mut self, line: &'a [u8]) -> Result<Option<ListedLine<'a>>, String> {
        if !self.first_line_seen {
            self.first_line_seen = true;
            return first_line(line).map(|()| None);
        }
        // The name may hold spaces, the columns behind it do not.
        let mut columns = line.rsplitn(3, |&octet| octet == b' ');
        let (Some(numbers), Some(octets), Some(name)) =
            (columns.next(), columns.next(), columns.next())
        else {
            return Err("a line is <file name> <octets> <uid>:<uidvalidity>[:<0 or 1>]".to_owned());
        };
        let octets_known = !octets.is_empty() && octets.iter().all(u8::is_ascii_digit);
        if !octets_known || name.is_empty() {
            return Err("a line begins with <file name> <octets>".to_owned());
        }
        let mut numbers = numbers.split(|&octet| octet == b':');
        let uid = number(numbers.next().unwrap_or_default(), "a uid")?;
        let uid_validity = number(numbers.next().unwrap_or_default(), "a uidvalidity")?;
        let unique_id = match (uid, uid_validity) {
            (0, _) => name_as_unique_id(base_name(name)),
            (uid, 0) => format!("UID{uid}").into_bytes(),
            (uid, uid_validity) => format!("UID{uid}-{uid_validity}").into_bytes(),
        };
        Ok(Some(ListedLine {
            key: name,
            unique_id,
        }))
    }

    fn end(&self) -> Result<(), String> {
        if self.first_line_seen {
            Ok(())
        } else {
            Err("the file is empty".to_owned())
        }
    }
}

fn first_line(line: &[u8]) -> Result<(), String> {
    let version = line
        .split(|&octet| octet == b' ')
        .next()
        .unwrap_or_default();
    match version {
        b"/2" | b"/3" => Ok(()),
        _ => Err(format!(
            "a courierpop3dsizelist begins with /2 or /3, not \"{}\"",
            version.escape_ascii()
        )),
    }
}

fn name_as_unique_id(name: &[u8]) -> Vec<u8> {
    let mut unique_id = Vec::with_capacity(name.len());
    for &octet in name {
        if octet.is_ascii_graphic() && !b"'\"+".contains(&octet) {
            unique_id.push(octet);
        } else {
            unique_id.extend_from_slice(format!("+{octet:02X}").as_bytes());
        }
    }
    unique_id
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
    fn unique_ids_are_what_courier_told_its_clients() {
        let list = read(
            b"/3 9 1278000000\n\
              1278000001.M1.host:2,S 1200 1:1278000000:0\n\
              1278000002.M2.host 1300 2:1278000000\n\
              1278000003.M3.host 9 3:0:0\n\
              1278000004.a b.host 9 0:0:1\n",
        )
        .unwrap();
        assert_eq!(list.find(b"1278000001.M1.host"), Some("UID1-1278000000"));
        assert_eq!(list.find(b"1278000002.M2.host:2,"), Some("UID2-1278000000"));
        assert_eq!(list.find(b"1278000003.M3.host"), Some("UID3"));
        assert_eq!(
            list.find(b"1278000004.a b.host"),
            Some("1278000004.a+20b.host")
        );
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        for (text, line, part) in [
            (b"".as_slice(), 1, "empty"),
            (b"/1 2\n", 1, "/2 or /3"),
            (b"/2 2 5\nname 1:5\n", 2, "a line is"),
            (b"/2 2 5\nname x 1:5\n", 2, "begins with"),
            (b"/2 2 5\nname 7 1\n", 2, "a uidvalidity is"),
        ] {
            let (at, reason) = read(text).unwrap_err();
            assert!(at == line && reason.contains(part), "line {at}: {reason}");
        }
    }
}
