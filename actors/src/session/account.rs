//! The account of a session: the one line that the log has of it, on whatever way it ends.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use mailroost_protocol::{CloseReason, Summary};

use crate::clock;
use crate::supervise::Exit;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The protocol closed it.
    Closed(CloseReason),
    /// The peer closed it, or it broke.
    Cut(String),
}

/// What a session did.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) summary: Summary,
    /// Octets from the client, inside TLS where it is on.
    pub(super) received: u64,
    /// Octets to the client, likewise.
    pub(super) sent: u64,
    /// Where it was handed on to, if it was.
    pub(super) relayed: Option<Relayed>,
    /// Not there if it was ended from outside.
    pub(super) end: Option<End>,
}

/// What a session was that was handed on.
#[derive(Debug)]
pub(super) struct Relayed {
    pub(super) site: Box<str>,
    pub(super) octets_to_site: u64,
    pub(super) octets_from_site: u64,
}

/// Where a session leaves its facts, for whoever reports its end.
#[derive(Debug)]
pub(super) struct Account {
    began: Instant,
    facts: Mutex<Option<Box<Facts>>>,
}

impl Account {
    pub(super) fn new() -> Self {
        Self {
            began: clock::now(),
            facts: Mutex::new(None),
        }
    }

    /// The session is over. May be called while a panic unwinds.
    pub(super) fn close(&self, facts: Facts) {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(facts));
    }

    /// Writes the line.
    pub(super) fn report(&self, log: &slog::Logger, number: u64, peer: SocketAddr, exit: Exit) {
        let facts = self
            .facts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Facts {
            summary,
            received,
            sent,
            relayed,
            end,
        } = facts.map_or_else(Facts::default, |facts| *facts);
        let (tls, cipher) = match &summary.tls {
            Some(facts) => (facts.version.as_str(), facts.cipher.as_str()),
            None => ("none", "none"),
        };
        let milliseconds = clock::now().duration_since(self.began).as_millis();
        let log = match relayed {
            Some(to) => log.new(slog::o!(
                "site" => to.site,
                "octets_to_site" => to.octets_to_site,
                "octets_from_site" => to.octets_from_site,
            )),
            None => log.clone(),
        };
        slog::info!(log, "session ended";
            "session" => number,
            "peer" => %peer,
            "user" => summary.user.as_deref().unwrap_or("-"),
            "tls" => tls,
            "cipher" => cipher,
            "commands" => summary.commands,
            "octets_in" => received,
            "octets_out" => sent,
            "retrieved" => summary.retrieved,
            "topped" => summary.topped,
            "marked" => summary.marked,
            "removed" => summary.removed,
            "auth_failures" => summary.auth_failures,
            "milliseconds" => u64::try_from(milliseconds).unwrap_or(u64::MAX),
            "reason" => reason(end, exit),
        );
    }
}

fn reason(end: Option<End>, exit: Exit) -> String {
    match (exit, end) {
        (Exit::Panicked(panic) | Exit::GaveUp(panic), _) => format!("Panicked: {panic}"),
        (Exit::Normal | Exit::Stopped | Exit::Lost, Some(End::Closed(reason))) => {
            format!("{reason:?}")
        }
        (Exit::Normal | Exit::Stopped | Exit::Lost, Some(End::Cut(why))) => format!("Cut: {why}"),
        (Exit::Normal | Exit::Stopped, None) => "Cut: it had to end at once".to_owned(),
        (Exit::Lost, None) => "Cut: its thread ended".to_owned(),
    }
}
