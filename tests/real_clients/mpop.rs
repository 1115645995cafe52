//! mpop over STLS, made to pipeline: all RETR in one segment, and all DELE. It ends lines with
//! LF, and nothing else changes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mailroost_testkit::corpus::{self, Message};
use mailroost_testkit::server::TestServer;

use super::child::{Ended, program, run};
use super::mailbox::{
    PASSWORD, assert_same, server, server_with, stored, storing_program, with_lf,
};

fn mpop(server: &TestServer, home: &Path, into: &Path, options: &str) -> Ended {
    let script = home.join("store");
    std::fs::write(&script, storing_program(into)).unwrap();
    let settings = home.join("mpoprc");
    let text = format!(
        "account default\nhost 127.0.0.1\nport {port}\nuser ann\npassword {PASSWORD}\n\
         auth user\ntls on\ntls_starttls on\ntls_trust_file {certificate}\ntimeout 30\n\
         received_header off\npipelining on\nuidls_file {home}/uidls\n\
         delivery mda sh {script}\n{options}\n",
        port = server.address().port(),
        certificate = server.certificate().display(),
        home = home.display(),
        script = script.display(),
    );
    std::fs::write(&settings, text).unwrap();
    std::fs::set_permissions(&settings, PermissionsExt::from_mode(0o600)).unwrap();
    let mut mpop = program("mpop", "mpop", home);
    mpop.arg("--quiet").arg("--file").arg(&settings);
    run(mpop)
}

fn assert_all_arrived(messages: &[Message], into: &Path) {
    let arrived = stored(into);
    assert_eq!(arrived.len(), messages.len());
    for (message, arrived) in messages.iter().zip(&arrived) {
        assert_same(message.name, arrived, &with_lf(message));
    }
}

#[test]
fn pipelined_retrieval_fetches_each_message_once() {
    let (server, messages) = server();
    let home = tempfile::tempdir().unwrap();
    let into = tempfile::tempdir().unwrap();
    mpop(&server, home.path(), into.path(), "keep on").success();
    assert_all_arrived(&messages, into.path());
    // It knows them by their unique-ids.
    mpop(&server, home.path(), into.path(), "keep on").success();
    assert_all_arrived(&messages, into.path());
    assert_eq!(server.messages("ann").unwrap().len(), messages.len());
}

#[test]
fn pipelined_deletion_leaves_nothing() {
    let mut messages = corpus::small();
    messages.extend(corpus::large());
    let (server, messages) = server_with(messages);
    let home = tempfile::tempdir().unwrap();
    let into = tempfile::tempdir().unwrap();
    mpop(&server, home.path(), into.path(), "keep off").success();
    assert_all_arrived(&messages, into.path());
    assert!(server.wait_for_count("ann", 0));
}
