//! Whether the index is whole, asked after a run that did not end cleanly.
//!
//! sled may come up without complaint and without some of its pages when its file was damaged.
//! What belongs together is compared: maildrops with their folders, with their messages, and with
//! their users. It costs one more reading of the index and a look into each fan-out folder.

use std::collections::{HashMap, HashSet};

use super::index::{Index, TreeName, maildrop_in};
use super::layout::Layout;
use super::owner_file;
use super::probe::Refused;
use super::record::{JournalEntry, decode_segment, decode_user};
use crate::{MaildropId, StoreError};

/// # Errors
/// In one line what is missing, or why it cannot be seen.
pub(super) fn check(index: &Index, layout: &Layout) -> Result<(), Refused> {
    let mut rows = HashMap::new();
    index.maildrops(&mut |id, row| {
        rows.insert(id, row);
    })?;
    let damaged = |text: String| Err(Refused::Damaged(text));
    let on_disk = layout.maildrops_on_disk();
    let on_disk = on_disk
        .map_err(|error| Refused::Unexamined(StoreError::io("cannot list the maildrops", error)))?;
    let due: HashSet<MaildropId> = index
        .journal()?
        .into_iter()
        .filter(|(_, _, entry)| *entry == JournalEntry::Folder)
        .map(|(_, id, _)| id)
        .collect();
    if let Some(id) = on_disk
        .iter()
        .find(|id| !rows.contains_key(id) && !due.contains(id))
    {
        return damaged(format!("maildrop {id} is missing in it"));
    }
    let counts = messages(index)?;
    for (id, row) in &rows {
        let Some(row) = row else {
            return damaged(format!("its record of maildrop {id} is damaged"));
        };
        let count = counts.get(id).copied().unwrap_or(0);
        if count != row.messages {
            let expected = row.messages;
            return damaged(format!(
                "maildrop {id} has {count} messages instead of {expected}"
            ));
        }
    }
    if let Some(id) = counts.keys().find(|id| !rows.contains_key(id)) {
        return damaged(format!("maildrop {id} has messages but no record"));
    }
    let owned = owned(index)?;
    let unowned = rows.keys().filter(|id| !owned.contains(id));
    for id in unowned {
        // One whose user has another maildrop is what a removal left behind.
        if let Ok(owner) = owner_file::read(&layout.owner(*id), *id)
            && index.user(&owner.name)?.is_none()
        {
            return damaged(format!("the user of maildrop {id} is missing in it"));
        }
    }
    Ok(())
}

/// How many messages each maildrop has.
fn messages(index: &Index) -> Result<HashMap<MaildropId, u64>, Refused> {
    let mut counts: HashMap<MaildropId, u64> = HashMap::new();
    let mut records = Vec::new();
    let mut damage = None;
    index.scan(TreeName::Segments, b"", &mut |key, content| {
        records.clear();
        let whole = content.and_then(|content| decode_segment(0, content, &mut records));
        match maildrop_in(key).filter(|_| whole.is_some()) {
            Some(id) => *counts.entry(id).or_default() += records.len() as u64,
            None => damage = Some("a record of messages is damaged".to_owned()),
        }
        damage.is_none()
    })?;
    damage.map_or(Ok(counts), |text| Err(Refused::Damaged(text)))
}

/// The maildrops that have a user.
fn owned(index: &Index) -> Result<HashSet<MaildropId>, Refused> {
    let mut owned = HashSet::new();
    let mut damage = None;
    index.scan(TreeName::Users, b"", &mut |_, content| {
        match content.and_then(decode_user) {
            Some(user) => {
                owned.insert(user.maildrop);
            }
            None => damage = Some("a record of a user is damaged".to_owned()),
        }
        damage.is_none()
    })?;
    damage.map_or(Ok(owned), |text| Err(Refused::Damaged(text)))
}
