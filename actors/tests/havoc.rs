//! Many clients, random dialogs, deliveries, and actors that die: what was promised holds all the
//! same. `HAVOC_SEED=17` plays one seed again, `HAVOC_SEEDS=1000` plays so many.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod fixture;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use fixture::{Client, Fixture, population, staged};
use mailroost_actors::{TreeHandle, Victim};
use mailroost_storage::{MaildropId, MaildropStore, MemoryStore, MessageId};

const SEEDS: u64 = 30;
const MAILDROPS: usize = 5;
const CLIENTS: usize = 20;
const DIALOGS_EACH: usize = 4;
const DISTURBANCES: usize = 60;

/// A small generator (xorshift64*): the same seed, the same numbers, everywhere.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64, stream: u64) -> Self {
        let mixed = (seed << 8 | stream).wrapping_add(1);
        Self(mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % limit
    }
}

/// What is known of one maildrop from outside.
#[derive(Default)]
struct Known {
    /// Ever delivered, by unique-id, with the text that was delivered.
    delivered: BTreeMap<String, String>,
    /// Removed by a QUIT that was answered with `+OK`.
    removed: BTreeSet<String>,
    /// Marked by a QUIT whose answer nobody heard, or that failed.
    uncertain: BTreeSet<String>,
    /// Deliveries of which nobody knows whether they happened, by text.
    perhaps: BTreeSet<String>,
}

struct World {
    seed: u64,
    tree: TreeHandle,
    store: MemoryStore,
    maildrops: Vec<(String, MaildropId)>,
    known: RefCell<Vec<Known>>,
}

#[test]
fn promises_hold_while_actors_die_under_random_dialogs() {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let seeds = match setting("HAVOC_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("HAVOC_SEEDS").unwrap_or(SEEDS),
    };
    // Hundreds of panics are wanted here; only those of the test are to be read.
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        if !text.contains("was told to crash") {
            eprintln!("{text}");
        }
    }));
    for seed in seeds {
        let played = std::panic::catch_unwind(|| actix::System::new().block_on(play(seed)));
        assert!(played.is_ok(), "replay with HAVOC_SEED={seed}");
    }
}

async fn play(seed: u64) {
    tokio::time::pause();
    let mut fixture = Fixture::new();
    fixture.limits.restarts_max = 10_000;
    let names: Vec<String> = (0..MAILDROPS)
        .map(|number| format!("user{number}"))
        .collect();
    let maildrops: Vec<_> = names
        .into_iter()
        .map(|name| (name.clone(), fixture.user(&name, 0)))
        .collect();
    let store = fixture.store.clone();
    let known = maildrops.iter().map(|_| Known::default()).collect();
    let world = Rc::new(World {
        seed,
        tree: fixture.start(),
        store,
        maildrops,
        known: RefCell::new(known),
    });
    let mut dice = Dice::new(seed, 255);
    for drop in 0..MAILDROPS {
        for _ in 0..4 {
            world.deliver(drop, &mut dice).await;
        }
    }
    let mut parties = Vec::new();
    for number in 0..CLIENTS {
        let world = Rc::clone(&world);
        let mut dice = Dice::new(seed, number as u64);
        parties.push(actix::spawn(async move {
            for _ in 0..DIALOGS_EACH {
                world.dialog(&mut dice).await;
            }
        }));
    }
    for _ in 0..DISTURBANCES {
        world.disturb(&mut dice).await;
    }
    for party in parties {
        party.await.unwrap();
    }
    world.settle().await;
}

impl World {
    /// One connection from log-on to whatever end.
    async fn dialog(&self, dice: &mut Dice) {
        let drop = dice.below(self.maildrops.len());
        let mut client = Client::dial(&self.tree, [64, 1024, 65_536][dice.below(3)]).await;
        let mut marked = BTreeSet::new();
        let _ = self.talk(&mut client, drop, &mut marked, dice).await;
    }

    /// `None` as soon as the connection breaks, which it may at any time.
    async fn talk(
        &self,
        client: &mut Client,
        drop: usize,
        marked: &mut BTreeSet<String>,
        dice: &mut Dice,
    ) -> Option<()> {
        let name = &self.maildrops[drop].0;
        // What was removed before the log-on is not in the view.
        let gone = self.known.borrow()[drop].removed.clone();
        ok(client.try_line().await?)?;
        ok(client.try_ask(&format!("USER {name}")).await?)?;
        ok(client.try_ask(&format!("PASS {name}")).await?)?;
        ok(client.try_ask("UIDL").await?)?;
        let mut unique_ids = Vec::new();
        loop {
            let line = client.try_line().await?;
            match line.split_once(' ') {
                Some((_, unique_id)) => unique_ids.push(unique_id.to_owned()),
                None => break,
            }
        }
        for unique_id in &unique_ids {
            assert!(!gone.contains(unique_id), "{unique_id} came back");
        }
        for _ in 0..dice.below(6) {
            if unique_ids.is_empty() {
                break;
            }
            let index = dice.below(unique_ids.len());
            let unique_id = &unique_ids[index];
            match dice.below(4) {
                0 | 1 => {
                    if ok(client.try_ask(&format!("DELE {}", index + 1)).await?).is_some() {
                        marked.insert(unique_id.clone());
                    }
                }
                2 => self.retrieve(client, drop, index + 1, unique_id).await?,
                _ => {
                    ok(client.try_ask("RSET").await?)?;
                    marked.clear();
                }
            }
        }
        match dice.below(4) {
            0 => None,
            _ => self.quit(client, drop, marked).await,
        }
    }

    async fn retrieve(
        &self,
        client: &mut Client,
        drop: usize,
        number: usize,
        unique_id: &str,
    ) -> Option<()> {
        if ok(client.try_ask(&format!("RETR {number}")).await?).is_none() {
            return Some(());
        }
        let mut text = String::new();
        loop {
            let line = client.try_line().await?;
            if line == "." {
                break;
            }
            text += &line;
            text += "\r\n";
        }
        let known = self.known.borrow();
        if let Some(delivered) = known[drop].delivered.get(unique_id) {
            assert_eq!(&text, delivered, "{unique_id} is another message now");
        }
        Some(())
    }

    async fn quit(
        &self,
        client: &mut Client,
        drop: usize,
        marked: &BTreeSet<String>,
    ) -> Option<()> {
        self.known.borrow_mut()[drop]
            .uncertain
            .extend(marked.iter().cloned());
        let answer = client.try_ask("QUIT").await?;
        if answer.starts_with("+OK") {
            let mut known = self.known.borrow_mut();
            known[drop].removed.extend(marked.iter().cloned());
        }
        Some(())
    }

    async fn deliver(&self, drop: usize, dice: &mut Dice) {
        let text = format!(
            "Subject: {}\r\n\r\n{}",
            dice.below(1 << 30),
            "a line of some length\r\n".repeat(dice.below(400))
        );
        let message = staged(&self.store, text.as_bytes());
        let delivered = self
            .tree
            .deliver(self.maildrops[drop].1, vec![message])
            .await;
        let mut known = self.known.borrow_mut();
        match delivered {
            Ok(ids) => {
                let [MessageId(unique_id)] = ids[..] else {
                    panic!("{ids:?}")
                };
                let unique_id = unique_id.to_string();
                let repeated = known[drop].delivered.insert(unique_id.clone(), text);
                assert!(repeated.is_none(), "{unique_id} was used twice");
            }
            Err(_) => {
                known[drop].perhaps.insert(text);
            }
        }
    }

    async fn disturb(&self, dice: &mut Dice) {
        let drop = dice.below(self.maildrops.len());
        let maildrop = self.maildrops[drop].1;
        let victim = match dice.below(12) {
            0 => Victim::Root,
            1 => Victim::Timer,
            2 => Victim::Directory,
            3 => Victim::MailboxSupervisor,
            4 | 5 => Victim::Mailbox(maildrop),
            6 => Victim::SessionSupervisor,
            7 => Victim::Sessions(maildrop),
            8 => Victim::Sweeper,
            9 => {
                // Long enough for idle mailboxes to stop, too short for an autologout.
                let most = [10, 1000, 59_000][dice.below(3)];
                let wait = Duration::from_millis(dice.below(most) as u64);
                return tokio::time::sleep(wait).await;
            }
            _ => return self.deliver(drop, dice).await,
        };
        let _ = self.tree.crash(victim).await;
    }

    /// All is over: nobody is left, and the maildrops hold what they have to.
    async fn settle(&self) {
        while population(&self.tree, "SessionSupervisor").await > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        // Longer than any wait before a restart: what the last death brings along is over.
        tokio::time::sleep(Duration::from_secs(5)).await;
        for (name, _) in &self.maildrops {
            // The tree lives, and every user is let in again.
            let mut client = Client::connect(&self.tree).await;
            let mut answer = client.try_log_on(name).await;
            for _ in 0..10 {
                if answer.starts_with("+OK") {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
                answer = client.try_log_on(name).await;
            }
            assert!(answer.starts_with("+OK"), "{name}: {answer}");
            client.ask("QUIT").await;
        }
        self.tree.stop().await;
        assert_eq!(population(&self.tree, "SessionSupervisor").await, 0);
        assert_eq!(population(&self.tree, "MailboxSupervisor").await, 0);
        let known = self.known.borrow();
        for ((name, maildrop), known) in self.maildrops.iter().zip(known.iter()) {
            let owned = self.store.open_maildrop(*maildrop).unwrap();
            let there: BTreeSet<String> = owned
                .messages()
                .iter()
                .map(|message| message.id.0.to_string())
                .collect();
            let seed = self.seed;
            for unique_id in &known.removed {
                assert!(
                    !there.contains(unique_id),
                    "seed {seed}: {name} {unique_id} is back"
                );
            }
            for unique_id in known.delivered.keys() {
                let may_be_gone = known.uncertain.contains(unique_id);
                assert!(
                    may_be_gone || there.contains(unique_id),
                    "seed {seed}: {name} {unique_id} is lost"
                );
            }
            let unaccounted = there.iter().filter(|id| !known.delivered.contains_key(*id));
            assert!(
                unaccounted.count() <= known.perhaps.len(),
                "seed {seed}: {name}"
            );
        }
    }
}

/// `None` for `-ERR`.
fn ok(line: String) -> Option<String> {
    line.starts_with("+OK").then_some(line)
}
