//! The inactivity timers (MS-STANXPOP3 V0002, V0003), on a clock that is paused.

mod fixture;

use std::time::Duration;

use fixture::{Client, Fixture, messages};
use mailroost_actors::Victim;
use tokio::time::{Instant, pause, sleep};

#[actix::test]
async fn a_session_that_does_not_log_on_is_told_and_closed_after_60_seconds() {
    pause();
    let tree = Fixture::new().start();
    let mut client = Client::connect(&tree).await;
    let connected = Instant::now();
    let notice = client.rest().await;
    assert!(
        notice.starts_with("-ERR") && notice.ends_with("\r\n"),
        "{notice}"
    );
    assert_eq!(notice.lines().count(), 1);
    let waited = connected.elapsed();
    assert!((60..62).contains(&waited.as_secs()), "{waited:?}");
}

#[actix::test]
async fn a_session_that_is_logged_on_has_1800_seconds_and_loses_nothing() {
    pause();
    let fixture = Fixture::new();
    let (store, alice) = (fixture.store.clone(), fixture.user("alice", 2));
    let tree = fixture.start();
    let mut client = Client::log_on(&tree, "alice").await;
    assert!(client.ask("DELE 1").await.starts_with("+OK"));
    let last_heard = Instant::now();
    let notice = client.rest().await;
    assert!(notice.starts_with("-ERR"), "{notice}");
    let waited = last_heard.elapsed();
    assert!((1800..1802).contains(&waited.as_secs()), "{waited:?}");
    tree.stop().await;
    assert_eq!(messages(&store, alice), 2);
}

#[actix::test]
async fn any_command_resets_the_timer_and_half_a_command_does_not() {
    pause();
    let tree = Fixture::new().start();
    let mut client = Client::connect(&tree).await;
    for _ in 0..5 {
        sleep(Duration::from_secs(50)).await;
        client.ask("CAPA").await;
        while client.line().await != "." {}
    }
    let last_heard = Instant::now();
    for octet in ["C", "A", "P"] {
        sleep(Duration::from_secs(15)).await;
        client.send(octet).await;
    }
    assert!(client.rest().await.starts_with("-ERR"));
    assert!((60..62).contains(&last_heard.elapsed().as_secs()));
}

#[actix::test]
async fn without_a_closing_notice_the_connection_is_just_closed() {
    pause();
    let mut fixture = Fixture::new();
    fixture.policy.closing_notice = false;
    let tree = fixture.start();
    let mut client = Client::connect(&tree).await;
    assert_eq!(client.rest().await, "");
}

#[actix::test]
async fn a_timer_that_died_still_ends_the_sessions_that_it_had_forgotten() {
    pause();
    let tree = Fixture::new().start();
    let mut client = Client::connect(&tree).await;
    let connected = Instant::now();
    tree.crash(Victim::Timer).await.unwrap();
    assert!(client.rest().await.starts_with("-ERR"));
    assert!(
        (60..70).contains(&connected.elapsed().as_secs()),
        "{:?}",
        connected.elapsed()
    );
}

#[actix::test]
async fn a_client_that_reads_a_long_message_slowly_is_not_inactive() {
    pause();
    let mut fixture = Fixture::new();
    fixture.limits.write_stall = Duration::from_secs(1200);
    let alice = fixture.user("alice", 0);
    fixture::deliver(
        &fixture.store,
        alice,
        &[b"S: x\r\n\r\n".as_slice(), &b"line\r\n".repeat(200)].concat(),
    );
    let tree = fixture.start();
    let mut client = Client::connect_with(&tree, 256).await;
    client.try_log_on("alice").await;
    client.send("RETR 1\r\nNOOP\r\n").await;
    let mut lines = 0;
    while client.line().await != "." {
        lines += 1;
        if lines % 20 == 0 {
            sleep(Duration::from_secs(300)).await;
        }
    }
    // 3,000 seconds have passed: more than the timeout, but not in silence.
    assert!(client.line().await.starts_with("+OK"));
    assert!(client.ask("STAT").await.starts_with("+OK"));
}

#[actix::test]
async fn a_command_in_pieces_after_an_answer_that_was_taken_slowly_is_answered() {
    pause();
    let mut fixture = Fixture::new();
    fixture.limits.write_stall = Duration::from_secs(1200);
    let alice = fixture.user("alice", 0);
    fixture::deliver(&fixture.store, alice, &b"line\r\n".repeat(200));
    let tree = fixture.start();
    let mut client = Client::connect_with(&tree, 64).await;
    client.try_log_on("alice").await;
    client.send("RETR 1\r\n").await;
    let mut lines = 0;
    while client.line().await != "." {
        lines += 1;
        if lines % 20 == 0 && lines < 200 {
            sleep(Duration::from_secs(300)).await;
        }
    }
    // The timer, which found the session at work, looks again before the command is whole.
    client.send("NO").await;
    sleep(Duration::from_secs(20)).await;
    assert!(client.ask("OP").await.starts_with("+OK"));
}

#[actix::test]
async fn a_session_that_was_at_work_when_the_timer_looked_is_still_ended_in_time() {
    pause();
    let mut fixture = Fixture::new();
    fixture.limits.write_stall = Duration::from_secs(1200);
    let alice = fixture.user("alice", 0);
    fixture::deliver(&fixture.store, alice, &b"line\r\n".repeat(200));
    let tree = fixture.start();
    let mut client = Client::connect_with(&tree, 256).await;
    client.try_log_on("alice").await;
    client.send("RETR 1\r\n").await;
    // The timer looks 60 seconds after the connection was made, and the message is on its way.
    sleep(Duration::from_secs(300)).await;
    while client.line().await != "." {}
    let last_heard = Instant::now();
    assert!(client.rest().await.starts_with("-ERR"));
    let waited = last_heard.elapsed();
    assert!((1800..1802).contains(&waited.as_secs()), "{waited:?}");
}

#[actix::test]
async fn a_deadline_between_two_milliseconds_does_not_wait_for_a_reminder() {
    pause();
    let tree = Fixture::new().start();
    let mut client = Client::connect(&tree).await;
    for _ in 0..20 {
        tokio::time::advance(Duration::from_micros(333)).await;
        client.ask("CAPA").await;
        while client.line().await != "." {}
    }
    let last_heard = Instant::now();
    client.rest().await;
    let waited = last_heard.elapsed();
    assert!((60_000..60_100).contains(&waited.as_millis()), "{waited:?}");
}

#[actix::test]
async fn a_timer_that_died_has_all_of_many_sessions_again() {
    pause();
    let tree = Fixture::new().start();
    let mut clients = Vec::new();
    for _ in 0..500 {
        clients.push(Client::connect(&tree).await);
    }
    let connected = Instant::now();
    for _ in 0..3 {
        tree.crash(Victim::Timer).await.unwrap();
    }
    for mut client in clients {
        assert!(client.rest().await.starts_with("-ERR"));
    }
    let waited = connected.elapsed();
    assert!((60..62).contains(&waited.as_secs()), "{waited:?}");
}
