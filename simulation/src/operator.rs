//! What is done to maildrops from inside: deliveries by a call, removals, undelete, purge,
//! retention, letting go.

use std::sync::Arc;

use mailroost_actors::{Terms, TreeError, TreeHandle};
use mailroost_storage::{
    Delivery, Directory as _, MaildropId, MaildropStore as _, MessageId, Staging, StoreError, User,
    UserName,
};

use crate::books::Way;
use crate::dice::Dice;
use crate::party::Over;
use crate::party::pop3::user_name;
use crate::script::Script;
use crate::store::WatchedStore;
use crate::world::World;

/// See the file's first lines.
struct Operator {
    tree: TreeHandle,
    world: Arc<World>,
    store: WatchedStore,
    place: usize,
    maildrop: MaildropId,
}

/// One act on one maildrop, to be carried out beside whatever else happens.
pub(crate) fn act(script: &mut Script) -> impl Future<Output = Result<(), Over>> + use<> {
    let place = script.dice.below(script.maildrops.len());
    let operator = Operator {
        tree: script.tree.clone(),
        world: Arc::clone(&script.world),
        store: script.store.clone(),
        place,
        maildrop: script.maildrops[place],
    };
    let mut dice = script.world.dice();
    async move {
        match dice.below(12) {
            0..6 => operator.deliver(&mut dice).await,
            6 => operator.remove(dice.between(1, 4)).await,
            7 | 8 => operator.undelete(dice.between(1, 4)).await,
            9 => operator.purge().await,
            10 => operator.retain().await,
            _ => operator.let_go().await,
        }
        Ok(())
    }
}

impl Operator {
    async fn deliver(&self, dice: &mut Dice) {
        let (world, place) = (&self.world, self.place);
        let limited = world.plan.quota_of(place).messages.is_some() || dice.percent(50);
        let way = if limited { Way::Direct } else { Way::Unlimited };
        let lines = dice.pick(&[0, 2, 40, 400]);
        let (number, text) = world.books().submit(&[place], way, lines);
        let Ok(delivery) = self.staged(&text) else {
            return;
        };
        world.note(&format!("s{number} is delivered to {place}"));
        world.books().completes(number);
        let delivered = match way {
            Way::Unlimited => self.tree.deliver(self.maildrop, vec![delivery]).await,
            Way::Direct | Way::Lmtp => {
                let Some(terms) = self.terms() else {
                    return;
                };
                let deliveries = vec![delivery];
                self.tree.deliver_on(terms, self.maildrop, deliveries).await
            }
        };
        self.note(&format!("s{number}"), &delivered);
        if delivered.is_ok() {
            let acknowledged = world.books().acknowledged(number, place);
            world.check(acknowledged);
        }
    }

    async fn remove(&self, count: usize) {
        let (world, place) = (&self.world, self.place);
        let ids: Vec<u64> = world.books().maildrops[place].live().take(count).collect();
        world.books().maildrops[place].may_go(ids.iter().copied());
        let removed = self.tree.remove(self.maildrop, messages(&ids)).await;
        self.note(&format!("the removal of {ids:?}"), &removed);
        if removed.is_ok() {
            let gone = world.books().maildrops[place].gone(&ids.into_iter().collect());
            world.check(gone);
        }
    }

    async fn undelete(&self, count: usize) {
        let (world, place) = (&self.world, self.place);
        let deleted: Vec<u64> = world.books().maildrops[place].deleted().collect();
        let ids: Vec<u64> = deleted.into_iter().take(count).collect();
        world.books().maildrops[place].may_return(&ids);
        let Some(terms) = self.terms() else {
            return;
        };
        let undeleted = self.tree.undelete(terms, self.maildrop, messages(&ids));
        self.note(&format!("the return of {ids:?}"), &undeleted.await);
    }

    async fn purge(&self) {
        let before_secs = self.world.now_secs();
        self.world.books().maildrops[self.place].may_purge(before_secs);
        let purged = self.tree.purge(self.maildrop, before_secs).await;
        self.note("a purge", &purged);
    }

    async fn retain(&self) {
        if let Some(user) = self.user() {
            let retained = self.tree.retain(&user, false).await;
            self.note("retention", &retained);
        }
    }

    /// Its sessions are ended, before and after.
    async fn let_go(&self) {
        self.world.excuse();
        let retired = self.tree.retire(self.maildrop).await;
        self.note("letting go", &retired);
        self.world.excuse();
    }

    fn user(&self) -> Option<User> {
        let name = UserName::new(&user_name(self.place)).expect("it is a name");
        self.store.find(&name).ok()?
    }

    fn terms(&self) -> Option<Terms> {
        Some(self.tree.upkeep().terms_of(&self.user()?))
    }

    fn staged(&self, text: &[u8]) -> Result<Delivery, StoreError> {
        let mut body = self.store.stage(Staging::default())?;
        let written = body.write_all(text);
        written.map_err(|error| StoreError::io("writing a message", error))?;
        body.finish()
    }

    fn note<T>(&self, what: &str, result: &Result<T, TreeError>) {
        let how = match result {
            Ok(_) => "done".to_owned(),
            Err(error) => error.to_string(),
        };
        let place = self.place;
        self.world.note(&format!("{what}, maildrop {place}: {how}"));
    }
}

fn messages(ids: &[u64]) -> Vec<MessageId> {
    ids.iter().copied().map(MessageId).collect()
}
