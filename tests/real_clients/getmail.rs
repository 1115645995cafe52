//! getmail, which speaks neither CAPA nor STLS. Messages go to a program: its Maildir delivery
//! refuses to run as root, and this does not care.

use std::path::Path;

use mailroost_testkit::corpus::Message;
use mailroost_testkit::server::TestServer;

use super::child::{Ended, program, run};
use super::mailbox::{PASSWORD, assert_same, server, stored, storing_program, with_lf};

fn getmail(server: &TestServer, home: &Path, into: &Path, delete: bool) -> Ended {
    let script = home.join("store");
    std::fs::write(&script, storing_program(into)).unwrap();
    let settings = home.join("getmailrc");
    let text = format!(
        "[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = {port}\n\
         username = ann\npassword = {PASSWORD}\ntimeout = 30\n\
         [destination]\ntype = MDA_external\npath = /bin/sh\narguments = (\"{script}\",)\n\
         allow_root_commands = true\n\
         [options]\ndelivered_to = false\nreceived = false\nread_all = false\ndelete = {delete}\n\
         verbose = 0\n",
        port = server.address().port(),
        script = script.display(),
    );
    std::fs::write(&settings, text).unwrap();
    let mut getmail = program("getmail", "getmail6", home);
    getmail
        .arg("--getmaildir")
        .arg(home)
        .arg("--rcfile")
        .arg(&settings);
    run(getmail)
}

/// What getmail makes of a message: a `Return-Path` in front, LF line ends, and no continuation
/// line that is only white space.
fn assert_all_arrived(messages: &[Message], into: &Path) {
    let arrived = stored(into);
    assert_eq!(arrived.len(), messages.len());
    for (message, arrived) in messages.iter().zip(&arrived) {
        let mut expected = b"Return-Path: <unknown>\n".to_vec();
        for line in with_lf(message).split_inclusive(|octet| *octet == b'\n') {
            if message.name != "folded" || line != b" \n" {
                expected.extend(line);
            }
        }
        assert_same(message.name, arrived, &expected);
    }
}

#[test]
fn each_message_is_fetched_once() {
    let (server, messages) = server();
    let home = tempfile::tempdir().unwrap();
    let into = tempfile::tempdir().unwrap();
    getmail(&server, home.path(), into.path(), false).success();
    assert_all_arrived(&messages, into.path());
    // It knows them by their unique-ids.
    getmail(&server, home.path(), into.path(), false).success();
    assert_all_arrived(&messages, into.path());
    assert_eq!(server.messages("ann").unwrap().len(), messages.len());
}

#[test]
fn delete_leaves_nothing() {
    let (server, messages) = server();
    let home = tempfile::tempdir().unwrap();
    let into = tempfile::tempdir().unwrap();
    getmail(&server, home.path(), into.path(), true).success();
    assert_all_arrived(&messages, into.path());
    assert!(server.wait_for_count("ann", 0));
}
