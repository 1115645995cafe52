//! LMTP in the tree: durable before it is answered, bounded, supervised, drained.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod fixture;

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use fixture::{Client, Fixture, messages, population};
use mailroost_actors::{LmtpPeer, LmtpRules, Quota, TreeHandle, Upkeep, Victim};
use mailroost_protocol::lmtp::LmtpPolicy;
use mailroost_storage::{Directory as _, MaildropId, MaildropStore as _, MemoryStore, UserName};

const PATIENCE: Duration = Duration::from_secs(30);
const MESSAGE: &str = "Subject: x\r\n\r\nbody\r\n";

/// Connects and says LHLO.
async fn connect(tree: &TreeHandle) -> Client {
    let mut client = dial(tree, LmtpPeer::Local, 64 * 1024).await;
    assert!(client.line().await.starts_with("220 "));
    client.send("LHLO mta.example\r\n").await;
    while client.line().await.as_bytes()[3] == b'-' {}
    client
}

async fn dial(tree: &TreeHandle, peer: LmtpPeer, pipe_octets: usize) -> Client {
    let (ours, theirs) = tokio::io::duplex(pipe_octets);
    tree.serve_lmtp(Box::new(theirs), peer).await.unwrap();
    Client::on(ours)
}

/// The codes of so many replies.
async fn codes(client: &mut Client, replies: usize) -> Vec<u16> {
    let mut codes = Vec::new();
    for _ in 0..replies {
        codes.push(client.line().await[..3].parse().unwrap());
    }
    codes
}

fn text(store: &MemoryStore, maildrop: MaildropId) -> String {
    let owned = store.open_maildrop(maildrop).unwrap();
    let message = owned.messages().last().unwrap().id;
    let mut body = owned.bodies().open(message).unwrap();
    let mut text = Vec::new();
    let mut piece = [0; 512];
    loop {
        match body.read(&mut piece).unwrap() {
            0 => return String::from_utf8(text).unwrap(),
            octets => piece[..octets]
                .take(512)
                .read_to_end(&mut text)
                .map(drop)
                .unwrap(),
        }
    }
}

#[actix::test]
async fn each_recipient_has_the_message_with_its_trace() {
    let fixture = Fixture::new();
    let store = fixture.store.clone();
    let (ann, ben) = (fixture.user("ann", 0), fixture.user("ben", 0));
    let mut user = store.find(&UserName::new("ben").unwrap()).unwrap().unwrap();
    user.aliases = vec![UserName::new("sales@example.org").unwrap()];
    store.update(&user).unwrap();
    let tree = fixture.start();
    let mut client = connect(&tree).await;
    client
        .send(&format!(
            "MAIL FROM:<sender@example.net>\r\nRCPT TO:<Ann+list>\r\nRCPT TO:<zoe>\r\n\
             RCPT TO:<Sales@Example.org>\r\nRCPT TO:<ann>\r\nDATA\r\n{MESSAGE}.\r\nQUIT\r\n"
        ))
        .await;
    let said = codes(&mut client, 10).await;
    assert_eq!(said, [250, 250, 550, 250, 250, 354, 250, 250, 250, 221]);
    tree.drain(PATIENCE).await;
    assert_eq!((messages(&store, ann), messages(&store, ben)), (1, 1));
    for (maildrop, path) in [(ann, "Ann+list"), (ben, "Sales@Example.org")] {
        let text = text(&store, maildrop);
        let begin = format!(
            "Return-Path: <sender@example.net>\r\nDelivered-To: {path}\r\nReceived: from \
             mta.example (local)\r\n\tby localhost with LMTP id 1-1;\r\n\t"
        );
        assert!(text.starts_with(&begin), "{text}");
        assert!(text.ends_with(MESSAGE), "{text}");
    }
}

#[actix::test]
async fn one_recipients_trouble_is_no_others() {
    let mut fixture = Fixture::new();
    fixture.upkeep = Upkeep {
        quota: Quota {
            messages: Some(1),
            ..Quota::default()
        },
        ..Upkeep::default()
    };
    let store = fixture.store.clone();
    let full = fixture.user("full", 1);
    let others: Vec<_> = (0..40).map(|n| fixture.user(&format!("u{n}"), 0)).collect();
    let tree = fixture.start();
    let mut client = connect(&tree).await;
    client.send("MAIL FROM:<>\r\nRCPT TO:<full>\r\n").await;
    for n in 0..40 {
        client.send(&format!("RCPT TO:<u{n}>\r\n")).await;
    }
    client.send(&format!("DATA\r\n{MESSAGE}.\r\n")).await;
    let said = codes(&mut client, 43).await;
    assert_eq!(said[42], 354);
    let answers = codes(&mut client, 41).await;
    assert_eq!(answers[0], 452);
    assert!(answers[1..].iter().all(|code| *code == 250), "{answers:?}");
    tree.drain(PATIENCE).await;
    assert_eq!(messages(&store, full), 1);
    assert!(
        others
            .iter()
            .all(|maildrop| messages(&store, *maildrop) == 1)
    );
}

#[actix::test]
async fn a_panic_costs_one_message_that_nobody_was_told_of() {
    let fixture = Fixture::new();
    let (store, ann) = (fixture.store.clone(), fixture.user("ann", 0));
    let tree = fixture.start();
    let mut client = connect(&tree).await;
    client
        .send("MAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\nSubject: x\r\n")
        .await;
    assert_eq!(codes(&mut client, 3).await, [250, 250, 354]);
    tree.crash(Victim::Deliveries).await.unwrap();
    assert_eq!(client.try_line().await, None);
    let mut client = connect(&tree).await;
    client.send("MAIL FROM:<>\r\nRCPT TO:<ann>\r\n").await;
    tree.crash(Victim::DeliverySupervisor).await.unwrap();
    client.send(&format!("DATA\r\n{MESSAGE}.\r\n")).await;
    assert_eq!(codes(&mut client, 4).await, [250, 250, 354, 250]);
    assert_eq!(population(&tree, "DeliverySupervisor").await, 1);
    tree.drain(PATIENCE).await;
    assert_eq!(messages(&store, ann), 1);
}

#[actix::test]
async fn a_drain_ends_at_a_command_boundary_and_takes_the_message_at_hand() {
    let fixture = Fixture::new();
    let (store, ann) = (fixture.store.clone(), fixture.user("ann", 0));
    let tree = fixture.start();
    let mut idle = connect(&tree).await;
    let mut busy = connect(&tree).await;
    busy.send("MAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\nSubject: x\r\n")
        .await;
    assert_eq!(codes(&mut busy, 3).await, [250, 250, 354]);
    let go_on = async {
        assert!(idle.line().await.starts_with("421 4.3.2 "));
        busy.send("\r\nbody\r\n.\r\n").await;
        codes(&mut busy, 2).await
    };
    let ((), said) = tokio::join!(tree.drain(PATIENCE), go_on);
    assert_eq!(said, [250, 421]);
    assert_eq!(messages(&store, ann), 1);
}

#[actix::test]
async fn who_does_not_come_to_an_end_is_cut_and_nothing_is_delivered() {
    tokio::time::pause();
    let fixture = Fixture::new();
    let (store, ann) = (fixture.store.clone(), fixture.user("ann", 0));
    let tree = fixture.start();
    let mut client = connect(&tree).await;
    client
        .send("MAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\nSubject: x\r\n")
        .await;
    assert_eq!(codes(&mut client, 3).await, [250, 250, 354]);
    tree.drain(PATIENCE).await;
    assert_eq!(client.try_line().await, None);
    assert_eq!(messages(&store, ann), 0);
}

#[actix::test]
async fn silence_is_ended_with_a_notice_also_amid_a_message() {
    tokio::time::pause();
    let mut fixture = Fixture::new();
    let ann = fixture.user("ann", 0);
    fixture.lmtp.rules = Arc::new(LmtpRules {
        policy: Arc::new(LmtpPolicy {
            command_timeout: Duration::from_secs(7),
            data_timeout: Duration::from_secs(3),
            ..LmtpPolicy::default()
        }),
        ..LmtpRules::default()
    });
    let store = fixture.store.clone();
    let tree = fixture.start();
    for (begin, replies, seconds) in [
        ("NOOP\r\n", 1, 7),
        ("MAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\nS", 3, 3),
    ] {
        let mut client = connect(&tree).await;
        client.send(begin).await;
        codes(&mut client, replies).await;
        let from = tokio::time::Instant::now();
        assert!(client.line().await.starts_with("421 4.4.2 "));
        assert_eq!(from.elapsed().as_secs(), seconds);
        assert_eq!(client.rest().await, "");
    }
    tree.drain(PATIENCE).await;
    assert_eq!(messages(&store, ann), 0);
}

#[actix::test]
async fn a_client_that_reads_nothing_is_cut() {
    tokio::time::pause();
    let fixture = Fixture::new();
    let tree = fixture.start();
    let mut client = dial(&tree, LmtpPeer::Local, 256).await;
    let flood = async {
        // Breaks off when the other side has closed.
        while client.try_send(&"HELP\r\n".repeat(40)).await.is_ok() {}
    };
    tokio::time::timeout(Duration::from_secs(600), flood)
        .await
        .unwrap();
    let census = population(&tree, "DeliverySupervisor").await;
    assert_eq!(census, 0);
}

#[actix::test]
async fn places_are_counted_and_given_back() {
    let mut fixture = Fixture::new();
    fixture.limits.lmtp_connections_max = 2;
    let tree = fixture.start();
    let first = connect(&tree).await;
    let _second = connect(&tree).await;
    let mut third = dial(&tree, LmtpPeer::Local, 4096).await;
    assert!(third.rest().await.starts_with("421 4.3.2 "));
    drop(first);
    loop {
        if population(&tree, "DeliverySupervisor").await < 2 {
            break;
        }
        tokio::task::yield_now().await;
    }
    connect(&tree).await;
}

#[actix::test]
async fn only_who_is_permitted_may_deliver_over_tcp() {
    let tree = Fixture::new().start();
    let elsewhere = LmtpPeer::Address("192.0.2.1:9".parse().unwrap());
    let here = LmtpPeer::Address("127.0.0.1:9".parse().unwrap());
    let mut client = dial(&tree, elsewhere, 4096).await;
    assert!(client.rest().await.starts_with("554 5.7.1 "));
    let mut client = dial(&tree, here, 4096).await;
    assert!(client.line().await.starts_with("220 "));
    tree.set_lmtp_rules(Arc::new(LmtpRules {
        allow: vec!["192.0.2.0/24".parse().unwrap()],
        ..LmtpRules::default()
    }));
    let mut client = dial(&tree, elsewhere, 4096).await;
    assert!(client.line().await.starts_with("220 "));
    let mut client = dial(&tree, here, 4096).await;
    assert!(client.rest().await.starts_with("554 5.7.1 "));
}

#[actix::test]
async fn a_connection_that_breaks_off_amid_its_message_delivers_nothing() {
    let fixture = Fixture::new();
    let (store, ann) = (fixture.store.clone(), fixture.user("ann", 0));
    let tree = fixture.start();
    let begin = "MAIL FROM:<>\r\nRCPT TO:<ann>\r\n";
    for message in [
        format!("DATA\r\n{MESSAGE}.\r\n"),
        format!("BDAT 20 LAST\r\n{MESSAGE}"),
    ] {
        for cut in [1, 7, 20, message.len() - 1] {
            let mut client = connect(&tree).await;
            client.send(begin).await;
            codes(&mut client, 2).await;
            client.send(&message[..cut]).await;
        }
    }
    until_alone(&tree).await;
    tree.drain(PATIENCE).await;
    assert_eq!(messages(&store, ann), 0);
}

async fn until_alone(tree: &TreeHandle) {
    while population(tree, "DeliverySupervisor").await > 0 {
        tokio::task::yield_now().await;
    }
}
