//! Each refusal has an id, in the log and (by setting) in the reply, and can be asked about.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod fixture;

use std::sync::Arc;
use std::time::Duration;

use fixture::lines::Lines;
use fixture::{Client, Fixture};
use mailroost_actors::{RefusalNote, Rule, TreeHandle};
use mailroost_auth::{Plain, ThrottleRules};
use mailroost_protocol::{Access, LoginType};

fn fixture() -> (Fixture, Lines) {
    let mut fixture = Fixture::new();
    fixture.user("alice", 1);
    fixture.policy.refusal_ids = true;
    fixture.mechanisms = vec![Arc::new(Plain)];
    let lines = Lines::default();
    fixture.log = lines.logger();
    (fixture, lines)
}

/// What the daemon knows of the refusal that a reply names; it is in the log, too.
fn of_reply(tree: &TreeHandle, lines: &Lines, reply: &str) -> RefusalNote {
    let (text, id) = reply.split_once(" (refusal ").unwrap();
    assert!(text.starts_with("-ERR "), "{reply}");
    let note = tree
        .refusal(id.strip_suffix(')').unwrap().parse().unwrap())
        .unwrap();
    let field = format!(" refusal={};", note.id);
    let logged = lines.with("");
    let logged: Vec<_> = logged.iter().filter(|line| line.contains(&field)).collect();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(
        logged[0].contains(&format!(" rule={};", note.rule.as_str())),
        "{logged:?}"
    );
    assert_eq!(note.peer, fixture::peer());
    note
}

#[actix::test]
async fn log_ons_that_fail_are_told_apart_by_their_notes_alone() {
    let (mut fixture, lines) = fixture();
    fixture.policy.auth_failures_max = 100;
    let tree = fixture.start();
    let mut client = Client::connect(&tree).await;
    let mut texts = Vec::new();
    for (name, rule) in [
        ("nobody", Rule::UnknownUser),
        ("alice", Rule::WrongPassword),
    ] {
        client.ask(&format!("USER {name}")).await;
        let reply = client.ask("PASS wrong").await;
        let note = of_reply(&tree, &lines, &reply);
        assert_eq!(
            (note.rule, note.name.as_deref(), note.how),
            (rule, Some(name), Some("password"))
        );
        texts.push(reply.split_once(" (refusal").unwrap().0.to_owned());
    }
    assert_eq!(texts[0], texts[1]);
    let reply = client.ask("AUTH PLAIN AGFsaWNlAHdyb25n").await;
    let note = of_reply(&tree, &lines, &reply);
    assert_eq!((note.rule, note.how), (Rule::WrongPassword, Some("PLAIN")));
    assert_eq!(note.name.as_deref(), Some("alice"));
    let reply = client.ask("AUTH PLAIN YWxpY2U=").await;
    assert_eq!(of_reply(&tree, &lines, &reply).rule, Rule::Malformed);
}

#[actix::test]
async fn limits_name_their_setting_and_how_much_it_allows() {
    let (mut fixture, lines) = fixture();
    fixture.limits.sessions_per_user_max = 1;
    fixture.limits.sessions_per_address_max = 2;
    fixture.policy.access = Access::Snapshot;
    let tree = fixture.start();
    let _first = Client::log_on(&tree, "alice").await;
    let mut second = Client::connect(&tree).await;
    let note = of_reply(&tree, &lines, &second.try_log_on("alice").await);
    assert_eq!(note.rule, Rule::SessionsOfUser);
    assert_eq!(
        (note.setting, note.limit),
        (Some("limits.max_connections_per_user"), Some(1))
    );
    let third = Client::dial(&tree, 4096).await.line().await;
    let note = of_reply(&tree, &lines, &third);
    assert_eq!(note.rule, Rule::ConnectionsOfAddress);
    assert_eq!(
        (note.setting, note.limit),
        (Some("limits.max_connections_per_address"), Some(2))
    );
}

#[actix::test]
async fn a_maildrop_in_use_names_the_kind_of_access() {
    let (mut fixture, lines) = fixture();
    fixture.policy.access = Access::Exclusive;
    let tree = fixture.start();
    let _first = Client::log_on(&tree, "alice").await;
    let reply = Client::connect(&tree).await.try_log_on("alice").await;
    assert_eq!(
        of_reply(&tree, &lines, &reply).setting,
        Some("protocol.maildrop_access")
    );
}

#[actix::test]
async fn without_tls_every_refusal_has_an_id_of_its_own() {
    let (mut fixture, lines) = fixture();
    fixture.policy.login_type = LoginType::SecureLogin;
    let tree = fixture.start();
    let mut client = Client::connect(&tree).await;
    let mut ids = Vec::new();
    for command in ["USER alice", "AUTH PLAIN AGFsaWNlAGFsaWNl", "USER bob"] {
        let note = of_reply(&tree, &lines, &client.ask(command).await);
        assert_eq!(
            (note.rule, note.setting),
            (Rule::NeedsTls, Some("protocol.login_type"))
        );
        ids.push(note.id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[actix::test]
async fn bans_name_what_is_banned() {
    tokio::time::pause();
    let (mut fixture, lines) = fixture();
    fixture.throttle = ThrottleRules {
        trusted: Vec::new(),
        pair_failures: 3,
        ..ThrottleRules::default()
    };
    let tree = fixture.start();
    for number in 0..3 {
        let mut client = Client::connect(&tree).await;
        client.ask("USER alice").await;
        client.ask(&format!("PASS {number}")).await;
    }
    let reply = Client::connect(&tree).await.try_log_on("alice").await;
    let note = of_reply(&tree, &lines, &reply);
    assert_eq!((note.rule, note.limit), (Rule::Banned, Some(3)));
    assert_eq!(note.setting, Some("auth.throttle.pair_failures"));
    assert!(
        note.why.starts_with("the pair is banned for "),
        "{}",
        note.why
    );
    assert_eq!(lines.with("banned").len(), 1);
}

#[actix::test]
async fn too_many_failures_in_a_session_and_a_server_that_ends_are_noted() {
    let (mut fixture, lines) = fixture();
    fixture.policy.auth_failures_max = 2;
    let tree = fixture.start();
    let mut client = Client::connect(&tree).await;
    for number in 0..2 {
        client.ask("USER alice").await;
        client.ask(&format!("PASS {number}")).await;
    }
    client.rest().await;
    let closed = lines.with("session closed");
    assert!(
        closed[0].contains("limit=2; setting=protocol.max_auth_failures;"),
        "{closed:?}"
    );
    tree.drain(Duration::from_secs(1)).await;
}

#[actix::test]
async fn replies_name_nothing_unless_it_is_wanted() {
    let (mut fixture, lines) = fixture();
    fixture.policy.refusal_ids = false;
    let tree = fixture.start();
    let mut client = Client::connect(&tree).await;
    client.ask("USER alice").await;
    let reply = client.ask("PASS wrong").await;
    assert_eq!(
        reply,
        "-ERR Logon failure: unknown user name or bad password."
    );
    assert!(lines.with("log-on failed")[0].contains(" refusal="));
}
