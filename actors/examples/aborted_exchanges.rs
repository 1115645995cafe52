//! What SASL exchanges that are begun and given up leave behind, and what malformed ones do to
//! those who log on: `cargo run --release -p mailroost-actors --example aborted_exchanges [N]`.
//!
//! Begins N exchanges (100,000 if it is not said), by every mechanism in turn, on in-memory
//! connections of 100 exchanges each, 50 at once and each from a network of its own; half of the
//! connections end amid an exchange. Then 100 good log-ons alone and 100 beside ten malformed AUTHs
//! each, in turn, and 100 beside malformed ones without a pause. Prints sessions, records of the
//! throttle, threads and resident memory on the way, and after a rest at the end.
#![allow(clippy::print_stdout, reason = "it is there to print")]
#![allow(clippy::unwrap_used, reason = "nobody is there to handle it")]

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::cell::Cell;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fixture::{Client, Fixture, population};
use mailroost_actors::tls::{BoxedIo, Handshake, TlsAcceptor, TlsConnection};
use mailroost_actors::{Security, TreeHandle};
use mailroost_auth::ntlm::{Ntlm, NtlmSettings};
use mailroost_auth::oauth::{Bearer, Hint, TokenCheck, TokenError};
use mailroost_auth::{
    Argon2id, CacheLimits, CertificateName, ClientCertificate, Cost, DirectoryPasswords, External,
    Link, PasswordCache, PasswordHasher, Plain, Scram, SealingKey, Secret, ThrottleRules,
    UnknownUsers,
};
use mailroost_protocol::TlsFacts;
use mailroost_storage::{Directory, NewUser, UserName};

const EXCHANGES_PER_SESSION: usize = 100;
const SESSIONS_AT_ONCE: usize = 50;
const GOOD_LOG_ONS: usize = 100;
const MALFORMED_BESIDE_EACH: usize = 10;

/// After this long threads that had nothing to do are gone.
const REST: Duration = Duration::from_secs(12);

/// How each exchange is begun: all of these are challenged.
const BEGINNINGS: [&str; 7] = [
    "AUTH PLAIN",
    // n,,n=alice,r=0123456789
    "AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPTAxMjM0NTY3ODk=",
    // p=tls-exporter,,n=nobody,r=0123456789
    "AUTH SCRAM-SHA-256-PLUS cD10bHMtZXhwb3J0ZXIsLG49bm9ib2R5LHI9MDEyMzQ1Njc4OQ==",
    // A NEGOTIATE message as curl sends it.
    "AUTH NTLM TlRMTVNTUAABAAAABoIIAAAAAAAAAAAAAAAAAAAAAAA=",
    "AUTH OAUTHBEARER",
    "AUTH XOAUTH2",
    "AUTH EXTERNAL",
];

/// Not base64; no NUL; three NULs; no header; no message of NTLM.
const MALFORMED: [&str; 5] = [
    "AUTH PLAIN !",
    "AUTH PLAIN YWxpY2U=",
    "AUTH PLAIN AAAAYQ==",
    "AUTH SCRAM-SHA-256 YWxpY2U=",
    "AUTH NTLM YWxpY2U=",
];

#[actix::main]
async fn main() {
    let argument = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let exchanges: usize = argument.unwrap_or(100_000);
    let tree = start();
    println!("exchanges sessions records threads resident (KiB)");
    report(&tree, 0).await;
    let (mut done, began) = (0, Instant::now());
    let mut next_report = exchanges / 10;
    while done < exchanges {
        let sessions = (0..SESSIONS_AT_ONCE).map(|number| {
            let from = done + number * EXCHANGES_PER_SESSION;
            actix::spawn(give_up(tree.clone(), from))
        });
        for session in sessions.collect::<Vec<_>>() {
            session.await.unwrap();
        }
        done += SESSIONS_AT_ONCE * EXCHANGES_PER_SESSION;
        if done >= next_report {
            report(&tree, done).await;
            next_report += exchanges / 10;
        }
    }
    println!(
        "{:.0} exchanges a second",
        done as f64 / began.elapsed().as_secs_f64()
    );
    log_on_beside(&tree).await;
    tokio::time::sleep(REST).await;
    report(&tree, done).await;
}

/// A hundred exchanges on one connection.
async fn give_up(tree: TreeHandle, from: usize) {
    let mut client = dial(&tree, from as u64).await;
    for number in from..from + EXCHANGES_PER_SESSION {
        let challenge = client.ask(BEGINNINGS[number % BEGINNINGS.len()]).await;
        assert!(challenge.starts_with("+ "), "{challenge}");
        let answer = client.ask("*").await;
        assert!(answer.starts_with("-ERR"), "{answer}");
    }
    let number = from / EXCHANGES_PER_SESSION;
    let last = BEGINNINGS[number % BEGINNINGS.len()];
    client
        .ask(if number.is_multiple_of(2) {
            "QUIT"
        } else {
            last
        })
        .await;
}

async fn log_on_beside(tree: &TreeHandle) {
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let mut attacker = dial(tree, u64::MAX).await;
    for _ in 0..GOOD_LOG_ONS {
        alone.push(log_on(tree).await);
        let flood = async {
            for number in 0..MALFORMED_BESIDE_EACH {
                malformed(&mut attacker, number).await;
            }
        };
        beside.push(tokio::join!(log_on(tree), flood).0);
    }
    print_times("alone", alone);
    print_times("beside ten malformed each", beside);
    let (goes_on, floods) = (Cell::new(true), Cell::new(0));
    let good = async {
        let mut times = Vec::new();
        for _ in 0..GOOD_LOG_ONS {
            times.push(log_on(tree).await);
        }
        goes_on.set(false);
        times
    };
    let flood = async {
        while goes_on.get() {
            malformed(&mut attacker, floods.get()).await;
            floods.set(floods.get() + 1);
        }
    };
    let (times, ()) = tokio::join!(good, flood);
    print_times(&format!("beside {} without a pause", floods.get()), times);
}

async fn malformed(client: &mut Client, number: usize) {
    let answer = client.ask(MALFORMED[number % MALFORMED.len()]).await;
    assert!(answer.starts_with("-ERR"), "{answer}");
}

/// A log-on of alice on a connection of its own: how long PASS takes.
async fn log_on(tree: &TreeHandle) -> Duration {
    let mut client = dial(tree, 0).await;
    client.ask("USER alice").await;
    let began = Instant::now();
    let answer = client.ask("PASS right").await;
    assert!(answer.starts_with("+OK"), "{answer}");
    let took = began.elapsed();
    client.ask("QUIT").await;
    took
}

fn print_times(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!(
        "{GOOD_LOG_ONS} good log-ons {what}: p50 {:.1} ms, p99 {:.1} ms",
        at(50),
        at(99)
    );
}

/// A connection from a /64 of its own.
async fn dial(tree: &TreeHandle, network: u64) -> Client {
    let (ours, theirs) = tokio::io::duplex(4096);
    let address = (0x2001_0db8 << 96) | (u128::from(network as u32) << 64) | 1;
    let peer = SocketAddr::from((Ipv6Addr::from_bits(address), 50000));
    let tls: Arc<dyn TlsAcceptor> = Arc::new(AsIfTls);
    let served = tree.serve(Box::new(theirs), peer, Security::ImplicitTls, Some(tls));
    served.await.unwrap();
    let mut client = Client::on(ours);
    client.line().await;
    client
}

/// The connection as it is, with all that TLS would have told.
struct AsIfTls;

impl TlsAcceptor for AsIfTls {
    fn accept(&self, io: BoxedIo) -> Handshake {
        let certificate = ClientCertificate {
            common_name: Some("alice".to_owned()),
            ..ClientCertificate::default()
        };
        let link = Link {
            tls: true,
            tls_exporter: Some(vec![7; 32]),
            client_certificate: Some(certificate),
            ..Link::default()
        };
        let facts = TlsFacts {
            channel_binding: true,
            client_certificate: true,
            ..TlsFacts::default()
        };
        Box::pin(async { Ok(TlsConnection { io, facts, link }) })
    }
}

/// Accepts no token.
struct NoTokens;

impl TokenCheck for NoTokens {
    fn check(&self, _: &str) -> Result<String, TokenError> {
        Err(TokenError::Refused("there are no tokens here"))
    }
}

/// A tree with every mechanism that a library alone can have, nobody trusted, and no end to the
/// mistakes of a session; alice's password is "right".
fn start() -> TreeHandle {
    let mut fixture = Fixture::new();
    let hasher = Argon2id::new(Cost::default()).unwrap();
    let password = Secret::from(b"right".to_vec());
    let alice = NewUser {
        name: UserName::new("alice").unwrap(),
        password_hash: Some(hasher.hash(&password).unwrap()),
    };
    fixture.store.add(alice).unwrap();
    let nobody_remembered = CacheLimits {
        users_max: 0,
        ..CacheLimits::default()
    };
    let cache = PasswordCache::new(nobody_remembered).unwrap();
    let directory = Arc::new(fixture.store.clone());
    let passwords = DirectoryPasswords::new(directory, Arc::new(hasher), cache)
        .keeping_scram_keys()
        .unsealing(SealingKey::generate().unwrap())
        .unwrap();
    fixture.passwords = Arc::new(passwords);
    let unknown = Arc::new(UnknownUsers::new([9; 32], 4096));
    fixture.mechanisms = vec![
        Arc::new(Plain),
        Arc::new(Scram::sha_256(Arc::clone(&unknown), true)),
        Arc::new(Scram::sha_256_plus(unknown)),
        Arc::new(Ntlm::new(NtlmSettings::default()).unwrap()),
        Arc::new(Bearer::oauthbearer(Arc::new(NoTokens), Hint::default())),
        Arc::new(Bearer::xoauth2(Arc::new(NoTokens), Hint::default())),
        Arc::new(External::new(CertificateName::CommonName)),
    ];
    fixture.throttle = ThrottleRules {
        trusted: Vec::new(),
        ..ThrottleRules::default()
    };
    fixture.policy.protocol_errors_max = u32::MAX;
    fixture.policy.auth_failures_max = u32::MAX;
    fixture.start()
}

/// One line, when all sessions have ended.
async fn report(tree: &TreeHandle, done: usize) {
    let mut sessions = population(tree, "SessionSupervisor").await;
    let began = Instant::now();
    while sessions > 0 && began.elapsed() < Duration::from_secs(5) {
        tokio::task::yield_now().await;
        sessions = population(tree, "SessionSupervisor").await;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let figure = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().trim_end_matches(" kB").to_owned()
    };
    let (threads, resident) = (figure("Threads:"), figure("VmRSS:"));
    let records = tree.throttle().records();
    println!("{done:>9} {sessions:>8} {records:>7} {threads:>7} {resident:>8}");
}
