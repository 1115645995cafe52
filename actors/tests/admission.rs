//! Who is let in, how many, and with how much of a maildrop.

mod fixture;

use fixture::{Client, Fixture};
use mailroost_protocol::Access;

#[actix::test]
async fn a_connection_over_the_limit_is_closed_and_the_next_one_after_a_quit_is_not() {
    let mut fixture = Fixture::new();
    fixture.limits.sessions_max = 1;
    let tree = fixture.start();
    let mut first = Client::connect(&tree).await;
    let mut second = Client::dial(&tree, 4096).await;
    let refusal = second.rest().await;
    assert!(
        refusal.starts_with("-ERR") && refusal.ends_with("\r\n"),
        "{refusal:?}"
    );
    first.ask("QUIT").await;
    first.rest().await;
    Client::connect(&tree).await;
}

#[actix::test]
async fn an_address_has_only_its_share() {
    let mut fixture = Fixture::new();
    fixture.limits.sessions_per_address_max = 2;
    let tree = fixture.start();
    let _first = Client::connect(&tree).await;
    let _second = Client::connect(&tree).await;
    assert!(
        Client::dial(&tree, 4096)
            .await
            .rest()
            .await
            .starts_with("-ERR")
    );
}

#[actix::test]
async fn a_user_has_sixteen_sessions_and_a_seventeenth_is_refused_at_log_on() {
    let fixture = Fixture::new();
    fixture.user("alice", 1);
    fixture.user("bob", 1);
    let tree = fixture.start();
    let mut sessions = Vec::new();
    for _ in 0..16 {
        sessions.push(Client::log_on(&tree, "alice").await);
    }
    let mut one_more = Client::connect(&tree).await;
    assert!(one_more.try_log_on("alice").await.starts_with("-ERR"));
    assert!(one_more.try_log_on("bob").await.starts_with("+OK"));
    sessions[0].ask("QUIT").await;
    sessions[0].rest().await;
    Client::log_on(&tree, "alice").await;
}

#[actix::test]
async fn under_exclusive_access_a_maildrop_has_one_session_at_a_time() {
    let mut fixture = Fixture::new();
    fixture.user("alice", 1);
    fixture.policy.access = Access::Exclusive;
    fixture.policy.response_codes = true;
    let tree = fixture.start();
    let mut first = Client::log_on(&tree, "alice").await;
    let mut second = Client::connect(&tree).await;
    let refusal = second.try_log_on("alice").await;
    assert!(refusal.starts_with("-ERR [IN-USE]"), "{refusal}");
    first.ask("QUIT").await;
    first.rest().await;
    assert!(second.try_log_on("alice").await.starts_with("+OK"));
}
