//! What is left of a SASL exchange that failed: a line, a count, and nothing for the next one.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod fixture;

use std::sync::Arc;

use fixture::lines::Lines;
use fixture::{Client, Fixture};
use mailroost_actors::Rule;
use mailroost_auth::throttle::Scope;
use mailroost_auth::{
    AuthError, Exchange, Link, Mechanism, Needs, PasswordSource, Progress, Secret, SecurityLayer,
    SecurityLayerError, ThrottleRules,
};
use mailroost_protocol::Access;

/// Lets `alice` in with a security layer; anybody else is told first that they are refused.
struct Telling;

struct Told {
    name: String,
}

impl Mechanism for Telling {
    fn name(&self) -> &'static str {
        "X-TELLING"
    }

    fn needs(&self) -> Needs {
        Needs {
            client_first: true,
            ..Needs::default()
        }
    }

    fn start(&self, _link: &Link) -> Box<dyn Exchange> {
        let name = String::new();
        Box::new(Told { name })
    }
}

impl Exchange for Told {
    fn step(&mut self, client: &[u8], source: &dyn PasswordSource) -> Progress {
        self.name = String::from_utf8_lossy(client).into_owned();
        if self.name != "alice" {
            return Progress::Refusal {
                challenge: b"no".to_vec(),
                why: AuthError::WrongPassword,
            };
        }
        match source.verify(&self.name, &Secret::from(client.to_vec())) {
            Ok(identity) => Progress::Success(identity),
            Err(error) => Progress::Failure(error),
        }
    }

    fn claimed_name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn take_security_layer(&mut self) -> Option<Box<dyn SecurityLayer>> {
        Some(Box::new(Mute))
    }
}

/// A layer that nothing comes through.
struct Mute;

impl SecurityLayer for Mute {
    fn receive_octets_max(&self) -> usize {
        1
    }

    fn send_octets_max(&self) -> usize {
        1
    }

    fn encode(&mut self, _plain: &[u8]) -> Result<Vec<u8>, SecurityLayerError> {
        Err(SecurityLayerError("mute".to_owned()))
    }

    fn decode(&mut self, _buffer: &[u8]) -> Result<Vec<u8>, SecurityLayerError> {
        Err(SecurityLayerError("mute".to_owned()))
    }
}

fn fixture() -> (Fixture, Lines) {
    let mut fixture = Fixture::new();
    fixture.user("alice", 1);
    fixture.user("bob", 1);
    fixture.policy.refusal_ids = true;
    fixture.policy.auth_failures_max = 100;
    fixture.mechanisms = vec![Arc::new(Telling)];
    fixture.throttle = ThrottleRules {
        trusted: Vec::new(),
        ..ThrottleRules::default()
    };
    let lines = Lines::default();
    fixture.log = lines.logger();
    (fixture, lines)
}

/// `AUTH` with that name in base64.
fn says(name: &str) -> String {
    format!("AUTH X-TELLING {name}")
}

const ALICE: &str = "YWxpY2U=";
const BOB: &str = "Ym9i";

#[actix::test]
async fn who_was_told_no_is_counted_and_noted_whether_they_answer_or_hang_up() {
    tokio::time::pause();
    let (fixture, lines) = fixture();
    let tree = fixture.start();
    for number in 0..10 {
        let mut client = Client::connect(&tree).await;
        assert_eq!(client.ask(&says(BOB)).await, "+ bm8=");
        // One line, before the client has answered.
        assert_eq!(lines.with("log-on failed").len(), number + 1);
        match number % 3 {
            0 => drop(client),
            1 => assert!(client.ask("*").await.starts_with("-ERR")),
            _ => assert!(client.ask("AQ==").await.starts_with("-ERR")),
        }
    }
    let bans = tree.bans();
    assert!(
        bans.iter()
            .any(|ban| ban.scope == Scope::Pair && ban.user.as_deref() == Some("bob")),
        "{bans:?}"
    );
    let logged = lines.with("log-on failed");
    assert_eq!(logged.len(), 10, "{logged:?}");
    assert!(logged.iter().all(|line| line.contains("name=bob")));
}

#[actix::test]
async fn the_answer_after_the_acknowledgement_is_the_refusal_that_was_noted() {
    let (fixture, lines) = fixture();
    let tree = fixture.start();
    let mut client = Client::connect(&tree).await;
    assert_eq!(client.ask(&says("Ygpi")).await, "+ bm8=");
    let reply = client.ask("AQ==").await;
    let (_, id) = reply.split_once(" (refusal ").unwrap();
    let id = id.strip_suffix(')').unwrap().parse().unwrap();
    let note = tree.refusal(id).unwrap();
    assert_eq!(
        (note.rule, note.how, note.name.as_deref()),
        (Rule::WrongPassword, Some("X-TELLING"), Some("b\\nb"))
    );
    assert_eq!(lines.with("log-on failed").len(), 1);
    // What is said next belongs to no exchange.
    assert!(client.ask("AQ==").await.starts_with("-ERR"));
    assert_eq!(client.ask(&says("eA==")).await, "+ bm8=");
    assert!(client.ask("*").await.starts_with("-ERR"));
    assert_eq!(client.ask(&says("eQ==")).await, "+ bm8=");
}

#[actix::test]
async fn a_security_layer_of_a_log_on_that_was_refused_is_not_the_next_ones() {
    let (mut fixture, _) = fixture();
    fixture.policy.access = Access::Exclusive;
    let tree = fixture.start();
    let _first = Client::log_on(&tree, "alice").await;
    let mut client = Client::connect(&tree).await;
    let refused = client.ask(&says(ALICE)).await;
    assert!(refused.starts_with("-ERR"), "{refused}");
    assert!(client.try_log_on("bob").await.starts_with("+OK"));
    assert!(client.ask("STAT").await.starts_with("+OK 1 "));
}
