//! curl: plaintext, STLS and implicit TLS; LIST, UIDL, RETR, TOP, DELE. It changes nothing.

use std::process::Command;

use mailroost_testkit::corpus;
use mailroost_testkit::server::TestServer;

use super::child::{program, run};
use super::mailbox::{PASSWORD, assert_same, server, server_with};

#[derive(Clone, Copy, Debug)]
enum How {
    Plain,
    Stls,
    ImplicitTls,
}

fn curl(server: &TestServer, how: How, path: &str) -> Command {
    let folder = server.certificate().parent().unwrap().to_owned();
    let mut curl = program("curl", "curl", &folder);
    curl.args(["--silent", "--show-error", "--max-time", "50"]);
    curl.args(["--user", &format!("ann:{PASSWORD}")]);
    curl.arg("--cacert").arg(server.certificate());
    let (scheme, address) = match how {
        How::Plain => ("pop3", server.address()),
        How::Stls => {
            curl.arg("--ssl-reqd");
            ("pop3", server.address())
        }
        How::ImplicitTls => ("pop3s", server.tls_address()),
    };
    curl.arg(format!("{scheme}://{address}/{path}"));
    curl
}

#[test]
fn each_message_arrives_as_it_is_however_it_travels() {
    let (server, messages) = server();
    for (number, message) in (1..).zip(&messages) {
        // Every message in every way would take a while: they take turns.
        let how = [How::Plain, How::Stls, How::ImplicitTls][number % 3];
        let arrived = run(curl(&server, how, &number.to_string())).success();
        assert_same(message.name, &arrived, &message.form().exact());
    }
}

#[test]
fn a_header_of_a_mebibyte_and_a_message_of_ten_arrive() {
    let (server, messages) = server_with(corpus::large());
    for how in [How::Plain, How::Stls, How::ImplicitTls] {
        for (number, message) in (1..).zip(&messages) {
            let arrived = run(curl(&server, how, &number.to_string())).success();
            assert_same(message.name, &arrived, &message.form().exact());
        }
    }
}

#[test]
fn listings_and_top() {
    let (server, messages) = server();
    for how in [How::Plain, How::Stls, How::ImplicitTls] {
        let list = run(curl(&server, how, "")).success();
        assert_eq!(
            String::from_utf8(list).unwrap().lines().count(),
            messages.len()
        );

        let mut uidl = curl(&server, how, "");
        uidl.args(["--request", "UIDL"]);
        let uidl = String::from_utf8(run(uidl).success()).unwrap();
        assert_eq!(uidl.lines().count(), messages.len());
        let ids = uidl
            .lines()
            .map(|line| line.split_once(' ').unwrap().1.parse::<u64>().unwrap());
        assert!(ids.is_sorted());

        let mut top = curl(&server, how, "");
        top.args(["--request", "TOP 3 2"]);
        let message = &messages[2];
        assert_same(
            "TOP",
            &run(top).success(),
            &without_dots(&message.form().top_lines(2)),
        );
    }
}

/// Transparency undone.
fn without_dots(lines: &[u8]) -> Vec<u8> {
    let lines = lines.split_inclusive(|octet| *octet == b'\n');
    lines
        .flat_map(|line| line.strip_prefix(b".").unwrap_or(line))
        .copied()
        .collect()
}

#[test]
fn dele_removes_what_was_asked_for() {
    let (server, messages) = server();
    let mut dele = curl(&server, How::Stls, "");
    // --head: a reply of one line is all that comes.
    dele.args(["--head", "--request", "DELE 1"]);
    run(dele).success();
    assert!(server.wait_for_count("ann", messages.len() - 1));
    assert_eq!(
        server.messages("ann").unwrap()[0],
        messages[1].form().exact()
    );
}

#[test]
fn a_wrong_password_and_a_missing_message_are_errors() {
    let (server, _messages) = server();
    let mut wrong = curl(&server, How::Stls, "1");
    wrong.args(["--user", "ann:guess"]);
    // CURLE_LOGIN_DENIED
    assert_eq!(run(wrong).status.code(), Some(67));
    let missing = run(curl(&server, How::Stls, "9999"));
    assert!(!missing.status.success());
    assert!(missing.stdout.is_empty());
}
