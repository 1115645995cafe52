//! Classes 1, 2, 18 and 19: the way from plaintext to TLS, and TLS itself.

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode, SslVersion};

use crate::target::{ANN, More, REFUSED, Target, WELCOME};
use crate::wire::{ANSWERED, Wire};

/// Of every injection and every place where it can be cut into two segments, none comes to TLS.
#[test]
fn class_01_no_octet_sent_behind_stls_gets_into_tls() {
    let target = Target::new();
    for injected in [
        "U",
        "\0",
        "\r\n",
        "USER ann\r\n",
        "CAPA\r\n",
        "AUTH PLAIN\r\n",
    ] {
        let octets = format!("STLS\r\n{injected}");
        for cut in 0..=octets.len() {
            let mut wire = target.wire();
            let (first, second) = octets.as_bytes().split_at(cut);
            wire.send(first).unwrap();
            // It may have closed the connection already.
            let _ = wire.send(second);
            let Err(error) = wire.start_tls() else {
                panic!("{octets:?} cut at {cut}");
            };
            // Not because it was answered in plaintext instead.
            assert!(error.to_string() != ANSWERED, "{octets:?} cut at {cut}");
        }
    }
    target.assert_serves();
}

#[test]
fn class_01_nothing_that_was_said_before_stls_counts_behind_it() {
    let target = Target::new();
    let mut wire = target.wire();
    assert_eq!(wire.ask("USER ann"), "+OK");
    wire.send(b"STLS\r\n").unwrap();
    let mut wire = wire.start_tls().unwrap();
    assert!(wire.ask("PASS secret").starts_with("-ERR"));
    assert!(wire.ask("STAT").starts_with("-ERR"));
    // An exchange that was begun ends with the command that comes in place of its answer.
    let mut wire = target.wire();
    assert_eq!(wire.ask("AUTH PLAIN"), "+ ");
    assert!(wire.ask("STLS").starts_with("-ERR"));
    wire.send(b"STLS\r\n").unwrap();
    let mut wire = wire.start_tls().unwrap();
    assert!(wire.ask(ANN).starts_with("-ERR"));
    assert_eq!(wire.ask(&format!("AUTH PLAIN {ANN}")), WELCOME);
}

#[test]
fn class_02_no_password_is_taken_or_asked_for_before_tls_where_tls_is_required() {
    let target = Target::with(More {
        protocol: "login_type = \"secure_login\"",
        auth: "mechanisms = [\"PLAIN\", \"SCRAM-SHA-256\"]",
        sections: "[auth.scram]\nstore = true\n",
        ..More::default()
    });
    for attack in [
        "USER ann",
        "PASS secret",
        &format!("AUTH PLAIN {ANN}"),
        "AUTH PLAIN",
        "AUTH SCRAM-SHA-256",
        "AUTH LOGIN",
        "auth plain =",
    ] {
        let mut wire = target.wire();
        assert!(wire.ask(attack).starts_with("-ERR"), "{attack}");
        assert!(wire.ask("STAT").starts_with("-ERR"), "{attack}");
    }
    let mut wire = target.wire();
    assert!(wire.ask("CAPA").starts_with("+OK"));
    let offered = wire.lines();
    assert!(offered.iter().any(|line| line == "STLS"), "{offered:?}");
    let asks = |line: &String| line.starts_with("SASL") || line.starts_with("USER");
    assert!(!offered.iter().any(asks), "{offered:?}");
    wire.send(b"STLS\r\n").unwrap();
    let mut wire = wire.start_tls().unwrap();
    assert!(wire.ask("STLS").starts_with("-ERR"));
    assert_eq!(wire.ask(&format!("AUTH PLAIN {ANN}")), WELCOME);
    assert!(wire.ask("STLS").starts_with("-ERR"));
}

#[test]
fn class_02_a_session_that_is_logged_on_begins_no_tls() {
    let target = Target::new();
    let mut session = target.session();
    assert!(session.ask("STLS").starts_with("-ERR"));
    assert!(session.ask("STAT").starts_with("+OK"));
}

/// Renegotiation itself: `tests/tls_s_client.rs`, with a client that asks for it.
#[test]
fn class_18_what_is_older_than_tls_1_2_is_refused() {
    let target = Target::new();
    for version in [SslVersion::TLS1, SslVersion::TLS1_1] {
        for address in [0, 1] {
            let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
            connector.set_verify(SslVerifyMode::NONE);
            connector.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
            connector.set_min_proto_version(Some(version)).unwrap();
            connector.set_max_proto_version(Some(version)).unwrap();
            let mut wire = Wire::connect(target.daemon.addresses[address]);
            if address == 0 {
                wire.line();
                assert!(wire.ask("STLS").starts_with("+OK"));
            }
            let outcome = wire.into_tls_as(&connector.build(), "localhost");
            assert!(outcome.is_err(), "{version:?}");
        }
    }
    target.tls_wire();
}

/// Names that are asked for, in each of two rounds. A leak of one name would be 200 KiB.
const NAMES: usize = 800;

#[test]
fn class_19_names_that_are_asked_for_leave_nothing_behind() {
    let target = Target::new();
    let ask_for_many = |round: usize| {
        for number in 0..NAMES {
            let name = format!("{}.{round}-{number}.example", "x".repeat(60));
            let name = format!("{name}.{name}.{name}");
            let wire = Wire::connect(target.daemon.addresses[1]);
            assert!(wire.into_tls(&name).unwrap().line().starts_with("+OK"));
        }
        target.memory("VmRSS")
    };
    let before = ask_for_many(0);
    let after = ask_for_many(1);
    assert!(after < before + 150, "{before} KiB, then {after} KiB");
    let mut wire = target.wire();
    assert_eq!(wire.ask("USER nobody"), "+OK");
    assert_eq!(wire.ask("PASS x"), REFUSED);
}
