//! What is refused gets one `-ERR`, and the session goes on as if AUTH had never been there.

use std::net::SocketAddr;

use super::client::{CONFIDENTIALITY, Client, NO_LAYER, Wish, encode};
use super::stage::{Setup, Stage, enter};

const REFUSED: &str = "-ERR Logon failure: unknown user name or bad password.";
const MALFORMED: &str = "-ERR Protocol error. 14";

/// Nothing else was said, and the password of the same user is taken.
fn goes_on(mut client: Client) {
    assert_eq!(
        client.ask("STAT"),
        "-ERR Command is not valid in this state."
    );
    assert_eq!(client.ask("USER ann"), "+OK");
    assert_eq!(
        client.ask("PASS secret"),
        "+OK User successfully logged on."
    );
    assert!(client.ask("STAT").starts_with("+OK 1 "));
}

/// Sends a first token as an initial response would be too long for.
fn send_token(client: &mut Client, token: &[u8]) -> String {
    assert_eq!(client.ask("AUTH GSSAPI"), "+ ");
    client.ask(&encode(token))
}

/// The one log-on that failed, as the log has it.
fn why(stage: &Stage) -> String {
    let line = stage.daemon.log_of("log-on failed");
    assert_eq!(line["how"], "GSSAPI");
    line["why"].as_str().unwrap().to_owned()
}

fn refused_at_once(address: SocketAddr, wish: &Wish<'_>) {
    let mut client = Client::connect(address);
    assert_eq!(client.log_on(wish, NO_LAYER, 0, ""), REFUSED);
    goes_on(client);
}

#[test]
fn an_expired_ticket() {
    let setup = Setup {
        clock: Some("+12h"),
        ..Setup::default()
    };
    let Some(address) = enter("refusals::an_expired_ticket", setup, |stage| {
        let why = why(stage);
        assert!(why.contains("Ticket expired"), "{why}");
    }) else {
        return;
    };
    refused_at_once(address, &Wish::default());
}

#[test]
fn a_clock_that_is_off() {
    let setup = Setup {
        clock: Some("+20m"),
        ..Setup::default()
    };
    let Some(address) = enter("refusals::a_clock_that_is_off", setup, |stage| {
        let why = why(stage);
        assert!(why.contains("Clock skew too great"), "{why}");
    }) else {
        return;
    };
    refused_at_once(address, &Wish::default());
}

#[test]
fn a_ticket_for_another_service_of_the_same_keytab() {
    let test = "refusals::a_ticket_for_another_service_of_the_same_keytab";
    let setup = Setup {
        services: &["pop", "imap"],
        ..Setup::default()
    };
    let Some(address) = enter(test, setup, |stage| {
        assert_eq!(
            why(stage),
            "not permitted: the ticket is for another service"
        );
    }) else {
        return;
    };
    let wish = Wish {
        service: "imap",
        ..Wish::default()
    };
    refused_at_once(address, &wish);
}

#[test]
fn a_ticket_for_a_service_that_is_not_in_the_keytab() {
    let test = "refusals::a_ticket_for_a_service_that_is_not_in_the_keytab";
    let Some(address) = enter(test, Setup::default(), |stage| {
        let why = why(stage);
        assert!(why.starts_with("the proof is not accepted: "), "{why}");
    }) else {
        return;
    };
    let wish = Wish {
        service: "smtp",
        ..Wish::default()
    };
    refused_at_once(address, &wish);
}

#[test]
fn an_ap_req_that_was_seen_before() {
    let Some(address) = enter(
        "refusals::an_ap_req_that_was_seen_before",
        Setup::default(),
        |stage| {
            let why = why(stage);
            assert!(why.contains("Request is a replay"), "{why}");
        },
    ) else {
        return;
    };
    let token = Wish::default().token();
    let mut first = Client::connect(address);
    assert!(send_token(&mut first, &token).starts_with("+ "));
    let mut second = Client::connect(address);
    assert_eq!(send_token(&mut second, &token), REFUSED);
    goes_on(second);
    // Nor on the connection that it was made on.
    assert!(first.ask("*").starts_with("-ERR"));
    assert_eq!(send_token(&mut first, &token), REFUSED);
    goes_on(first);
}

#[test]
fn octets_that_are_no_token() {
    let Some(address) = enter(
        "refusals::octets_that_are_no_token",
        Setup::default(),
        |_| {},
    ) else {
        return;
    };
    let token = Wish::default().token();
    let half = &token[..token.len() / 2];
    let mut changed = token.clone();
    changed[token.len() / 2] ^= 0xff;
    let spnego_of_ntlm =
        b"\x60\x1c\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x12\x30\x10\xa0\x0e\x30\x0c\
        \x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a";
    let mut client = Client::connect(address);
    for token in [
        &b""[..],
        b"x",
        b"\x60\x00",
        b"\x60\x84\xff\xff\xff\xff",
        b"NTLMSSP\0\x01\0\0\0\x07\x82\x08\xa2",
        spnego_of_ntlm.as_slice(),
        half,
        &changed,
        &[0x60; 40_000],
    ] {
        let mut end = send_token(&mut client, token);
        if token == spnego_of_ntlm && end.starts_with("+ ") {
            // The system has a library for NTLM; what is inside is looked at when it is done.
            end = client.ask(&encode(b"NTLMSSP"));
        }
        assert!(
            [REFUSED, MALFORMED].contains(&end.as_str()),
            "{token:?}: {end}"
        );
    }
    assert_eq!(client.ask("AUTH GSSAPI"), "+ ");
    assert!(client.ask("no base64!").starts_with("-ERR"));
    goes_on(client);
}

#[test]
fn choices_that_were_not_offered_or_are_somebody_elses() {
    let test = "refusals::choices_that_were_not_offered_or_are_somebody_elses";
    let Some(address) = enter(test, Setup::default(), |_| {}) else {
        return;
    };
    let mut client = Client::connect(address);
    let wish = Wish::default();
    for (layer, receives, authzid, end) in [
        (0, 0, "", MALFORMED),
        (3, 65_536, "", MALFORMED),
        (8, 65_536, "", MALFORMED),
        (CONFIDENTIALITY, 64, "", MALFORMED),
        (NO_LAYER, 0, "ann\0", MALFORMED),
        (NO_LAYER, 0, "bob", REFUSED),
        (CONFIDENTIALITY, 65_536, "bob", REFUSED),
        (NO_LAYER, 0, "nobody", REFUSED),
        (NO_LAYER, 0, "ann@OTHER.LAN", REFUSED),
    ] {
        let said = client.log_on(&wish, layer, receives, authzid);
        assert_eq!(said, end, "{layer} {receives} {authzid:?}");
    }
    // A choice that is not wrapped, and a second acknowledgement.
    client.negotiate(&wish).unwrap();
    assert_eq!(client.ask(&encode(&[1, 0, 0, 0])), MALFORMED);
    client.negotiate(&wish).unwrap();
    assert_eq!(client.ask(""), REFUSED);
    goes_on(client);
    for authzid in ["", "ann", "ann@TEST.LAN"] {
        let mut client = Client::connect(address);
        let end = client.log_on(&wish, NO_LAYER, 0, authzid);
        assert_eq!(end, "+OK User successfully logged on.", "{authzid:?}");
    }
}
