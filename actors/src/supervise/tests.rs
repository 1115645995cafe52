//! What becomes of children that stop, panic, and panic too often.
#![cfg(test)]

use std::sync::Mutex;
use std::time::Duration;

use actix::{Handler, Message};

use super::*;

/// Counts what it was asked, and dies when told to.
struct Counter {
    asked: u32,
}

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Supervised for Counter {
    fn restarting(&mut self, _ctx: &mut Context<Self>) {
        self.asked = 0;
    }
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Count;

#[derive(Message)]
#[rtype(result = "()")]
struct Die;

impl Handler<Count> for Counter {
    type Result = u32;

    fn handle(&mut self, _: Count, _: &mut Context<Self>) -> u32 {
        self.asked += 1;
        self.asked
    }
}

impl Handler<Die> for Counter {
    type Result = ();

    fn handle(&mut self, _: Die, _: &mut Context<Self>) {
        panic!("told to die");
    }
}

fn start(restart: Restart) -> (Addr<Counter>, Child, Arc<Mutex<Vec<Exit>>>) {
    let exits = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&exits);
    let spec = ChildSpec {
        name: "counter".to_owned(),
        restart,
        budget: Budget::new(2, Duration::from_secs(10)),
    };
    let reports = Reports {
        restarted: Box::new(|_| {}),
        ended: Box::new(move |exit| told.lock().unwrap().push(exit)),
    };
    let make = || Counter { asked: 0 };
    let (addr, cradle) = cradle(16);
    let child = start_child(
        cradle,
        &Place::Here,
        spec,
        &CancellationToken::new(),
        make,
        reports,
    );
    (addr, child, exits)
}

#[actix::test]
async fn a_permanent_child_that_panics_keeps_its_address_and_its_queue() {
    let (addr, child, _) = start(Restart::Permanent);
    assert_eq!(addr.send(Count).await.unwrap(), 1);
    let dies = addr.send(Die);
    let queued = addr.send(Count);
    assert!(dies.await.is_err());
    assert_eq!(queued.await.unwrap(), 1, "a fresh state, the same address");
    assert_eq!(child.restarts(), 1);
}

#[actix::test]
async fn a_child_whose_budget_is_spent_is_given_up_with_the_cause() {
    let (addr, child, exits) = start(Restart::Transient);
    for _ in 0..3 {
        assert!(addr.send(Die).await.is_err());
    }
    child.gone.cancelled().await;
    assert_eq!(
        *exits.lock().unwrap(),
        [Exit::GaveUp("told to die".to_owned())]
    );
    assert!(addr.send(Count).await.is_err());
}

#[actix::test]
async fn a_temporary_child_that_panics_is_not_restarted() {
    let (addr, child, exits) = start(Restart::Temporary);
    assert!(addr.send(Die).await.is_err());
    child.gone.cancelled().await;
    assert_eq!(
        *exits.lock().unwrap(),
        [Exit::Panicked("told to die".to_owned())]
    );
}

#[actix::test]
async fn a_child_that_its_parent_stops_is_not_restarted() {
    let (addr, child, exits) = start(Restart::Permanent);
    assert_eq!(addr.send(Count).await.unwrap(), 1);
    child.end().await;
    assert_eq!(*exits.lock().unwrap(), [Exit::Stopped]);
    assert!(addr.send(Count).await.is_err());
}

#[actix::test]
async fn a_child_that_is_told_to_restart_does_not_spend_its_budget() {
    let (addr, child, exits) = start(Restart::Permanent);
    for round in 1..=5 {
        assert_eq!(addr.send(Count).await.unwrap(), 1);
        child.restart();
        // The next answer comes from the new incarnation once the restart was noticed.
        while child.restarts() < round {
            tokio::task::yield_now().await;
        }
    }
    assert!(exits.lock().unwrap().is_empty());
}

#[actix::test]
async fn a_child_whose_arbiter_has_ended_is_reported_lost() {
    let arbiter = actix_rt::Arbiter::new();
    let handle = arbiter.handle();
    handle.stop();
    arbiter.join().unwrap();
    let exits = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&exits);
    let spec = ChildSpec {
        name: "counter".to_owned(),
        restart: Restart::Permanent,
        budget: Budget::new(2, Duration::from_secs(10)),
    };
    let reports = Reports {
        restarted: Box::new(|_| {}),
        ended: Box::new(move |exit| told.lock().unwrap().push(exit)),
    };
    let make = || Counter { asked: 0 };
    let place = Place::Arbiter(handle);
    let (addr, cradle) = cradle(16);
    let child = start_child(
        cradle,
        &place,
        spec,
        &CancellationToken::new(),
        make,
        reports,
    );
    child.gone.cancelled().await;
    assert_eq!(*exits.lock().unwrap(), [Exit::Lost]);
    assert!(addr.send(Count).await.is_err());
}
