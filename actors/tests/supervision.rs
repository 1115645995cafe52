//! Each kind of actor is killed in turn, and the tree does what it is drawn to do.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod fixture;

use std::net::TcpListener;
use std::sync::atomic::Ordering;

use fixture::probe::Probe;
use fixture::{Client, Fixture, messages, population};
use mailroost_actors::{Binding, Ended, Security, Victim};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

#[actix::test]
async fn a_dead_directory_is_replaced_and_nobody_else_notices() {
    let fixture = Fixture::new();
    fixture.user("alice", 1);
    let tree = fixture.start();
    let mut before = Client::log_on(&tree, "alice").await;
    tree.crash(Victim::Directory).await.unwrap();
    assert_eq!(before.ask("NOOP").await, "+OK");
    Client::log_on(&tree, "alice").await;
    assert_eq!(restarts(&tree, "DirectoryActor").await, 1);
}

#[actix::test]
async fn a_session_survives_its_mailbox_and_commits_to_the_next_incarnation() {
    let fixture = Fixture::new();
    let (store, alice) = (fixture.store.clone(), fixture.user("alice", 3));
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "alice").await;
    assert!(client.ask("DELE 2").await.starts_with("+OK"));
    tree.crash(Victim::Mailbox(alice)).await.unwrap();
    assert!(client.ask("STAT").await.starts_with("+OK 2 "));
    assert_eq!(client.ask_lines("RETR 3").await[3], "body 3");
    assert!(client.ask("QUIT").await.starts_with("+OK"));
    tree.stop().await;
    assert_eq!(messages(&store, alice), 2);
}

#[actix::test]
async fn a_mailbox_that_dies_too_often_is_refused_to_its_user_alone_and_for_a_while() {
    tokio::time::pause();
    let fixture = Fixture::new();
    let alice = fixture.user("alice", 1);
    fixture.user("bob", 1);
    let (restarts_max, window) = (fixture.limits.restarts_max, fixture.limits.restart_window);
    let tree = fixture.start();
    for _ in 0..=restarts_max {
        // Once it is given up there is nobody to crash any more.
        let _ = tree.crash(Victim::Mailbox(alice)).await;
    }
    let mut client = Client::connect(&tree).await;
    assert!(client.try_log_on("alice").await.starts_with("-ERR"));
    Client::log_on(&tree, "bob").await;
    tokio::time::sleep(window).await;
    assert!(client.try_log_on("alice").await.starts_with("+OK"));
}

#[actix::test]
async fn when_the_mailbox_supervisor_dies_the_sessions_end_with_a_notice_and_new_ones_begin() {
    let fixture = Fixture::new();
    let (store, alice) = (fixture.store.clone(), fixture.user("alice", 2));
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "alice").await;
    assert!(client.ask("DELE 1").await.starts_with("+OK"));
    tree.crash(Victim::MailboxSupervisor).await.unwrap();
    let notice = client.rest().await;
    assert!(notice.starts_with("-ERR"), "{notice}");
    let mut next = Client::log_on(&tree, "alice").await;
    assert!(next.ask("STAT").await.starts_with("+OK 2 "));
    for child in ["MailboxSupervisor", "SessionSupervisor", "SweeperActor"] {
        assert_eq!(restarts(&tree, child).await, 1, "{child}");
    }
    for child in ["TimerActor", "DirectoryActor"] {
        assert_eq!(restarts(&tree, child).await, 0, "{child}");
    }
    tree.stop().await;
    assert_eq!(messages(&store, alice), 2);
}

#[actix::test]
async fn a_session_that_dies_takes_its_connection_and_its_marks_along_and_nothing_else() {
    let fixture = Fixture::new();
    let (store, alice) = (fixture.store.clone(), fixture.user("alice", 2));
    fixture.user("bob", 1);
    let tree = fixture.start();
    let mut bob = Client::log_on(&tree, "bob").await;
    let mut client = Client::log_on(&tree, "alice").await;
    assert!(client.ask("DELE 1").await.starts_with("+OK"));
    tree.crash(Victim::Sessions(alice)).await.unwrap();
    assert_eq!(client.rest().await, "");
    assert_eq!(bob.ask("NOOP").await, "+OK");
    assert_eq!(population(&tree, "SessionSupervisor").await, 1);
    tree.stop().await;
    assert_eq!(messages(&store, alice), 2);
}

#[actix::test]
async fn a_dead_session_supervisor_ends_no_session() {
    let fixture = Fixture::new();
    fixture.user("alice", 1);
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "alice").await;
    tree.crash(Victim::SessionSupervisor).await.unwrap();
    assert_eq!(client.ask("NOOP").await, "+OK");
    Client::log_on(&tree, "alice").await;
    assert!(client.ask("QUIT").await.starts_with("+OK"));
}

#[actix::test]
async fn the_port_stays_open_while_a_listener_is_restarted() {
    let mut fixture = Fixture::new();
    fixture.workers = 2;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    fixture.bindings.push(Binding {
        socket,
        security: Security::Stls,
        tls: None,
    });
    let tree = fixture.start();
    for _ in 0..3 {
        tree.crash(Victim::Listeners).await.unwrap();
        let tcp = TcpStream::connect(tree.addresses()[0]).await.unwrap();
        let mut greeting = String::new();
        BufReader::new(tcp).read_line(&mut greeting).await.unwrap();
        assert!(greeting.starts_with("+OK"), "{greeting}");
    }
    let address = tree.addresses()[0];
    tree.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
    TcpListener::bind(address).unwrap();
}

#[actix::test]
async fn a_dead_sweeper_sweeps_again() {
    tokio::time::pause();
    let mut fixture = Fixture::new();
    let probe = fixture.probe(Probe::default());
    let every = fixture.limits.sweep_every;
    let tree = fixture.start();
    tree.crash(Victim::Sweeper).await.unwrap();
    tokio::time::sleep(every * 2).await;
    assert!(probe.sweeps.load(Ordering::SeqCst) >= 1);
}

#[actix::test]
async fn a_dead_root_is_replaced_and_still_takes_the_rest_along() {
    let fixture = Fixture::new();
    fixture.user("alice", 1);
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "alice").await;
    tree.crash(Victim::Root).await.unwrap();
    assert_eq!(client.ask("NOOP").await, "+OK");
    tree.crash(Victim::MailboxSupervisor).await.unwrap();
    assert!(client.rest().await.starts_with("-ERR"));
    Client::log_on(&tree, "alice").await;
}

#[actix::test]
async fn a_child_whose_budget_is_spent_ends_the_tree_with_its_name_and_cause() {
    tokio::time::pause();
    let victims = [
        (Victim::Timer, "TimerActor: "),
        (Victim::Directory, "DirectoryActor: "),
        (Victim::MailboxSupervisor, "MailboxSupervisor: "),
        (Victim::SessionSupervisor, "SessionSupervisor: "),
        (Victim::Sweeper, "SweeperActor: "),
        (Victim::Root, "RootSupervisor: "),
    ];
    for (victim, name) in victims {
        let fixture = Fixture::new();
        let restarts_max = fixture.limits.restarts_max;
        let tree = fixture.start();
        let mut client = Client::connect(&tree).await;
        for _ in 0..=restarts_max {
            let _ = tree.crash(victim).await;
        }
        let Ended::GaveUp { cause } = tree.ended().await else {
            panic!("{victim:?}: stopped")
        };
        assert!(
            cause.starts_with(name) && cause.contains("told to crash"),
            "{cause}"
        );
        client.rest().await;
    }
}

#[actix::test]
async fn a_panic_inside_the_store_answers_quit_with_an_error_and_removes_nothing() {
    let mut fixture = Fixture::new();
    let (store, alice) = (fixture.store.clone(), fixture.user("alice", 2));
    fixture.probe(Probe {
        before_remove: Box::new(|| panic!("the store was told to panic")),
        ..Probe::default()
    });
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "alice").await;
    assert!(client.ask("DELE 1").await.starts_with("+OK"));
    assert!(client.ask("QUIT").await.starts_with("-ERR"));
    tree.stop().await;
    assert_eq!(messages(&store, alice), 2);
}

#[actix::test]
async fn a_maildrop_never_has_two_owners_while_mailboxes_and_their_supervisor_die() {
    let mut fixture = Fixture::new();
    let alice = fixture.user("alice", 1);
    fixture.limits.restarts_max = 1000;
    fixture.workers = 2;
    let probe = fixture.probe(Probe::default());
    let tree = fixture.start();
    for round in 0..40 {
        let victim = if round % 7 == 0 {
            Victim::MailboxSupervisor
        } else {
            Victim::Mailbox(alice)
        };
        let crash = tree.crash(victim);
        let (one, two) = (tree.contents(alice), tree.contents(alice));
        let (_, one, two) = tokio::join!(crash, one, two);
        // Each question was answered or refused, and none was answered with something else.
        for contents in [one, two].into_iter().flatten() {
            assert_eq!(contents.messages.len(), 1);
        }
    }
    tree.stop().await;
    assert_eq!(probe.owned_at_most.load(Ordering::SeqCst), 1);
}

#[actix::test]
async fn places_are_given_back_on_every_way_out() {
    let mut fixture = Fixture::new();
    let alice = fixture.user("alice", 1);
    fixture.limits.sessions_max = 3;
    fixture.limits.sessions_per_user_max = 1;
    let tree = fixture.start();
    for way_out in 0..40 {
        let mut client = Client::log_on(&tree, "alice").await;
        match way_out % 4 {
            0 => assert!(client.ask("QUIT").await.starts_with("+OK")),
            1 => drop(client),
            2 => tree.crash(Victim::Sessions(alice)).await.unwrap(),
            _ => tree.retire(alice).await.unwrap(),
        }
        while population(&tree, "SessionSupervisor").await > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[actix::test]
async fn an_idle_mailbox_stops_and_is_made_again_on_the_next_log_on() {
    tokio::time::pause();
    let fixture = Fixture::new();
    fixture.user("alice", 1);
    let idle = fixture.limits.mailbox_idle;
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "alice").await;
    assert_eq!(population(&tree, "MailboxSupervisor").await, 1);
    tokio::time::sleep(idle * 3).await;
    assert_eq!(population(&tree, "MailboxSupervisor").await, 0);
    assert_eq!(client.ask_lines("RETR 1").await[3], "body 1");
    assert!(client.ask("DELE 1").await.starts_with("+OK"));
    assert!(client.ask("QUIT").await.starts_with("+OK"));
    let mut next = Client::log_on(&tree, "alice").await;
    assert!(next.ask("STAT").await.starts_with("+OK 0 0"));
}

async fn restarts(tree: &mailroost_actors::TreeHandle, name: &str) -> u64 {
    let census = tree.census().await;
    census
        .children
        .iter()
        .find(|child| child.name == name)
        .unwrap()
        .restarts
}
