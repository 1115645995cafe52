//! swaks delivers over LMTP, as an operator would try it.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

#[path = "real_clients/child.rs"]
mod child;
mod daemon_program;
mod mta;

use child::{Ended, program, run};
use daemon_program::Place;
use mta::{messages, place};

/// Runs swaks against a TCP address or the path of a Unix socket.
fn swaks(place: &Place, server: &str, arguments: &[&str]) -> Ended {
    let mut command = program("swaks", "swaks", &place.path(""));
    let way = if server.starts_with('/') {
        "--socket"
    } else {
        "--server"
    };
    command.args(["--protocol", "LMTP", way, server]);
    command.args(["--from", "sender@example.net"]);
    command.args(arguments);
    run(command)
}

#[test]
fn swaks_delivers_to_several_recipients_over_tcp_and_unix_socket_pipelined_or_not() {
    let place = place(&["ann", "ben"], "");
    let daemon = place.daemon();
    let [tcp, unix] = &daemon.lmtp[..] else {
        panic!("{:?}", daemon.lmtp);
    };
    for (number, (server, pipelined)) in [(tcp, false), (tcp, true), (unix, false), (unix, true)]
        .into_iter()
        .enumerate()
    {
        let subject = format!("Subject: number {number}");
        let mut arguments = vec!["--to", "ann+list@example.org,ben", "--header", &subject];
        if pipelined {
            arguments.push("--pipeline");
        }
        swaks(&place, server, &arguments).success();
    }
    for (user, path) in [("ann", "ann+list@example.org"), ("ben", "ben")] {
        let messages = messages(daemon.addresses[0], user);
        assert_eq!(messages.len(), 4);
        for (number, message) in messages.iter().enumerate() {
            let begin =
                format!("Return-Path: <sender@example.net>\r\nDelivered-To: {path}\r\nReceived: ");
            assert!(message.starts_with(&begin), "{message}");
            assert!(
                message.contains("\tby pop.example.org with LMTP id "),
                "{message}"
            );
            assert!(message.contains(&format!("\r\nSubject: number {number}\r\n")));
        }
    }
}

#[test]
fn swaks_is_told_who_is_unknown_and_what_is_too_large() {
    let place = place(&["ann"], "max_message_size = 65536");
    let daemon = place.daemon();
    let ended = swaks(&place, &daemon.lmtp[0], &["--to", "zoe@example.org"]);
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(!ended.status.success());
    assert!(said.contains("<** 550 5.1.1 no such user here"), "{said}");
    let large = place.file("large", "a line of a message\r\n".repeat(4_000));
    let body = format!("@{large}");
    let ended = swaks(&place, &daemon.lmtp[1], &["--to", "ann", "--body", &body]);
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(said.contains("552 5.3.4"), "{said}");
    assert!(messages(daemon.addresses[0], "ann").is_empty());
}

#[test]
fn swaks_delivers_a_big_message_whole() {
    let place = place(&["ann"], "");
    let daemon = place.daemon();
    let lines = "0123456789 abcdefghijklmnopqrstuvwxyz .\r\n".repeat(100_000);
    let file = place.file("big", format!("Subject: big\r\n\r\n{lines}"));
    swaks(
        &place,
        &daemon.lmtp[0],
        &["--to", "ann", "--data", &format!("@{file}")],
    )
    .success();
    let messages = messages(daemon.addresses[0], "ann");
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains(&lines));
}
