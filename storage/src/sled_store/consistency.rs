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
use super::record::{JournalEntry, decode_deleted, decode_segment, decode_user};
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
    let live = counts(index, TreeName::Segments, live_in)?;
    let deleted = counts(index, TreeName::Deleted, deleted_in)?;
    for (id, row) in &rows {
        let Some(row) = row else {
            return damaged(format!("its record of maildrop {id} is damaged"));
        };
        for (counts, expected, what) in [
            (&live, row.messages, "messages"),
            (&deleted, row.deleted, "deleted messages"),
        ] {
            let count = counts.get(id).copied().unwrap_or(0);
            if count != expected {
                let text = format!("maildrop {id} has {count} {what} instead of {expected}");
                return damaged(text);
            }
        }
    }
    if let Some(id) = live
        .keys()
        .chain(deleted.keys())
        .find(|id| !rows.contains_key(id))
    {
        return damaged(format!("maildrop {id} has messages but no record"));
    }
    let (owned, aliases) = owned(index)?;
    let mut found = 0;
    index.scan(TreeName::Aliases, b"", &mut |_, _| {
        found += 1;
        true
    })?;
    if found != aliases {
        return damaged(format!("it has {found} aliases instead of {aliases}"));
    }
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

/// How many messages each maildrop has in that tree.
fn counts(
    index: &Index,
    tree: TreeName,
    count_in: fn(&[u8]) -> Option<usize>,
) -> Result<HashMap<MaildropId, u64>, Refused> {
    let mut counts: HashMap<MaildropId, u64> = HashMap::new();
    let mut damage = None;
    index.scan(tree, b"", &mut |key, content| {
        let count = content.and_then(count_in);
        match maildrop_in(key).zip(count) {
            Some((id, count)) => *counts.entry(id).or_default() += count as u64,
            None => damage = Some("a record of messages is damaged".to_owned()),
        }
        damage.is_none()
    })?;
    damage.map_or(Ok(counts), |text| Err(Refused::Damaged(text)))
}

fn live_in(segment: &[u8]) -> Option<usize> {
    let mut records = Vec::new();
    decode_segment(0, segment, &mut records).map(|()| records.len())
}

fn deleted_in(segment: &[u8]) -> Option<usize> {
    let mut records = Vec::new();
    decode_deleted(0, segment, &mut records).map(|()| records.len())
}

/// The maildrops that have a user, and how many aliases these have.
fn owned(index: &Index) -> Result<(HashSet<MaildropId>, usize), Refused> {
    let (mut owned, mut aliases) = (HashSet::new(), 0);
    let mut damage = None;
    index.scan(TreeName::Users, b"", &mut |_, content| {
        match content.and_then(decode_user) {
            Some(user) => {
                owned.insert(user.maildrop);
                aliases += user.aliases.len();
            }
            None => damage = Some("a record of a user is damaged".to_owned()),
        }
        damage.is_none()
    })?;
    damage.map_or(Ok((owned, aliases)), |text| Err(Refused::Damaged(text)))
}
