//! `retention`, and what of `mail` concerns messages that were removed: deleted, undelete, purge.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::admin::{settings, with_server};
use super::options::{Moment, RetentionCommand};
use super::output::{Output, complain, moment};
use crate::calendar::DAY_SECS;
use crate::config::Config;
use crate::control::{Client, DeletedRow};
use crate::exit::{Failure, Status};

pub(super) fn retention(
    file: Option<PathBuf>,
    RetentionCommand::Run { dry_run }: RetentionCommand,
) -> Result<(), Failure> {
    with_server(settings(file)?, move |mut client| {
        let mut out = Output::new();
        let (mut users, mut messages, mut octets) = (0_u64, 0, 0);
        let (mut purged, mut purged_octets, mut failed) = (0, 0, 0_u64);
        client.retain(dry_run, |row| {
            if let Some(why) = &row.failed {
                failed += 1;
                complain(&format!("{}: {why}", row.user));
                return Ok(());
            }
            users += 1;
            messages += row.messages;
            octets += row.octets;
            purged += row.purged_messages;
            purged_octets += row.purged_octets;
            let oldest = row.oldest_secs.map_or_else(|| "-".to_owned(), moment);
            out.line(&format!(
                "{}\t{}\t{}\t{oldest}\t{}\t{}",
                row.user, row.messages, row.octets, row.purged_messages, row.purged_octets
            ))
        })?;
        let (removed, given_up) = match dry_run {
            true => ("would be removed", "would be given up for good"),
            false => ("removed", "given up for good"),
        };
        out.line(&format!(
            "{users} users: {messages} messages of {octets} octets {removed}, {purged} of \
             {purged_octets} octets {given_up}"
        ))?;
        out.finish()?;
        match failed {
            0 => Ok(()),
            failed => Err(Failure::new(
                Status::TempFail,
                format!("users passed over: {failed}"),
            )),
        }
    })
}

/// Lists what was removed and can be brought back.
pub(super) fn deleted(config: Config, user: String) -> Result<(), Failure> {
    with_server(config, move |mut client| {
        let mut out = Output::new();
        client.deleted(&user, |message| {
            let (received, deleted) = (moment(message.received_secs), moment(message.deleted_secs));
            out.line(&format!(
                "{}\t{}\t{received}\t{deleted}\t{}",
                message.unique_id(),
                message.exact_octets,
                message.session.as_deref().unwrap_or("-")
            ))
        })?;
        out.finish()
    })
}

/// Which of the removed messages are meant: those to which all that is given applies.
pub(super) struct Selection {
    pub(super) since: Option<Moment>,
    pub(super) session: Option<String>,
    pub(super) unique_ids: Vec<String>,
}

impl Selection {
    fn is_empty(&self) -> bool {
        self.since.is_none() && self.session.is_none() && self.unique_ids.is_empty()
    }

    fn includes(&self, message: &DeletedRow, now_secs: u64) -> bool {
        let since = self.since.as_ref();
        since.is_none_or(|since| message.deleted_secs >= since.secs(now_secs))
            && (self.session.is_none() || self.session == message.session)
            && (self.unique_ids.is_empty() || self.unique_ids.contains(&message.unique_id()))
    }
}

/// Brings removed messages back; prints old and new unique-ids.
pub(super) fn undelete(
    config: Config,
    user: String,
    selection: Selection,
    ignore_quota: bool,
) -> Result<(), Failure> {
    if selection.is_empty() {
        let message = "which messages? --since, --session or --id says it; try --help";
        return Err(Failure::new(Status::Usage, message));
    }
    with_server(config, move |mut client| {
        let chosen = choose(&mut client, &user, &selection)?;
        let undeleted = client.undelete(&user, chosen.keys().copied().collect(), ignore_quota)?;
        let mut out = Output::new();
        for (old, new) in undeleted {
            out.line(&format!("{}\t{new}", chosen[&old]))?;
        }
        out.finish()
    })
}

/// Numbers and unique-ids of those that are meant.
fn choose(
    client: &mut Client,
    user: &str,
    selection: &Selection,
) -> Result<HashMap<u64, String>, Failure> {
    let now_secs = now_secs();
    let mut chosen = HashMap::new();
    client.deleted(user, |message| {
        if selection.includes(&message, now_secs) {
            chosen.insert(message.id, message.unique_id());
        }
        Ok::<_, Failure>(())
    })?;
    let missing = selection
        .unique_ids
        .iter()
        .find(|unique_id| !chosen.values().any(|found| found == *unique_id));
    let message = match missing {
        Some(unique_id) => format!(
            "no message {unique_id:?} that was removed from the maildrop of {user:?} can be \
             brought back"
        ),
        None if chosen.is_empty() => {
            format!("nothing that was removed from the maildrop of {user:?} is meant by that")
        }
        None => return Ok(chosen),
    };
    Err(Failure::new(Status::Unavailable, message))
}

/// Gives up removed messages for good, of one user or of all.
pub(super) fn purge(
    config: Config,
    user: Option<String>,
    older_than_days: u64,
) -> Result<(), Failure> {
    with_server(config, move |mut client| {
        let before_secs = match older_than_days {
            // What was removed in this very second as well.
            0 => u64::MAX,
            days => now_secs().saturating_sub(days.saturating_mul(DAY_SECS)),
        };
        let mut users = Vec::from_iter(user);
        if users.is_empty() {
            client.users(|user| {
                users.push(user.name);
                Ok::<_, Failure>(())
            })?;
        }
        let (mut messages, mut octets) = (0, 0);
        for user in users {
            let (more_messages, more_octets) = client.purge(&user, before_secs)?;
            messages += more_messages;
            octets += more_octets;
        }
        super::output::text(&format!("{messages} given up, {octets} octets\n"))
    })
}

fn now_secs() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
