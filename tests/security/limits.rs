//! Classes 3, 12, 17 and 20: what a client can make the server keep, compute, or wait for.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::daemon_program::Signal;
use crate::target::{ANN, More, Target, WELCOME};
use crate::wire::Wire;

/// Octets without a line end, in each state.
const FLOOD_OCTETS: usize = 64 << 20;

/// KiB by which memory may grow, through all floods: what a few connections need, and no more.
const GROWTH_KIB_MAX: u64 = 512;

/// Sends until there were enough, or the server has enough.
fn flood(wire: &mut Wire) {
    let piece = [b'a'; 64 * 1024];
    for _ in 0..FLOOD_OCTETS / piece.len() {
        if wire.send(&piece).is_err() {
            return;
        }
    }
}

#[test]
fn class_03_lines_without_end_take_no_memory_in_any_state() {
    let target = Target::new();
    let mut states: Vec<(&str, Wire)> = vec![
        ("greeted", target.wire()),
        ("logged on", target.session()),
        ("in TLS", target.tls_wire()),
        ("LMTP", target.lmtp()),
    ];
    let mut named = target.wire();
    assert_eq!(named.ask("USER ann"), "+OK");
    states.push(("named", named));
    let mut asked = target.wire();
    assert_eq!(asked.ask("AUTH PLAIN"), "+ ");
    states.push(("amid an exchange", asked));
    let mut initial = target.wire();
    initial.send(b"AUTH PLAIN ").unwrap();
    states.push(("amid an initial response", initial));
    target.assert_serves();
    target.forget_peak();
    let before = target.memory("VmHWM");
    for (state, wire) in &mut states {
        flood(wire);
        // What comes is a refusal, or nothing more.
        if wire.send(b"\r\n").is_ok()
            && let Ok(line) = wire.try_line()
        {
            assert!(
                line.starts_with("-ERR") || line.starts_with('5'),
                "{state}: {line}"
            );
        }
    }
    let after = target.memory("VmHWM");
    assert!(
        after < before + GROWTH_KIB_MAX,
        "{before} KiB, at most {after} KiB"
    );
    target.assert_serves();
}

#[test]
fn class_12_a_client_cannot_choose_what_scram_costs() {
    let target = Target::with(More {
        auth: "mechanisms = [\"SCRAM-SHA-256\", \"PLAIN\"]",
        sections: "[auth.scram]\nstore = true\niterations = 5000\n",
        ..More::default()
    });
    let first = |name: &str, nonce: &str| {
        openssl::base64::encode_block(format!("n,,n={name},r={nonce}").as_bytes())
    };
    // Who is there and who is not have the same price, which is that of the settings.
    for name in ["ann", "nobody"] {
        let mut wire = target.wire();
        assert_eq!(wire.ask("AUTH SCRAM-SHA-256"), "+ ");
        let challenge = wire.ask(&first(name, "chance"));
        let challenge = openssl::base64::decode_block(challenge.strip_prefix("+ ").unwrap());
        let challenge = String::from_utf8(challenge.unwrap()).unwrap();
        assert!(challenge.ends_with(",i=5000"), "{challenge}");
        assert!(wire.ask("*").starts_with("-ERR"));
    }
    // Names and nonces that are too long are refused, and the session goes on.
    for (name, nonce) in [(8000, 8), (8, 8000), (40_000, 8)] {
        let mut wire = target.wire();
        assert_eq!(wire.ask("AUTH SCRAM-SHA-256"), "+ ");
        let refused = wire.ask(&first(&"n".repeat(name), &"r".repeat(nonce)));
        assert!(refused.starts_with("-ERR"), "{refused}");
        assert_eq!(wire.ask(&format!("AUTH PLAIN {ANN}")), WELCOME);
    }
    // An administrator cannot set a price that would stop the server, either.
    target.place.configure(
        "protocol.login_type = \"plain_text_login\"\n[auth.scram]\niterations = 1000001\n",
    );
    let (status, line) = target.place.run(&["check-config"], "").failure();
    assert_eq!(status, 78);
    assert!(line.contains("auth.scram.iterations = 1000001"), "{line}");
}

/// Connections that hang, of each kind.
const HANGING: usize = 100;

/// That their deadlines come: `actors/tests/{autologout,ways_out}.rs`, where time is not real.
#[test]
fn class_17_those_who_hang_keep_nobody_else_waiting_and_end_with_the_server() {
    let target = Target::new();
    target.deliver([&[b'x'; 76][..], b"\r\n"].concat().repeat(100_000));
    let mut hanging = Vec::new();
    for _ in 0..HANGING {
        // Implicit TLS without a word, the beginning of a handshake, and half a command.
        let silent = TcpStream::connect(target.daemon.addresses[1]).unwrap();
        let mut begun = Wire::connect(target.daemon.addresses[1]);
        begun.send(&[0x16, 3, 1, 2]).unwrap();
        let mut half = target.wire();
        half.send(b"US").unwrap();
        let mut stls = target.wire();
        assert!(stls.ask("STLS").starts_with("+OK"));
        hanging.push((silent, begun, half, stls));
    }
    // And a few who ask for a message and take nothing of it.
    let mut deaf: Vec<_> = (0..8).map(|_| target.session()).collect();
    for wire in &mut deaf {
        wire.send(b"RETR 1\r\n").unwrap();
    }
    let before = Instant::now();
    target.assert_serves();
    let mut wire = target.tls_wire();
    assert_eq!(wire.ask(&format!("AUTH PLAIN {ANN}")), WELCOME);
    assert!(
        before.elapsed() < Duration::from_secs(20),
        "{:?}",
        before.elapsed()
    );
    // A message is not in memory, whoever does not read it.
    let peak = target.memory("VmHWM");
    assert!(peak < 150 * 1024, "{peak} KiB");
    drop((hanging, deaf, wire));
    target.daemon.signal(Signal::SIGTERM);
    target.daemon.log_of("stopped");
    assert_eq!(target.daemon.wait().code(), Some(0));
}

/// Exchanges that are given up, in each of two rounds.
const EXCHANGES: usize = 600;

#[test]
fn class_20_exchanges_that_are_given_up_leave_nothing_behind() {
    let target = Target::with(More {
        protocol: "max_auth_failures = 10000\nmax_protocol_errors = 10000",
        auth: "mechanisms = [\"SCRAM-SHA-256\", \"PLAIN\"]",
        sections: "[auth.scram]\nstore = true\niterations = 4096\n",
        ..More::default()
    });
    let give_up = || {
        for round in 0..EXCHANGES {
            let mut wire = target.wire();
            assert_eq!(wire.ask("AUTH SCRAM-SHA-256"), "+ ");
            let first = openssl::base64::encode_block(b"n,,n=ann,r=chance");
            assert!(wire.ask(&first).starts_with("+ "));
            // Cancelled, answered with a command, or cut.
            match round % 3 {
                0 => assert!(wire.ask("*").starts_with("-ERR")),
                1 => assert!(wire.ask("QUIT").starts_with("-ERR")),
                _ => continue,
            }
            assert!(wire.ask("QUIT").starts_with("+OK"));
            assert_eq!(wire.rest(), b"");
        }
        settled(&target)
    };
    let tree = settled(&target);
    assert_eq!(give_up(), tree);
    // The last 10,000 refusals are kept for `mailroost why`: so many have to be there first.
    for _ in 0..2 {
        let mut wire = target.wire();
        for _ in 0..6000 {
            assert_eq!(wire.ask("AUTH SCRAM-SHA-256"), "+ ");
            assert!(wire.ask("*").starts_with("-ERR"));
        }
    }
    assert_eq!(settled(&target), tree);
    let before = target.memory("VmRSS");
    assert_eq!(give_up(), tree);
    let after = target.memory("VmRSS");
    assert!(after < before + 256, "{before} KiB, then {after} KiB");
}

/// The tree once no session is in it any more.
fn settled(target: &Target) -> String {
    loop {
        let tree = target.place.run(&["status"], "").text();
        let sessions = tree.lines().find(|line| line.contains("SessionSupervisor"));
        if !sessions.unwrap().contains("alive") {
            return tree;
        }
    }
}
