//! What is in a keytab (MIT's file format, version 0x0502): whose keys, not the keys. The
//! library finds out what is wrong with it only when a client comes; we want to know before.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The services of POP3: RFC 5034 s4, and what Windows clients ask for.
const SERVICES: [&str; 3] = ["pop", "POP", "POP3"];

/// A larger file is no keytab: a key takes about a hundred octets.
const KEYTAB_OCTETS_MAX: u64 = 16 * 1024 * 1024;

/// What the file begins with; octets are in network order since version 2.
const VERSION: [u8; 2] = [5, 2];

/// The principals of a keytab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keytab(Vec<Entry>);

/// A principal that there is a key of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    realm: String,
    /// The first component: for a service its name.
    service: String,
    components: u16,
}

/// Why a keytab is no use.
#[derive(Debug, thiserror::Error)]
pub enum KeytabError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error("{} is no keytab of version 0x0502", path.display())]
    NoKeytab {
        /// The file.
        path: PathBuf,
    },
    /// Other services can use it.
    #[error("{} has no key of pop/HOST, POP/HOST or POP3/HOST", path.display())]
    NoService {
        /// The file.
        path: PathBuf,
    },
}

impl Keytab {
    /// Reads a file and makes sure that a key for POP3 is in it. Blocks.
    ///
    /// # Errors
    /// See [`KeytabError`].
    pub fn read(path: &Path) -> Result<Self, KeytabError> {
        let path = || path.to_owned();
        let octets = read(&path()).map_err(|source| KeytabError::Unreadable {
            path: path(),
            source,
        })?;
        let keytab = Self::parse(&octets).ok_or_else(|| KeytabError::NoKeytab { path: path() })?;
        match keytab.service_realms().is_empty() {
            true => Err(KeytabError::NoService { path: path() }),
            false => Ok(keytab),
        }
    }

    /// The realms of the principals that POP3 clients ask for, each once.
    pub fn service_realms(&self) -> Vec<String> {
        let services = self.0.iter().filter(|entry| entry.is_service());
        let mut realms: Vec<_> = services.map(|entry| entry.realm.clone()).collect();
        realms.sort();
        realms.dedup();
        realms
    }

    fn parse(octets: &[u8]) -> Option<Self> {
        let mut rest = Octets(octets.strip_prefix(&VERSION)?);
        let mut entries = Vec::new();
        while !rest.0.is_empty() {
            // A negative length is a hole where an entry was removed; zero is the end.
            let length = i32::from_be_bytes(rest.array()?);
            if length == 0 {
                break;
            }
            let record = rest.take(usize::try_from(length.unsigned_abs()).ok()?)?;
            if length > 0 {
                entries.push(Entry::parse(record)?);
            }
        }
        Some(Self(entries))
    }
}

impl Entry {
    /// Name and realm; the rest (type, time, key) is the library's.
    fn parse(record: &[u8]) -> Option<Self> {
        let mut rest = Octets(record);
        let components = u16::from_be_bytes(rest.array()?);
        let realm = rest.text()?;
        let mut service = String::new();
        for component in 0..components {
            let text = rest.text()?;
            if component == 0 {
                service = text;
            }
        }
        Some(Self {
            realm,
            service,
            components,
        })
    }

    fn is_service(&self) -> bool {
        self.components == 2 && is_service(&self.service)
    }
}

/// Whether a principal of this first component stands for POP3.
pub(super) fn is_service(name: &str) -> bool {
    SERVICES.contains(&name)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    file.take(KEYTAB_OCTETS_MAX).read_to_end(&mut octets)?;
    Ok(octets)
}

/// What is left of the octets.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// Two octets of length, then so many.
    fn text(&mut self) -> Option<String> {
        let length = u16::from_be_bytes(self.array()?);
        let octets = self.take(usize::from(length))?;
        Some(String::from_utf8_lossy(octets).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(text: &str) -> Vec<u8> {
        let length = u16::try_from(text.len()).unwrap();
        [&length.to_be_bytes(), text.as_bytes()].concat()
    }

    /// An entry as `ktutil` writes one, with a key of two octets.
    fn entry(realm: &str, components: &[&str]) -> Vec<u8> {
        let count = u16::try_from(components.len()).unwrap();
        let mut record = count.to_be_bytes().to_vec();
        record.extend(counted(realm));
        record.extend(components.iter().flat_map(|text| counted(text)));
        record.extend([0, 0, 0, 1, 0x65, 0, 0, 0, 2, 0, 18, 0, 2, 0xaa, 0xbb]);
        let length = i32::try_from(record.len()).unwrap();
        [&length.to_be_bytes(), record.as_slice()].concat()
    }

    fn keytab(entries: &[Vec<u8>]) -> Vec<u8> {
        [&VERSION, entries.concat().as_slice()].concat()
    }

    #[test]
    fn the_realms_of_all_three_services_are_found_past_holes() {
        let hole = [&(-3_i32).to_be_bytes(), &[1, 2, 3][..]].concat();
        let octets = keytab(&[
            entry("B.TEST", &["pop", "localhost"]),
            hole,
            entry("C.TEST", &["host", "localhost"]),
            entry("A.TEST", &["POP3", "localhost"]),
            entry("B.TEST", &["POP", "localhost"]),
            entry("D.TEST", &["pop"]),
            vec![0; 4],
            b"what was there before".to_vec(),
        ]);
        let keytab = Keytab::parse(&octets).unwrap();
        assert_eq!(keytab.service_realms(), ["A.TEST", "B.TEST"]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_name() {
        let folder = std::env::temp_dir().join(format!("keytab-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let refused = |octets: &[u8]| {
            let path = folder.join("krb5.keytab");
            std::fs::write(&path, octets).unwrap();
            let error = Keytab::read(&path).unwrap_err().to_string();
            error.replace(&folder.display().to_string(), "FOLDER")
        };
        assert_eq!(
            refused(b"-----BEGIN CERTIFICATE-----"),
            "FOLDER/krb5.keytab is no keytab of version 0x0502"
        );
        assert_eq!(
            refused(&keytab(&[entry("A.TEST", &["imap", "localhost"])])),
            "FOLDER/krb5.keytab has no key of pop/HOST, POP/HOST or POP3/HOST"
        );
        let missing = Keytab::read(&folder.join("none")).unwrap_err().to_string();
        assert!(missing.contains("none cannot be read: No such file"));
        let no_file = Keytab::read(&folder).unwrap_err().to_string();
        assert!(no_file.ends_with("cannot be read: it is not a file"));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Keytab::parse(&[&VERSION, octets.as_slice()].concat());
        }

        #[test]
        fn a_keytab_that_was_cut_is_none_or_a_shorter_one(cut in 0_usize..100) {
            let octets = keytab(&[
                entry("A.TEST", &["pop", "localhost"]),
                entry("B.TEST", &["pop", "localhost"]),
            ]);
            let cut = cut.min(octets.len());
            if let Some(keytab) = Keytab::parse(&octets[..cut]) {
                prop_assert!(keytab.0.len() <= 2);
            }
        }
    }
}
