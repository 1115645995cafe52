//! Refusals: each has an id and one line in the log, and the last ones are kept, so that an
//! operator can ask why. Clients learn no more than they always did.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mailroost_protocol::RefusalId;

use crate::Machine;

/// Of a name that a client made up, no more characters than this are shown.
const NAME_CHARACTERS_MAX: usize = 128;

/// Stands in the log for what there is none of.
const NOTHING: &str = "-";

/// What somebody was refused by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// No such user.
    UnknownUser,
    /// The password or proof is wrong.
    WrongPassword,
    /// The user may not, whatever the password.
    NotPermitted,
    /// The mechanism's message could not be read.
    Malformed,
    /// The password source does not answer.
    SourceUnavailable,
    /// Too many log-ons wait for a thread.
    LogOnsWaiting,
    /// Too many log-ons of one address wait for a thread.
    LogOnsWaitingOfAddress,
    /// Too many failures before.
    Banned,
    /// TLS has to come first.
    NeedsTls,
    /// The server has all the connections that it takes.
    Connections,
    /// The address has all its connections.
    ConnectionsOfAddress,
    /// The user has all their sessions.
    SessionsOfUser,
    /// Another session has the maildrop.
    InUse,
    /// The user belongs to another site.
    ForeignSite,
    /// The maildrop cannot be opened.
    MaildropUnavailable,
    /// Too many failed log-ons in one session.
    FailuresOfSession,
    /// Too many unknown or malformed commands in one session.
    ErrorsOfSession,
    /// A command over the limit.
    CommandTooLong,
    /// The server is shutting down.
    ShuttingDown,
}

impl Rule {
    /// One word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::NotPermitted => "not_permitted",
            Self::Malformed => "malformed",
            Self::SourceUnavailable => "source_unavailable",
            Self::LogOnsWaiting => "log_ons_waiting",
            Self::LogOnsWaitingOfAddress => "log_ons_waiting_of_address",
            Self::Banned => "banned",
            Self::NeedsTls => "needs_tls",
            Self::Connections => "connections",
            Self::ConnectionsOfAddress => "connections_of_address",
            Self::SessionsOfUser => "sessions_of_user",
            Self::InUse => "in_use",
            Self::ForeignSite => "foreign_site",
            Self::MaildropUnavailable => "maildrop_unavailable",
            Self::FailuresOfSession => "failures_of_session",
            Self::ErrorsOfSession => "errors_of_session",
            Self::CommandTooLong => "command_too_long",
            Self::ShuttingDown => "shutting_down",
        }
    }

    /// The key of the configuration that is behind it, if one is.
    fn setting(self) -> Option<&'static str> {
        match self {
            Self::LogOnsWaiting => Some("limits.password_checks_waiting"),
            Self::LogOnsWaitingOfAddress => Some("limits.password_checks_waiting_per_address"),
            Self::NeedsTls => Some("protocol.login_type"),
            Self::Connections => Some("limits.max_connections"),
            Self::ConnectionsOfAddress => Some("limits.max_connections_per_address"),
            Self::SessionsOfUser => Some("limits.max_connections_per_user"),
            Self::InUse => Some("protocol.maildrop_access"),
            Self::ForeignSite => Some("protocol.foreign_site"),
            Self::FailuresOfSession => Some("protocol.max_auth_failures"),
            Self::ErrorsOfSession => Some("protocol.max_protocol_errors"),
            Self::CommandTooLong => Some("protocol.max_command_size"),
            Self::UnknownUser
            | Self::WrongPassword
            | Self::NotPermitted
            | Self::Malformed
            | Self::SourceUnavailable
            | Self::Banned
            | Self::MaildropUnavailable
            | Self::ShuttingDown => None,
        }
    }

    /// What happened, as the log says it. Ban tools look for the first.
    fn event(self) -> &'static str {
        match self {
            Self::UnknownUser
            | Self::WrongPassword
            | Self::NotPermitted
            | Self::Malformed
            | Self::Banned => "log-on failed",
            Self::SourceUnavailable
            | Self::LogOnsWaiting
            | Self::LogOnsWaitingOfAddress
            | Self::NeedsTls
            | Self::SessionsOfUser
            | Self::InUse
            | Self::ForeignSite
            | Self::MaildropUnavailable => "log-on refused",
            Self::Connections | Self::ConnectionsOfAddress | Self::ShuttingDown => {
                "connection refused"
            }
            Self::FailuresOfSession | Self::ErrorsOfSession | Self::CommandTooLong => {
                "session closed"
            }
        }
    }
}

/// One refusal, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalNote {
    /// What it is called; it tells the time, too.
    pub id: RefusalId,
    /// Who was refused.
    pub peer: SocketAddr,
    /// In which session, if there was one.
    pub session: Option<u64>,
    /// The user name as the client gave it, made harmless, if it did.
    pub name: Option<Box<str>>,
    /// How the client wanted to log on: a mechanism, or `password`.
    pub how: Option<&'static str>,
    /// What it was refused by.
    pub rule: Rule,
    /// The key of the configuration behind it.
    pub setting: Option<&'static str>,
    /// How much that allows, where it is a number.
    pub limit: Option<u64>,
    /// The rest, in a few words.
    pub why: Box<str>,
}

/// A refusal to be.
#[derive(Debug)]
pub(crate) struct Refused<'a> {
    pub(crate) peer: SocketAddr,
    pub(crate) session: Option<u64>,
    pub(crate) name: Option<&'a str>,
    pub(crate) how: Option<&'static str>,
    pub(crate) rule: Rule,
    /// In place of the rule's own.
    pub(crate) setting: Option<&'static str>,
    pub(crate) limit: Option<u64>,
    pub(crate) why: String,
}

/// The last refusals. They live above all actors.
pub(crate) struct Refusals {
    most: usize,
    machine: Machine,
    /// The oldest first.
    notes: Mutex<VecDeque<RefusalNote>>,
}

impl Refusals {
    pub(crate) fn new(most: usize, machine: Machine) -> Self {
        Self {
            most,
            machine,
            notes: Mutex::default(),
        }
    }

    /// An id that nobody has.
    pub(crate) fn fresh_id(&self) -> RefusalId {
        // Without randomness ids still differ by their time, which is all that sorting needs.
        RefusalId::new(self.machine.wall_millis(), self.machine.chance())
    }

    /// Writes the line, and keeps what is to be known of it.
    pub(crate) fn note(&self, log: &slog::Logger, id: RefusalId, refused: Refused<'_>) {
        let Refused {
            peer,
            session,
            name,
            how,
            rule,
            setting,
            limit,
            why,
        } = refused;
        let name = name.map(shown);
        let setting = setting.or_else(|| rule.setting());
        // Which client comes first, and nothing that a client wrote stands before it.
        slog::warn!(log, "{}", rule.event();
            "peer" => %peer,
            "session" => session.unwrap_or_default(),
            "refusal" => %id,
            "rule" => rule.as_str(),
            "how" => how.unwrap_or(NOTHING),
            "setting" => setting.unwrap_or(NOTHING),
            "limit" => limit.map_or_else(|| NOTHING.to_owned(), |limit| limit.to_string()),
            "why" => &why,
            "name" => name.as_deref().unwrap_or(NOTHING));
        let mut notes = self.notes();
        while notes.len() >= self.most.max(1) {
            notes.pop_front();
        }
        notes.push_back(RefusalNote {
            id,
            peer,
            session,
            name,
            how,
            rule,
            setting,
            limit,
            why: why.into(),
        });
    }

    /// The refusal of that name, if it is not too long ago.
    pub(crate) fn find(&self, id: RefusalId) -> Option<RefusalNote> {
        self.notes()
            .iter()
            .rev()
            .find(|note| note.id == id)
            .cloned()
    }

    /// The notes are whole whenever the lock is free, so poison means nothing.
    fn notes(&self) -> MutexGuard<'_, VecDeque<RefusalNote>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that a client made up, short and on one line.
fn shown(name: &str) -> Box<str> {
    let characters = name.chars().take(NAME_CHARACTERS_MAX);
    characters.flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> Refused<'_> {
        Refused {
            peer: "192.0.2.1:50000".parse().unwrap(),
            session: Some(7),
            name: Some(name),
            how: Some("PLAIN"),
            rule: Rule::SessionsOfUser,
            setting: None,
            limit: Some(16),
            why: "enough".to_owned(),
        }
    }

    #[test]
    fn the_last_ones_are_kept_and_the_first_ones_forgotten() {
        let (refusals, log) = (
            Refusals::new(3, Machine::Real),
            slog::Logger::root(slog::Discard, slog::o!()),
        );
        let ids: Vec<_> = (0..5).map(|random| RefusalId::new(1, random)).collect();
        for id in &ids {
            refusals.note(&log, *id, refused("a\r\nb"));
        }
        let found: Vec<_> = ids.iter().map(|id| refusals.find(*id).is_some()).collect();
        assert_eq!(found, [false, false, true, true, true]);
        let note = refusals.find(ids[4]).unwrap();
        assert_eq!(note.setting, Some("limits.max_connections_per_user"));
        assert_eq!(note.name.as_deref(), Some("a\\r\\nb"));
    }

    #[test]
    fn ids_are_fresh() {
        let refusals = Refusals::new(3, Machine::Real);
        assert_ne!(refusals.fresh_id(), refusals.fresh_id());
    }
}
