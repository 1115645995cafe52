//! The world around pure sessions: users and maildrops in memory, and what effects do there.

use std::sync::Arc;

use mailroost_auth::{AuthError, Identity, Mechanism, PasswordSource as _};
use mailroost_protocol::{
    Access, Blame, ForeignSite, LogOnRefusal, Maildrop, MechanismOffer, Octets, Outcome, ScanEntry,
    Secret,
};
use mailroost_storage::{MaildropId, UserName};

use crate::accounts::{Account, Accounts};
use crate::corpus::Form;
use crate::mechanism;
use crate::transcript::{Message, Stage};

/// The number of a maildrop's first message, and the step to the next: unique-ids grow, but
/// nobody may count on the next number.
const IDS: (u64, u64) = (1001, 3);

pub(super) struct World {
    pub(super) accounts: Accounts,
    pub(super) mechanisms: Vec<Arc<dyn Mechanism>>,
    maildrops: Vec<Contents>,
    stage: Stage,
    access: Access,
    sessions_max: usize,
    /// The next removal does not happen.
    pub(super) failing: bool,
}

/// One maildrop.
#[derive(Default)]
struct Contents {
    messages: Vec<Stored>,
    /// Removed, and kept for who wants to have them back.
    removed: Vec<Stored>,
    delivered: Vec<u64>,
    sessions: usize,
}

#[derive(Clone)]
struct Stored {
    id: u64,
    form: Form,
    carried: Option<String>,
}

impl Contents {
    /// Unique-ids grow whatever comes in, and are not used again.
    fn next_id(&mut self) -> u64 {
        let id = IDS.0 + IDS.1 * self.delivered.len() as u64;
        self.delivered.push(id);
        id
    }

    fn remove(&mut self, ids: &[u64]) {
        let goes = |message: &mut Stored| ids.contains(&message.id);
        self.removed.extend(self.messages.extract_if(.., goes));
    }
}

/// What a session may open.
pub(super) struct Opened {
    pub(super) octets: Vec<u8>,
    pub(super) header_octets: u64,
    pub(super) dot_lines: bool,
}

impl World {
    /// The stage as it is before the first line. `Err` names what cannot be made.
    pub(super) fn new(stage: &Stage) -> Result<Self, String> {
        let accounts = Accounts::default();
        for (index, user) in stage.users.iter().enumerate() {
            accounts.add(Account {
                name: UserName::new(&user.name).map_err(|error| error.to_string())?,
                password: user.password.clone(),
                maildrop: MaildropId(index as u64),
                disabled: user.disabled,
                site: user.site.clone(),
            });
        }
        let mechanisms = stage.mechanisms.iter().map(|name| {
            mechanism::named(name).ok_or_else(|| format!("there is no mechanism {name}"))
        });
        let mut world = Self {
            accounts,
            mechanisms: mechanisms.collect::<Result<_, _>>()?,
            maildrops: stage.users.iter().map(|_| Contents::default()).collect(),
            stage: stage.clone(),
            access: stage.settings.policy().access,
            sessions_max: stage.settings.sessions_per_user().unwrap_or(usize::MAX),
            failing: false,
        };
        for user in &stage.users {
            for message in user.messages.iter().filter(|message| !message.later) {
                world.deliver(&message.name);
            }
        }
        Ok(world)
    }

    /// What CAPA may offer.
    pub(super) fn offers(&self) -> Arc<[MechanismOffer]> {
        let offers = self.mechanisms.iter().map(|mechanism| {
            let needs = mechanism.needs();
            MechanismOffer {
                name: mechanism.name(),
                plaintext: needs.plaintext,
                tls: needs.tls,
                client_first: needs.client_first,
                channel_binding: needs.channel_binding,
                client_certificate: needs.client_certificate,
            }
        });
        offers.collect()
    }

    /// A message of the stage arrives.
    pub(super) fn deliver(&mut self, name: &str) {
        let Some((user, message)) = self.stage.message(name) else {
            return;
        };
        let Message {
            delivered, carried, ..
        } = message.clone();
        let maildrop = &mut self.maildrops[user];
        let id = maildrop.next_id();
        maildrop.messages.push(Stored {
            id,
            form: Form::of(&delivered),
            carried,
        });
    }

    /// The nth message delivered to the first user is removed.
    pub(super) fn remove_elsewhere(&mut self, nth: usize) -> Result<(), String> {
        let maildrop = self.maildrops.first_mut().ok_or("there is no user")?;
        let id = *maildrop
            .delivered
            .get(nth - 1)
            .ok_or("there is no such message")?;
        maildrop.remove(&[id]);
        Ok(())
    }

    /// The nth message delivered to the first user, which was removed, is brought back.
    pub(super) fn undelete(&mut self, nth: usize) -> Result<(), String> {
        let maildrop = self.maildrops.first_mut().ok_or("there is no user")?;
        let id = maildrop.delivered.get(nth - 1).copied();
        let place = maildrop
            .removed
            .iter()
            .position(|message| Some(message.id) == id)
            .ok_or("it was not removed")?;
        let removed = maildrop.removed.remove(place);
        let id = maildrop.next_id();
        maildrop.messages.push(Stored {
            id,
            carried: None,
            ..removed
        });
        Ok(())
    }

    /// USER and PASS.
    pub(super) fn log_on(&mut self, user: &[u8], password: &Secret) -> Result<usize, LogOnRefusal> {
        let user = std::str::from_utf8(user).map_err(|_| LogOnRefusal::Credentials)?;
        let identity = self.accounts.verify(user, password).map_err(refusal)?;
        self.let_in(&identity)
    }

    /// Somebody proved who they are: the maildrop that they get.
    pub(super) fn let_in(&mut self, identity: &Identity) -> Result<usize, LogOnRefusal> {
        // The server has no site, and knows no other.
        if identity.site.is_some() {
            return Err(match self.stage.settings.policy().foreign_site {
                ForeignSite::Refuse => LogOnRefusal::Credentials,
                ForeignSite::HandOn => LogOnRefusal::Failed(Blame::Permanent),
            });
        }
        let index = identity.maildrop.0 as usize;
        let maildrop = &mut self.maildrops[index];
        if maildrop.sessions >= self.sessions_max {
            return Err(LogOnRefusal::TooManySessions);
        }
        if self.access == Access::Exclusive && maildrop.sessions > 0 {
            return Err(LogOnRefusal::InUse);
        }
        maildrop.sessions += 1;
        Ok(index)
    }

    /// A session let go of a maildrop.
    pub(super) fn release(&mut self, maildrop: usize) {
        self.maildrops[maildrop].sessions -= 1;
    }

    /// The outcome of a log-on: the view as it is now.
    pub(super) fn logged_on(&self, maildrop: usize) -> Outcome {
        let messages = &self.maildrops[maildrop].messages;
        let entries = messages.iter().map(|message| {
            let exact = message.form.exact().len() as u64;
            // Never the same as the exact size, so that a mix-up shows.
            ScanEntry {
                id: message.id,
                stored: Octets(exact + 512),
                exact: Octets(exact),
            }
        });
        let carried = messages.iter().enumerate().filter_map(|(index, message)| {
            let carried = message.carried.as_deref()?;
            Some((index as u32, carried.into()))
        });
        Outcome::LoggedOn {
            user: self.stage.users[maildrop].name.clone(),
            maildrop: Arc::new(Maildrop::new(entries.collect(), carried.collect())),
            sizes: None,
            security_layer: false,
        }
    }

    /// A message that is still there.
    pub(super) fn open(&self, maildrop: usize, id: u64) -> Option<Opened> {
        let message = self.maildrops[maildrop]
            .messages
            .iter()
            .find(|message| message.id == id)?;
        let form = &message.form;
        let header_octets = form.header_octets() as u64;
        Some(Opened {
            octets: form.exact(),
            header_octets,
            dot_lines: form.dot_lines(),
        })
    }

    /// QUIT with marks.
    pub(super) fn commit(&mut self, maildrop: usize, ids: &[u64]) -> Outcome {
        if std::mem::take(&mut self.failing) {
            return Outcome::Failed(Blame::Temporary);
        }
        self.maildrops[maildrop].remove(ids);
        Outcome::Committed
    }
}

/// What a session is told of a failed log-on.
pub(super) fn refusal(error: AuthError) -> LogOnRefusal {
    match error {
        AuthError::Malformed(_) => LogOnRefusal::Malformed,
        AuthError::Unavailable(_) => LogOnRefusal::Failed(Blame::Temporary),
        _ => LogOnRefusal::Credentials,
    }
}
