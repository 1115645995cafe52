//! Classes 9, 10, 11 and 21: exchanges that are played back, handed on, or malformed, and
//! certificates that say too little.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use openssl::hash::MessageDigest;
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use openssl::sign::Signer;
use openssl::ssl::{SslAcceptor, SslConnector, SslFiletype, SslMethod, SslVerifyMode};

use crate::daemon_program::certificate;
use crate::target::{ANN, More, REFUSED, Target, WELCOME, place};
use crate::tls::authority::{Authority, Kind};
use crate::wire::Wire;

fn base64(octets: &[u8]) -> String {
    openssl::base64::encode_block(octets)
}

fn challenge(reply: &str) -> Vec<u8> {
    let challenge = reply
        .strip_prefix("+ ")
        .unwrap_or_else(|| panic!("{reply}"));
    openssl::base64::decode_block(challenge).unwrap()
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let key = PKey::hmac(key).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    signer.sign_oneshot_to_vec(text).unwrap()
}

const CLIENT_FIRST: &str = "n=ann,r=thesame";

/// The client's last message of SCRAM-SHA-256 (RFC 5802 s3) for the password `secret`.
fn client_final(server_first: &str) -> String {
    let field = |name: &str| {
        let field = server_first
            .split(',')
            .find_map(|field| field.strip_prefix(name));
        field.unwrap().to_owned()
    };
    let (nonce, salt, iterations) = (field("r="), field("s="), field("i="));
    let salt = openssl::base64::decode_block(&salt).unwrap();
    let mut salted = [0; 32];
    let iterations = iterations.parse().unwrap();
    pbkdf2_hmac(
        b"secret",
        &salt,
        iterations,
        MessageDigest::sha256(),
        &mut salted,
    )
    .unwrap();
    let client_key = hmac(&salted, b"Client Key");
    let without_proof = format!("c=biws,r={nonce}");
    let signed = format!("{CLIENT_FIRST},{server_first},{without_proof}");
    let signature = hmac(&sha256(&client_key), signed.as_bytes());
    let proof: Vec<u8> = client_key
        .iter()
        .zip(signature)
        .map(|(a, b)| a ^ b)
        .collect();
    format!("{without_proof},p={}", base64(&proof))
}

#[test]
fn class_09_a_recorded_exchange_is_of_no_use_the_second_time() {
    let target = Target::with(More {
        auth: "mechanisms = [\"SCRAM-SHA-256\", \"PLAIN\"]",
        sections: "[auth.scram]\nstore = true\niterations = 4096\n",
        ..More::default()
    });
    let begin = || {
        let mut wire = target.wire();
        assert_eq!(wire.ask("AUTH SCRAM-SHA-256"), "+ ");
        let reply = wire.ask(&base64(format!("n,,{CLIENT_FIRST}").as_bytes()));
        (wire, String::from_utf8(challenge(&reply)).unwrap())
    };
    let (mut wire, first) = begin();
    let recorded = base64(client_final(&first).as_bytes());
    let verdict = wire.ask(&recorded);
    assert!(challenge(&verdict).starts_with(b"v="));
    assert_eq!(wire.ask(""), WELCOME);
    for _ in 0..3 {
        let (mut wire, again) = begin();
        assert_ne!(again, first);
        assert!(wire.ask(&recorded).starts_with("-ERR"));
    }
    // Nor a moment later on the same connection, in the same breath.
    let (mut wire, _) = begin();
    assert!(wire.ask(&recorded).starts_with("-ERR"));
    assert!(wire.ask(&recorded).starts_with("-ERR"));
}

const NTLM: &str = "mechanisms = [\"NTLM\", \"PLAIN\"]";
const NTLM_SECTION: &str = "[auth.ntlm]\nkey_file = \"keys/ntlm\"\nnetbios_domain = \"CORP\"\n";

fn ntlm_target(auth: &str) -> Target {
    let place = place(More {
        auth: &format!("{NTLM}\n{auth}"),
        sections: NTLM_SECTION,
        protocol: "max_auth_failures = 1000\nmax_protocol_errors = 1000",
        ..More::default()
    });
    let add = ["user", "add", "ann", "--password-stdin", "--nt-hash"];
    place.run(&add, "secret\n").octets();
    Target::start(place)
}

/// NEGOTIATE_MESSAGE with usual flags (MS-NLMP 2.2.1.1).
fn type_1() -> String {
    let mut message = b"NTLMSSP\0\x01\0\0\0".to_vec();
    message.extend(0xa208_8207_u32.to_le_bytes());
    message.extend([0; 16]);
    base64(&message)
}

#[test]
fn class_09_no_challenge_of_ntlm_comes_twice() {
    let target = ntlm_target("");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let mut wire = target.wire();
        assert_eq!(wire.ask("AUTH NTLM"), "+ ");
        let type_2 = challenge(&wire.ask(&type_1()));
        assert!(seen.insert(type_2[24..32].to_vec()));
    }
}

/// One connection that a victim believes to be with their server, handed on line by line.
fn relay(to: SocketAddr, folder: &std::path::Path) -> SocketAddr {
    let (file, key) = certificate(folder, "attacker");
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_certificate_chain_file(file).unwrap();
    acceptor
        .set_private_key_file(key, SslFiletype::PEM)
        .unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for victim in listener.incoming().map_while(Result::ok) {
            let Ok(mut victim) = acceptor.accept(victim) else {
                continue;
            };
            let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
            connector.set_verify(SslVerifyMode::NONE);
            let mut connect = connector.build().configure().unwrap();
            connect.set_verify_hostname(false);
            let server = connect.connect("localhost", TcpStream::connect(to).unwrap());
            let mut server = BufReader::new(server.unwrap());
            let (mut reply, mut octet) = (String::new(), [0]);
            while server.read_line(&mut reply).is_ok_and(|count| count > 0) {
                if victim.write_all(reply.as_bytes()).is_err() {
                    break;
                }
                reply.clear();
                let mut command = Vec::new();
                while !command.ends_with(b"\n") && victim.read(&mut octet).is_ok_and(|n| n > 0) {
                    command.push(octet[0]);
                }
                if command.is_empty() || server.get_mut().write_all(&command).is_err() {
                    break;
                }
            }
        }
    });
    address
}

/// A client of Windows' shape, bound to the TLS that it has.
fn victim(target: &Target, address: SocketAddr) -> String {
    let users = target.place.file("users", "CORP:ann:secret\n");
    // The module is Debian's, and so has to be the interpreter.
    let output = Command::new("/usr/bin/python3")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/ntlm_clients/gss_ntlmssp.py"
        ))
        .args([&address.port().to_string(), "tls", "right"])
        .env("NTLM_USER_FILE", users)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn class_10_a_log_on_that_is_handed_on_from_another_tls_is_refused() {
    for setting in ["", "extended_protection = \"require\"\n"] {
        let target = ntlm_target(setting);
        let straight = victim(&target, target.daemon.addresses[1]);
        assert!(straight.contains(WELCOME), "{straight}");
        let attacker = relay(target.daemon.addresses[1], &target.place.path(""));
        let relayed = victim(&target, attacker);
        assert!(relayed.contains(REFUSED), "{relayed}");
    }
}

#[test]
fn class_10_ntlm_is_not_offered_unless_it_was_asked_for() {
    let target = Target::new();
    let mut wire = target.tls_wire();
    assert!(wire.ask("CAPA").starts_with("+OK"));
    assert!(!wire.lines().iter().any(|line| line.contains("NTLM")));
    assert!(wire.ask("AUTH NTLM").starts_with("-ERR"));
}

/// AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3) of ann with wrong responses of plausible sizes, whose
/// field number `which` has another length, allocation and offset.
fn type_3(which: usize, length: u16, maximum: u16, offset: u32) -> Vec<u8> {
    let payload = [
        vec![7; 24],
        vec![9; 60],
        b"C\0".to_vec(),
        b"a\0n\0n\0".to_vec(),
        b"W\0".to_vec(),
    ];
    let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
    let mut at = 88;
    for (number, part) in payload.iter().chain([&Vec::new()]).enumerate() {
        let (mut has, mut room, mut begins) = (part.len() as u16, part.len() as u16, at);
        if number == which {
            (has, room, begins) = (length, maximum, offset);
        }
        message.extend(has.to_le_bytes());
        message.extend(room.to_le_bytes());
        message.extend(begins.to_le_bytes());
        at += u32::from(part.len() as u16);
    }
    message.extend(0xa208_8205_u32.to_le_bytes());
    message.resize(88, 0);
    message.extend(payload.concat());
    message
}

#[test]
fn class_11_lengths_and_offsets_of_ntlm_lead_nowhere() {
    let target = ntlm_target("");
    let mut wire = target.wire();
    let numbers = [0, 1, 11, 12, 87, 88, 181, 182, 0x7fff, 0xffff];
    let offsets = [
        0,
        1,
        8,
        63,
        88,
        181,
        182,
        0x7fff_ffff,
        0x8000_0000,
        u32::MAX - 1,
        u32::MAX,
    ];
    for which in 0..6 {
        for length in numbers {
            for offset in offsets {
                assert_eq!(wire.ask("AUTH NTLM"), "+ ");
                assert!(wire.ask(&type_1()).starts_with("+ "));
                let message = type_3(which, length, length.wrapping_mul(3), offset);
                let reply = wire.ask(&base64(&message));
                assert!(
                    reply.starts_with("-ERR"),
                    "{which} {length} {offset}: {reply}"
                );
            }
        }
    }
    // And all that are too short.
    let whole = type_3(9, 0, 0, 0);
    for octets in 0..whole.len() {
        assert_eq!(wire.ask("AUTH NTLM"), "+ ");
        assert!(wire.ask(&type_1()).starts_with("+ "));
        let reply = wire.ask(&base64(&whole[..octets]));
        assert!(reply.starts_with("-ERR"), "{octets}: {reply}");
    }
    assert_eq!(wire.ask(&format!("AUTH PLAIN {ANN}")), WELCOME);
}

#[test]
fn class_21_a_certificate_without_the_field_that_names_the_user_names_nobody() {
    let authority = Authority::new();
    let place = place(More {
        tls: "client_ca = \"root.pem\"\nclient_certificates = \"request\"\n",
        auth: "mechanisms = [\"EXTERNAL\", \"PLAIN\"]",
        sections: "[auth.external]\nuser = \"mail\"\n",
        ..More::default()
    });
    authority.write_root(&place.path(""));
    place.add_user("ann@example.org");
    let target = Target::start(place);
    // The name is in every field but the one that counts; the second one has it there.
    let nameless = authority.issue(&["ann@example.org"], Kind::P256);
    let elsewhere = authority.issue_to_client("ann@example.org", "bob@example.org", Kind::P256);
    let right = authority.issue_to_client("whoever", "ann@example.org", Kind::P256);
    for (issued, welcome) in [(nameless, false), (elsewhere, false), (right, true)] {
        let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        connector.set_certificate(&issued.leaf).unwrap();
        connector.set_private_key(&issued.key).unwrap();
        connector
            .add_extra_chain_cert(authority.intermediate.clone())
            .unwrap();
        let connector = connector.build();
        for authorization in ["ann@example.org", ""] {
            let wire = Wire::connect(target.daemon.addresses[1]);
            let Ok(mut wire) = wire.into_tls_as(&connector, "localhost") else {
                assert!(!welcome);
                continue;
            };
            // A certificate that is not for clients may be refused in the handshake's last part.
            let Ok(greeting) = wire.try_line() else {
                assert!(!welcome);
                continue;
            };
            assert!(greeting.starts_with("+OK"));
            let response = match authorization {
                "" => "=".to_owned(),
                name => base64(name.as_bytes()),
            };
            let reply = wire.ask(&format!("AUTH EXTERNAL {response}"));
            assert_eq!(reply == WELCOME, welcome, "{reply}");
        }
    }
}
