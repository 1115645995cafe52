//! Users and hashes in a file as passwd(5), shadow(5) and Dovecot's passwd-file have it:
//! `user:hash`, and further fields that do not count. Which hashes: see
//! [`crate::password::imported`].

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mailroost_storage::UserName;

use super::foreign::{Claim, ForeignAccount, ForeignPasswords, Notices};
use crate::limits::{
    PASSWD_BAD_LINES_NAMED_MAX, PASSWD_FILE_OCTETS_MAX, PASSWD_LINE_OCTETS_MAX, PASSWD_LOOK_EVERY,
};
use crate::password::{HashError, PasswordHasher};
use crate::{AuthError, Secret};

/// A [`ForeignPasswords`] over a file, which is read again when it changes.
pub struct PasswdFile {
    path: PathBuf,
    hasher: Arc<dyn PasswordHasher>,
    notices: Notices,
    look_every: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: Arc<Entries>,
    stamp: Option<Stamp>,
    looked: Option<Instant>,
}

/// Hashes by user; and one of them, which those who are not there are checked against, so that
/// the time does not tell that they are not.
#[derive(Default)]
struct Entries {
    by_user: HashMap<UserName, Box<str>>,
    stand_in: Option<Box<str>>,
}

/// Another file, or one that was written to, has another.
#[derive(PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    octets: u64,
    modified: (i64, i64),
}

impl PasswdFile {
    /// The file need not be there yet: until it is, nobody can tell who somebody is. Lines that
    /// cannot be used are told to `notices`, by number.
    pub fn new(path: PathBuf, hasher: Arc<dyn PasswordHasher>, notices: Notices) -> Self {
        Self {
            path,
            hasher,
            notices,
            look_every: PASSWD_LOOK_EVERY,
            state: Mutex::default(),
        }
    }

    /// Looks whether the file has changed at most this often.
    #[must_use]
    pub fn looking_every(mut self, look_every: Duration) -> Self {
        self.look_every = look_every;
        self
    }

    /// What the file holds now, or held a moment ago.
    fn entries(&self) -> io::Result<Arc<Entries>> {
        // Held while the file is read: others would read it as well.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_fresh = |looked: Instant| now.duration_since(looked) < self.look_every;
        if state.stamp.is_none() || !state.looked.is_some_and(is_fresh) {
            let file = File::open(&self.path)?;
            let stamp = Stamp::of(&file.metadata()?);
            if state.stamp.as_ref() != Some(&stamp) {
                state.entries = Arc::new(self.read(file)?);
                state.stamp = Some(stamp);
            }
            state.looked = Some(now);
        }
        Ok(Arc::clone(&state.entries))
    }

    fn read(&self, file: File) -> io::Result<Entries> {
        let mut lines = BufReader::new(file.take(PASSWD_FILE_OCTETS_MAX + 1));
        let (mut entries, mut octets, mut bad) = (Entries::default(), 0, 0);
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let read = lines.read_until(b'\n', &mut line)?;
            octets += read as u64;
            if octets > PASSWD_FILE_OCTETS_MAX {
                let why = format!("it has more than {PASSWD_FILE_OCTETS_MAX} octets");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
            }
            if read == 0 {
                break;
            }
            if let Err(why) = self.take(&line, &mut entries) {
                bad += 1;
                if bad <= PASSWD_BAD_LINES_NAMED_MAX {
                    let path = self.path.display();
                    (self.notices)(&format!("{path}:{number}: not used: {why}"));
                }
            }
        }
        if bad > PASSWD_BAD_LINES_NAMED_MAX {
            let (path, more) = (self.path.display(), bad - PASSWD_BAD_LINES_NAMED_MAX);
            (self.notices)(&format!("{path}: {more} more lines are not used"));
        }
        Ok(entries)
    }

    /// Takes one line. What it holds is never part of the reason.
    fn take(&self, line: &[u8], entries: &mut Entries) -> Result<(), String> {
        if line.len() > PASSWD_LINE_OCTETS_MAX {
            return Err(format!("it has more than {PASSWD_LINE_OCTETS_MAX} octets"));
        }
        let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
        let Some((user, hash)) = split(line)? else {
            return Ok(());
        };
        let user = UserName::new(user).map_err(|_| "no user can have that name")?;
        self.hasher
            .recognise(hash)
            .map_err(|error| error.to_string())?;
        if entries.by_user.contains_key(&user) {
            return Err("an earlier line has the same user".to_owned());
        }
        entries.stand_in.get_or_insert_with(|| hash.into());
        entries.by_user.insert(user, hash.into());
        Ok(())
    }
}

/// User and hash of a line; `None` for one that means nobody. Further fields do not count.
pub fn split(line: &str) -> Result<Option<(&str, &str)>, &'static str> {
    let line = line.trim_end_matches(['\n', '\r']);
    if line.trim().is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (user, rest) = line.split_once(':').ok_or("it has no colon")?;
    let hash = rest.split(':').next().unwrap_or_default();
    match hash {
        "" => Err("it has no hash"),
        "x" => Err("the hash is in another file"),
        // shadow(5): the password is locked, or there is none.
        locked if locked.starts_with(['!', '*']) => Ok(None),
        hash => Ok(Some((user, hash))),
    }
}

impl ForeignPasswords for PasswdFile {
    fn check(&self, claim: &Claim<'_>, password: &Secret) -> Result<ForeignAccount, AuthError> {
        let entries = self.entries().map_err(|error| {
            AuthError::Unavailable(format!("cannot read {}: {error}", self.path.display()))
        })?;
        let Some((user, hash)) = entries.find(claim) else {
            entries.feign(&*self.hasher, password);
            return Err(AuthError::UnknownUser);
        };
        match self.hasher.matches(password, hash) {
            Ok(true) => Ok(ForeignAccount {
                maildrop: Some(user.clone()),
                ..ForeignAccount::default()
            }),
            Ok(false) => Err(AuthError::WrongPassword),
            Err(HashError::Stored(_)) => {
                Err(AuthError::NotPermitted("the hash in the file is unusable"))
            }
            Err(error) => Err(AuthError::Unavailable(error.to_string())),
        }
    }

    fn feign(&self, password: &Secret) {
        if let Ok(entries) = self.entries() {
            entries.feign(&*self.hasher, password);
        }
    }

    /// With another hash a remembered password counts no longer.
    fn stored(&self, claim: &Claim<'_>) -> String {
        let entries = self.entries().unwrap_or_default();
        let hash = entries.find(claim).map(|(_, hash)| hash.to_owned());
        hash.unwrap_or_default()
    }
}

impl Entries {
    fn find<'a>(&'a self, claim: &Claim<'a>) -> Option<(&'a UserName, &'a str)> {
        let found = |user: &'a UserName| Some((user, &**self.by_user.get(user)?));
        claim.candidates.iter().find_map(found)
    }

    fn feign(&self, hasher: &dyn PasswordHasher, password: &Secret) {
        if let Some(stand_in) = &self.stand_in {
            // Whether it happens to match is of no interest.
            let _ = hasher.matches(password, stand_in);
        }
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            octets: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::user_name::{AcceptedDomains, LogOnName};
    use crate::{AnyHash, Argon2id, Cost};

    const FILE: &str = "\
# a comment
ann:$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.:1000:1000::/home/ann:/bin/sh

Ben@example.org:{SSHA}O54jdNDyU9TP76AX8b2FlpYylokxfGmt
locked:!$6$abcdefgh$x
without a colon topsecret
cid:$1$topsecret
ann:{SSHA}O54jdNDyU9TP76AX8b2FlpYylokxfGmt
shadowed:x:1:1
nothing:
a b:{SSHA}O54jdNDyU9TP76AX8b2FlpYylokxfGmt
";

    struct Bench {
        _folder: tempfile::TempDir,
        path: PathBuf,
        notices: Arc<Mutex<Vec<String>>>,
        file: PasswdFile,
    }

    fn bench(text: &str) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwd");
        std::fs::write(&path, text).unwrap();
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&notices);
        let hasher = AnyHash::new(Argon2id::new(Cost::new(7168, 1, 1).unwrap()).unwrap(), 2);
        let tell: Notices = Arc::new(move |text| told.lock().unwrap().push(text.to_owned()));
        let file = PasswdFile::new(path.clone(), Arc::new(hasher), tell);
        Bench {
            _folder: folder,
            path,
            notices,
            file: file.looking_every(Duration::ZERO),
        }
    }

    fn check(file: &PasswdFile, name: &str, password: &str) -> Result<String, AuthError> {
        let account = LogOnName::parse(name).unwrap().account;
        let candidates = account.candidates(&AcceptedDomains::new(["example.org"]));
        let claim = Claim {
            account,
            candidates: &candidates,
            at_home: true,
        };
        let checked = file.check(&claim, &Secret::from(password.as_bytes().to_vec()));
        checked.map(|account| account.maildrop.unwrap().to_string())
    }

    /// In place of the old one, as editors do it.
    fn replace(path: &Path, text: &str) {
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    #[test]
    fn a_user_of_the_file_has_the_password_whose_hash_is_there() {
        let bench = bench(FILE);
        for (name, password, outcome) in [
            ("ann", "secret", Ok("ann".to_owned())),
            ("ANN@example.org", "secret", Ok("ann".to_owned())),
            ("ben", "secret", Ok("ben@example.org".to_owned())),
            ("ann", "Secret", Err(AuthError::WrongPassword)),
            ("ann", ":", Err(AuthError::WrongPassword)),
            ("locked", "secret", Err(AuthError::UnknownUser)),
            ("cid", "secret", Err(AuthError::UnknownUser)),
            ("#", "secret", Err(AuthError::UnknownUser)),
            ("nobody", "secret", Err(AuthError::UnknownUser)),
        ] {
            assert_eq!(
                check(&bench.file, name, password),
                outcome,
                "{name} {password}"
            );
        }
    }

    #[test]
    fn bad_lines_are_named_by_number_and_never_by_content() {
        let bench = bench(FILE);
        check(&bench.file, "ann", "secret").unwrap();
        let notices = bench.notices.lock().unwrap();
        let path = bench.path.display();
        let expected = [
            (6, "it has no colon"),
            (
                7,
                "the stored password hash is unusable: its scheme is not known",
            ),
            (8, "an earlier line has the same user"),
            (9, "the hash is in another file"),
            (10, "it has no hash"),
            (11, "no user can have that name"),
        ];
        let expected = expected.map(|(line, why)| format!("{path}:{line}: not used: {why}"));
        assert_eq!(*notices, expected);
        assert!(!notices.concat().contains("topsecret"));
    }

    #[test]
    fn many_bad_lines_are_counted() {
        let bench = bench(&"bad\n".repeat(1000));
        assert_eq!(check(&bench.file, "ann", "x"), Err(AuthError::UnknownUser));
        let notices = bench.notices.lock().unwrap();
        assert_eq!(notices.len() as u64, PASSWD_BAD_LINES_NAMED_MAX + 1);
        assert!(
            notices
                .last()
                .unwrap()
                .ends_with("980 more lines are not used")
        );
    }

    #[test]
    fn a_file_that_changes_is_read_again_and_its_hash_is_what_is_remembered() {
        let bench = bench("ann:{SSHA}O54jdNDyU9TP76AX8b2FlpYylokxfGmt\n");
        assert!(check(&bench.file, "ann", "secret").is_ok());
        replace(&bench.path, "ben:{SSHA}O54jdNDyU9TP76AX8b2FlpYylokxfGmt\n");
        assert_eq!(
            check(&bench.file, "ann", "secret"),
            Err(AuthError::UnknownUser)
        );
        assert!(check(&bench.file, "ben", "secret").is_ok());
        std::fs::remove_file(&bench.path).unwrap();
        let outcome = check(&bench.file, "ben", "secret");
        assert!(
            matches!(outcome, Err(AuthError::Unavailable(_))),
            "{outcome:?}"
        );
        replace(&bench.path, "ben:{SSHA}O54jdNDyU9TP76AX8b2FlpYylokxfGmt\n");
        assert!(check(&bench.file, "ben", "secret").is_ok());
    }

    #[test]
    fn it_is_looked_at_no_more_often_than_was_said() {
        let mut bench = bench("ann:{SSHA}O54jdNDyU9TP76AX8b2FlpYylokxfGmt\n");
        bench.file = bench.file.looking_every(Duration::from_secs(3600));
        assert!(check(&bench.file, "ann", "secret").is_ok());
        replace(&bench.path, "");
        assert!(check(&bench.file, "ann", "secret").is_ok());
    }
}
