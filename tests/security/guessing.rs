//! Classes 4 to 8: those who guess, what they learn, and what they cost the others.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::target::{ANN, More, REFUSED, Target, WELCOME};
use crate::wire::Wire;

/// Good log-ons beside the malformed ones.
const GOOD: usize = 100;
/// Those who send what is no base64, and how often each.
const FLOODERS: usize = 4;
const MALFORMED: usize = 250;

#[test]
fn class_04_a_thousand_malformed_log_ons_stop_nobody_else() {
    let target = Target::with(More {
        protocol: "max_auth_failures = 1000\nmax_protocol_errors = 1000",
        ..More::default()
    });
    let address = target.daemon.addresses[0];
    let slowest = thread::scope(|scope| {
        for _ in 0..FLOODERS {
            scope.spawn(move || {
                let mut wire = Wire::connect(address);
                assert!(wire.line().starts_with("+OK"));
                for round in 0..MALFORMED {
                    let malformed = ["AUTH PLAIN !!!!", "AUTH PLAIN AAAA", "AUTH PLAIN ="];
                    let reply = wire.ask(malformed[round % malformed.len()]);
                    assert!(reply.starts_with("-ERR"), "{reply}");
                }
            });
        }
        let mut slowest = Duration::ZERO;
        for _ in 0..GOOD {
            let begun = Instant::now();
            let mut wire = target.wire();
            assert_eq!(wire.ask(&format!("AUTH PLAIN {ANN}")), WELCOME);
            slowest = slowest.max(begun.elapsed());
        }
        slowest
    });
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}

/// A connection from another address of this machine.
fn from(address: &str, to: std::net::SocketAddr) -> Wire {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let own: std::net::SocketAddr = format!("{address}:0").parse().unwrap();
    socket.bind(&own.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let mut wire = Wire::over(TcpStream::from(socket));
    assert!(wire.line().starts_with("+OK"));
    wire
}

fn log_on(wire: &mut Wire, name: &str, password: &str) -> String {
    wire.ask(&format!("USER {name}"));
    wire.ask(&format!("PASS {password}"))
}

#[test]
fn class_05_who_guesses_is_banned_without_a_sign_and_every_try_is_logged() {
    let target = Target::with(More {
        protocol: "max_auth_failures = 100",
        sections: "[auth.throttle]\ntrusted_networks = []\npair_failures = 3\nlongest_delay = 0\n",
        ..More::default()
    });
    target.place.add_user("ben");
    let address = target.daemon.addresses[0];
    let mut guesser = from("127.0.0.2", address);
    // The same wrong password again is a phone that knows an old one, and counts once.
    let guesses = ["one", "one", "one", "one", "two", "three", "four"];
    for guess in guesses {
        assert_eq!(log_on(&mut guesser, "ann", guess), REFUSED, "{guess}");
    }
    // Now the right one is refused in the same words, on this connection and on another one.
    assert_eq!(log_on(&mut guesser, "ann", "secret"), REFUSED);
    assert_eq!(
        log_on(&mut from("127.0.0.2", address), "ann", "secret"),
        REFUSED
    );
    // Others are let in: ann from elsewhere, somebody else from there.
    assert_eq!(
        log_on(&mut from("127.0.0.3", address), "ann", "secret"),
        WELCOME
    );
    assert_eq!(
        log_on(&mut from("127.0.0.2", address), "ben", "secret"),
        WELCOME
    );
    // Who never hangs up is in the log all the same, once for each try, with the address.
    for _ in 0..guesses.len() + 1 {
        let line = target.daemon.log_of("log-on failed");
        assert!(
            line["peer"].as_str().unwrap().starts_with("127.0.0.2:"),
            "{line}"
        );
    }
}

#[test]
fn class_06_every_refusal_has_the_same_octets() {
    let target = Target::with(More {
        auth: "mechanisms = [\"PLAIN\", \"SCRAM-SHA-256\"]",
        sections: "[auth.scram]\nstore = true\niterations = 4096\n",
        ..More::default()
    });
    for name in ["off", "keyless"] {
        target.place.add_user(name);
    }
    let off = ["user", "set", "off", "--pop-enabled", "no"];
    target.place.run(&off, "").octets();
    let add = ["user", "add", "bare", "--no-password"];
    target.place.run(&add, "").octets();
    let mut heard = Vec::new();
    for (name, password) in [
        ("ann", "wrong"),
        ("nobody", "wrong"),
        ("nobody", "secret"),
        ("off", "secret"),
        ("off", "wrong"),
        ("bare", "secret"),
        ("anonymous", "x"),
        ("ann/ben", "secret"),
    ] {
        let plain = openssl::base64::encode_block(format!("\0{name}\0{password}").as_bytes());
        let (mut by_name, mut by_sasl) = (target.wire(), target.wire());
        let user = by_name.ask(&format!("USER {name}"));
        let pass = by_name.ask(&format!("PASS {password}"));
        let auth = by_sasl.ask(&format!("AUTH PLAIN {plain}"));
        heard.push((name, [user, pass, auth]));
    }
    for (name, replies) in &heard {
        assert_eq!(replies, &["+OK", REFUSED, REFUSED], "{name}");
    }
}

/// Log-ons of each kind that are timed. `auth/tests/refusals.rs` counts what each costs, for every
/// mechanism and every source, which shows more than a clock does.
const TIMED: usize = 30;

#[test]
fn class_07_who_is_not_there_takes_as_long_as_a_wrong_password() {
    let target = Target::with(More {
        auth: "cache_age = 0",
        ..More::default()
    });
    let names = ["ann", "nobody"];
    let mut taken = names.map(|_| Vec::new());
    // In turn, so that a busy machine is busy for both.
    for _ in 0..TIMED {
        for (name, taken) in names.iter().zip(&mut taken) {
            let mut wire = target.wire();
            wire.ask(&format!("USER {name}"));
            let begun = Instant::now();
            assert_eq!(wire.ask("PASS wrong"), REFUSED);
            taken.push(begun.elapsed());
        }
    }
    let [there, not_there] = taken.map(|mut taken| {
        taken.sort_unstable();
        taken[TIMED / 2].as_secs_f64()
    });
    // A hash takes tens of times what the rest of a refusal does.
    let ratio = not_there / there;
    assert!((0.5..2.0).contains(&ratio), "{there} s and {not_there} s");
}
