//! A session that is handed on: the log-on at the site of its user, and what passes afterwards,
//! until one side closes, the timer fires, or the tree wants it to end.

use std::sync::Arc;
use std::time::Duration;

use mailroost_auth::{Identity, Secret};
use mailroost_protocol::{Blame, Ending, ForeignSite, LogOnRefusal, Outcome};
use mailroost_storage::UserName;
use secrecy::ExposeSecret;

use super::account::{End, Relayed};
use super::admission::Share;
use super::effects::Effects;
use super::refuse::No;
use super::run::{Driver, cut};
use super::stream::Stream;
use crate::clock;
use crate::relay::{Broken, NotHandedOn, Onward, Passage, Passed, Site};

/// A session that has to end is quiet when nothing has passed for this long since the site's
/// server ended a line: then no reply is likely to be under way.
const QUIET: Duration = Duration::from_secs(1);

/// What a session holds that was handed on. Dropping it gives all of it back.
pub(super) struct HandedOn {
    site: Arc<Site>,
    onward: Onward,
    _share: Share<UserName>,
}

impl Effects {
    /// The user is who they say and has no maildrop here. `password` is what they revealed, if
    /// they did: without it nobody can log on for them elsewhere.
    pub(super) async fn hand_on(
        &mut self,
        identity: Identity,
        site: &str,
        password: Option<Secret>,
    ) -> Outcome {
        let user = &identity;
        let whom = user.to_string();
        let name = Some(whom.as_str());
        let no = |why, answer| No::of_site(answer, site, why);
        match self.policy.foreign_site {
            ForeignSite::Refuse => {
                let why = "the user belongs to another site";
                return self.refuse(no(why, LogOnRefusal::Credentials), None, name);
            }
            ForeignSite::HandOn => {}
        }
        let Some(to) = self.parts.sites.find(site).cloned() else {
            let answer = LogOnRefusal::Failed(Blame::Permanent);
            return self.refuse(
                no("nothing is known of the user's site", answer),
                None,
                name,
            );
        };
        let Some(password) = password else {
            let why = "a mechanism that reveals no password cannot be handed on";
            return self.refuse(no(why, LogOnRefusal::Credentials), None, name);
        };
        // `user@domain/other` is understood there; of `user/other` the first would be a domain.
        if user
            .delegate
            .as_ref()
            .is_some_and(|delegate| !delegate.as_str().contains('@'))
        {
            let why = "a delegate whose name has no domain cannot be handed on";
            return self.refuse(no(why, LogOnRefusal::Credentials), None, name);
        }
        let share = match self.share(user.who()) {
            Ok(share) => share,
            Err(refused) => return refused,
        };
        // Seen before anything is open, so that who removes the user does not miss us.
        self.mark.set(identity.maildrop);
        match to.log_on(&whom, password).await {
            Ok(onward) => {
                slog::debug!(self.log, "handed on"; "user" => %user, "site" => site);
                self.exchange = None;
                self.onward = Some(HandedOn {
                    site: to,
                    onward,
                    _share: share,
                });
                Outcome::HandedOn { user: whom }
            }
            Err(NotHandedOn::Refused(refusal)) => {
                self.mark.clear();
                slog::warn!(self.log, "log-on refused by the site's server";
                    "user" => %user, "site" => site, "answer" => ?refusal);
                self.refuse(no("its server refused the log-on", refusal), None, name)
            }
            Err(NotHandedOn::Failed(failure)) => {
                self.mark.clear();
                slog::error!(self.log, "session cannot be handed on";
                    "user" => %user, "site" => site, "why" => %failure);
                let answer = LogOnRefusal::Failed(Blame::Temporary);
                self.refuse(no("the session cannot be handed on", answer), None, name)
            }
        }
    }
}

impl Driver<'_> {
    /// Answers the log-on, then lets octets pass until the session is over.
    pub(super) async fn relay(&mut self, pending: Secret) -> Result<(), End> {
        self.line.write(&[]).await.map_err(cut)?;
        let Some(HandedOn {
            site,
            onward,
            _share,
        }) = self.effects.onward.take()
        else {
            return Err(End::Cut("there is no connection to hand on to".to_owned()));
        };
        let Onward {
            io,
            behind,
            permit: _permit,
        } = onward;
        let client = self.line.take_stream();
        let mut passage = Passage::new(client, io, pending.expose_secret(), behind);
        drop(pending);
        self.relayed = Some(Relayed {
            site: site.name().into(),
            octets_to_site: 0,
            octets_from_site: 0,
        });
        let end = self.pass(&mut passage).await;
        self.line.stream = Stream::Other(passage.client);
        end.map_err(|broken| End::Cut(broken.to_string()))
    }

    /// A relayed session gets its notice, if any, where the site's server ended a line. Told to
    /// make room it ends when it is quiet there; if it never is, whoever told it cuts it.
    async fn pass(&mut self, passage: &mut Passage) -> Result<(), Broken> {
        let limits = &self.effects.parts.limits;
        let (stall, closing) = (limits.write_stall, limits.closing);
        let (sent, received) = (self.line.sent, self.line.received);
        let mut leaving = None;
        loop {
            self.activity.set(self.session.deadline());
            let may_leave = leaving.filter(|_| passage.at_boundary());
            let event = tokio::select! {
                biased;
                () = self.signals.told() => Event::Told,
                passed = passage.pass(stall, closing) => Event::Passed(passed?),
                () = tokio::time::sleep(QUIET), if may_leave.is_some() => Event::Quiet,
            };
            let (to_site, from_site) = passage.octets();
            self.line.received = received + to_site;
            self.line.sent = sent + from_site;
            if let Some(relayed) = &mut self.relayed {
                relayed.octets_to_site = to_site;
                relayed.octets_from_site = from_site;
            }
            let now = clock::now();
            let ending = match event {
                Event::Passed(Passed::Over) => {
                    self.session
                        .resume(Outcome::RelayEnded, now, &mut self.line.out);
                    return Ok(());
                }
                Event::Passed(Passed::Octets) => {
                    self.session.relayed(now, passage.at_boundary());
                    None
                }
                Event::Told => match self.signals.take() {
                    // Something may have passed between the timer's look and this one.
                    Some(Ending::Autologout) if now < self.session.deadline() => None,
                    Some(Ending::Autologout) => Some(Ending::Autologout),
                    Some(told @ (Ending::Shutdown | Ending::Restart)) => {
                        leaving = Some(told);
                        None
                    }
                    None => None,
                },
                Event::Quiet => may_leave,
            };
            if let Some(ending) = ending {
                self.session.end(ending, &mut self.line.out);
                return Ok(());
            }
        }
    }
}

/// What a relayed session waits for.
enum Event {
    /// Something was told from outside.
    Told,
    Passed(Passed),
    /// Nothing passed for `QUIET`, and the session is to leave.
    Quiet,
}
