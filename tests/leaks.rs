//! A hundred thousand sessions leave nothing behind.
//!
//! A daemon of its own is sent sessions of every kind, a part of them first, so that whatever is
//! kept once is there: caches, buffers of threads, the arenas of the allocator. Then its resident
//! memory, its descriptors and the tree's counts are taken, all the others follow, and all is
//! taken again: descriptors and counts must be the same, and memory may have grown by
//! [`GROWTH_OCTETS_MAX`], which is less than 40 octets for each session. Commands are sent at
//! once, so that the time goes to sessions, not to waiting for answers.
//!
//! One line in `actors/src/session/run.rs` makes the server leak, and this test fail:
//! `std::mem::forget(vec![1_u8; 64])` behind `driver.drive()` is seen as 9.9 million octets.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod daemon_program;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use daemon_program::{Daemon, Place, SETTINGS, certificate};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};

const SESSIONS: usize = 100_000;
const WARM_UP: usize = 10_000;
/// Clients side by side, each with a user of its own.
const CLIENTS: usize = 4;
const GROWTH_OCTETS_MAX: u64 = 3_500_000;

/// How long the server may take to notice that the last client has gone.
const PATIENCE: Duration = Duration::from_secs(20);

const WHOLE: &str = "USER {user}\r\nPASS secret\r\nSTAT\r\nUIDL\r\nRETR 1\r\nQUIT\r\n";

/// What is sent before the client goes away, at every state of a session.
const CUTS: &[&str] = &[
    "",
    "US",
    "USER {user}\r\n",
    "AUTH PLAIN\r\n",
    "STLS\r\n",
    "STLS\r\nand no handshake",
    "USER {user}\r\nPASS secret\r\n",
    "USER {user}\r\nPASS secret\r\nUIDL\r\nRETR 1\r\nRET",
    "USER {user}\r\nPASS secret\r\nDELE 1\r\n",
    "USER {user}\r\nPASS secret\r\nRETR 1\r\nQUIT\r\n",
];

/// One in so many is cut; one in so many is inside TLS, and each second of those goes away amid the
/// handshake.
const CUT_EVERY: usize = 25;
const TLS_EVERY: usize = 50;

/// What there is of the server.
#[derive(Debug)]
struct Taken {
    octets: u64,
    descriptors: usize,
    tree: String,
}

/// Sends one session to its end, or leaves it.
fn session(addresses: &[SocketAddr], connector: &SslConnector, user: &str, number: usize) {
    let whole = !number.is_multiple_of(CUT_EVERY);
    let script = match whole {
        true => WHOLE,
        false => CUTS[(number / CUT_EVERY) % CUTS.len()],
    };
    let script = script.replace("{user}", user);
    // None of these is one of those that are cut.
    if number % TLS_EVERY == 1 {
        let mut stream = dial(addresses[1]);
        if number % (2 * TLS_EVERY) == 1 {
            // The first octets of a handshake.
            return stream.write_all(&[22, 3, 1, 0, 200, 1]).unwrap();
        }
        let mut stream = connector.connect("localhost", stream).unwrap();
        stream.write_all(script.as_bytes()).unwrap();
        return read_to_the_end(&mut stream);
    }
    let mut stream = dial(addresses[0]);
    stream.write_all(script.as_bytes()).unwrap();
    if whole {
        read_to_the_end(&mut stream);
    } else if number.is_multiple_of(2) {
        // The other half goes with what it was sent unread, which resets the connection.
        stream.shutdown(Shutdown::Write).unwrap();
        read_to_the_end(&mut stream);
    }
}

fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_to_the_end(stream: &mut impl Read) {
    let mut answers = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answers) {
        // A server that does not read all that it is sent resets the connection.
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{answers:?}");
    }
    assert!(answers.starts_with(b"+OK"), "{answers:?}");
}

fn send_all(daemon: &Daemon, connector: &SslConnector, numbers: Range<usize>) {
    let addresses = &daemon.addresses[..];
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let numbers = numbers.clone();
            scope.spawn(move || {
                let user = format!("user{client}");
                for number in numbers.skip(client).step_by(CLIENTS) {
                    session(addresses, connector, &user, number);
                }
            });
        }
    });
}

/// Takes stock when the tree says that no session is left.
fn take(place: &Place, daemon: &Daemon) -> Taken {
    let begun = Instant::now();
    let tree = loop {
        let tree = place.run(&["status"], "").text();
        let sessions = tree.lines().find(|line| line.contains("SessionSupervisor"));
        if !sessions.unwrap().contains("alive") {
            break tree;
        }
        assert!(begun.elapsed() < PATIENCE, "{tree}");
    };
    let of = |name: &str| format!("/proc/{}/{name}", daemon.pid());
    let status = std::fs::read_to_string(of("status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|kib| kib.trim().strip_suffix(" kB"));
    Taken {
        octets: kib.unwrap().parse::<u64>().unwrap() * 1024,
        descriptors: std::fs::read_dir(of("fd")).unwrap().count(),
        tree,
    }
}

#[test]
fn a_hundred_thousand_sessions_leave_nothing_behind() {
    let place = Place::new();
    let (certificate, key) = certificate(&place.path(""), "localhost");
    place.configure(&format!(
        "{SETTINGS}\
         [[listener]]\naddress = \"127.0.0.1\"\nport = 0\nsecurity = \"implicit_tls\"\n\
         [tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        certificate.display(),
        key.display(),
    ));
    let mail = "From ann@example.org Thu Jan  1 00:00:00 1970\nSubject: x\n\nbody\n";
    let mail = place.file("mail.mbox", mail);
    for client in 0..CLIENTS {
        let user = format!("user{client}");
        place.add_user(&user);
        place
            .run(&["mail", "import", &user, "--mbox", &mail], "")
            .octets();
    }
    let daemon = place.daemon();
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    let connector = connector.build();

    send_all(&daemon, &connector, 0..WARM_UP);
    let before = take(&place, &daemon);
    let begun = Instant::now();
    send_all(&daemon, &connector, WARM_UP..SESSIONS);
    let seconds = begun.elapsed().as_secs_f64();
    let after = take(&place, &daemon);
    println!("{before:?}\n{after:?}\n{seconds:.1} s");
    assert_eq!(after.tree, before.tree);
    assert_eq!(after.descriptors, before.descriptors);
    let growth = after.octets.saturating_sub(before.octets);
    assert!(growth <= GROWTH_OCTETS_MAX, "{growth} octets: {after:?}");
}
