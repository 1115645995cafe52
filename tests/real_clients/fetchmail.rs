//! fetchmail over STLS: `keep` with `uidl`, and `nokeep`. It does not see its own header lines
//! here (`--invisible`, `no rewrite`).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mailroost_testkit::corpus::{self, Message};
use mailroost_testkit::server::TestServer;

use super::child::{Ended, program, run};
use super::mailbox::{PASSWORD, assert_same, server, stored, storing_program, with_lf};

fn fetchmail(server: &TestServer, home: &Path, into: &Path, options: &str) -> Ended {
    let script = home.join("store");
    std::fs::write(&script, storing_program(into)).unwrap();
    let settings = home.join("fetchmailrc");
    let text = format!(
        "set no syslog\nset no bouncemail\nset pidfile \"{home}/pid\"\nset idfile \"{home}/ids\"\n\
         poll 127.0.0.1 protocol pop3 service {port} timeout 30 uidl\n\
         user ann password \"{PASSWORD}\" {options} pass8bits no rewrite\n\
         sslcertfile \"{certificate}\" sslcertck sslcommonname \"localhost\" sslproto \"tls1.2+\"\n\
         mda \"sh {script}\"\n",
        home = home.display(),
        port = server.address().port(),
        certificate = server.certificate().display(),
        script = script.display(),
    );
    std::fs::write(&settings, text).unwrap();
    std::fs::set_permissions(&settings, PermissionsExt::from_mode(0o600)).unwrap();
    let mut fetchmail = program("fetchmail", "fetchmail", home);
    fetchmail
        .args(["--nodetach", "--invisible", "--fetchmailrc"])
        .arg(&settings);
    run(fetchmail)
}

/// What fetchmail makes of a message: LF line ends; a header of its own in front of a body that
/// has none; and a line over its buffer of 8 KiB cut into pieces, each with a NUL and an octet of
/// chance at its end.
fn assert_arrived(message: &Message, arrived: &[u8]) {
    let expected = with_lf(message);
    if message.name == "long-line" {
        let lines: Vec<&[u8]> = arrived.split(|octet| *octet == b'\n').collect();
        let runs = lines
            .iter()
            .map(|line| line.iter().take_while(|o| **o == b'a').count());
        // "after" begins with one, too.
        assert_eq!(runs.sum::<usize>(), 100_001, "{}", message.name);
        return;
    }
    if message.form().header_octets() > 2 {
        assert_same(message.name, arrived, &expected);
        return;
    }
    assert!(
        arrived.starts_with(b"From: FETCHMAIL-DAEMON\n"),
        "{}",
        message.name
    );
    let header_end = arrived.windows(2).position(|pair| pair == b"\n\n").unwrap() + 1;
    assert_same(message.name, &arrived[header_end..], &expected);
}

/// fetchmail's exit status when there was nothing to fetch.
const NO_MAIL: i32 = 1;

#[test]
fn keep_with_uidl_fetches_each_message_once() {
    let (server, messages) = server();
    let home = tempfile::tempdir().unwrap();
    let into = tempfile::tempdir().unwrap();
    fetchmail(&server, home.path(), into.path(), "keep").success();
    let arrived = stored(into.path());
    assert_eq!(arrived.len(), messages.len());
    for (message, arrived) in messages.iter().zip(&arrived) {
        assert_arrived(message, arrived);
    }

    let again = fetchmail(&server, home.path(), into.path(), "keep");
    assert_eq!(again.status.code(), Some(NO_MAIL), "{}", again.stderr);
    assert_eq!(stored(into.path()).len(), messages.len());

    let new = corpus::find("plain").unwrap();
    server.deliver("ann", &new.delivered).unwrap();
    fetchmail(&server, home.path(), into.path(), "keep").success();
    let arrived = stored(into.path());
    assert_eq!(arrived.len(), messages.len() + 1);
    assert_arrived(&new, &arrived[messages.len()]);
    assert_eq!(server.messages("ann").unwrap().len(), messages.len() + 1);
}

#[test]
fn nokeep_fetches_all_and_leaves_nothing() {
    let (server, messages) = server();
    let home = tempfile::tempdir().unwrap();
    let into = tempfile::tempdir().unwrap();
    // With fetchall it uses RETR, otherwise TOP.
    fetchmail(&server, home.path(), into.path(), "nokeep fetchall").success();
    let arrived = stored(into.path());
    assert_eq!(arrived.len(), messages.len());
    for (message, arrived) in messages.iter().zip(&arrived) {
        assert_arrived(message, arrived);
    }
    assert!(server.wait_for_count("ann", 0));
}
