//! A disk whose power goes at any operation, also amid the start that follows: what was
//! acknowledged is there, what was removed is gone, and no number comes twice.
//!
//! `MAILROOST_POWER_SEED` replays one seed, `MAILROOST_POWER_SEEDS` says how many are tried.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use mailroost_storage::faulty::{FaultyFiles, split_mix};
use mailroost_storage::{
    MaildropId, MaildropStore, MessageId, OwnedMaildrop, Removal, SledStore, StoreError, StoreEvent,
};
use support::known::Known;
use support::{deliver, findings, keeping, stage_shared, user, watched};
use tempfile::TempDir;

const SEED: &str = "MAILROOST_POWER_SEED";
const SEEDS: &str = "MAILROOST_POWER_SEEDS";
const MAILDROPS: u64 = 3;
const LIVES: usize = 8;

fn number_from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok();
    text.map(|text| text.parse().expect("a number in the environment"))
}

#[test]
fn what_was_acknowledged_survives_a_loss_of_power() {
    let seeds = match number_from_environment(SEED) {
        Some(seed) => vec![seed],
        None => (0..number_from_environment(SEEDS).unwrap_or(12)).collect(),
    };
    for seed in seeds {
        println!("replay with {SEED}={seed}");
        let mut run = Run::new(seed);
        for life in 0..LIVES {
            run.live(life);
        }
    }
}

/// A store over several losses of power.
struct Run {
    state: u64,
    folder: TempDir,
    known: BTreeMap<u64, Known>,
    seconds: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let store = SledStore::open(folder.path(), watched().0).unwrap();
        let ids = (0..MAILDROPS).map(|n| user(&store, &format!("user{n}")).0);
        let known = ids.map(|id| (id, Known::default())).collect();
        store.close().unwrap();
        Self {
            state: seed,
            folder,
            known,
            seconds: 0,
        }
    }

    fn number(&mut self, below: u64) -> u64 {
        split_mix(&mut self.state) % below
    }

    /// Opens the store on a disk whose power goes after so many operations. Says also whether the
    /// index was made anew.
    fn open(
        &self,
        operations: Option<u64>,
    ) -> (
        Result<SledStore, StoreError>,
        Arc<FaultyFiles>,
        TempDir,
        bool,
    ) {
        let aside = TempDir::new().unwrap();
        let files = Arc::new(FaultyFiles::with_power(aside.path()));
        if let Some(operations) = operations {
            files.power_off_after(operations);
        }
        let (mut options, events) = watched();
        options.files = files.clone();
        // A few commits for each checkpoint.
        options.log_octets = 16 << 10;
        let store = SledStore::open(self.folder.path(), options);
        let anew = |event: &StoreEvent| matches!(event, StoreEvent::IndexRebuilt { .. });
        let rebuilt = events.lock().unwrap().iter().any(anew);
        (store, files, aside, rebuilt)
    }

    /// Works until the power goes, starts again (perhaps in the dark once more), and compares.
    fn live(&mut self, life: usize) {
        let operations = self.number(400);
        let (store, files, _aside, mut rebuilt) = self.open(Some(operations));
        if let Ok(store) = store {
            self.work(&store, &files);
        }
        files
            .lose_what_is_volatile(split_mix(&mut self.state))
            .unwrap();
        while self.number(2) == 0 {
            let operations = self.number(60);
            let (store, files, _aside, again) = self.open(Some(operations));
            rebuilt |= again;
            drop(store);
            files
                .lose_what_is_volatile(split_mix(&mut self.state))
                .unwrap();
        }
        let (store, _files, _aside, again) = self.open(None);
        rebuilt |= again;
        let store = store.unwrap();
        for (id, known) in &mut self.known {
            known.compare(&store, MaildropId(*id), !rebuilt);
            if life % 3 == 2 {
                known.bring_all_back(&store, MaildropId(*id));
            }
        }
        if self.number(2) == 0 {
            store.close().unwrap();
        }
        drop(store);
        assert_eq!(findings(self.folder.path()), [], "life {life}");
    }

    fn work(&mut self, store: &SledStore, files: &FaultyFiles) {
        let ids: Vec<u64> = self.known.keys().copied().collect();
        let opened: Result<Vec<_>, _> = ids
            .iter()
            .map(|id| store.open_maildrop(MaildropId(*id)))
            .collect();
        let Ok(mut maildrops) = opened else {
            return;
        };
        while !files.is_off() {
            let place = self.number(MAILDROPS) as usize;
            if self
                .step(store, ids[place], &mut *maildrops[place])
                .is_err()
            {
                return;
            }
        }
    }

    /// One step; where it fails, nobody knows whether it was taken.
    fn step(
        &mut self,
        store: &SledStore,
        id: u64,
        maildrop: &mut dyn OwnedMaildrop,
    ) -> Result<(), StoreError> {
        self.seconds += 1;
        let live: Vec<u64> = maildrop.messages().iter().map(|it| it.id.0).collect();
        let deleted = maildrop.deleted()?;
        let choice = self.number(10);
        let mut some = |all: Vec<u64>| -> Vec<u64> {
            let state = &mut self.state;
            let chosen = all.into_iter();
            chosen
                .filter(|_| split_mix(state).is_multiple_of(2))
                .collect()
        };
        let (doing, done, about) = match choice {
            0..=3 => ("delivering", "delivered", (0..1 + self.number(3)).collect()),
            4 => ("delivering", "delivered", vec![0]),
            5 => ("removing", "removed", some(live)),
            6..=7 => ("keeping", "kept", some(live)),
            8 => {
                let all = deleted.iter().map(|it| it.id.0).collect();
                ("undeleting", "undeleted", some(all))
            }
            _ => {
                let old = deleted
                    .iter()
                    .filter(|it| it.deleted_secs + 5 < self.seconds);
                (
                    "purging",
                    "purged",
                    old.map(|it| it.id.0).collect::<Vec<u64>>(),
                )
            }
        };
        let about = match doing {
            "delivering" if about.len() == 1 => vec![split_mix(&mut self.state) & !3],
            "delivering" => about.iter().map(|_| split_mix(&mut self.state)).collect(),
            _ => about,
        };
        let known = self.known.get_mut(&id).unwrap();
        known.hear(doing, about.clone());
        let ids: Vec<MessageId> = about.iter().copied().map(MessageId).collect();
        let numbers = match doing {
            "delivering" if about.len() == 1 => {
                let (shared, trace) = stage_shared(store, about[0])?;
                maildrop.deliver(vec![shared.delivery(&trace)?])?
            }
            "delivering" => deliver(store, maildrop, &about)?,
            "removing" => {
                maildrop.remove(&ids, &Removal::default())?;
                Vec::new()
            }
            "keeping" => {
                maildrop.remove(&ids, &keeping(self.seconds))?;
                Vec::new()
            }
            "undeleting" => {
                let moved = maildrop.undelete(&ids, self.seconds)?;
                moved.into_iter().map(|(_, new)| new).collect()
            }
            _ => {
                maildrop.purge(self.seconds.saturating_sub(5))?;
                Vec::new()
            }
        };
        let known = self.known.get_mut(&id).unwrap();
        known.hear(done, numbers.iter().map(|it| it.0).collect());
        Ok(())
    }
}
