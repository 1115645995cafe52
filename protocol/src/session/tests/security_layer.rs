//! Security layers of SASL exchanges (RFC 5034 s4): where they begin.

use super::driver::{Connection, World};
use crate::{Ending, Outcome, Policy};

const AUTH: &str = "AUTH PLAIN AGFsaWNlAG9wZW4gc2VzYW1l\r\n";

fn layered() -> Connection {
    let mut world = World::new(&["H: 1\r\n\r\n"]);
    world.brings_a_layer = true;
    let mut connection = Connection::new(Policy::exchange2013(), world);
    connection.take();
    connection
}

#[test]
fn it_begins_behind_the_reply_and_takes_what_was_sent_already() {
    let mut connection = layered();
    let sent = [AUTH.as_bytes(), b"\0\0\0\x04\r\n.\r"].concat();
    connection.send(&sent);
    let reply = "+OK User successfully logged on.\r\n";
    assert_eq!(connection.take(), reply);
    let began = connection.layer_began.take();
    assert_eq!(began, Some((reply.len(), b"\0\0\0\x04\r\n.\r".to_vec())));
    // What comes now came through the layer, and begins with a command.
    assert_eq!(connection.ask("STAT"), "+OK 1 108\r\n");
    assert_eq!(connection.layer_began, None);
}

#[test]
fn without_one_pipelined_commands_are_answered() {
    let mut connection = Connection::new(Policy::exchange2013(), World::new(&[]));
    connection.take();
    connection.send(format!("{AUTH}STAT\r\n").as_bytes());
    assert!(connection.take().ends_with("logged on.\r\n+OK 0 0\r\n"));
    assert_eq!(connection.layer_began, None);
}

#[test]
fn a_session_that_ends_before_it_begins_says_nothing_in_clear() {
    let mut connection = layered();
    connection.holds_effects = true;
    connection.send(AUTH.as_bytes());
    let outcome = Outcome::LoggedOn {
        user: "alice".to_owned(),
        maildrop: connection.world.maildrop.clone(),
        sizes: None,
        security_layer: true,
    };
    let mut out = Vec::new();
    connection.session.resume(outcome, connection.now, &mut out);
    assert_eq!(out, b"+OK User successfully logged on.\r\n");
    connection.session.end(Ending::Shutdown, &mut out);
    assert_eq!(out, b"+OK User successfully logged on.\r\n");
}
