//! Quota: the mailbox counts exactly, and tells its user once that it is nearly full.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and what tests share too"
)]

mod fixture;

use std::sync::Arc;

use fixture::{Client, Fixture, messages, staged};
use mailroost_actors::{Crossing, Quota, Terms, TreeError, TreeHandle, Upkeep, WarningText};
use mailroost_storage::{Directory, MaildropId, MemoryStore, StoreErrorKind, User, UserName};

/// 22 octets as RETR sends them.
const LETTER: &[u8] = b"Subject: one\r\n\r\nbody\r\n";

/// Says what was crossed in its subject.
struct Said;

impl WarningText for Said {
    fn compose(&self, crossing: &Crossing) -> Vec<u8> {
        let Crossing {
            user,
            used,
            limit,
            of,
            ..
        } = crossing;
        format!(
            "Subject: {user} {used}/{limit} {of} {}%\r\n\r\n",
            crossing.percent()
        )
        .into_bytes()
    }
}

fn quota(octets: Option<u64>, messages: Option<u64>) -> Upkeep {
    Upkeep {
        quota: Quota { octets, messages },
        warning: Arc::new(Said),
        ..Upkeep::default()
    }
}

fn user(store: &MemoryStore, name: &str) -> User {
    store.find(&UserName::new(name).unwrap()).unwrap().unwrap()
}

fn terms(tree: &TreeHandle, store: &MemoryStore) -> Terms {
    tree.upkeep().terms_of(&user(store, "ann"))
}

/// Delivers to ann, as her quota has it.
async fn deliver(
    tree: &TreeHandle,
    store: &MemoryStore,
    maildrop: MaildropId,
) -> Result<u64, TreeError> {
    let delivery = staged(store, LETTER);
    let terms = terms(tree, store);
    let ids = tree.deliver_on(terms, maildrop, vec![delivery]).await?;
    Ok(ids[0].0)
}

#[track_caller]
fn over_quota<T>(delivered: Result<T, TreeError>) -> String {
    match delivered {
        Err(TreeError::Store(error)) => {
            assert_eq!(error.kind(), StoreErrorKind::OverQuota);
            error.to_string()
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was let in"),
    }
}

/// The subjects of what a session finds.
async fn subjects(tree: &TreeHandle) -> Vec<String> {
    let mut client = Client::log_on(tree, "ann").await;
    let mut subjects = Vec::new();
    let lines = client.ask_lines("LIST").await;
    for number in 1..lines.len() - 1 {
        let message = client.ask_lines(&format!("TOP {number} 0")).await;
        subjects.push(message[1].trim_start_matches("Subject: ").to_owned());
    }
    client.ask("QUIT").await;
    subjects
}

#[actix::test]
async fn sixteen_who_deliver_at_once_fill_the_quota_to_the_last_octet_and_no_further() {
    let mut fixture = Fixture::new();
    fixture.workers = 4;
    fixture.upkeep = quota(Some(50 * LETTER.len() as u64), None);
    let maildrop = fixture.user("ann", 0);
    let store = fixture.store.clone();
    let tree = fixture.start();
    let deliverers = (0..16).map(|_| {
        let (tree, store) = (tree.clone(), store.clone());
        actix_rt::spawn(async move {
            let (mut taken, mut refused) = (0, 0);
            for _ in 0..10 {
                match deliver(&tree, &store, maildrop).await {
                    Ok(_) => taken += 1,
                    refusal => {
                        over_quota(refusal);
                        refused += 1;
                    }
                }
            }
            (taken, refused)
        })
    });
    let (mut taken, mut refused) = (0, 0);
    for deliverer in deliverers.collect::<Vec<_>>() {
        let (some, others) = deliverer.await.unwrap();
        (taken, refused) = (taken + some, refused + others);
    }
    assert_eq!((taken, refused), (50, 110));
    let text = over_quota(deliver(&tree, &store, maildrop).await);
    assert_eq!(
        text,
        "over quota: 1100 of 1100 octets are used, and 22 more do not fit"
    );
    tree.stop().await;
    assert_eq!(messages(&store, maildrop), 50);
}

#[actix::test]
async fn a_delivery_of_several_goes_in_whole_or_not_at_all() {
    let mut fixture = Fixture::new();
    fixture.upkeep = quota(None, Some(3));
    let maildrop = fixture.user("ann", 2);
    let store = fixture.store.clone();
    let tree = fixture.start();
    let two = vec![staged(&store, LETTER), staged(&store, LETTER)];
    let text = over_quota(tree.deliver_on(terms(&tree, &store), maildrop, two).await);
    assert_eq!(
        text,
        "over quota: 2 of 3 messages are used, and 2 more do not fit"
    );
    deliver(&tree, &store, maildrop).await.unwrap();
    let two = vec![staged(&store, LETTER), staged(&store, LETTER)];
    let unenforced = terms(&tree, &store).unenforced();
    tree.deliver_on(unenforced, maildrop, two).await.unwrap();
    tree.stop().await;
    assert_eq!(messages(&store, maildrop), 5);
}

#[actix::test]
async fn a_limit_of_the_users_own_counts_from_the_next_delivery() {
    let mut fixture = Fixture::new();
    fixture.upkeep = quota(None, Some(1));
    let maildrop = fixture.user("ann", 1);
    let store = fixture.store.clone();
    let tree = fixture.start();
    over_quota(deliver(&tree, &store, maildrop).await);
    let mut ann = user(&store, "ann");
    for (own, fits) in [
        (Some(2), true),
        (Some(2), false),
        (Some(u64::MAX), true),
        (None, false),
    ] {
        ann.quota.messages = own;
        store.update(&ann).unwrap();
        assert_eq!(
            deliver(&tree, &store, maildrop).await.is_ok(),
            fits,
            "{own:?}"
        );
    }
    tree.set_upkeep(Arc::new(quota(None, None)));
    deliver(&tree, &store, maildrop).await.unwrap();
    tree.stop().await;
}

#[actix::test]
async fn the_user_is_warned_once_for_each_crossing_also_across_a_restart() {
    let start = |store: &MemoryStore| {
        let mut fixture = Fixture::over(store.clone());
        fixture.upkeep = Upkeep {
            warn_percent: Some(80),
            ..quota(None, Some(5))
        };
        fixture.start()
    };
    let fixture = Fixture::new();
    let maildrop = fixture.user("ann", 3);
    let store = fixture.store.clone();
    drop(fixture);

    let tree = start(&store);
    deliver(&tree, &store, maildrop).await.unwrap();
    // The warning counts, and takes the last place.
    assert_eq!(subjects(&tree).await[4], "ann 4/5 messages 80%");
    over_quota(deliver(&tree, &store, maildrop).await);
    tree.stop().await;

    let tree = start(&store);
    let ids = tree.contents(maildrop).await.unwrap();
    tree.remove(maildrop, vec![ids.messages[0].id])
        .await
        .unwrap();
    deliver(&tree, &store, maildrop).await.unwrap();
    let found = subjects(&tree).await;
    let warnings = found.iter().filter(|subject| subject.contains('%')).count();
    assert_eq!((found.len(), warnings), (5, 1), "{found:?}");
    tree.stop().await;

    // Below the line, then over it again.
    let tree = start(&store);
    let ids = tree.contents(maildrop).await.unwrap();
    let all = ids.messages.iter().map(|message| message.id).collect();
    tree.remove(maildrop, all).await.unwrap();
    for _ in 0..4 {
        deliver(&tree, &store, maildrop).await.unwrap();
    }
    let found = subjects(&tree).await;
    assert_eq!(found[4], "ann 4/5 messages 80%");
    assert_eq!(found.len(), 5);
    tree.stop().await;
}

#[actix::test]
async fn the_warning_itself_is_never_refused() {
    let mut fixture = Fixture::new();
    fixture.upkeep = Upkeep {
        warn_percent: Some(100),
        ..quota(Some(LETTER.len() as u64), None)
    };
    let maildrop = fixture.user("ann", 0);
    let store = fixture.store.clone();
    let tree = fixture.start();
    deliver(&tree, &store, maildrop).await.unwrap();
    assert_eq!(subjects(&tree).await, ["one", "ann 22/22 octets 100%"]);
    over_quota(deliver(&tree, &store, maildrop).await);
    assert_eq!(subjects(&tree).await.len(), 2);
    tree.stop().await;
}
