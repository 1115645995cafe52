//! A run: all lives of the tree that follow from a seed, on one store, and the judgement.

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::System;
use mailroost_actors::{Blueprint, Ended, Lmtp, Machine, Sites, TreeHandle};
use mailroost_auth::{AcceptedDomains, Throttle};
use mailroost_storage::{MaildropId, MaildropStore, NewUser, QuotaOverride, UserName};

use crate::log;
use crate::party::pop3::user_name;
use crate::script::Script;
use crate::settle;
use crate::store::{Below, Ground, WatchedStore};
use crate::world::{Store, World};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What did not hold that must, if anything.
    pub wrong: Option<String>,
    /// A number that is the same for the same events at the same times.
    pub digest: u64,
    /// How many events there were.
    pub events: u64,
    /// The last of them, one on each line.
    pub tail: String,
}

/// How a life of the tree ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Everything of it vanishes, as after a crash.
    Crash,
    /// It is drained.
    Drain,
    /// It is stopped.
    Stop,
    /// It is drained after everybody has left, and all was counted.
    Settle,
}

thread_local! {
    /// The world of the run on this thread, for panics that nobody asked for.
    static WORLD: RefCell<Weak<World>> = const { RefCell::new(Weak::new()) };
}

/// Plays a seed. `aloud`: every event is printed.
pub fn run(seed: u64, aloud: bool) -> Outcome {
    let world = Arc::new(World::new(seed, aloud));
    world.note(&format!("{:?}", world.plan));
    WORLD.with(|current| *current.borrow_mut() = Arc::downgrade(&world));
    let mut ground = Ground::of(seed);
    let maildrops = people(&*ground.open(), &world);
    ground.leave(true);
    let mut ends = world.dice();
    let mut lives_left = world.plan.lives;
    while lives_left > 0 && !world.is_wrong() {
        lives_left -= 1;
        let end = match lives_left {
            0 => End::Settle,
            _ => ends.pick(&[End::Crash, End::Crash, End::Drain, End::Stop]),
        };
        let store = WatchedStore::new(ground.open(), Arc::clone(&world), Arc::clone(&maildrops));
        let system = System::with_tokio_rt(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .expect("a runtime of one thread can be built")
        });
        let gave_up = system.block_on(live(&world, store, Arc::clone(&maildrops), end));
        if end == End::Crash {
            ground.crash();
        }
        drop(system);
        ground.leave(end != End::Crash && world.store() != Store::Poisoned);
        for (place, book) in world.books().maildrops.iter().enumerate() {
            if book.owners() > 0 {
                world.wrong(format!("maildrop {place} has an owner after the end"));
            }
        }
        if end == End::Settle && (gave_up || world.store() == Store::Poisoned) {
            // Only a tree that stands on a sound store can end in peace.
            lives_left = 1;
        }
    }
    let (wrong, digest, events, tail) = world.outcome();
    Outcome {
        wrong,
        digest,
        events,
        tail,
    }
}

/// Panics that were not asked for are errors of the run on their thread; nothing else is
/// printed of them.
pub fn watch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        if text.contains("was told to crash") {
            return;
        }
        WORLD.with(|current| {
            if let Ok(current) = current.try_borrow()
                && let Some(world) = current.upgrade()
            {
                world.wrong(format!("a panic that nobody asked for: {text}"));
            }
        });
    }));
}

fn people(store: &dyn Below, world: &World) -> Arc<[MaildropId]> {
    let places = 0..world.plan.maildrops;
    let people = places.map(|place| {
        let name = UserName::new(&user_name(place)).expect("it is a name");
        let new = NewUser {
            name,
            password_hash: None,
        };
        let mut user = store.add(new).expect("nobody else has that name");
        user.quota = QuotaOverride {
            octets: None,
            messages: world.plan.quota_of(place).messages,
        };
        store.update(&user).expect("the user is there");
        user.maildrop
    });
    people.collect()
}

/// One life of the tree. Says whether it gave up.
async fn live(
    world: &Arc<World>,
    store: WatchedStore,
    maildrops: Arc<[MaildropId]>,
    end: End,
) -> bool {
    world.life_begins();
    world.note("a life begins");
    let tree = grow(world, &store);
    let mut script = Script::new(Arc::clone(world), tree.clone(), store, maildrops);
    let life = async {
        script.play().await;
        world.note(&format!("the life is to end: {end:?}"));
        match end {
            End::Crash => {}
            End::Drain => {
                world.excuse();
                tree.drain(Duration::from_secs(30)).await;
                settle::nobody_is_left(&script).await;
            }
            End::Stop => {
                world.excuse();
                tree.stop().await;
                settle::nobody_is_left(&script).await;
            }
            End::Settle => settle::settle(&mut script).await,
        }
    };
    let gave_up = tokio::select! {
        biased;
        () = world.violated.notified() => false,
        () = gave_up(&tree) => true,
        () = life => false,
    };
    if gave_up {
        world.note("the tree gave up");
        settle::nobody_is_left(&script).await;
    }
    world.life_ends();
    gave_up
}

/// Resolves if the tree ends by itself.
async fn gave_up(tree: &TreeHandle) {
    if tree.ended().await == Ended::Stopped {
        std::future::pending().await
    }
}

fn grow(world: &Arc<World>, store: &WatchedStore) -> TreeHandle {
    let throttle = Throttle::new(world.plan.throttle(), AcceptedDomains::default());
    let blueprint = Blueprint {
        store: store.parts(|store| store as Arc<dyn MaildropStore>),
        directory: store.parts(|store| store as _),
        passwords: store.parts(|store| store as _),
        throttle: Arc::new(throttle.expect("there is randomness")),
        mechanisms: Vec::new(),
        policy: Arc::new(world.plan.policy()),
        limits: world.plan.limits(),
        upkeep: Arc::new(world.plan.upkeep()),
        sites: Sites::default(),
        protocol_log: None,
        bindings: Vec::new(),
        lmtp: Lmtp::default(),
        workers: 0,
        machine: Machine::Simulated(Arc::clone(world) as _),
        log: log::log(world),
    };
    TreeHandle::start(blueprint).expect("a tree without sockets and threads can be started")
}
