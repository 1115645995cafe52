//! Import from a Maildir with a list of unique-ids: each file is imported or refused with a
//! reason, what is imported has a unique-id that no other has, and a second import that keeps
//! unique-ids brings no message twice.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use mailroost_storage::import::unique_ids::UniqueIds;
use mailroost_storage::import::{ImportReport, ImportSettings, Present, Source, import};

use crate::maildrop::Maildrop;

/// As many files are made of one input.
const FILES_MAX: usize = 8;

/// The target. The first octet says of which kind the list is; then come the list, the names and
/// the messages, with NUL between them.
pub fn maildir(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let mut parts = data.split(|octet| *octet == 0);
    let list = parts.next().unwrap_or_default();
    let parts: Vec<&[u8]> = parts.take(2 * FILES_MAX).collect();
    // In memory where the system has such a folder: an input is a matter of microseconds.
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let folder = folder.unwrap();
    let root = folder.path().join("Maildir");
    let files = written(&root, &parts);
    let list_file = folder.path().join("list");
    fs::write(&list_file, list).unwrap();
    let unique_ids = match kind % 5 {
        0 => UniqueIds::New,
        1 => UniqueIds::XUidl,
        2 => UniqueIds::Dovecot(list_file),
        3 => UniqueIds::Courier(list_file),
        _ => UniqueIds::TwoColumns(list_file),
    };
    let keeps = !matches!(unique_ids, UniqueIds::New);
    let settings = ImportSettings {
        unique_ids,
        ..ImportSettings::default()
    };
    let mut maildrop = Maildrop::new();
    let Some(report) = imported(&mut maildrop, &root, &settings) else {
        return;
    };
    let messages = maildrop.owned.messages().len() as u64;
    assert_eq!(report.imported, messages);
    assert_eq!(report.imported + report.refused.count(), files);
    let mut unique_ids = BTreeSet::new();
    for record in maildrop.owned.messages() {
        let unique_id = match record.carried_unique_id.as_deref() {
            Some(carried) => carried.to_owned(),
            None => record.id.to_string(),
        };
        let is_valid = mailroost_protocol::UniqueId::is_valid(&unique_id);
        assert!(
            is_valid && unique_ids.insert(unique_id.clone()),
            "{unique_id:?}"
        );
    }
    let carried = |maildrop: &Maildrop| {
        let records = maildrop.owned.messages().iter();
        records
            .filter(|record| record.carried_unique_id.is_some())
            .count()
    };
    if keeps {
        let before = carried(&maildrop);
        imported(&mut maildrop, &root, &settings).unwrap();
        assert_eq!(carried(&maildrop), before);
    }
}

/// Makes the files, every other one in `cur`; says how many there are.
fn written(root: &Path, parts: &[&[u8]]) -> u64 {
    for folder in ["new", "cur", "tmp"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let mut made: BTreeSet<PathBuf> = BTreeSet::new();
    for (at, pair) in parts.chunks(2).enumerate() {
        let (name, message) = (pair[0], pair.get(1).copied().unwrap_or_default());
        let folder = root.join(["new", "cur"][at % 2]);
        let is_name = !name.is_empty() && !name.contains(&b'/') && !name.starts_with(b".");
        let path = folder.join(OsStr::from_bytes(name));
        if is_name && fs::write(&path, message).is_ok() {
            made.insert(path);
        }
    }
    made.len() as u64
}

/// `None` if it could not be begun or came to an early end, which its report tells.
fn imported(
    maildrop: &mut Maildrop,
    root: &Path,
    settings: &ImportSettings,
) -> Option<ImportReport> {
    let store = maildrop.store.clone();
    let present = maildrop.owned.messages().to_vec();
    let present = Present {
        messages: &present,
        deleted_unique_ids: &[],
    };
    let owned = &mut maildrop.owned;
    let mut deliver = |deliveries| owned.deliver(deliveries);
    let source = Source::Maildir(root.to_owned());
    let report = import(
        &store,
        &source,
        settings,
        present,
        &mut deliver,
        &mut |_| {},
    );
    report.ok()
}
