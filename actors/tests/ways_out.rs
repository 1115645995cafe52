//! However a session ends, the log has one line of it, its places are given back, and no secret
//! is told.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod fixture;

use std::sync::Arc;
use std::time::Duration;

use fixture::lines::Lines;
use fixture::{Client, Fixture, NameIsPassword, peer, population};
use mailroost_actors::tls::{BoxedIo, Handshake, TlsAcceptor, TlsError};
use mailroost_actors::{Binding, Security, TreeHandle, Victim};
use mailroost_auth::{
    AuthError, Exchange, Identity, Link, Mechanism, Needs, PasswordSource, Progress, Secret,
};
use mailroost_storage::MaildropId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The only session's line, when it is over.
async fn the_line(tree: &TreeHandle, lines: &Lines) -> String {
    while population(tree, "SessionSupervisor").await > 0 {
        tokio::task::yield_now().await;
    }
    // The count is given back before the line is written.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let ended = lines.with("session ended");
    assert_eq!(ended.len(), 1, "{ended:?}");
    let line = ended.into_iter().next().unwrap();
    for key in [
        "session",
        "peer",
        "user",
        "tls",
        "commands",
        "octets_in",
        "octets_out",
        "marked",
        "removed",
        "reason",
    ] {
        assert_eq!(
            line.matches(&format!(" {key}=")).count(),
            1,
            "{key}: {line}"
        );
    }
    assert!(line.contains("peer=127.0.0.1:50000;"), "{line}");
    line
}

fn logged() -> (TreeHandle, Lines, MaildropId) {
    let mut fixture = Fixture::new();
    let lines = Lines::default();
    fixture.log = lines.logger();
    let alice = fixture.user("alice", 2);
    (fixture.start(), lines, alice)
}

async fn marked_one(tree: &TreeHandle) -> Client {
    let mut client = Client::log_on(tree, "alice").await;
    assert!(client.ask("DELE 1").await.starts_with("+OK"));
    client
}

fn all_in(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[actix::test]
async fn a_quit_is_logged_with_what_was_done() {
    let (tree, lines, _) = logged();
    marked_one(&tree).await.ask("QUIT").await;
    let line = the_line(&tree, &lines).await;
    let done = ["user=alice;", "commands=4;", "removed=1;", "reason=Quit;"];
    all_in(&line, &done);
}

#[actix::test]
async fn a_client_that_goes_away_is_logged_with_its_marks() {
    let (tree, lines, _) = logged();
    drop(marked_one(&tree).await);
    let line = the_line(&tree, &lines).await;
    all_in(
        &line,
        &["user=alice;", "marked=1;", "removed=0;", "reason=Cut: "],
    );
}

#[actix::test]
async fn a_session_that_panics_is_logged_like_any_other() {
    let (tree, lines, alice) = logged();
    let mut client = marked_one(&tree).await;
    tree.crash(Victim::Sessions(alice)).await.unwrap();
    client.rest().await;
    let line = the_line(&tree, &lines).await;
    let facts = [
        "user=alice;",
        "commands=3;",
        "marked=1;",
        "reason=Panicked: ",
    ];
    all_in(&line, &facts);
}

#[actix::test]
async fn a_session_that_is_cut_is_logged_like_any_other() {
    let (tree, lines, _) = logged();
    let _client = marked_one(&tree).await;
    tree.stop().await;
    let line = the_line(&tree, &lines).await;
    all_in(
        &line,
        &["user=alice;", "commands=3;", "marked=1;", "reason=Cut: "],
    );
}

#[actix::test]
async fn an_autologout_is_logged() {
    tokio::time::pause();
    let (tree, lines, _) = logged();
    marked_one(&tree).await.rest().await;
    let line = the_line(&tree, &lines).await;
    all_in(
        &line,
        &[
            "user=alice;",
            "marked=1;",
            "removed=0;",
            "reason=Autologout;",
        ],
    );
}

#[actix::test]
async fn names_that_clients_make_up_are_harmless_and_passwords_are_not_told() {
    let (tree, lines, _) = logged();
    let mut client = Client::connect(&tree).await;
    for name in ["x\u{1b}[2J;user=root", "x\u{85}\u{202e}y", "mallory"] {
        client.ask(&format!("USER {name}")).await;
        assert!(client.ask("PASS hunter2-secret").await.starts_with("-ERR"));
    }
    client.ask("QUIT").await;
    the_line(&tree, &lines).await;
    let everything = lines.with("").join("\n");
    assert!(everything.contains("log-on failed"), "{everything}");
    assert!(!everything.contains("hunter2"), "{everything}");
    for harmful in ['\u{1b}', '\u{85}', '\u{202e}'] {
        assert!(!everything.contains(harmful), "{everything:?}");
    }
}

/// Never finishes a handshake, or fails it at once.
enum Handshakes {
    Hang,
    Fail,
    Panic,
}

impl TlsAcceptor for Handshakes {
    fn accept(&self, io: BoxedIo) -> Handshake {
        match self {
            Self::Hang => Box::pin(async move {
                let _held = io;
                std::future::pending().await
            }),
            Self::Fail => Box::pin(async { Err(TlsError("not a client hello".to_owned())) }),
            Self::Panic => Box::pin(async { panic!("the TLS library has a fault") }),
        }
    }
}

async fn implicit(tree: &TreeHandle, acceptor: Handshakes) -> Client {
    let (ours, theirs) = tokio::io::duplex(4096);
    let acceptor: Arc<dyn TlsAcceptor> = Arc::new(acceptor);
    let security = Security::ImplicitTls;
    tree.serve(Box::new(theirs), peer(), security, Some(acceptor))
        .await
        .unwrap();
    Client::on(ours)
}

#[actix::test]
async fn a_handshake_that_does_not_end_is_cut_at_its_deadline_and_logged() {
    tokio::time::pause();
    let mut fixture = Fixture::new();
    fixture.limits.sessions_max = 1;
    let lines = Lines::default();
    fixture.log = lines.logger();
    let deadline = fixture.limits.tls_handshake;
    let tree = fixture.start();
    let asked = tokio::time::Instant::now();
    assert_eq!(implicit(&tree, Handshakes::Hang).await.rest().await, "");
    assert!((deadline..deadline * 2).contains(&asked.elapsed()));
    let line = the_line(&tree, &lines).await;
    all_in(&line, &["tls=none;", "reason=Cut: TLS handshake: "]);
    Client::connect(&tree).await;
}

#[actix::test]
async fn stls_has_the_same_deadline() {
    tokio::time::pause();
    let fixture = Fixture::new();
    let deadline = fixture.limits.tls_handshake;
    let tree = fixture.start();
    let (ours, theirs) = tokio::io::duplex(4096);
    let acceptor: Arc<dyn TlsAcceptor> = Arc::new(Handshakes::Hang);
    let security = Security::Stls;
    tree.serve(Box::new(theirs), peer(), security, Some(acceptor))
        .await
        .unwrap();
    let mut client = Client::on(ours);
    client.line().await;
    assert!(client.ask("STLS").await.starts_with("+OK"));
    let asked = tokio::time::Instant::now();
    assert_eq!(client.rest().await, "");
    assert!((deadline..deadline * 2).contains(&asked.elapsed()));
}

#[actix::test]
async fn handshakes_that_fail_or_panic_give_their_places_back() {
    let mut fixture = Fixture::new();
    fixture.limits.sessions_max = 1;
    fixture.limits.sessions_per_address_max = 1;
    let lines = Lines::default();
    fixture.log = lines.logger();
    let tree = fixture.start();
    for handshake in [Handshakes::Fail, Handshakes::Panic, Handshakes::Fail] {
        implicit(&tree, handshake).await.rest().await;
        while population(&tree, "SessionSupervisor").await > 0 {
            tokio::task::yield_now().await;
        }
    }
    Client::connect(&tree).await;
    assert_eq!(lines.with("session ended").len(), 3);
}

/// Panics where it should check.
struct Panics(NameIsPassword);

impl PasswordSource for Panics {
    fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError> {
        assert!(name != "mallory", "the password source has a fault");
        self.0.verify(name, password)
    }
}

#[actix::test]
async fn a_password_source_that_panics_is_a_failed_log_on_and_no_more() {
    let mut fixture = Fixture::new();
    fixture.user("alice", 1);
    fixture.policy.response_codes = true;
    fixture.limits.password_checks_max = 1;
    fixture.passwords = Arc::new(Panics(NameIsPassword(fixture.store.clone())));
    let tree = fixture.start();
    let mut client = Client::connect(&tree).await;
    for _ in 0..3 {
        let refusal = client.try_log_on("mallory").await;
        assert!(refusal.starts_with("-ERR [SYS/TEMP]"), "{refusal}");
    }
    drop(client);
    Client::log_on(&tree, "alice").await;
}

#[actix::test]
async fn a_log_on_beyond_the_queue_of_password_checks_fails_for_now() {
    use fixture::probe::{Gate, arrival};
    struct Slow(NameIsPassword, Arc<Gate>);
    impl PasswordSource for Slow {
        fn verify(&self, name: &str, password: &Secret) -> Result<Identity, AuthError> {
            self.1.pass();
            self.0.verify(name, password)
        }
    }
    let mut fixture = Fixture::new();
    fixture.user("alice", 1);
    fixture.policy.response_codes = true;
    fixture.limits.password_checks_max = 1;
    fixture.limits.password_checks_waiting_max = 1;
    let (gate, arrivals, let_go) = Gate::new();
    fixture.passwords = Arc::new(Slow(NameIsPassword(fixture.store.clone()), gate));
    let tree = fixture.start();
    let mut checked = Client::connect(&tree).await;
    checked.send("USER alice\r\nPASS alice\r\n").await;
    let _arrivals = arrival(arrivals).await;
    let mut waits = Client::connect(&tree).await;
    waits.ask("USER alice").await;
    waits.send("PASS alice\r\n").await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let mut too_many = Client::connect(&tree).await;
    let refusal = too_many.try_log_on("alice").await;
    assert!(refusal.starts_with("-ERR [SYS/TEMP]"), "{refusal}");
    let_go.send(()).unwrap();
    let_go.send(()).unwrap();
    checked.line().await;
    for client in [&mut checked, &mut waits] {
        assert!(client.line().await.starts_with("+OK"));
    }
}

/// Asks for ever, and can be seen to live.
struct Asks(Arc<()>);
struct Asking(#[expect(dead_code, reason = "it is counted")] Arc<()>);

impl Mechanism for Asks {
    fn name(&self) -> &'static str {
        "X-ASKS"
    }
    fn needs(&self) -> Needs {
        Needs {
            client_first: true,
            ..Needs::default()
        }
    }
    fn start(&self, _: &Link) -> Box<dyn Exchange> {
        Box::new(Asking(Arc::clone(&self.0)))
    }
}

impl Exchange for Asking {
    fn step(&mut self, _: &[u8], _: &dyn PasswordSource) -> Progress {
        Progress::Challenge(b"and?".to_vec())
    }
}

#[actix::test]
async fn an_exchange_that_the_client_cancels_is_dropped() {
    let mut fixture = Fixture::new();
    let alive = Arc::new(());
    fixture.mechanisms.push(Arc::new(Asks(Arc::clone(&alive))));
    let tree = fixture.start();
    let mut client = Client::connect(&tree).await;
    assert!(client.ask("AUTH X-ASKS aGk=").await.starts_with("+ "));
    assert!(client.ask("aGk=").await.starts_with("+ "));
    assert_eq!(Arc::strong_count(&alive), 3);
    assert!(client.ask("*").await.starts_with("-ERR"));
    tokio::time::timeout(Duration::from_secs(5), async {
        while Arc::strong_count(&alive) > 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[actix::test]
async fn what_was_said_last_reaches_a_client_that_is_closed_amid_its_sending() {
    let mut fixture = Fixture::new();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    fixture.bindings.push(Binding {
        socket,
        security: Security::Stls,
        tls: None,
    });
    let tree = fixture.start();
    let mut tcp = TcpStream::connect(tree.addresses()[0]).await.unwrap();
    tcp.write_all(&[b'x'; 200 * 1024]).await.unwrap();
    let mut heard = String::new();
    // A reset in place of the end would be an error here.
    tcp.read_to_string(&mut heard).await.unwrap();
    let last = heard.lines().last().unwrap();
    assert_eq!(last, "-ERR Protocol error. Connection is closed. 10");
}
