//! The index: seven sled trees, and every call into sled. A panic in sled becomes an error here.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lock::wait_until_unlocked;
use super::record::{
    JournalEntry, MaildropRow, decode_deleted, decode_segment, decode_user, seal, segment_of,
    unseal,
};
use crate::{
    DeletedRecord, MaildropId, MessageId, MessageRecord, StoreError, StoreErrorKind, User, UserName,
};

/// The trees, in the order of [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TreeName {
    /// Runs: see [`super::open`].
    Meta,
    /// Name to user.
    Users,
    /// Maildrop to [`MaildropRow`].
    Maildrops,
    /// Maildrop and segment to up to 64 packed message records.
    Segments,
    /// Maildrop and two numbers to [`JournalEntry`].
    Journal,
    /// Alias to the name of its user.
    Aliases,
    /// Maildrop and segment to up to 64 packed records of deleted messages.
    Deleted,
}

impl TreeName {
    const ALL: [Self; 7] = [
        Self::Meta,
        Self::Users,
        Self::Maildrops,
        Self::Segments,
        Self::Journal,
        Self::Aliases,
        Self::Deleted,
    ];

    /// The reverse of `tree as u64`.
    pub(super) fn numbered(number: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// How long another process may still have sled's file.
const LOCK_DEADLINE: Duration = Duration::from_secs(5);

const NAMES: [&str; 7] = [
    "meta",
    "users",
    "maildrops",
    "segments",
    "journal",
    "aliases",
    "deleted",
];

/// One record to be written or, without a value, removed.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) tree: TreeName,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

impl Change {
    pub(super) fn put(tree: TreeName, key: Vec<u8>, content: Vec<u8>) -> Self {
        let value = Some(seal(&key, content));
        Self { tree, key, value }
    }

    pub(super) fn drop(tree: TreeName, key: Vec<u8>) -> Self {
        Self {
            tree,
            key,
            value: None,
        }
    }
}

/// Gets a key and its content (none if it is damaged); returns whether to go on.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&[u8], Option<&[u8]>) -> bool;

/// The open index.
#[derive(Clone)]
pub(super) struct Index {
    db: sled::Db,
    trees: [sled::Tree; 7],
    path: PathBuf,
}

impl Index {
    /// Opens or makes the index in `folder`.
    pub(super) fn open(
        folder: &Path,
        cache_octets: u64,
        tidy_ms: Option<u64>,
    ) -> Result<Self, StoreError> {
        guarded(|| {
            wait_until_unlocked(&folder.join("db"), LOCK_DEADLINE)?;
            // sled would make it for everybody to read, and it has password hashes.
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
            let db = sled::Config::new()
                .path(folder)
                .cache_capacity(cache_octets)
                .flush_every_ms(tidy_ms)
                .open()?;
            let tree = |name: &str| db.open_tree(name);
            let trees = [
                tree(NAMES[0])?,
                tree(NAMES[1])?,
                tree(NAMES[2])?,
                tree(NAMES[3])?,
                tree(NAMES[4])?,
                tree(NAMES[5])?,
                tree(NAMES[6])?,
            ];
            Ok(Self {
                db,
                trees,
                path: folder.to_owned(),
            })
        })
    }

    /// sled's file, to sync it: sled's own flush does not on Linux.
    pub(super) fn file(&self) -> std::io::Result<File> {
        File::open(self.path.join("db"))
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.path
    }

    /// Writes the changes in their order. Not durable yet: until a checkpoint the log has them, and
    /// makes them whole. So they are no transaction of sled's, which would write its file for each.
    pub(super) fn apply(&self, changes: &[&[Change]]) -> Result<(), StoreError> {
        guarded(|| {
            for change in changes.iter().flat_map(|changes| changes.iter()) {
                let tree = &self.trees[change.tree as usize];
                match &change.value {
                    Some(value) => tree.insert(&change.key[..], &value[..])?,
                    None => tree.remove(&change.key[..])?,
                };
            }
            Ok(())
        })
    }

    /// Hands everything to the operating system.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        guarded(|| self.db.flush().map(drop))
    }

    /// Reads every record, so that damage is met.
    pub(super) fn scan_all(&self) -> Result<u64, StoreError> {
        guarded(|| {
            let mut records = 0;
            for tree in &self.trees {
                for record in tree.iter() {
                    record?;
                    records += 1;
                }
            }
            Ok(records)
        })
    }

    /// The sealed content under `key`.
    ///
    /// # Errors
    /// `Corrupt` if it is not what was written.
    pub(super) fn find(&self, tree: TreeName, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match guarded(|| self.trees[tree as usize].get(key))? {
            None => Ok(None),
            Some(value) => match unseal(key, &value) {
                Some(content) => Ok(Some(content.to_vec())),
                None => Err(damaged(tree, key)),
            },
        }
    }

    /// Visits every record whose key begins with `prefix`, in order.
    pub(super) fn scan(
        &self,
        tree: TreeName,
        prefix: &[u8],
        each: Visit<'_>,
    ) -> Result<(), StoreError> {
        self.scan_from(tree, prefix, prefix, each)
    }

    fn scan_from(
        &self,
        tree: TreeName,
        from: &[u8],
        prefix: &[u8],
        each: Visit<'_>,
    ) -> Result<(), StoreError> {
        guarded(|| {
            for record in self.trees[tree as usize].range(from..) {
                let (key, value) = record?;
                if !key.starts_with(prefix) || !each(&key, unseal(&key, &value)) {
                    break;
                }
            }
            Ok(())
        })
    }

    pub(super) fn maildrop_row(&self, id: MaildropId) -> Result<Option<MaildropRow>, StoreError> {
        let key = maildrop_key(id);
        match self.find(TreeName::Maildrops, &key)? {
            None => Ok(None),
            Some(content) => match MaildropRow::decode(&content) {
                Some(row) => Ok(Some(row)),
                None => Err(damaged(TreeName::Maildrops, &key)),
            },
        }
    }

    /// The maildrops with their rows, in order; a damaged row is none.
    pub(super) fn maildrops(
        &self,
        each: &mut dyn FnMut(MaildropId, Option<MaildropRow>),
    ) -> Result<(), StoreError> {
        self.scan(TreeName::Maildrops, b"", &mut |key, content| {
            if let Some(id) = maildrop_in(key) {
                each(id, content.and_then(MaildropRow::decode));
            }
            true
        })
    }

    /// The messages of a maildrop, in order.
    pub(super) fn messages(&self, id: MaildropId) -> Result<Vec<MessageRecord>, StoreError> {
        let mut messages = Vec::new();
        let mut damage = None;
        self.scan(
            TreeName::Segments,
            &maildrop_key(id),
            &mut |key, content| {
                let unpacked = content
                    .zip(segment_in(key))
                    .and_then(|(content, segment)| decode_segment(segment, content, &mut messages));
                if unpacked.is_none() {
                    damage = Some(damaged(TreeName::Segments, key));
                }
                unpacked.is_some()
            },
        )?;
        damage.map_or(Ok(messages), Err)
    }

    /// Whether the index has the message.
    pub(super) fn has(&self, id: MaildropId, message: MessageId) -> Result<bool, StoreError> {
        let segment = segment_of(message);
        let Some(content) = self.find(TreeName::Segments, &segment_key(id, segment))? else {
            return Ok(false);
        };
        let mut messages = Vec::new();
        match decode_segment(segment, &content, &mut messages) {
            Some(()) => Ok(messages.iter().any(|record| record.id == message)),
            None => Err(damaged(TreeName::Segments, &segment_key(id, segment))),
        }
    }

    /// The deleted messages of a maildrop, in order.
    pub(super) fn deleted(&self, id: MaildropId) -> Result<Vec<DeletedRecord>, StoreError> {
        let mut deleted = Vec::new();
        let mut damage = None;
        self.scan(TreeName::Deleted, &maildrop_key(id), &mut |key, content| {
            let unpacked = content
                .zip(segment_in(key))
                .and_then(|(content, segment)| decode_deleted(segment, content, &mut deleted));
            if unpacked.is_none() {
                damage = Some(damaged(TreeName::Deleted, key));
            }
            unpacked.is_some()
        })?;
        damage.map_or(Ok(deleted), Err)
    }

    /// The deleted messages of one segment.
    pub(super) fn deleted_in(
        &self,
        id: MaildropId,
        segment: u64,
    ) -> Result<Vec<DeletedRecord>, StoreError> {
        let key = segment_key(id, segment);
        let mut deleted = Vec::new();
        let unpacked = match self.find(TreeName::Deleted, &key)? {
            None => Some(()),
            Some(content) => decode_deleted(segment, &content, &mut deleted),
        };
        unpacked
            .map(|()| deleted)
            .ok_or_else(|| damaged(TreeName::Deleted, &key))
    }

    /// Whose alias it is.
    pub(super) fn alias(&self, alias: &UserName) -> Result<Option<UserName>, StoreError> {
        let key = alias.as_str().as_bytes();
        let Some(content) = self.find(TreeName::Aliases, key)? else {
            return Ok(None);
        };
        let name = std::str::from_utf8(&content).ok();
        match name.and_then(|name| UserName::new(name).ok()) {
            Some(name) => Ok(Some(name)),
            None => Err(damaged(TreeName::Aliases, key)),
        }
    }

    pub(super) fn user(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        let key = name.as_str().as_bytes();
        match self.find(TreeName::Users, key)? {
            None => Ok(None),
            Some(content) => match decode_user(&content) {
                Some(user) => Ok(Some(user)),
                None => Err(damaged(TreeName::Users, key)),
            },
        }
    }

    /// Up to `count` users whose names come after `after`. A damaged record is an error.
    pub(super) fn users(
        &self,
        after: Option<&UserName>,
        count: usize,
    ) -> Result<Vec<User>, StoreError> {
        let mut users = Vec::new();
        let mut damage = None;
        // No name has a zero octet: this is the first key after the name.
        let from = after.map(|name| format!("{name}\0")).unwrap_or_default();
        if count > 0 {
            self.scan_from(
                TreeName::Users,
                from.as_bytes(),
                b"",
                &mut |key, content| {
                    match content.and_then(decode_user) {
                        Some(user) => users.push(user),
                        None => damage = Some(damaged(TreeName::Users, key)),
                    }
                    damage.is_none() && users.len() < count
                },
            )?;
        }
        damage.map_or(Ok(users), Err)
    }

    /// What remains to be done: the key, the maildrop, and what. A damaged entry is passed over:
    /// nobody can tell what it wanted.
    pub(super) fn journal(&self) -> Result<Vec<(Vec<u8>, MaildropId, JournalEntry)>, StoreError> {
        let mut entries = Vec::new();
        self.scan(TreeName::Journal, b"", &mut |key, content| {
            let entry = maildrop_in(key).zip(content.and_then(JournalEntry::decode));
            entries.extend(entry.map(|(maildrop, entry)| (key.to_vec(), maildrop, entry)));
            true
        })?;
        Ok(entries)
    }
}

pub(super) fn maildrop_key(id: MaildropId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

pub(super) fn segment_key(id: MaildropId, segment: u64) -> Vec<u8> {
    let mut key = maildrop_key(id);
    key.extend_from_slice(&segment.to_be_bytes());
    key
}

/// `part` tells the entries of one commit from each other.
pub(super) fn journal_key(id: MaildropId, revision: u64, part: u32) -> Vec<u8> {
    let mut key = segment_key(id, revision);
    key.extend_from_slice(&part.to_be_bytes());
    key
}

pub(super) fn maildrop_in(key: &[u8]) -> Option<MaildropId> {
    key.first_chunk::<8>()
        .map(|octets| MaildropId(u64::from_be_bytes(*octets)))
}

fn segment_in(key: &[u8]) -> Option<u64> {
    let number = key.get(8..)?.first_chunk::<8>()?;
    Some(u64::from_be_bytes(*number)).filter(|_| key.len() == 16)
}

fn damaged(tree: TreeName, key: &[u8]) -> StoreError {
    let place = match (tree, maildrop_in(key)) {
        (TreeName::Users, _) => format!("of user {}", String::from_utf8_lossy(key).escape_debug()),
        (TreeName::Aliases, _) => {
            format!("of alias {}", String::from_utf8_lossy(key).escape_debug())
        }
        (TreeName::Meta, _) | (_, None) => format!("in tree {}", NAMES[tree as usize]),
        (
            TreeName::Maildrops | TreeName::Segments | TreeName::Journal | TreeName::Deleted,
            Some(id),
        ) => format!("of maildrop {id} in tree {}", NAMES[tree as usize]),
    };
    StoreError::new(
        StoreErrorKind::Corrupt,
        format!("the index record {place} is damaged"),
    )
}

/// Calls into sled; what it says and what it dies of become a store's error.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    let context = "the index failed";
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => Err(StoreError::io(context, error)),
        Ok(Err(error)) => {
            let text = error.to_string().replace(['\r', '\n'], " ");
            Err(StoreError::caused_by(
                StoreErrorKind::Corrupt,
                context,
                text,
            ))
        }
        Err(payload) => {
            let text = panic_text(&*payload);
            Err(StoreError::caused_by(
                StoreErrorKind::Corrupt,
                context,
                text,
            ))
        }
    }
}

/// What a panic said, in one line.
pub(super) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "without a text",
    };
    format!("a panic: {}", text.replace(['\r', '\n'], " "))
}
