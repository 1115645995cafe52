//! What was retrieved is marked as read; the sweeper removes messages by their age; what was
//! removed can be brought back for a while.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and what tests share too"
)]

mod fixture;

use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fixture::probe::Probe;
use fixture::{Client, Fixture, population};
use mailroost_actors::{Quota, Retained, Retention, TreeError, TreeHandle, Upkeep};
use mailroost_storage::{
    Directory, MaildropId, MaildropStore, MemoryStore, MessageId, Removal, Staging, StoreErrorKind,
    User, UserName,
};

const DAY: u64 = 24 * 60 * 60;

fn now_secs() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// A message that was received so many days ago.
fn aged(store: &MemoryStore, maildrop: MaildropId, days: u64) -> MessageId {
    let staging = Staging {
        received_secs: Some(now_secs() - days * DAY),
        ..Staging::default()
    };
    let mut staged = store.stage(staging).unwrap();
    staged
        .write_all(b"Subject: old\r\n\r\n0123456789\r\n")
        .unwrap();
    let delivery = staged.finish().unwrap();
    let mut owned = store.open_maildrop(maildrop).unwrap();
    owned.deliver(vec![delivery]).unwrap()[0]
}

fn ann(store: &MemoryStore) -> User {
    store.find(&UserName::new("ann").unwrap()).unwrap().unwrap()
}

fn keeping(read_days: u64, unread_days: u64) -> Upkeep {
    Upkeep {
        retention: Retention {
            read_secs: Some(read_days * DAY),
            unread_secs: Some(unread_days * DAY),
        },
        recoverable_secs: 14 * DAY,
        ..Upkeep::default()
    }
}

async fn ids(tree: &TreeHandle, maildrop: MaildropId) -> Vec<MessageId> {
    let contents = tree.contents(maildrop).await.unwrap();
    contents.messages.iter().map(|message| message.id).collect()
}

/// Waits until so many messages are marked as read, and says which.
async fn marked(tree: &TreeHandle, maildrop: MaildropId, count: usize) -> Vec<bool> {
    loop {
        let contents = tree.contents(maildrop).await.unwrap();
        let read: Vec<bool> = contents
            .messages
            .iter()
            .map(|message| message.read)
            .collect();
        if read.iter().filter(|read| **read).count() >= count {
            return read;
        }
    }
}

#[actix::test]
async fn what_a_session_retrieved_whole_is_marked_once_when_it_ends() {
    let mut fixture = Fixture::new();
    let probe = fixture.probe(Probe::default());
    let maildrop = fixture.user("ann", 4);
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "ann").await;
    for command in ["RETR 1", "TOP 2 100", "RETR 3", "RETR 1"] {
        client.ask_lines(command).await;
    }
    assert_eq!(marked(&tree, maildrop, 0).await, [false; 4]);
    assert_eq!(
        probe.marks.load(Ordering::SeqCst),
        0,
        "a command asks nobody"
    );
    // It need not be QUIT.
    drop(client);
    assert_eq!(marked(&tree, maildrop, 2).await, [true, false, true, false]);
    assert_eq!(probe.marks.load(Ordering::SeqCst), 1);

    let mut client = Client::log_on(&tree, "ann").await;
    client.ask_lines("TOP 2 0").await;
    assert!(client.ask("QUIT").await.starts_with("+OK"));
    tree.drain(Duration::from_secs(10)).await;
    assert_eq!(
        probe.marks.load(Ordering::SeqCst),
        1,
        "nothing was retrieved"
    );
}

#[actix::test]
async fn a_quit_with_marks_takes_what_was_retrieved_along() {
    let mut fixture = Fixture::new();
    fixture.upkeep.recoverable_secs = DAY;
    let probe = fixture.probe(Probe::default());
    let maildrop = fixture.user("ann", 3);
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "ann").await;
    client.send("RETR 1\r\nRETR 2\r\nDELE 1\r\nQUIT\r\n").await;
    let said = client.rest().await;
    assert!(said.ends_with("signing off.\r\n"), "{said}");
    assert_eq!(marked(&tree, maildrop, 1).await, [true, false]);
    assert_eq!(probe.marks.load(Ordering::SeqCst), 1);
    let deleted = tree.deleted(maildrop).await.unwrap();
    // The number that the log has.
    assert_eq!(deleted[0].session.as_deref(), Some("1"));
    assert!(deleted[0].deleted_secs.abs_diff(now_secs()) < 60);
}

#[actix::test]
async fn read_and_unread_messages_go_by_their_own_ages_and_a_dry_run_changes_nothing() {
    let mut fixture = Fixture::new();
    fixture.upkeep = keeping(5, 20);
    let maildrop = fixture.user("ann", 0);
    let store = fixture.store.clone();
    let aged = [30, 10, 10, 1, 1].map(|days| aged(&store, maildrop, days));
    let mut owned = store.open_maildrop(maildrop).unwrap();
    owned.mark_read(&[aged[1], aged[3]]).unwrap();
    drop(owned);
    let tree = fixture.start();

    let before = tree.contents(maildrop).await.unwrap();
    let would = tree.retain(&ann(&store), true).await.unwrap();
    assert_eq!((would.messages, would.octets), (2, 2 * 28));
    let oldest = before.messages[0].received_secs;
    assert_eq!(would.oldest_secs, Some(oldest));
    let after = tree.contents(maildrop).await.unwrap();
    assert_eq!(before.revision, after.revision);
    assert_eq!(ids(&tree, maildrop).await, aged);

    let did = tree.retain(&ann(&store), false).await.unwrap();
    assert_eq!(did, would);
    assert_eq!(ids(&tree, maildrop).await, [aged[2], aged[3], aged[4]]);
    let deleted = tree.deleted(maildrop).await.unwrap();
    let sessions: Vec<_> = deleted.iter().map(|one| one.session.as_deref()).collect();
    assert_eq!(sessions, [Some("retention"); 2]);

    // The user's own ages count, without a restart.
    let mut user = ann(&store);
    user.retention.read_secs = Some(u64::MAX);
    user.retention.unread_secs = Some(DAY / 2);
    store.update(&user).unwrap();
    assert_eq!(tree.retain(&ann(&store), false).await.unwrap().messages, 2);
    assert_eq!(ids(&tree, maildrop).await, [aged[3]]);
    tree.stop().await;
}

#[actix::test]
async fn retention_of_many_messages_goes_step_by_step_and_a_session_keeps_its_numbers() {
    let mut fixture = Fixture::new();
    fixture.upkeep = keeping(5, 5);
    let maildrop = fixture.user("ann", 0);
    let store = fixture.store.clone();
    for _ in 0..2500 {
        aged(&store, maildrop, 10);
    }
    let last = aged(&store, maildrop, 1);
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "ann").await;
    let did = tree.retain(&ann(&store), false).await.unwrap();
    assert_eq!(did.messages, 2500);
    assert_eq!(ids(&tree, maildrop).await, [last]);
    assert!(client.ask("STAT").await.starts_with("+OK 2501 "));
    assert!(client.ask("RETR 1").await.starts_with("-ERR"));
    assert!(client.ask_lines("RETR 2501").await.len() > 3);
    tree.stop().await;
}

#[actix::test]
async fn the_sweeper_does_it_unasked_not_at_once_but_after_a_while() {
    tokio::time::pause();
    let mut fixture = Fixture::new();
    fixture.upkeep = keeping(5, 5);
    fixture.upkeep.retention_every = Duration::from_secs(6 * 60 * 60);
    let maildrop = fixture.user("ann", 0);
    let store = fixture.store.clone();
    aged(&store, maildrop, 10);
    let tree = fixture.start();
    tokio::time::sleep(Duration::from_secs(9 * 60)).await;
    assert_eq!(ids(&tree, maildrop).await.len(), 1);
    tokio::time::sleep(Duration::from_secs(2 * 60)).await;
    assert_eq!(ids(&tree, maildrop).await, []);
    // What is brought back begins anew: the next round leaves it.
    let terms = tree.upkeep().terms_of(&ann(&store));
    let id = tree.deleted(maildrop).await.unwrap()[0].id;
    let back = tree.undelete(terms, maildrop, vec![id]).await.unwrap()[0].1;
    tokio::time::sleep(Duration::from_secs(7 * 60 * 60)).await;
    assert_eq!(ids(&tree, maildrop).await, [back]);
    // New settings count at once.
    let mut often = keeping(5, 5);
    often.retention_every = Duration::from_secs(60);
    aged_by_delivery(&tree, &store, maildrop).await;
    tree.set_upkeep(often.into());
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(ids(&tree, maildrop).await, [back]);
    tree.stop().await;
}

async fn aged_by_delivery(tree: &TreeHandle, store: &MemoryStore, maildrop: MaildropId) {
    let staging = Staging {
        received_secs: Some(now_secs() - 10 * DAY),
        ..Staging::default()
    };
    let delivery = store.stage(staging).unwrap().finish().unwrap();
    tree.deliver(maildrop, vec![delivery]).await.unwrap();
}

#[actix::test]
async fn what_was_removed_comes_back_as_new_if_it_fits() {
    let mut fixture = Fixture::new();
    fixture.upkeep.recoverable_secs = DAY;
    let maildrop = fixture.user("ann", 2);
    let store = fixture.store.clone();
    let tree = fixture.start();
    let old = ids(&tree, maildrop).await;
    assert_eq!(tree.remove(maildrop, old.clone()).await.unwrap(), 2);
    assert_eq!(tree.usage(maildrop).await.unwrap().messages, 0);

    let mut terms = tree.upkeep().terms_of(&ann(&store));
    terms.quota = Quota {
        octets: None,
        messages: Some(1),
    };
    let refused = tree.undelete(terms.clone(), maildrop, old.clone()).await;
    match refused.unwrap_err() {
        TreeError::Store(error) => assert_eq!(error.kind(), StoreErrorKind::OverQuota),
        error => panic!("{error}"),
    }
    assert_eq!(ids(&tree, maildrop).await, [], "all or none");

    let unenforced = terms.unenforced();
    let pairs = tree.undelete(unenforced.clone(), maildrop, old.clone());
    let pairs = pairs.await.unwrap();
    let (before, after): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    assert_eq!(before, old);
    assert_eq!(ids(&tree, maildrop).await, after);
    assert!(after.iter().all(|new| *new > old[1]), "{old:?} {after:?}");
    assert!(tree.deleted(maildrop).await.unwrap().is_empty());
    // It is there once only.
    let again = tree.undelete(unenforced, maildrop, vec![old[0]]).await;
    match again.unwrap_err() {
        TreeError::Store(error) => assert_eq!(error.kind(), StoreErrorKind::Gone),
        error => panic!("{error}"),
    }
    tree.stop().await;
}

#[actix::test]
async fn what_can_be_brought_back_no_longer_is_given_up() {
    let mut fixture = Fixture::new();
    fixture.upkeep.recoverable_secs = 14 * DAY;
    let maildrop = fixture.user("ann", 3);
    let store = fixture.store.clone();
    let mut owned = store.open_maildrop(maildrop).unwrap();
    let ids: Vec<_> = owned.messages().iter().map(|message| message.id).collect();
    for (id, days) in ids.iter().zip([20, 13, 0]) {
        let removal = Removal {
            at_secs: now_secs() - days * DAY,
            session: None,
            keep: true,
        };
        owned.remove(&[*id], &removal).unwrap();
    }
    drop(owned);
    let tree = fixture.start();
    let would = tree.retain(&ann(&store), true).await.unwrap();
    assert_eq!((would.messages, would.purged.messages), (0, 1));
    assert_eq!(tree.deleted(maildrop).await.unwrap().len(), 3);
    assert_eq!(tree.retain(&ann(&store), false).await.unwrap(), would);
    assert_eq!(tree.deleted(maildrop).await.unwrap().len(), 2);
    let purged = tree.purge(maildrop, now_secs() - DAY).await.unwrap();
    assert_eq!(purged.messages, 1);
    // Off: the rest is not kept either.
    tree.set_upkeep(Upkeep::default().into());
    let rest = tree.retain(&ann(&store), false).await.unwrap();
    assert_eq!(rest.purged.messages, 1);
    assert_eq!(
        tree.retain(&ann(&store), false).await.unwrap(),
        Retained::default()
    );
    tree.stop().await;
}

#[actix::test]
async fn a_round_leaves_no_mailboxes_behind_and_takes_none_from_who_has_one() {
    let mut fixture = Fixture::new();
    fixture.upkeep = keeping(5, 5);
    let maildrop = fixture.user("ann", 1);
    fixture.user("bob", 1);
    let store = fixture.store.clone();
    let tree = fixture.start();
    let alive = || population(&tree, "MailboxSupervisor");
    tree.retain(&ann(&store), false).await.unwrap();
    while alive().await > 0 {
        tokio::task::yield_now().await;
    }
    let mut client = Client::log_on(&tree, "ann").await;
    tree.retain(&ann(&store), false).await.unwrap();
    // Asked after the mailbox was given back, so it is known by now.
    assert_eq!(ids(&tree, maildrop).await.len(), 1);
    assert_eq!(alive().await, 1);
    assert!(client.ask("NOOP").await.starts_with("+OK"));
    tree.stop().await;
}
