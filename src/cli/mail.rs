//! `mail`: what is in a maildrop, one message at a time.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use mailroost_storage::{BodySource, MessageId};

use super::admin::{settings, with_server};
use super::options::MailCommand;
use super::output::{Output, moment, text};
use super::transfer;
use super::upkeep::{self, Selection};
use crate::config::Config;
use crate::control::{Client, RemoteBodies};
use crate::exit::{Failure, Status};

/// Octets of a message that are shown at once.
const PIECE_OCTETS: usize = 64 * 1024;

pub(super) fn execute(file: Option<PathBuf>, command: MailCommand) -> Result<(), Failure> {
    let config = settings(file)?;
    match command {
        MailCommand::Deliver { user } => deliver(config, user),
        MailCommand::List { user } => list(config, user),
        MailCommand::Show { user, unique_id } => with_server(config, move |mut client| {
            let ids = numbers(&mut client, &user, &[unique_id])?;
            show(client, &user, &ids)
        }),
        MailCommand::Remove {
            user,
            unique_ids,
            all,
        } => remove(config, user, (!all).then_some(unique_ids)),
        MailCommand::Export {
            user,
            mbox,
            maildir,
            x_uidl,
        } => with_server(config, move |client| {
            transfer::export(client, &user, mbox.as_deref(), maildir.as_deref(), x_uidl)
        }),
        MailCommand::Import {
            user,
            mbox,
            maildir,
            keep_unique_ids,
            pass_over,
            ignore_quota,
        } => {
            let source = transfer::source(mbox, maildir)?;
            let unique_ids = keep_unique_ids.map(|keep| keep.0).unwrap_or_default();
            with_server(config, move |client| {
                transfer::import(client, &user, &source, unique_ids, pass_over, ignore_quota)
            })
        }
        MailCommand::Deleted { user } => upkeep::deleted(config, user),
        MailCommand::Undelete {
            user,
            since,
            session,
            unique_ids,
            ignore_quota,
        } => {
            let selection = Selection {
                since,
                session,
                unique_ids,
            };
            upkeep::undelete(config, user, selection, ignore_quota)
        }
        MailCommand::Purge {
            user,
            all,
            older_than,
        } => upkeep::purge(config, user.filter(|_| !all), older_than),
    }
}

/// Delivers what is on standard input.
fn deliver(config: Config, user: String) -> Result<(), Failure> {
    let id = with_server(config, move |mut client| {
        Ok(client.deliver(&user, &mut io::stdin().lock())?)
    })?;
    text(&format!("{id}\n"))
}

fn list(config: Config, user: String) -> Result<(), Failure> {
    with_server(config, move |mut client| {
        let mut out = Output::new();
        client.messages(&user, |message| {
            let (unique_id, received) = (message.unique_id(), moment(message.received_secs));
            out.line(&format!(
                "{unique_id}\t{}\t{received}",
                message.exact_octets
            ))
        })?;
        out.finish()
    })
}

/// Removes those that are named, or all.
fn remove(config: Config, user: String, unique_ids: Option<Vec<String>>) -> Result<(), Failure> {
    let count = with_server(config, move |mut client| {
        let ids = match unique_ids {
            Some(unique_ids) => numbers(&mut client, &user, &unique_ids)?,
            None => {
                let mut ids = Vec::new();
                client.messages(&user, |message| {
                    ids.push(message.id);
                    Ok::<_, Failure>(())
                })?;
                ids
            }
        };
        Ok(client.remove(&user, ids)?)
    })?;
    text(&format!("{count} removed\n"))
}

/// The numbers of messages that are named by what UIDL shows, in the order given.
fn numbers(client: &mut Client, user: &str, unique_ids: &[String]) -> Result<Vec<u64>, Failure> {
    let mut found: HashMap<&str, Option<u64>> = unique_ids
        .iter()
        .map(|unique_id| (unique_id.as_str(), None))
        .collect();
    client.messages(user, |message| {
        if let Some(place) = found.get_mut(message.unique_id().as_str()) {
            *place = Some(message.id);
        }
        Ok::<_, Failure>(())
    })?;
    let number = |unique_id: &String| {
        found
            .get(unique_id.as_str())
            .copied()
            .flatten()
            .ok_or_else(|| {
                let message = format!("no message {unique_id:?} in the maildrop of {user:?}");
                Failure::new(Status::Unavailable, message)
            })
    };
    unique_ids.iter().map(number).collect()
}

fn show(client: Client, user: &str, ids: &[u64]) -> Result<(), Failure> {
    let bodies = RemoteBodies::new(client, user);
    let mut out = Output::new();
    let mut piece = vec![0; PIECE_OCTETS];
    for id in ids {
        let mut body = bodies.open(MessageId(*id))?;
        loop {
            match body.read(&mut piece)? {
                0 => break,
                octets => out.octets(&piece[..octets])?,
            }
        }
    }
    out.finish()
}
