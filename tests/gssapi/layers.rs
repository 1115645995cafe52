//! Contexts of all kinds, security layers, and channel bindings.

use super::client::{CONFIDENTIALITY, Client, INTEGRITY, NO_LAYER, Wish};
use super::stage::{Setup, enter};

const GOOD: &str = "+OK User successfully logged on.";
const REFUSED: &str = "-ERR Logon failure: unknown user name or bad password.";

/// Two MiB in lines.
static LARGE: [u8; 2 * 1024 * 1024] = {
    let mut octets = [b'a'; 2 * 1024 * 1024];
    let mut at = 62;
    while at < octets.len() {
        octets[at] = b'\r';
        octets[at + 1] = b'\n';
        at += 64;
    }
    octets[0] = b'\r';
    octets[1] = b'\n';
    octets
};

fn large() -> Setup {
    Setup {
        message: &LARGE,
        ..Setup::default()
    }
}

/// A session under a layer: a large message, a mark, and its removal.
fn fetch_all(address: std::net::SocketAddr, layer: u8, receives: u32) {
    let mut client = Client::connect(address);
    let (_, layers, size) = client.negotiate(&Wish::default()).unwrap();
    assert_eq!((layers, size), (7, 64 * 1024));
    assert!(client.ask("*").starts_with("-ERR"));
    assert_eq!(client.log_on(&Wish::default(), layer, receives, ""), GOOD);
    assert_eq!(client.ask("STAT"), format!("+OK 1 {}", LARGE.len()));
    assert_eq!(client.ask("RETR 1"), "+OK");
    let arrived = client.lines();
    assert!(
        arrived.strip_suffix(b".\r\n") == Some(&LARGE[..]),
        "{}",
        arrived.len()
    );
    assert_eq!(client.ask("NOPE"), "-ERR Protocol error. 14");
    assert_eq!(client.ask("DELE 1"), "+OK");
    assert!(client.ask("QUIT").starts_with("+OK"));
    assert!(client.ends());
}

#[test]
fn integrity_carries_a_large_message_and_quit() {
    let test = "layers::integrity_carries_a_large_message_and_quit";
    let Some(address) = enter(test, large(), |stage| {
        assert_eq!(stage.place.run(&["mail", "list", "ann"], "").text(), "");
    }) else {
        return;
    };
    fetch_all(address, INTEGRITY, 0x00ff_ffff);
}

#[test]
fn confidentiality_carries_a_large_message_to_a_client_with_a_small_buffer() {
    let test = "layers::confidentiality_carries_a_large_message_to_a_client_with_a_small_buffer";
    let Some(address) = enter(test, large(), |stage| {
        assert_eq!(stage.place.run(&["mail", "list", "ann"], "").text(), "");
    }) else {
        return;
    };
    fetch_all(address, CONFIDENTIALITY, 4096);
}

#[test]
fn whatever_breaks_a_layer_ends_the_session_and_removes_nothing() {
    let test = "layers::whatever_breaks_a_layer_ends_the_session_and_removes_nothing";
    let Some(address) = enter(test, Setup::default(), |stage| {
        let list = stage.place.run(&["mail", "list", "ann"], "").text();
        assert_eq!(list.lines().count(), 1);
    }) else {
        return;
    };
    for fault in ["clear", "repeated", "changed", "too long"] {
        let mut client = Client::connect(address);
        let wish = Wish::default();
        assert_eq!(client.log_on(&wish, CONFIDENTIALITY, 65_536, ""), GOOD);
        assert_eq!(client.ask("DELE 1"), "+OK");
        let mut quit = client.protected(b"QUIT\r\n");
        match fault {
            "clear" => client.send_raw(b"QUIT\r\n"),
            "repeated" => {
                let noop = client.protected(b"NOOP\r\n");
                client.send_raw(&[noop.as_slice(), &noop, &quit].concat());
            }
            "changed" => {
                let last = quit.len() - 1;
                quit[last] ^= 1;
                client.send_raw(&quit);
            }
            _ => client.send_raw(&[&65_537_u32.to_be_bytes(), &quit[4..]].concat()),
        }
        let mut said = String::new();
        loop {
            let line = client.line();
            if line.is_empty() {
                break;
            }
            said += &line;
        }
        assert!(!said.contains("signing off"), "{fault}: {said}");
    }
}

#[test]
fn every_service_of_the_keytab_is_accepted_raw_and_in_spnego() {
    let test = "layers::every_service_of_the_keytab_is_accepted_raw_and_in_spnego";
    let setup = Setup {
        services: &["pop", "POP", "POP3"],
        ..Setup::default()
    };
    let Some(address) = enter(test, setup, |_| {}) else {
        return;
    };
    for (service, spnego) in ["pop", "POP", "POP3"]
        .into_iter()
        .flat_map(|service| [(service, false), (service, true)])
    {
        let wish = Wish {
            service,
            spnego,
            binding: None,
        };
        for layer in [NO_LAYER, INTEGRITY, CONFIDENTIALITY] {
            let mut client = Client::connect(address);
            assert_eq!(
                client.log_on(&wish, layer, 65_536, "ann"),
                GOOD,
                "{service}"
            );
            assert_eq!(client.ask("STAT"), "+OK 1 22");
            assert!(client.ask("QUIT").starts_with("+OK"));
        }
    }
}

/// Log-ons without a binding, with the right one and with a wrong one, inside TLS and outside.
fn bindings(address: std::net::SocketAddr) -> [bool; 5] {
    let log_on = |client: &mut Client, binding: Option<&[u8]>| {
        let wish = Wish {
            binding,
            ..Wish::default()
        };
        let end = client.log_on(&wish, NO_LAYER, 0, "");
        assert!([GOOD, REFUSED].contains(&end.as_str()), "{end}");
        end == GOOD
    };
    let inside = |which: fn(&[u8]) -> Option<&[u8]>| {
        let (mut client, binding) = Client::connect_tls(address);
        log_on(&mut client, which(&binding))
    };
    let outside = |binding| {
        let mut client = Client::connect(address);
        client.send("CAPA");
        let mut offered = false;
        loop {
            let line = client.line();
            offered |= line.starts_with("SASL GSSAPI");
            if line == "." {
                break;
            }
        }
        offered && log_on(&mut client, binding)
    };
    [
        inside(|_| None),
        inside(|binding| Some(binding)),
        inside(|_| Some(b"tls-server-end-point:another")),
        outside(None),
        outside(Some(b"tls-server-end-point:another")),
    ]
}

fn with(auth: &'static str) -> Setup {
    Setup {
        auth,
        ..Setup::default()
    }
}

#[test]
fn bindings_are_not_looked_at_under_none() {
    let test = "layers::bindings_are_not_looked_at_under_none";
    let setup = with("extended_protection = \"none\"");
    let Some(address) = enter(test, setup, |_| {}) else {
        return;
    };
    assert_eq!(bindings(address), [true; 5]);
}

#[test]
fn bindings_have_to_be_right_under_allow() {
    let test = "layers::bindings_have_to_be_right_under_allow";
    let setup = with("extended_protection = \"allow\"");
    let Some(address) = enter(test, setup, |_| {}) else {
        return;
    };
    assert_eq!(bindings(address)[..4], [true, true, false, true]);
}

#[test]
fn bindings_have_to_be_there_under_require() {
    let test = "layers::bindings_have_to_be_there_under_require";
    let setup = with("extended_protection = \"require\"");
    let Some(address) = enter(test, setup, |_| {}) else {
        return;
    };
    assert_eq!(bindings(address), [false, true, false, false, false]);
}

#[test]
fn inside_tls_no_layer_is_offered_and_none_can_be_had() {
    let test = "layers::inside_tls_no_layer_is_offered_and_none_can_be_had";
    let Some(address) = enter(test, Setup::default(), |_| {}) else {
        return;
    };
    let (mut client, _) = Client::connect_tls(address);
    let (_, layers, size) = client.negotiate(&Wish::default()).unwrap();
    assert_eq!((layers, size), (1, 0));
    assert!(client.ask("*").starts_with("-ERR"));
    let refused = client.log_on(&Wish::default(), CONFIDENTIALITY, 65_536, "");
    assert!(refused.starts_with("-ERR"), "{refused}");
    assert_eq!(client.log_on(&Wish::default(), NO_LAYER, 0, ""), GOOD);
    assert_eq!(client.ask("STAT"), "+OK 1 22");
}
