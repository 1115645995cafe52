//! Keys: read before the user changes, and again at a reload.

use std::fs;
use std::os::unix::fs::symlink;

use crate::daemon_program::{Place, SETTINGS, Signal, certificate};
use crate::{BECOME, measures, mode, place};

/// A folder of keys that everybody may enter, and a certificate in it.
fn with_certificate(name: &str) -> Place {
    let place = place("");
    let folder = place.path("keys");
    fs::create_dir(&folder).unwrap();
    let (certificate, key) = certificate(&folder, name);
    place.configure(&format!(
        "{SETTINGS}[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n{BECOME}"
    ));
    place
}

#[test]
fn a_key_of_roots_is_served_and_a_reload_that_cannot_read_it_changes_nothing() {
    let place = with_certificate("first");
    let key = place.path("keys/first-key.pem");
    mode(&key, 0o600);
    let daemon = place.daemon();
    assert_eq!(served_name(&daemon), "first");
    let said = measures(&daemon);
    let of_reload: Vec<_> = said.iter().filter(|(name, ..)| name == "reload").collect();
    assert_eq!(of_reload.len(), 1, "{said:?}");
    assert!(of_reload[0].2.contains("first-key.pem"), "{of_reload:?}");
    daemon.signal(Signal::SIGHUP);
    let line = daemon.log_of("configuration refused, the old one stays");
    assert!(
        line["error"].as_str().unwrap().contains("first-key.pem"),
        "{line}"
    );
    assert_eq!(served_name(&daemon), "first");
    mode(&key, 0o644);
    daemon.signal(Signal::SIGHUP);
    daemon.log_of("configuration reloaded");
    assert_eq!(served_name(&daemon), "first");
}

#[test]
fn a_certificate_is_renewed_by_pointing_links_at_new_files() {
    let place = with_certificate("live");
    let folder = place.path("keys");
    let archive = place.path("archive");
    fs::create_dir(&archive).unwrap();
    let point = |name: &str| {
        let (file, key) = certificate(&archive, name);
        for (link, target) in [("live.pem", file), ("live-key.pem", key)] {
            let new = folder.join("new");
            symlink(target, &new).unwrap();
            fs::rename(new, folder.join(link)).unwrap();
        }
    };
    point("one");
    let daemon = place.daemon();
    assert_eq!(served_name(&daemon), "one");
    point("two");
    daemon.signal(Signal::SIGHUP);
    daemon.log_of("configuration reloaded");
    assert_eq!(served_name(&daemon), "two");
}

#[test]
fn a_file_that_the_start_did_not_name_is_out_of_reach() {
    let place = with_certificate("first");
    let daemon = place.daemon();
    let elsewhere = tempfile::tempdir().unwrap();
    mode(elsewhere.path(), 0o755);
    let (file, key) = certificate(elsewhere.path(), "other");
    let tls = format!("[tls]\ncertificate = {file:?}\nkey = {key:?}\n");
    place.configure(&format!("{SETTINGS}{tls}{BECOME}"));
    daemon.signal(Signal::SIGHUP);
    let line = daemon.log_of("configuration refused, the old one stays");
    assert!(
        line["error"].as_str().unwrap().contains("ermission denied"),
        "{line}"
    );
    drop(daemon);
    // Unless it is among what may be read.
    let folder = elsewhere.path();
    let readable = format!("readable = [{folder:?}]\n");
    let first = place.path("keys/first.pem");
    let first_key = place.path("keys/first-key.pem");
    place.configure(&format!(
        "{SETTINGS}[tls]\ncertificate = {first:?}\nkey = {first_key:?}\n{BECOME}{readable}"
    ));
    let daemon = place.daemon();
    place.configure(&format!("{SETTINGS}{tls}{BECOME}{readable}"));
    daemon.signal(Signal::SIGHUP);
    daemon.log_of("configuration reloaded");
    assert_eq!(served_name(&daemon), "other");
}

/// The common name of the certificate that STLS shows.
fn served_name(daemon: &crate::daemon_program::Daemon) -> String {
    crate::daemon_program::served_name(daemon.addresses[0])
}
