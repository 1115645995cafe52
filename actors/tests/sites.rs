//! Users of other sites (MS-STANXPOP3 C0010): refused, or handed on to a server that this test
//! plays on an in-memory pipe.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod fixture;

use std::sync::Arc;
use std::time::Duration;

use fixture::elsewhere::{OfSite, Stage, UNAVAILABLE, until_nobody};
use fixture::{Client, NameIsPassword, population};
use mailroost_actors::{SiteSecurity, Victim};
use mailroost_auth::{Exchange, Link, Mechanism, Needs, PasswordSource, Plain, Progress, Secret};
use mailroost_protocol::{ForeignSite, Policy};
use tokio::io::AsyncWriteExt;

#[actix::test]
async fn what_either_side_says_reaches_the_other() {
    let stage = Stage::set(|_, _| {});
    let (mut client, mut server) = stage.handed_on().await;
    assert_eq!(*stage.site.tls.lock().unwrap(), 1);
    client.send("STAT\r\n").await;
    assert_eq!(server.line().await, "STAT\r\n");
    server.say("+OK 7 77\r\n").await;
    assert_eq!(client.line().await, "+OK 7 77");
    client.send("QUIT\r\n").await;
    assert_eq!(server.line().await, "QUIT\r\n");
    server.say("+OK bye\r\n").await;
    drop(server);
    assert_eq!(client.rest().await, "+OK bye\r\n");
    until_nobody(&stage.tree).await;
}

#[actix::test]
async fn what_was_pipelined_behind_the_log_on_comes_first_and_in_order() {
    let stage = Stage::set(|_, _| {});
    let mut client = Client::connect(&stage.tree).await;
    client
        .send("USER alice\r\nPASS alice\r\nSTAT\r\nLIST\r\nQU")
        .await;
    let mut server = stage.server().await;
    server.say("+OK site b\r\n").await;
    server.line().await;
    server.say("+OK\r\n").await;
    server.line().await;
    // Octets behind the answer to PASS are the client's.
    server.say("+OK\r\n+OK early\r\n").await;
    client.send("IT\r\n").await;
    for expected in ["STAT\r\n", "LIST\r\n", "QUIT\r\n"] {
        assert_eq!(server.line().await, expected);
    }
    drop(server);
    let rest = client.rest().await;
    assert_eq!(
        rest,
        "+OK\r\n+OK User successfully logged on.\r\n+OK early\r\n"
    );
}

#[actix::test]
async fn stls_comes_before_the_name() {
    let stage = Stage::over(SiteSecurity::Stls, |_, _| {});
    let mut client = Client::connect(&stage.tree).await;
    client.send("USER alice\r\nPASS alice\r\n").await;
    let mut server = stage.server().await;
    server.say("+OK\r\n").await;
    assert_eq!(server.line().await, "STLS\r\n");
    assert_eq!(*stage.site.tls.lock().unwrap(), 0);
    server.say("+OK\r\n").await;
    assert_eq!(server.line().await, "USER alice\r\n");
    assert_eq!(*stage.site.tls.lock().unwrap(), 1);
}

#[actix::test]
async fn a_server_without_stls_never_sees_the_password() {
    let stage = Stage::over(SiteSecurity::Stls, |_, _| {});
    let mut client = Client::connect(&stage.tree).await;
    client.send("USER alice\r\nPASS alice\r\n").await;
    let mut server = stage.server().await;
    server.say("+OK\r\n").await;
    assert_eq!(server.line().await, "STLS\r\n");
    server.say("-ERR unknown\r\n").await;
    assert_eq!(server.rest().await, "");
    client.line().await;
    assert!(client.line().await.starts_with(UNAVAILABLE));
}

#[actix::test]
async fn refused_where_the_profile_does_not_hand_on() {
    for profile in [Policy::exchange2007(), Policy::rfc1939()] {
        let stage = Stage::set(|fixture, _| {
            fixture.policy.foreign_site = profile.foreign_site;
        });
        let mut client = Client::connect(&stage.tree).await;
        let right = client.try_log_on("alice").await;
        client.ask("USER alice").await;
        assert_eq!(client.ask("PASS wrong").await, right);
        assert!(right.starts_with("-ERR [AUTH] "), "{right}");
        assert!(stage.site.dialled.lock().unwrap().is_empty());
    }
}

#[actix::test]
async fn users_of_the_own_site_and_of_none_stay_here() {
    for site in [Some("a"), None] {
        let stage = Stage::set(|fixture, _| {
            let users = NameIsPassword(fixture.store.clone());
            fixture.passwords = match site {
                Some(site) => Arc::new(OfSite(users, site)),
                None => Arc::new(users),
            };
        });
        let mut client = Client::log_on(&stage.tree, "alice").await;
        assert!(client.ask("STAT").await.starts_with("+OK 1 "));
        assert!(stage.site.dialled.lock().unwrap().is_empty());
    }
}

#[actix::test]
async fn a_site_that_nobody_knows_is_for_the_administrator() {
    let stage = Stage::set(|fixture, _| {
        fixture.passwords = Arc::new(OfSite(NameIsPassword(fixture.store.clone()), "c"));
    });
    let mut client = Client::connect(&stage.tree).await;
    assert!(
        client
            .try_log_on("alice")
            .await
            .starts_with("-ERR [SYS/PERM] ")
    );
}

#[actix::test]
async fn the_sites_refusal_is_a_refusal_here_and_the_session_goes_on() {
    let stage = Stage::set(|_, _| {});
    let mut client = Client::connect(&stage.tree).await;
    for (said, expected) in [
        ("-ERR no\r\n", "-ERR [AUTH] "),
        ("-ERR [IN-USE] locked\r\n", "-ERR [IN-USE] "),
        ("-ERR [SYS/TEMP] later\r\n", UNAVAILABLE),
    ] {
        client.send("USER alice\r\nPASS alice\r\n").await;
        let mut server = stage.server().await;
        server.say("+OK\r\n+OK\r\n").await;
        server.say(said).await;
        assert_eq!(client.line().await, "+OK");
        let reply = client.line().await;
        assert!(reply.starts_with(expected), "{reply}");
    }
    assert_eq!(client.ask("CAPA").await, "+OK");
}

#[actix::test]
async fn what_is_no_pop3_server_and_what_hangs_is_unavailable_in_time() {
    tokio::time::pause();
    let stage = Stage::set(|_, limits| limits.failures_max = 100);
    for greeting in ["220 smtp\r\n", "-ERR full\r\n", ""] {
        let began = tokio::time::Instant::now();
        let mut client = Client::connect(&stage.tree).await;
        client.send("USER alice\r\nPASS alice\r\n").await;
        let mut server = stage.server().await;
        server.say(greeting).await;
        client.line().await;
        assert!(client.line().await.starts_with(UNAVAILABLE));
        let waited = if greeting.is_empty() { 30 } else { 0 };
        assert_eq!(began.elapsed().as_secs(), waited, "{greeting:?}");
    }
}

#[actix::test]
async fn a_dead_server_is_left_alone_after_some_failures_and_tried_again_later() {
    tokio::time::pause();
    let stage = Stage::set(|fixture, _| fixture.policy.auth_failures_max = 100);
    *stage.site.down.lock().unwrap() = true;
    let mut client = Client::connect(&stage.tree).await;
    for _ in 0..3 {
        assert!(client.try_log_on("alice").await.starts_with(UNAVAILABLE));
    }
    // It is back, but nobody asks it yet.
    *stage.site.down.lock().unwrap() = false;
    assert!(client.try_log_on("alice").await.starts_with(UNAVAILABLE));
    assert!(stage.site.dialled.lock().unwrap().is_empty());
    tokio::time::advance(Duration::from_secs(11)).await;
    let (_client, _server) = stage.handed_on().await;
}

#[actix::test]
async fn the_budget_of_a_site_is_given_back_on_every_way_out() {
    let stage = Stage::set(|_, limits| limits.connections_max = 1);
    let refused = async || {
        let mut other = Client::connect(&stage.tree).await;
        let reply = other.try_log_on("alice").await;
        assert!(reply.starts_with(UNAVAILABLE), "{reply}");
    };
    // The server closes.
    let (mut client, server) = stage.handed_on().await;
    refused().await;
    drop(server);
    client.rest().await;
    // The client closes, and the server after it.
    let (client, mut server) = stage.handed_on().await;
    refused().await;
    drop(client);
    assert_eq!(server.rest().await, "");
    drop(server);
    until_nobody(&stage.tree).await;
    // The session dies.
    let (mut client, mut server) = stage.handed_on().await;
    refused().await;
    stage
        .tree
        .crash(Victim::Sessions(stage.alice))
        .await
        .unwrap();
    client.rest().await;
    assert_eq!(server.rest().await, "");
    until_nobody(&stage.tree).await;
    // It still works.
    stage.handed_on().await;
    stage.tree.stop().await;
}

#[actix::test]
async fn a_user_has_so_many_sessions_wherever_they_go() {
    let stage = Stage::set(|fixture, _| fixture.limits.sessions_per_user_max = 1);
    let (client, server) = stage.handed_on().await;
    let mut other = Client::connect(&stage.tree).await;
    assert!(other.try_log_on("alice").await.starts_with("-ERR "));
    assert!(stage.site.dialled.lock().unwrap().is_empty());
    drop((client, server, other));
    until_nobody(&stage.tree).await;
    stage.handed_on().await;
}

#[actix::test]
async fn inactivity_ends_it_with_a_notice_and_the_server_sees_no_quit() {
    tokio::time::pause();
    let stage = Stage::set(|_, _| {});
    let (mut client, mut server) = stage.handed_on().await;
    let began = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(1_000)).await;
    client.send("NOOP\r\n").await;
    assert_eq!(server.line().await, "NOOP\r\n");
    server.say("+OK\r\n").await;
    assert_eq!(client.line().await, "+OK");
    let notice = client.rest().await;
    assert!(notice.starts_with("-ERR "), "{notice}");
    assert_eq!(began.elapsed().as_secs(), 2_800);
    assert_eq!(server.rest().await, "");
}

#[actix::test]
async fn draining_waits_for_the_reply_and_then_says_its_notice() {
    tokio::time::pause();
    let stage = Stage::set(|_, _| {});
    let (mut client, mut server) = stage.handed_on().await;
    client.send("RETR 1\r\n").await;
    assert_eq!(server.line().await, "RETR 1\r\n");
    let play = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        server.say("+OK\r\nhalf a li").await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        server.say("ne\r\n.\r\n").await;
        client.rest().await
    };
    let patience = Duration::from_secs(30);
    let (rest, ()) = tokio::join!(play, stage.tree.drain(patience));
    let (reply, notice) = rest.split_once(".\r\n").unwrap();
    assert_eq!(reply, "+OK\r\nhalf a line\r\n");
    assert!(
        notice.starts_with("-ERR ") && notice.lines().count() == 1,
        "{notice}"
    );
}

#[actix::test]
async fn draining_cuts_what_never_comes_to_a_line_end() {
    tokio::time::pause();
    let stage = Stage::set(|_, _| {});
    let (mut client, mut server) = stage.handed_on().await;
    client.send("RETR 1\r\n").await;
    server.line().await;
    server.say("+OK\r\nhalf a li").await;
    assert_eq!(client.line().await, "+OK");
    let began = tokio::time::Instant::now();
    stage.tree.drain(Duration::from_secs(30)).await;
    assert_eq!(began.elapsed().as_secs(), 30);
    assert_eq!(client.rest().await, "half a li");
}

#[actix::test]
async fn a_server_that_does_not_close_after_the_client_did_is_left() {
    tokio::time::pause();
    let stage = Stage::set(|_, _| {});
    let (mut client, mut server) = stage.handed_on().await;
    client.send("NOOP\r\n").await;
    assert_eq!(server.line().await, "NOOP\r\n");
    drop(client);
    assert_eq!(server.rest().await, "");
    for (seconds, sessions) in [(9, 1), (2, 0)] {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        assert_eq!(population(&stage.tree, "SessionSupervisor").await, sessions);
    }
}

#[actix::test]
async fn removing_the_user_ends_the_session_elsewhere_too() {
    let stage = Stage::set(|_, _| {});
    let (mut client, mut server) = stage.handed_on().await;
    stage.tree.retire(stage.alice).await.unwrap();
    assert!(client.rest().await.starts_with("-ERR "));
    assert_eq!(server.rest().await, "");
    assert_eq!(fixture::messages(&stage.store, stage.alice), 1);
}

#[actix::test]
async fn a_slow_side_holds_the_other_back() {
    tokio::time::pause();
    let stage = Stage::set(|_, _| {});
    let mut client = Client::dial(&stage.tree, 512).await;
    client.line().await;
    client.send("USER alice\r\nPASS alice\r\n").await;
    let mut server = stage.server().await;
    server.accept("alice").await;
    let line = format!("{}\r\n", "x".repeat(98));
    // Far more than all buffers in between.
    let (lines, mut sent) = (20_000, 0);
    let say = async {
        while sent < lines
            && tokio::time::timeout(Duration::from_millis(50), server.say(&line))
                .await
                .is_ok()
        {
            sent += 1;
        }
    };
    say.await;
    assert!(
        sent < 1_000,
        "{sent} lines went to a client that reads nothing"
    );
}

#[actix::test]
async fn a_client_that_takes_nothing_is_cut() {
    tokio::time::pause();
    let stage = Stage::set(|_, _| {});
    let mut client = Client::dial(&stage.tree, 512).await;
    client.line().await;
    client.send("USER alice\r\nPASS alice\r\n").await;
    let mut server = stage.server().await;
    server.accept("alice").await;
    let began = tokio::time::Instant::now();
    let line = format!("{}\r\n", "x".repeat(98));
    while server.0.write_all(line.as_bytes()).await.is_ok() {}
    assert_eq!(began.elapsed().as_secs(), 120);
    until_nobody(&stage.tree).await;
}

#[actix::test]
async fn plain_can_be_handed_on_and_what_reveals_no_password_cannot() {
    let stage = Stage::set(|fixture, _| {
        fixture.mechanisms = vec![Arc::new(Plain), Arc::new(Guess)];
    });
    let mut client = Client::connect(&stage.tree).await;
    let refused = client.ask("AUTH X-GUESS YWxpY2U=").await;
    assert!(refused.starts_with("-ERR [AUTH] "), "{refused}");
    client.send("AUTH PLAIN AGFsaWNlAGFsaWNl\r\n").await;
    let mut server = stage.server().await;
    server.accept("alice").await;
    assert_eq!(client.line().await, "+OK User successfully logged on.");
}

/// Takes a name for its proof, and reveals nothing.
struct Guess;

struct Guessing;

impl Mechanism for Guess {
    fn name(&self) -> &'static str {
        "X-GUESS"
    }

    fn needs(&self) -> Needs {
        let client_first = true;
        Needs {
            client_first,
            ..Needs::default()
        }
    }

    fn start(&self, _link: &Link) -> Box<dyn Exchange> {
        Box::new(Guessing)
    }
}

impl Exchange for Guessing {
    fn step(&mut self, client: &[u8], source: &dyn PasswordSource) -> Progress {
        match source.verify_octets(client, &Secret::from(client.to_vec())) {
            Ok(identity) => Progress::Success(identity),
            Err(error) => Progress::Failure(error),
        }
    }
}

#[actix::test]
async fn an_override_of_the_profile_counts() {
    let stage = Stage::set(|fixture, _| {
        fixture.policy = Policy {
            foreign_site: ForeignSite::HandOn,
            login_type: mailroost_protocol::LoginType::PlainTextLogin,
            ..Policy::exchange2007()
        };
    });
    stage.handed_on().await;
}
